"""3-D convolutions by the fastest implementation on each device; results equal those of PyTorch.

cuDNN's 3-D kernels are slow for training on a GPU, deterministic and in full precision: 675 ms for a step of the recipe
``base`` on an H200. With the bands under a kernel as channels of cuDNN's 2-D kernels, a step takes 112 ms. Maps do not
use this, as their values would depend on the number of blocks per batch (decision 0018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv3d(nn.Conv3d):
    """``nn.Conv3d``, ten times as fast for a single tile on a CPU without gradients.

    PyTorch uses an unvectorised kernel for a batch of one with few channels and bands (``use_mkldnn`` in its
    Convolution.cpp requires more than 20,480 values without the last axis). This class calls oneDNN's kernel instead.
    """

    def forward(self, x: Tensor, *, valid: bool = False, norm: nn.BatchNorm3d | None = None) -> Tensor:
        """With ``valid``, rows and columns are not padded, so that no result depends on a border.

        ``norm`` is applied to the result; in evaluation mode, it is folded into weights and bias.
        """
        weight, bias = self.weight, self.bias
        if norm is not None and not norm.training:
            weight, bias = self._folded(norm)
        y = self._convolved(x, weight, bias, valid)
        return norm(y) if norm is not None and norm.training else y

    def _folded(self, norm: nn.BatchNorm3d) -> tuple[Tensor, Tensor]:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert self.bias is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        bias = (self.bias - norm.running_mean) * scale + norm.bias
        return self.weight * scale[:, None, None, None, None], bias

    def _convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None, valid: bool) -> Tensor:
        assert not isinstance(self.padding, str)
        padding = (self.padding[0], 0, 0) if valid else self.padding
        if x.device.type == "cuda" and torch.is_grad_enabled():
            return in_planes(x, weight, bias, self.stride[0], padding)
        fast = x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
        if torch.is_grad_enabled() or not fast:
            return F.conv3d(x, weight, bias, self.stride, padding, self.dilation, self.groups)
        return torch.mkldnn_convolution(x, weight, bias, padding, self.stride, self.dilation, self.groups)


class Doubling3d(nn.ConvTranspose3d):
    """``nn.ConvTranspose3d`` that doubles the bands: kernel (4, k, k), stride (2, 1, 1), padding (1, k/2, k/2)."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """``(B, C, S, H, W) -> (B, C', 2 S, H, W)``."""
        if x.device.type == "cuda" and torch.is_grad_enabled():
            return doubled_in_planes(x, self.weight, self.bias)
        return super().forward(x, output_size)


def in_planes(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, ...]) -> Tensor:
    """``F.conv3d`` with a stride along the bands only, by ``F.conv2d``: (B, C, S, H, W) -> (B, C', S', H', W')."""
    taps = weight.shape[2]
    x = _bands_first(x, padding[0])
    last = x.shape[1] - taps + 1
    return _planes([x[:, i : i + last : stride] for i in range(taps)], weight, bias, padding[1:])


def doubled_in_planes(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``F.conv_transpose3d`` of a layer :class:`Doubling3d` by ``F.conv2d``.

    Taps 3 and 1 combine bands j − 1 and j to band 2j; taps 2 and 0 combine bands j and j + 1 to band 2j + 1.
    """
    turned, padding = weight.transpose(0, 1).flip(3, 4), (weight.shape[3] // 2,) * 2
    x = _bands_first(x, 1)
    before, at, after = x[:, :-2], x[:, 1:-1], x[:, 2:]
    even = _planes([before, at], turned[:, :, [3, 1]], bias, padding)
    odd = _planes([at, after], turned[:, :, [2, 0]], bias, padding)
    return torch.stack([even, odd], dim=3).flatten(2, 3)


def _bands_first(x: Tensor, padding: int) -> Tensor:
    """``(B, C, S, H, W) -> (B, S', H, W, C)``, with ``padding`` empty bands before and after."""
    return F.pad(x.permute(0, 2, 3, 4, 1), (0, 0, 0, 0, 0, 0, padding, padding))


def _planes(taps: list[Tensor], weight: Tensor, bias: Tensor | None, padding: tuple[int, ...]) -> Tensor:
    """Sum over taps, (B, S, H, W, C) each, with weights (C', C, taps, k, k): (B, C', S, H', W')."""
    planes = torch.cat(taps, dim=4).flatten(0, 1).permute(0, 3, 1, 2)  # channels last in memory
    kernel = weight.transpose(1, 2).flatten(1, 2).contiguous(memory_format=torch.channels_last)
    y = F.conv2d(planes, kernel, bias, 1, padding)
    return y.unflatten(0, (len(taps[0]), -1)).transpose(1, 2)
