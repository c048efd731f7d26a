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

    def forward(self, x: Tensor, *, valid: bool = False) -> Tensor:
        """With ``valid`` rows and columns are not padded, so that no result has seen a border."""
        assert not isinstance(self.padding, str)
        padding = (self.padding[0], 0, 0) if valid else self.padding
        fast = x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
        if torch.is_grad_enabled() or not fast:
            return F.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return torch.mkldnn_convolution(x, self.weight, self.bias, padding, self.stride, self.dilation, self.groups)
