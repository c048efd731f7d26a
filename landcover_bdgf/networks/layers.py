"""Layers that the branches share, most for windows or pixels side by side in the last axis, vectors in the first."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.networks.scan import runs_compiled

try:
    from landcover_bdgf.networks import layers_numba
except (ImportError, RuntimeError):  # as in scan.py
    layers_numba = None  # type: ignore[assignment]

PERIOD = 256  # values in an innermost loop over channels, which alone would be too few
PIECE = 512  # windows or pixels; with hundreds of values each they fill a core's cache


def in_pieces(function: Callable[..., Tensor], *tensors: Tensor, size: int = PIECE, dim: int = -1) -> Tensor:
    """``function`` along one axis of ``tensors``; on a CPU without gradients piece by piece, the same numbers.

    There large temporaries cost more time, in page faults and cache misses, than the arithmetic; and memory.
    """
    whole = tensors[0].device.type != "cpu" or torch.is_grad_enabled() or tensors[0].shape[dim] <= size
    if whole:
        return function(*tensors)
    pieces = zip(*(t.split(size, dim) for t in tensors), strict=True)
    return torch.cat([function(*parts) for parts in pieces], dim)


def project(linear: nn.Module, x: Tensor) -> Tensor:
    """A linear layer along the first axis: ``(d, …) -> (d', …)``."""
    assert isinstance(linear, nn.Linear)
    flat = x.flatten(1)
    y = linear.weight @ flat if linear.bias is None else torch.addmm(linear.bias[:, None], linear.weight, flat)
    return y.unflatten(1, x.shape[1:])


def normalise(x: Tensor) -> Tensor:
    """Layer norm along the first axis, without scale and shift."""
    if runs_compiled(x):
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        layers_numba.normalise(x.contiguous().flatten(1).numpy(), out.flatten(1).numpy())
        return out
    return F.layer_norm(x.movedim(0, -1), x.shape[:1]).movedim(-1, 0)


def activate(x: Tensor, norm: nn.BatchNorm3d, shift: Tensor | None = None) -> Tensor:
    """norm(ReLU(x)) + shift, in place where nothing needs what was there: ``(B, C, S, H, W), (B, C)``."""
    side_by_side = x.is_contiguous(memory_format=torch.channels_last_3d)  # the channels of a voxel
    if norm.training or not (side_by_side and runs_compiled(x)):
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


def window_mean(x: Tensor, size: int) -> Tensor:
    """Mean of each size × size window: ``(B, C, H, W) -> (B, C, H − size + 1, W − size + 1)``."""
    if x.shape[-2:] == (size, size):
        return x.mean((-2, -1), keepdim=True)
    row = x.new_full((x.shape[1], 1, size, 1), 1 / size)  # two depthwise convolutions: ten times F.avg_pool2d's speed
    return F.conv2d(F.conv2d(x, row, groups=len(row)), row.transpose(2, 3), groups=len(row))


def crop(x: Tensor, px: int) -> Tensor:
    """Cut ``px`` pixels off each side of the last two axes."""
    return x[..., px : x.shape[-2] - px, px : x.shape[-1] - px] if px else x
