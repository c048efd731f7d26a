"""3-D convolution by the fast CPU kernel, whatever the size of the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv3d(nn.Conv3d):
    """As ``nn.Conv3d``; ten times faster for a single tile on a CPU, when no gradient is wanted.

    PyTorch sends a batch of one with few channels and bands to an unvectorised kernel (``use_mkldnn`` in its
    Convolution.cpp asks for more than 20,480 values without the last axis), but lets one ask for oneDNN's.
    """

    def forward(self, x: Tensor, *, valid: bool = False, norm: nn.BatchNorm3d | None = None) -> Tensor:
        """With ``valid`` rows and columns are not padded, so that no result has seen a border.

        ``norm`` follows; where it is fixed, its scale and shift are multiplied into weights and bias.
        """
        weight, bias = self.weight, self.bias
        if norm is not None and not norm.training:
            weight, bias = self._multiplied(norm)
        y = self._convolved(x, weight, bias, valid)
        return norm(y) if norm is not None and norm.training else y

    def _multiplied(self, norm: nn.BatchNorm3d) -> tuple[Tensor, Tensor]:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert self.bias is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        bias = (self.bias - norm.running_mean) * scale + norm.bias
        return self.weight * scale[:, None, None, None, None], bias

    def _convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None, valid: bool) -> Tensor:
        assert not isinstance(self.padding, str)
        padding = (self.padding[0], 0, 0) if valid else self.padding
        fast = x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
        if torch.is_grad_enabled() or not fast:
            return F.conv3d(x, weight, bias, self.stride, padding, self.dilation, self.groups)
        return torch.mkldnn_convolution(x, weight, bias, padding, self.stride, self.dilation, self.groups)
