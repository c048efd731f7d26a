"""The sequential branch: a Mamba block along the spectrum of each pixel, and group attention (eq. 20–24).

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    L           bands of one sensor, the length of the sequence
    e           channels of a token; the block widens them to 2e
    delta       step size of the state space model              Δ
    A, B, C, D  its matrices; A is diagonal
    n           states per channel
    g           channels of the group attention
    Q, K, V, E, A, lambda   of the channel attention            eq. 21–23
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.networks.cnn import crop
from landcover_bdgf.networks.pieces import in_pieces, piece_size
from landcover_bdgf.networks.scan import selective_scan
from landcover_bdgf.recipe import FusionRecipe


class MambaBlock(nn.Module):
    """``(N, L, e) -> (N, L, e)``: (SSM · FC x) ⊗ (FC x), projected and added to x (eq. 20)."""

    def __init__(self, e: int, *, states: int, conv: int) -> None:
        super().__init__()
        inner, self.rank, self.states = 2 * e, max(1, e // 16), states
        self.norm = nn.LayerNorm(e)
        self.enter = nn.Linear(e, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, conv, groups=inner, padding=conv - 1)
        self.select = nn.Linear(inner, self.rank + 2 * states, bias=False)
        self.delta = nn.Linear(self.rank, inner)
        self.log_a = nn.Parameter(torch.arange(1, states + 1).float().log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.leave = nn.Linear(inner, e, bias=False)
        # step sizes start between 0.001 and 0.1, evenly in the logarithm, as in Mamba (Gu and Dao 2023)
        step = torch.exp(torch.linspace(-6.9, -2.3, inner))
        self.delta.bias.data = step + torch.log(-torch.expm1(-step))

    def forward(self, x: Tensor) -> Tensor:
        u, gate = self.enter(self.norm(x)).chunk(2, dim=-1)
        u = F.silu(self.conv(u.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))  # causal
        rank, B, C = self.select(u).split([self.rank, self.states, self.states], dim=-1)
        delta = F.softplus(self.delta(rank))
        y = selective_scan(u, delta, -self.log_a.exp(), B, C) + self.D * u
        return x + self.leave(y * F.silu(gate))


class SpectralMamba(nn.Module):
    """The bands of each pixel as a sequence: ``(B, L, H, W) -> (B, d, H, W)``."""

    def __init__(self, bands: int, d: int, *, e: int, states: int, conv: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(bands, e) * 0.5)
        self.position = nn.Parameter(torch.randn(bands, e) * 0.5)
        self.block = MambaBlock(e, states=states, conv=conv)
        self.fold = nn.Linear(bands * e, d)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)  # (B, H, W, L)
        f = in_pieces(self._folded, pixels.flatten(0, 2))
        return f.unflatten(0, pixels.shape[:3]).permute(0, 3, 1, 2)

    def _folded(self, pixels: Tensor) -> Tensor:  # (N, L) -> (N, d)
        tokens = pixels[..., None] * self.weight + self.position  # (N, L, e)
        folded: Tensor = self.fold(self.block(tokens).flatten(1))
        return folded


class GroupAttention(nn.Module):
    """Window mean of F_GA: ``(B, d, h, w) and guides -> (B, d, h − size + 1, w − size + 1)`` (eq. 21–24).

    Each kind of feature has Q, K, V of g channels. A window's similarity E = Q Kᵀ is a sum over its pixels; it is
    divided by their number here, so that the sharpness of the softmax does not depend on the window size.

    With V_i, A_i of the i-th feature and f of the Mamba, F_GA = Σ_i W_i (λ_i A_i V_i + V_i) ⊙ f + f at each
    pixel p of the window. Its mean needs no product per pixel and window: mean_p (W_i A_i V_ip)_c f_pc is the
    diagonal of W_i A_i G_i with the Gram matrix G_i = mean_p V_ip f_pᵀ.
    """

    def __init__(self, d: int, g: int, kinds: int) -> None:
        super().__init__()
        self.g = g
        self.qkv = nn.ModuleList(nn.Linear(d, 3 * g) for _ in range(kinds))
        self.lam = nn.Parameter(torch.zeros(kinds))
        self.mixes = nn.ModuleList(nn.Linear(g, d, bias=i == 0) for i in range(kinds))

    def forward(self, f: Tensor, guides: list[Tensor], size: int) -> Tensor:
        kinds = [x.permute(0, 2, 3, 1).contiguous() for x in (f, *guides)]  # channels side by side: (B, h, w, d)
        qkv = [layer(kind) for layer, kind in zip(self.qkv, kinds, strict=True)]
        mixed = sum(mix(x[..., 2 * self.g :]) for mix, x in zip(self.mixes, qkv, strict=True))  # Σ W_i V_i
        mean = F.avg_pool2d(((1 + mixed) * kinds[0]).permute(0, 3, 1, 2), size, stride=1)
        seen = torch.cat([kinds[0], *(x[..., n * self.g : (n + 1) * self.g] for n in range(3) for x in qkv)], dim=-1)
        height, width = mean.shape[2:]
        step = max(1, piece_size(f) // width)  # rows of windows at once
        bands = [seen[:, r : r + step + size - 1] for r in range(0, height, step)]
        attended = [self._attended(windows(band, size)).unflatten(0, (len(f), -1, width)) for band in bands]
        return mean + torch.cat(attended, dim=1).permute(0, 3, 1, 2)

    def _attended(self, seen: Tensor) -> Tensor:  # f, then Q, K, V of all kinds, (N, size², ·) -> (N, d)
        count, d, n = len(self.qkv), seen.shape[2] - 3 * len(self.qkv) * self.g, seen.shape[1]
        f, Q, K, V = seen.split([d, *[count * self.g] * 3], dim=-1)
        weighted = []
        for i, weight in enumerate(mix.get_parameter("weight") for mix in self.mixes):
            part = slice(i * self.g, (i + 1) * self.g)
            E = K[..., part].transpose(1, 2) @ Q[..., part] / n  # transposed: (N, K's channels, Q's channels)
            A = torch.softmax(-E, dim=1)  # of rowmax − E, as a softmax does not see what a row has in common
            weighted.append(F.linear(A, self.lam[i] / n * weight))  # (λ_i W_i A_i)ᵀ, (N, g, d)
        return (torch.cat(weighted, dim=1) * (V.transpose(1, 2) @ f)).sum(1)


def windows(x: Tensor, size: int) -> Tensor:
    """All complete windows: ``(B, h, w, C) -> (B · h' · w', size², C)``."""
    if x.shape[1:3] == (size, size):
        return x.flatten(1, 2)
    return x.unfold(1, size, 1).unfold(2, size, 1).permute(0, 1, 2, 4, 5, 3).flatten(3, 4).flatten(0, 2)


class MambaBranch(nn.Module):
    """``(B, S, H, W), (B, R, H, W), guides -> (B, d, H − 8, W − 8)``.

    Works on the ``size`` × ``size`` centre of the window, where the features of the CNN exist.
    """

    def __init__(self, bands: int, sar_bands: int, recipe: FusionRecipe) -> None:
        super().__init__()
        d, block = recipe.d, {"e": recipe.mamba_channels, "states": recipe.mamba_states, "conv": recipe.mamba_conv}
        self.margin_px, self.size = (recipe.patch - recipe.centre_px) // 2, recipe.centre_px
        self.spec = SpectralMamba(bands, d, **block)
        self.sar = SpectralMamba(sar_bands, d, **block)
        kinds = 3 if "cnn" in recipe.branches else 2  # the Mamba's own features, diffusion and CNN features
        self.group = GroupAttention(d, recipe.group_channels, kinds) if "mamba" in recipe.guided else None
        self.join = nn.Conv2d(4 * d, d, 1)

    def forward(self, spec: Tensor, sar: Tensor, guides: list[Tensor]) -> Tensor:
        """``guides`` are diffusion and CNN features on the same central pixels, as far as there are any."""
        f_spec, f_sar = self.spec(crop(spec, self.margin_px)), self.sar(crop(sar, self.margin_px))
        mean_sar = F.avg_pool2d(f_sar, self.size, stride=1)
        mean_spec = self.group(f_spec, guides, self.size) if self.group else F.avg_pool2d(f_spec, self.size, stride=1)
        centre = (self.size - 1) // 2
        return self.join(torch.cat([mean_spec, mean_sar, crop(f_spec, centre), crop(f_sar, centre)], dim=1))
