"""HLMamba: image, SAR and its edges at three scales, fused by one Mamba (Liao et al. 2024).

Joint classification of hyperspectral and LiDAR data based on Mamba, doi:10.1109/TGRS.2024.3459709; here with SAR.

Glossary
    S, R    channels of the image and of the SAR
    p       side of a scale's window, 8, 16 or 24 px, all with the same centre
    alpha   weights of SAR and edges beside the image

Choices where the description is silent
    - Edges: the length of the Sobel gradient over all SAR bands, one channel.
    - Image, SAR and edges are mixed at each scale, with alpha of 1 at first; the Mamba then fuses the scales.
    - The first convolutions see the largest window once, and the smaller windows are cut from their results.
    - The last linear layer before the Mamba makes 64 features from the pixels, so a token is a channel.
    - The Mamba is our block, which normalises its input and is added to it. Fused scales are averaged.
    - One head sees the mean of the mixed channels, the other the fused tokens; both have a hidden layer of 64 channels.
    - The mean of the heads is that of their logits.
    - The learning rate falls by a tenth every 50 epochs; the step of the published decay is not known.
    - Parameters, in millions: 0.276, 0.295 and 0.228 for 180, 244 and 10 bands with 7, 8 and 13 classes, beside 0.275,
      0.294 and 0.227 of the published code. (Table 9 of the paper prints 0.23, 0.19 and 0.18.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Schedule, Sizes
from landcover_bdgf.bench.systems.stems import CHANNELS, conv2d
from landcover_bdgf.bench.systems.system import System
from landcover_bdgf.model import MambaBlock

STEM = 32


class HlMambaNetwork(nn.Module):
    """``(N, S, 24, 24), (N, R, 24, 24) -> (N, C)``."""

    def __init__(self, sizes: Sizes, scales_px: Sequence[int]) -> None:
        super().__init__()
        self.spec = conv2d(sizes.bands, STEM, padding=1)
        self.sar = conv2d(sizes.sar_bands, STEM, padding=1)
        self.edges = conv2d(1, STEM, size=1)
        self.scales = nn.ModuleList(Scale(p) for p in scales_px)
        self.mamba = MambaBlock(CHANNELS, states=16, conv=4)  # the same for all scales, as the layers after it
        self.after = nn.Sequential(nn.Conv1d(CHANNELS, CHANNELS, 1), nn.BatchNorm1d(CHANNELS), nn.ReLU())
        self.heads = nn.ModuleList(head(sizes.classes) for _ in range(2))

    def forward(self, spec: Tensor, sar: Tensor) -> Tensor:
        stems = self.spec(spec), self.sar(sar), self.edges(edges(sar))
        mixed, tokens = zip(*(scale(*stems) for scale in self.scales), strict=True)
        means = sum(x.mean((2, 3)) for x in mixed) / len(mixed)
        fused = sum(self._fused(x).mean(2) for x in tokens) / len(tokens)
        first, second = (head(x) for head, x in zip(self.heads, (means, fused), strict=True))
        return (first + second) / 2

    def _fused(self, tokens: Tensor) -> Tensor:
        """``(N, 64, 64) -> (N, 64, 64)``; the axes of the Mamba are features, tokens, windows."""
        return self.after(self.mamba(tokens.permute(2, 1, 0)).permute(2, 1, 0))


class Scale(nn.Module):
    """Of the centre of stems (N, 32, 24, 24) of three kinds, their mix (N, 64, p, p) and its tokens (N, 64, 64)."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.p = p
        self.convs = nn.ModuleList(conv2d(STEM, CHANNELS, size, size // 2) for size in (3, 3, 1))
        self.alpha = nn.Parameter(torch.ones(2))
        self.pixels = nn.Linear(p * p, CHANNELS)

    def forward(self, *stems: Tensor) -> tuple[Tensor, Tensor]:
        spec, sar, edges = (conv(centre(x, self.p)) for conv, x in zip(self.convs, stems, strict=True))
        mixed = spec + self.alpha[0] * sar + self.alpha[1] * edges
        return mixed, self.pixels(mixed.flatten(2))


def centre(x: Tensor, p: int) -> Tensor:
    """The p × p centre; the pixel at row and column ``side // 2`` moves to ``p // 2``."""
    start = x.shape[-1] // 2 - p // 2
    return x[..., start : start + p, start : start + p]


def edges(sar: Tensor) -> Tensor:
    """Length of the Sobel gradient, per pixel, over all bands: ``(N, R, h, w) -> (N, 1, h, w)``."""
    wide = F.pad(sar, (1, 1, 1, 1), mode="replicate")
    across, down = wide[..., 2:] - wide[..., :-2], wide[..., 2:, :] - wide[..., :-2, :]
    across = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    down = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return (across.square() + down.square()).sum(1, keepdim=True).sqrt() / 8


def head(classes: int) -> nn.Sequential:
    """``(N, 64) -> (N, C)``."""
    return nn.Sequential(
        nn.Linear(CHANNELS, CHANNELS), nn.BatchNorm1d(CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, classes)
    )


class HlMamba(System):
    """Cross-entropy, Adam, 500 epochs."""

    scales_px: ClassVar[tuple[int, ...]] = (8, 16, 24)
    patch_px = max(scales_px)
    schedule = Schedule(epochs=500, learning_rate=5e-4, decay=lambda epoch: 0.9 ** (epoch // 50))

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`HlMambaNetwork`."""
        return HlMambaNetwork(sizes, self.scales_px)
