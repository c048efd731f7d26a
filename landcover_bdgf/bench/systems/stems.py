"""Layers that several systems share: the first convolutions of each sensor, tokens, and attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = 64


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
