"""Layers shared by the branches; most have vectors in the first axis and windows or pixels in the last."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.scan import runs_compiled

try:
    from landcover_bdgf.model.networks.kernels import layers_numba
except (ImportError, RuntimeError):  # as in scan.py
    layers_numba = None  # type: ignore[assignment]

PERIOD = 256  # least length of the innermost loop; channels are repeated up to it
PIECE = 1024  # windows or pixels; with hundreds of values each, they fill the cache of a core


def in_pieces(function: Callable[..., Tensor], *tensors: Tensor, size: int = PIECE, dim: int = -1) -> Tensor:
    """Apply ``function`` to ``tensors``; on a CPU without gradients, piece by piece along one axis.

    The result is the same. On a CPU, page faults and cache misses of large temporaries cost more than the arithmetic.
    """
    whole = tensors[0].device.type != "cpu" or torch.is_grad_enabled() or tensors[0].shape[dim] <= size
    if whole:
        return function(*tensors)
    pieces = zip(*(t.split(size, dim) for t in tensors), strict=True)
    return torch.cat([function(*parts) for parts in pieces], dim)


def project(linear: nn.Module, x: Tensor, plus: Tensor | None = None, *, reuse: bool = False) -> Tensor:
    """A linear layer along the first axis, plus ``plus`` in the same product: ``(d, …) -> (d', …)``.

    ``reuse``: without gradients, the result overwrites ``plus``.
    """
    assert isinstance(linear, nn.Linear)
    flat, shape = x.flatten(1), x.shape[1:]
    if plus is not None:
        assert linear.bias is None
        if reuse and not torch.is_grad_enabled():
            return plus.flatten(1).addmm_(linear.weight, flat).unflatten(1, shape)
        return torch.addmm(plus.flatten(1), linear.weight, flat).unflatten(1, shape)
    y = linear.weight @ flat if linear.bias is None else torch.addmm(linear.bias[:, None], linear.weight, flat)
    return y.unflatten(1, shape)


def normalise(x: Tensor) -> Tensor:
    """Layer norm along the first axis, without scale and shift."""
    if runs_compiled(x):
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        layers_numba.normalise(x.contiguous().flatten(1).numpy(), out.flatten(1).numpy())
        return out
    return F.layer_norm(x.movedim(0, -1), x.shape[:1]).movedim(-1, 0)


def activate(x: Tensor, norm: nn.BatchNorm3d, shift: Tensor | None = None) -> Tensor:
    """norm(ReLU(x)) + shift, in place if gradients allow: ``(B, C, S, H, W), (B, C)``."""
    channels_last = x.is_contiguous(memory_format=torch.channels_last_3d)
    if norm.training or not (channels_last and runs_compiled(x)):
        y: Tensor = norm(F.relu_(x))
        return y if shift is None else y.add_(shift[:, :, None, None, None])
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    offset = norm.bias - norm.running_mean * scale
    offsets = offset.expand(len(x), -1) if shift is None else offset + shift
    repeats = -(-PERIOD // len(scale))
    for own, own_offset in zip(x, offsets, strict=True):
        voxels = own.permute(1, 2, 3, 0).view(-1)
        layers_numba.activate(voxels.numpy(), scale.repeat(repeats).numpy(), own_offset.repeat(repeats).numpy())
    return x


def window_mean(x: Tensor, size: int, stride: int = 1) -> Tensor:
    """Mean of each size × size window at a stride: ``(B, C, H, W) -> (B, C, H', W')``."""
    if x.shape[-2:] == (size, size):
        return x.mean((-2, -1), keepdim=True)
    row = x.new_full((x.shape[1], 1, size, 1), 1 / size)  # two depthwise convolutions: ten times F.avg_pool2d's speed
    x = F.conv2d(x, row, stride=(stride, 1), groups=len(row))
    return F.conv2d(x, row.transpose(2, 3), stride=(1, stride), groups=len(row))


def crop(x: Tensor, px: int) -> Tensor:
    """Remove ``px`` pixels at each side of the last two axes."""
    return x[..., px : x.shape[-2] - px, px : x.shape[-1] - px] if px else x


def normal(*shape: int, std: float) -> nn.Parameter:
    """Normally distributed weights."""
    return nn.Parameter(torch.empty(*shape).normal_().mul_(std))


def drop(x: Tensor, share: float, generator: Generator | None) -> Tensor:
    """Dropout with a generator; without one, nothing is dropped.

    nn.Dropout draws from a state shared by all threads, which differs from run to run.
    """
    if generator is None or not share:
        return x
    return x * (torch.rand(x.shape, generator=generator, device=generator.device) >= share) / (1 - share)


class Readout(nn.Module):
    """Vector of each window from window means and central pixels: ``W [mean x; …; centre y; …] + b``.

    Means and centres commute with the matrix. If it shortens the vectors, it is applied first, once per pixel.
    """

    def __init__(self, d: int, parts: int, size: int) -> None:
        super().__init__()
        self.d, self.size = d, size
        self.join = nn.Conv2d(parts * d, d, 1)

    def forward(
        self,
        means: list[Tensor],
        centres: list[Tensor],
        more: Tensor | None = None,
        then: Tensor | None = None,
        stride: int = 1,
    ) -> Tensor:
        """``(B, d, h, w) each -> (B, d, ⌈(h − size + 1) / stride⌉, ⌈(w − size + 1) / stride⌉)``.

        ``more`` is added to the first mean. With ``then (c, d)`` the vectors are multiplied by that matrix.
        """
        weight, bias = self.join.weight, self.join.bias
        assert bias is not None
        if then is not None:
            weight, bias = torch.tensordot(then, weight, 1), then @ bias
        columns = weight.split(self.d, dim=1)
        poolings = [self._mean] * len(means) + [self._centre] * len(centres)
        total = bias[:, None, None] if more is None else F.conv2d(more, columns[0], bias)
        for column, pool, x in zip(columns, poolings, means + centres, strict=True):
            shorter = len(column) < self.d
            total = total + (pool(F.conv2d(x, column), stride) if shorter else F.conv2d(pool(x, stride), column))
        return total

    def _mean(self, x: Tensor, stride: int) -> Tensor:
        return window_mean(x, self.size, stride)

    def _centre(self, x: Tensor, stride: int) -> Tensor:
        return crop(x, self.size // 2)[..., ::stride, ::stride]
