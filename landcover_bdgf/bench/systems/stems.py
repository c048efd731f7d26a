"""Layers that several systems share: the first convolutions of each sensor, tokens, and attention."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = 64
LEVEL_CHANNELS = (32, 64, 128)


def conv2d(channels: int, width: int, size: int = 3, padding: int = 0) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(channels, width, size, padding=padding), nn.BatchNorm2d(width), nn.ReLU())


class SpectralStem(nn.Module):
    """``(N, S, p, p) -> (N, 64, p − 4, p − 4)``: a 3-D convolution to 8 channels, then a 2-D one over all of them."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        depth = min(3, bands)
        self.cube = nn.Sequential(nn.Conv3d(1, 8, (depth, 3, 3)), nn.BatchNorm3d(8), nn.ReLU())
        self.flat = conv2d(8 * (bands - depth + 1), CHANNELS)

    def forward(self, spec: Tensor) -> Tensor:
        return self.flat(self.cube(spec[:, None]).flatten(1, 2))


class Tokenizer(nn.Module):
    """``(N, 64, h, w) -> (N, T, 64)``: T tokens, each a weighted mean of the pixels (wA, wV)."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.wA = nn.Parameter(nn.init.xavier_normal_(torch.empty(tokens, CHANNELS)))
        self.wV = nn.Parameter(nn.init.xavier_normal_(torch.empty(CHANNELS, CHANNELS)))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(2).transpose(1, 2)  # (N, h · w, 64)
        A = torch.softmax(self.wA @ pixels.transpose(1, 2), dim=2)
        return A @ (pixels @ self.wV)


class Attention(nn.Module):
    """Multi-head attention of queries (N, q, 64) to keys (N, k, 64), projected back to 64 channels."""

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(CHANNELS, heads * width, bias=False)
        self.to_kv = nn.Linear(CHANNELS, 2 * heads * width, bias=False)
        self.out = nn.Linear(heads * width, CHANNELS)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        q, k, v = (self._split(x) for x in (self.to_q(queries), *self.to_kv(keys).chunk(2, dim=-1)))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (N, heads, tokens, width)


class Encoder(nn.Module):
    """A pre-norm transformer block: 8 heads of 8 channels, then a perceptron 64 → 8 → 64, each added to its input."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(CHANNELS), nn.LayerNorm(CHANNELS)
        self.attention = Attention(8, CHANNELS // 8)
        self.perceptron = nn.Sequential(
            nn.Linear(CHANNELS, 8), nn.GELU(), nn.Dropout(dropout), nn.Linear(8, CHANNELS), nn.Dropout(dropout)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.dropout(self.attention(normed, normed))
        return x + self.perceptron(self.norm2(x))


class Levels(nn.Module):
    """Three fused levels: ``(N, S, p, p), (N, R, p, p) -> [(N, 32, p/2, p/2), (N, 64, p/4, p/4), (N, 128, p/8, p/8)]``.

    Each sensor has its own first convolution; the two after it are the same for both, and their batch norms see both
    in one batch: one after the other, the running statistics would fit neither. Trainable scalars α, at first ½, mix
    the sensors at each level.
    """

    def __init__(self, bands: int, sar_bands: int) -> None:
        super().__init__()
        self.spectral, self.sar = pooled(bands, LEVEL_CHANNELS[0]), pooled(sar_bands, LEVEL_CHANNELS[0])
        self.deeper = nn.ModuleList(pooled(*pair) for pair in pairwise(LEVEL_CHANNELS))
        self.alpha = nn.Parameter(torch.full((len(LEVEL_CHANNELS),), 0.5))

    def forward(self, spec: Tensor, sar: Tensor) -> list[Tensor]:
        both = [torch.cat([self.spectral(spec), self.sar(sar)])]
        for layer in self.deeper:
            both.append(layer(both[-1]))
        pairs = (x.chunk(2) for x in both)
        return [share * a + (1 - share) * b for share, (a, b) in zip(self.alpha, pairs, strict=True)]


def pooled(channels: int, width: int) -> nn.Sequential:
    """Padded 3 × 3 convolution, batch norm, ReLU, and the maxima of 2 × 2 pixels."""
    return nn.Sequential(*conv2d(channels, width, padding=1), nn.MaxPool2d(2))


class LevelHeads(nn.Module):
    """A perceptron for each level, applied to each pixel: three levels -> logits ``(3, N, C)``, means of the pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (32, 16, 16), (64, 32, 16), (128, 64, 32)
        self.heads = nn.ModuleList(
            nn.Sequential(*conv2d(a, b, 1), *conv2d(b, c, 1), nn.Conv2d(c, classes, 1)) for a, b, c in widths
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        return torch.stack([head(x).mean((2, 3)) for head, x in zip(self.heads, levels, strict=True)])


def focal(logits: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy with less weight for windows that are classified well: (1 − p)²."""
    entropy = F.cross_entropy(logits, codes, reduction="none")
    return ((1 - torch.exp(-entropy)) ** 2 * entropy).mean()
