"""Fusion-HCT: a hierarchical CNN and transformer whose class tokens ask the other sensor (Zhao et al. 2022).

Joint classification of hyperspectral and LiDAR data, doi:10.1109/TGRS.2022.3232498; here with SAR.

Glossary
    S, R    channels of the image and of the SAR
    T       tokens of a sensor, 4
    cls     class token (N, 1, 64)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.stems import CHANNELS, Attention, Encoder, SpectralStem, Tokenizer, conv2d
from landcover_bdgf.bench.systems.system import System

TOKENS, DROPOUT = 4, 0.1


class FusionHctNetwork(nn.Module):
    """``(N, S, 11, 11), (N, R, 11, 11) -> (N, C)``."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.spectral = SpectralStem(sizes.bands)
        self.sar = conv2d(sizes.sar_bands, CHANNELS)
        self.tokens = Tokenizer(TOKENS)  # the same for both sensors
        self.sequences = nn.ModuleList(Sequence() for _ in range(2))
        self.ask = nn.ModuleList(Cross() for _ in range(2))
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, sizes.classes)) for _ in range(2)
        )

    def forward(self, spec: Tensor, sar: Tensor) -> Tensor:
        stems = self.spectral(spec), self.sar(sar)
        own = [sequence(self.tokens(x)) for sequence, x in zip(self.sequences, stems, strict=True)]
        asked = [ask(a, b) for ask, a, b in zip(self.ask, own, own[::-1], strict=True)]
        first, second = (head(cls[:, 0]) for head, cls in zip(self.heads, asked, strict=True))
        return first + second


class Sequence(nn.Module):
    """``(N, T, 64) -> (N, 1 + T, 64)``: a class token before the tokens, their positions, and one encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.position = nn.Parameter(0.02 * torch.randn(1, 1 + TOKENS, CHANNELS))
        self.dropout = nn.Dropout(DROPOUT)
        self.encoder = Encoder(DROPOUT)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.cat([self.cls.expand(len(tokens), -1, -1), tokens], dim=1)
        return self.encoder(self.dropout(x + self.position))


class Cross(nn.Module):
    """The class token of one sensor asks itself and the tokens of the other: ``(N, 1 + T, 64) twice -> (N, 1, 64)``."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS)
        self.attention = Attention(8, CHANNELS)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        cls = own[:, :1]
        keys = self.norm(torch.cat([cls, other[:, 1:]], dim=1))
        return cls + self.attention(keys[:, :1], keys)


class FusionHct(System):
    """Cross-entropy, Adam, 100 epochs."""

    patch_px = 11
    components = 30

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`FusionHctNetwork`."""
        return FusionHctNetwork(sizes)
