"""The group network as the paper prints it: each window by itself, raw diffusion features in every branch (eq. 11–24).

A window is zero-padded by its convolutions and shares nothing with the next one, so that a map takes hundreds of times
as long as with :mod:`fusion`. Decision 6 lists the choices that the paper leaves open; those of widths and depths bring
parameters and multiply-adds to those of its Table 9.

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    N           windows
    P           pixels of a window, 81
    L           bands of a sensor; spectral bands are completed to 30
    F           diffusion features, twice those of the deepest level of the encoder
    d           embedding size, 64
    e           channels of a token of the Mamba
    k           patch tokens per sensor
    w1_3d …     convolutions, numbered as in the paper      w^3d, w^2d
    cls, tok    class token, patch tokens                   F_cls, F_tok
    Q, K, V, E, A, lam   of the attentions                  Q, K, V, E, A, λ
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.conv import Conv3d
from landcover_bdgf.model.networks.fusion import Inputs, Outputs
from landcover_bdgf.model.networks.layers import drop, normal
from landcover_bdgf.model.networks.mamba import MambaBlock
from landcover_bdgf.model.networks.unet import pad_bands
from landcover_bdgf.model.recipe import FusionRecipe

SPECTRUM = 30  # least number of spectral bands: three unpadded 3-D convolutions need seven, Table 9 implies 30
BLOCKS = 2  # Mamba blocks of each sensor


class LiteralNetwork(nn.Module):
    """Windows to class logits: ``(N, L, 9, 9), (N, R, 9, 9), (N, F / 2, 9, 9) -> Outputs`` of shape (N, ·, 1, 1).

    The paper follows SpectralDiff in its features. The first layer after full down-sampling concatenates the deepest
    level with itself, and Table 9 implies that the features are taken there: each of ``inputs.features`` comes twice.
    """

    def __init__(self, inputs: Inputs, recipe: FusionRecipe) -> None:
        super().__init__()
        self.inputs, self.recipe = inputs, recipe
        self.bands = max(SPECTRUM, inputs.bands)
        sizes = Inputs(self.bands, inputs.sar_bands, 2 * inputs.features, inputs.classes)
        self.cnn = Cnn(sizes, recipe) if "cnn" in recipe.branches else None
        self.transformer = Transformer(sizes, recipe) if "transformer" in recipe.branches else None
        self.mamba = Mamba(sizes, recipe) if "mamba" in recipe.branches else None
        self.heads = nn.ModuleDict({name: nn.Linear(recipe.d, inputs.classes) for name in recipe.branches})
        self.head = nn.Linear(len(recipe.branches) * recipe.d, inputs.classes)

    def forward(self, spec: Tensor, sar: Tensor, features: Tensor, generator: Generator | None = None) -> Outputs:
        """With a ``generator`` (training), dropout is applied to the branch vectors."""
        vectors = self.branch_vectors(spec, sar, features)
        dropped = {name: drop(v, self.recipe.dropout, generator).flatten(1) for name, v in vectors.items()}
        branch_z = {name: self.heads[name](v)[..., None, None] for name, v in dropped.items()}
        return Outputs(self.head(torch.cat(list(dropped.values()), dim=1))[..., None, None], branch_z, vectors)

    def branch_vectors(self, spec: Tensor, sar: Tensor, features: Tensor) -> dict[str, Tensor]:
        """f_cnn, f_trans, f_mamba of the branches in the recipe, each (N, d, 1, 1)."""
        spec, dif = pad_bands(spec, self.bands), torch.cat([features, features], dim=1)
        vectors, f_cnn = {}, None
        if self.cnn is not None:
            f_cnn = self.cnn(spec, sar, dif)
            vectors["cnn"] = f_cnn.mean((-2, -1))
        if self.transformer is not None:
            vectors["transformer"] = self.transformer(spec, sar, dif)
        if self.mamba is not None:
            vectors["mamba"] = self.mamba(spec, sar, dif, f_cnn)
        return {name: vectors[name][..., None, None] for name in self.recipe.branches}


class Mix(nn.Module):
    """share · own + (1 − share) · w2d(dif), with a trainable share: β, γ or α of eq. 11; own is (N, \\*shape, 9, 9)."""

    def __init__(self, features: int, *shape: int) -> None:
        super().__init__()
        self.shape = shape
        self.w2d = nn.Conv2d(features, math.prod(shape), 3, padding=1)
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(self, own: Tensor, dif: Tensor) -> Tensor:
        mixed: Tensor = self.share * own + (1 - self.share) * self.w2d(dif).unflatten(1, self.shape)
        return mixed


class Cnn(nn.Module):
    """f_cnn of eq. 12: ``(N, L, 9, 9), (N, R, 9, 9), (N, F, 9, 9) -> (N, d, 9, 9)``.

    3-D convolutions are padded in rows and columns only. A batch norm and a ReLU, which the paper does not print,
    follow each sum of eq. 11 and 12: without them, all layers would be one linear map.
    """

    def __init__(self, sizes: Inputs, recipe: FusionRecipe) -> None:
        super().__init__()
        d, (w1, w2, w3) = recipe.d, recipe.cnn_widths
        l1, l2, l3 = sizes.bands - 2, sizes.bands - 4, sizes.bands - 6
        self.w1_3d = Conv3d(1, w1, 3, padding=(0, 1, 1))
        self.w2_3d = Conv3d(w1, w2, 3, padding=(0, 1, 1))
        self.w3_3d = Conv3d(w2, w3, 3, padding=(0, 1, 1))
        self.w4_2d = nn.Conv2d(sizes.sar_bands, d, 3, padding=1)
        self.w5_2d = nn.Conv2d(d, w3 * l3, 3, padding=1)
        self.w6_2d = nn.Conv2d(w3 * l3, d, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm3d(w1), nn.BatchNorm3d(w2)
        self.norm3, self.norm_sum = nn.BatchNorm2d(d), nn.BatchNorm2d(w3 * l3)
        self.mixes = None
        if "cnn" in recipe.guided:
            self.mixes = nn.ModuleList(Mix(sizes.features, *shape) for shape in ((w1, l1), (w2, l2), (d,)))

    def forward(self, spec: Tensor, sar: Tensor, dif: Tensor) -> Tensor:
        f1 = F.relu(self.norm1(self._mixed(0, self.w1_3d(spec[:, None]), dif)))
        f2 = F.relu(self.norm2(self._mixed(1, self.w2_3d(f1), dif)))
        f3 = F.relu(self.norm3(self._mixed(2, self.w4_2d(sar), dif)))
        both = self.w3_3d(f2).flatten(1, 2) + self.w5_2d(f3)
        f_cnn: Tensor = self.w6_2d(F.relu(self.norm_sum(both)))
        return f_cnn

    def _mixed(self, number: int, own: Tensor, dif: Tensor) -> Tensor:
        if self.mixes is None:
            return own
        mixed: Tensor = self.mixes[number](own, dif)
        return mixed


class Tokenizer(nn.Module):
    """k tokens of a sensor, each a mean of its pixels with weights of eq. 13: ``(N, L, 9, 9) -> (N, k, d)``."""

    def __init__(self, bands: int, recipe: FusionRecipe) -> None:
        super().__init__()
        self.w7_2d = nn.Conv2d(bands, recipe.d, 3, padding=1)
        self.W_att = nn.Conv2d(recipe.d, recipe.tokens, 1, bias=False)
        self.W_map = nn.Conv2d(bands, recipe.d, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(self.W_att(self.w7_2d(x)).flatten(2), dim=2)  # (N, k, P)
        return weights @ self.W_map(x).flatten(2).transpose(1, 2)


class PixelTokens(nn.Module):
    """All pixels as tokens (eq. 14): ``(N, F, 9, 9) -> (N, P, d)``."""

    def __init__(self, features: int, d: int) -> None:
        super().__init__()
        self.W_map = nn.Conv2d(features, d, 1, bias=False)

    def forward(self, dif: Tensor) -> Tensor:
        return self.W_map(dif).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """What tokens x find in other tokens, plus x: ``(N, q, d), (N, k, d) -> (N, q, d)`` (eq. 15–18).

    One head, and no norm, as printed.
    """

    def __init__(self, d: int, *, bias: bool) -> None:
        super().__init__()
        self.Q, self.K, self.V = (nn.Linear(d, d, bias=bias) for _ in range(3))

    def forward(self, x: Tensor, others: Tensor) -> Tensor:
        scores = self.Q(x) @ self.K(others).transpose(1, 2) / x.shape[2] ** 0.5
        found: Tensor = torch.softmax(scores, dim=2) @ self.V(others) + x
        return found


class Sensor(nn.Module):
    """The class token and the patch tokens of one sensor after self-attention (eq. 13–16)."""

    def __init__(self, tokens: Tokenizer | PixelTokens, d: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.cls = normal(1, 1, d, std=0.02)
        self.attention = Attention(d, bias=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # -> (N, 1, d), (N, k, d)
        f_trans = torch.cat([self.cls.expand(len(x), -1, -1), self.tokens(x)], dim=1)
        attended = self.attention(f_trans, f_trans)
        return attended[:, :1], attended[:, 1:]


class Transformer(nn.Module):
    """f_trans, the sum of the class tokens (eq. 19): ``(N, L, 9, 9), (N, R, 9, 9), (N, F, 9, 9) -> (N, d)``."""

    def __init__(self, sizes: Inputs, recipe: FusionRecipe) -> None:
        super().__init__()
        d, guided = recipe.d, "transformer" in recipe.guided
        self.spec = Sensor(Tokenizer(sizes.bands, recipe), d)
        self.sar = Sensor(Tokenizer(sizes.sar_bands, recipe), d)
        self.dif = Sensor(PixelTokens(sizes.features, d), d) if guided else None
        self.cross = nn.ModuleList(Attention(d, bias=False) for _ in range(3 if guided else 2))

    def forward(self, spec: Tensor, sar: Tensor, dif: Tensor) -> Tensor:
        (cls_spec, tok_spec), (cls_sar, tok_sar) = self.spec(spec), self.sar(sar)
        total = self.cross[0](cls_spec, tok_sar) + self.cross[1](cls_sar, tok_spec)  # eq. 17 and 18
        if self.dif is not None:
            cls_dif, _ = self.dif(dif)
            total = total + self.cross[2](cls_dif, torch.cat([tok_spec, tok_sar], dim=1))
        f_trans: Tensor = total[:, 0]
        return f_trans


class Spectrum(nn.Module):
    """Mamba blocks along the bands of each pixel (eq. 20): ``(N, L, 9, 9) -> (N, e · L, 9, 9)``."""

    def __init__(self, bands: int, recipe: FusionRecipe) -> None:
        super().__init__()
        e, self.bands = recipe.mamba_channels, bands
        self.embed = nn.Linear(1, e)
        sizes = {"states": recipe.mamba_states, "conv": recipe.mamba_conv}
        self.blocks = nn.ModuleList(MambaBlock(e, **sizes, normed=False) for _ in range(BLOCKS))

    def forward(self, x: Tensor) -> Tensor:
        bands = x.movedim(1, 0)  # (L, N, 9, 9)
        tokens = self.embed(bands.flatten(1)[..., None]).movedim(2, 0)  # (e, L, N · P)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.flatten(0, 1).unflatten(1, bands.shape[1:]).movedim(0, 1)


class ChannelAttention(nn.Module):
    """f_CA of one kind of features: ``(N, channels, 9, 9) -> (N, d, 9, 9)`` (eq. 21–23); λ starts at 0."""

    def __init__(self, channels: int, d: int) -> None:
        super().__init__()
        self.w8_2d, self.w9_2d, self.w10_2d = (nn.Conv2d(channels, d, 1) for _ in range(3))
        self.lam = nn.Parameter(torch.zeros(()))

    def forward(self, f: Tensor) -> Tensor:
        Q, K, V = (w(f).flatten(2) for w in (self.w8_2d, self.w9_2d, self.w10_2d))  # (N, d, P)
        E = Q @ K.transpose(1, 2)
        A = torch.softmax(E.amax(2, keepdim=True) - E, dim=2) @ V
        return (self.lam * A + V).unflatten(2, f.shape[2:])


class Mamba(nn.Module):
    """f_mamba: ``(N, L, 9, 9), (N, R, 9, 9), (N, F, 9, 9), (N, d, 9, 9) | None -> (N, d)``.

    The paper obtains it from F_GA and f_m^sar and prints no operation: here a linear layer on their window means.
    Without guidance, or without a CNN, the group attention lacks their features.
    """

    def __init__(self, sizes: Inputs, recipe: FusionRecipe) -> None:
        super().__init__()
        d, e = recipe.d, recipe.mamba_channels
        self.spec, self.sar = Spectrum(sizes.bands, recipe), Spectrum(sizes.sar_bands, recipe)
        self.group, self.w11_2d = None, None
        if "mamba" in recipe.guided:
            kinds = [e * sizes.bands, sizes.features, *([d] if "cnn" in recipe.branches else [])]
            self.group = nn.ModuleList(ChannelAttention(channels, d) for channels in kinds)
            self.w11_2d = nn.Conv2d(len(kinds) * d, e * sizes.bands, 1)
        self.join = nn.Linear(e * (sizes.bands + sizes.sar_bands), d)

    def forward(self, spec: Tensor, sar: Tensor, dif: Tensor, f_cnn: Tensor | None) -> Tensor:
        f_spec, f_sar = self.spec(spec), self.sar(sar)
        if self.group is not None and self.w11_2d is not None:
            kinds = [f_spec, dif, *([] if f_cnn is None else [f_cnn])]
            f_ca = [attention(f) for attention, f in zip(self.group, kinds, strict=True)]
            f_spec = self.w11_2d(torch.cat(f_ca, dim=1)) * f_spec + f_spec  # eq. 24
        f_mamba: Tensor = self.join(torch.cat([f_spec, f_sar], dim=1).mean((-2, -1)))
        return f_mamba
