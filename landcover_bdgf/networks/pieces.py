"""Many windows or pixels in pieces that stay in a core's cache."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor

PIECE = 256  # windows or pixels; with a thousand values each they fill a core's cache


def piece_size(like: Tensor) -> int:
    """How many windows or pixels to take at once: all, but on a CPU without gradients :data:`PIECE`.

    There large temporaries cost more time, in page faults and cache misses, than the arithmetic.
    """
    return PIECE if like.device.type == "cpu" and not torch.is_grad_enabled() else sys.maxsize


def in_pieces(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """``function`` along the first axis of ``tensors``, piece by piece; the same numbers."""
    size = piece_size(tensors[0])
    if len(tensors[0]) <= size:
        return function(*tensors)
    return torch.cat([function(*parts) for parts in zip(*(t.split(size) for t in tensors), strict=True)])
