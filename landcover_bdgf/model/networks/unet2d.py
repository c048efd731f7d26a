"""The small denoiser: a 2-D U-Net whose first layer mixes all bands.

Rows and columns keep their size, as in the 3-D network of the paper; dilated convolutions take the place of halving.
Components have no order along which a convolution could run, and features cost a tenth: decision 0014.

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    B   samples in a batch                     B
    S   bands, SAR first                       channels of x in eq. 8
    C   channels of a layer
    H W rows, columns
    t   diffusion step, 0-based                t − 1
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.layers import crop
from landcover_bdgf.model.networks.unet import TIME_CHANNELS, WIDTHS, TimeEmbedding

DILATIONS = (1, 2, 4)
HALO_PX = 1 + sum(DILATIONS)  # receptive radius of the encoder


class Block2d(nn.Module):
    """3 × 3 convolution → ReLU → BN, plus the time embedding, 1 × 1 convolution → ReLU → BN, added to the input."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.time = nn.Linear(TIME_CHANNELS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, dilation=dilation)
        self.conv2 = nn.Conv2d(channels, channels, 1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, time: Tensor, *, valid: bool = False) -> Tensor:
        """``(B, C, H, W), (B, 32) -> (B, C, H, W)``; with ``valid``, without the pixels that a border affects."""
        y = F.relu(self.conv1(x if valid else F.pad(x, [self.dilation] * 4)))
        y = self.norm1(y) + F.relu(self.time(time))[:, :, None, None]
        y = self.norm2(F.relu(self.conv2(y)))
        return y + (crop(x, self.dilation) if valid else x)


class UNet2d(nn.Module):
    """Predicts the noise or the velocity in a cube of noisy bands; its encoder gives the diffusion features.

    Parameters
    ----------
    bands : int
    width : float
        Multiplies the number of channels, 128 for 1: a quarter has 32.
    """

    def __init__(self, bands: int, width: float = 0.25) -> None:
        super().__init__()
        channels = feature_channels(width)
        self.embed = TimeEmbedding()
        self.first = nn.Conv2d(bands, channels, 3)
        self.down = nn.ModuleList(Block2d(channels, dilation) for dilation in DILATIONS)
        self.join = nn.ModuleList(nn.Conv2d(2 * channels, channels, 1) for _ in DILATIONS)
        self.up = nn.ModuleList(Block2d(channels, 1) for _ in DILATIONS)
        self.last = nn.Conv2d(channels, bands, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, t: Tensor) -> Tensor:  # (B, S, H, W), (B,) -> (B, S, H, W)
        time = self.embed(t)
        *levels, y = self._descend(x, time)
        for join, block, level in zip(self.join, self.up, reversed(levels), strict=True):
            y = block(join(torch.cat([y, level], dim=1)), time)
        predicted: Tensor = self.last(y)
        return predicted

    def features(self, x: Tensor, t: Tensor) -> Tensor:
        """Deepest encoder level, without pixels affected by the border.

        ``(B, S, H, W), (B,) -> (B, C, H − 16, W − 16)``
        """
        return self._descend(x, self.embed(t), valid=True)[-1]

    def _descend(self, x: Tensor, time: Tensor, *, valid: bool = False) -> list[Tensor]:
        y = self.first((x if valid else F.pad(x, [1] * 4)).contiguous(memory_format=torch.channels_last))
        levels = [y]
        for block in self.down:
            y = block(y, time, valid=valid)
            levels.append(y)
        return levels


def feature_channels(width: float) -> int:
    """Number of channels of :meth:`UNet2d.features`, the same for any number of bands."""
    return round(width * WIDTHS[-1])
