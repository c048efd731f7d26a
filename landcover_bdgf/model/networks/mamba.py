"""The sequential branch: a Mamba block along the spectrum of each pixel, and group attention (eq. 20–24).

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    L           bands of one sensor, the length of the sequence
    e           channels of a token; the block widens them to 2e
    delta       step size of the state space model              Δ
    A, B, C, D  its matrices; A is diagonal
    n           states per channel
    g           channels of the group attention
    P           pixels, the last axis
    Q, K, V, E, A, lambda   of the channel attention            eq. 21–23
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.layers import Readout, crop, in_pieces, normal, normalise, project
from landcover_bdgf.model.networks.scan import runs_compiled, selective_scan
from landcover_bdgf.model.recipe import FusionRecipe

try:
    from landcover_bdgf.model.networks.kernels import attention_numba, mamba_numba
except (ImportError, RuntimeError):  # as in scan.py
    attention_numba = mamba_numba = None  # type: ignore[assignment]

PIXELS = 2048  # their tokens fit into the cache of a core
DENSE = 16  # windows in a row; from here on, sharing sums along columns is faster


class MambaBlock(nn.Module):
    """``(e, L, P) -> (e, L, P)``: (SSM · FC x) ⊗ (FC x), projected and added to x (eq. 20).

    ``normed``: of normalised tokens, which the paper does not print.
    """

    def __init__(self, e: int, *, states: int, conv: int, normed: bool = True) -> None:
        super().__init__()
        self.normed = normed
        inner, self.e, self.rank, self.states = 2 * e, e, max(1, e // 16), states
        self.enter = nn.Linear(e, 2 * inner)
        self.conv = nn.Conv2d(inner, inner, (conv, 1), groups=inner)
        self.select = nn.Linear(inner, self.rank + 2 * states, bias=False)
        self.delta = nn.Linear(self.rank, inner)
        self.log_a = nn.Parameter(torch.arange(1, states + 1).float().log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.leave = nn.Linear(inner, e, bias=False)
        self.delta.bias.data = initial_steps(inner)

    def forward(self, x: Tensor) -> Tensor:
        u, z = project(self.enter, normalise(x) if self.normed else x).chunk(2)
        causal = F.pad(u, (0, 0, self.conv.kernel_size[0] - 1, 0))  # a band sees itself and those before it
        u = F.silu(self.conv(causal[None])[0])
        rank, B, C = project(self.select, u).split([self.rank, self.states, self.states])
        return x + project(self.leave, selective_scan(u, project(self.delta, rank), self.A, B, C, self.D, z))

    @property
    def A(self) -> Tensor:  # noqa: N802
        """The state matrix, negative (inner, n)."""
        return -self.log_a.exp()


def initial_steps(channels: int) -> Tensor:
    """delta before softplus: step sizes from 0.001 to 0.1, evenly spaced in the logarithm, as in Mamba."""
    step = torch.exp(torch.linspace(-6.9, -2.3, channels))
    return step + torch.log(-torch.expm1(-step))


class SpectralMamba(nn.Module):
    """The bands of each pixel as a sequence: ``(B, L, H, W) -> (B, d, H, W)``."""

    def __init__(self, bands: int, d: int, *, e: int, states: int, conv: int) -> None:
        super().__init__()
        self.bands = bands
        self.weight = normal(e, bands, 1, std=0.5)
        self.position = normal(e, bands, 1, std=0.5)
        self.block = MambaBlock(e, states=states, conv=conv)
        self.fold = nn.Linear(bands * e, d)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.movedim(1, 0)  # (L, B, H, W)
        f = in_pieces(self._folded, pixels.flatten(1), size=PIXELS)
        return f.unflatten(1, pixels.shape[1:]).movedim(0, 1)

    def _folded(self, pixels: Tensor) -> Tensor:  # (L, P) -> (d, P)
        if runs_compiled(pixels) and pixels.shape[1] >= mamba_numba.LANES:
            tokens = self._tokens_compiled(pixels)  # (e, L, P)
        else:
            tokens = self.block(pixels * self.weight + self.position)
        return project(self.fold, tokens.flatten(0, 1))

    def _tokens_compiled(self, pixels: Tensor) -> Tensor:
        b, tokens = self.block, pixels.new_empty(*self.weight.shape[:2], pixels.shape[1])
        assert b.conv.bias is not None
        weights = (
            self.weight[..., 0], self.position[..., 0], b.enter.weight, b.enter.bias, b.conv.weight[:, 0, :, 0],
            b.conv.bias, b.select.weight, b.delta.weight, b.delta.bias, b.A, b.D, b.leave.weight,
        )  # fmt: skip
        arrays = (a.detach().contiguous().numpy() for a in (pixels, *weights, tokens))
        mamba_numba.tokens_kernel(b.e, b.states, b.rank, b.conv.kernel_size[0])(*arrays)
        return tokens


class GroupAttention(nn.Module):
    """F_GA in two parts: one still to be averaged over each window, one already averaged (eq. 21–24).

    ``(B, d, h, w) and guides -> (B, d, h, w), (B, d, ⌈(h − size + 1) / stride⌉, ⌈(w − size + 1) / stride⌉)``.

    Each kind of feature has Q, K, V of g channels. The similarity E = Q Kᵀ of a window is a sum over its pixels.
    Deviating from the paper, it is divided by their number, so that the softmax does not depend on the window size.

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

    def forward(self, f: Tensor, guides: list[Tensor], size: int, stride: int = 1) -> tuple[Tensor, Tensor]:
        qkv = [project(layer, kind.movedim(1, 0)) for layer, kind in zip(self.qkv, (f, *guides), strict=True)]
        f = f.movedim(1, 0)  # (d, B, h, w); each of qkv (3 g, B, h, w)
        mixed = None
        for mix, x in zip(self.mixes, qkv, strict=True):
            mixed = project(mix, x[2 * self.g :], plus=mixed, reuse=True)  # sum of W_i V_i
        assert mixed is not None
        attended = self._attended_dense if runs_compiled(f) and f.shape[3] - size >= DENSE else self._attended_windows
        return torch.addcmul(f, mixed, f).movedim(0, 1), attended(f, qkv, size, stride)

    def _attended_dense(self, f: Tensor, qkv: list[Tensor], size: int, stride: int) -> Tensor:
        kernel = attention_numba.group_kernel(self.g, size, stride)
        height, width = (n - size + 1 for n in f.shape[2:])
        out = f.new_zeros(f.shape[1], len(f), -(-height // stride), -(-width // stride))
        for x, weight in zip(qkv, self._weights(size), strict=True):
            for b, total in enumerate(out):
                arrays = (*x[:, b].split(self.g), f[:, b], weight)
                kernel(*(a.contiguous().numpy() for a in arrays), total.numpy())
        return out

    def _attended_windows(self, f: Tensor, qkv: list[Tensor], size: int, stride: int) -> Tensor:
        height, width = (n - size + 1 for n in f.shape[2:])
        shape = (f.shape[1], -(-height // stride), -(-width // stride))
        f = windows(f, size, stride)  # (N, size², d)
        total = f.new_zeros(len(f), f.shape[2])
        for x, weight in zip(qkv, self._weights(size), strict=True):
            Q, K, V = windows(x, size, stride).split(self.g, dim=-1)
            E = K.transpose(1, 2) @ Q / f.shape[1]  # transposed: (N, K's channels, Q's channels)
            A = torch.softmax(-E, dim=1)  # softmax of rowmax − E: rowmax cancels
            total = total + (F.linear(A, weight) * (V.transpose(1, 2) @ f)).sum(1)  # W_i A_i, G_i
        return total.unflatten(0, shape).movedim(-1, 1)

    def _weights(self, size: int) -> list[Tensor]:
        """λ_i W_i divided by the number of pixels, (d, g) each."""
        return [lam / size**2 * mix.get_parameter("weight") for lam, mix in zip(self.lam, self.mixes, strict=True)]


def windows(x: Tensor, size: int, stride: int) -> Tensor:
    """All complete windows at a stride: ``(C, B, h, w) -> (B · h' · w', size², C)``."""
    if x.shape[2:] == (size, size):
        return x.flatten(2).permute(1, 2, 0)
    return x.unfold(2, size, stride).unfold(3, size, stride).permute(1, 2, 3, 4, 5, 0).flatten(3, 4).flatten(0, 2)


class MambaBranch(nn.Module):
    """``(B, S, H, W), (B, R, H, W), guides -> (B, d, H − 8, W − 8)``.

    Uses the ``size`` × ``size`` centre of the window, for which the CNN has features.
    """

    def __init__(self, bands: int, sar_bands: int, recipe: FusionRecipe) -> None:
        super().__init__()
        d, block = recipe.d, {"e": recipe.mamba_channels, "states": recipe.mamba_states, "conv": recipe.mamba_conv}
        self.margin_px, self.size = (recipe.patch - recipe.centre_px) // 2, recipe.centre_px
        self.spec = SpectralMamba(bands, d, **block)
        self.sar = SpectralMamba(sar_bands, d, **block)
        kinds = 3 if "cnn" in recipe.branches else 2  # the Mamba's own features, diffusion and CNN features
        self.group = GroupAttention(d, recipe.group_channels, kinds) if "mamba" in recipe.guided else None
        self.join = Readout(d, 4, self.size)

    def forward(
        self,
        spec: Tensor,
        sar: Tensor,
        guides: list[Tensor],
        thens: Sequence[Tensor | None] = (None,),
        stride: int = 1,
    ) -> list[Tensor]:
        """The vectors, for each of ``thens``; multiplied by it if it is a matrix (c, d): (B, c, H − 8, W − 8).

        ``guides`` are diffusion and CNN features of the same central pixels, if present.
        """
        f_spec, f_sar = self.spec(crop(spec, self.margin_px)), self.sar(crop(sar, self.margin_px))
        mean, attended = self.group(f_spec, guides, self.size, stride) if self.group else (f_spec, None)
        return [self.join([mean, f_sar], [f_spec, f_sar], attended, then, stride) for then in thens]
