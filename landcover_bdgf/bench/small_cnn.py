"""A plain small CNN on windows of components and SAR, as a rival: two 3 × 3 convolutions, a mean, a linear layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.labels import Samples

CHANNELS, WINDOW_PX, STEPS, BATCH, RATE, DECAY = 64, 9, 800, 64, 2e-3, 1e-4
DROPPED = 0.5
CENTRE_PX = WINDOW_PX - 4  # after two unpadded convolutions
BAND_PX = 256  # rows that are classified at once


class SmallCnn(nn.Module):
    """``(B, F, H, W) -> (B, C, H − 8, W − 8)``."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(features, CHANNELS, 3), nn.BatchNorm2d(CHANNELS), nn.ReLU(), nn.Dropout(DROPPED),
            nn.Conv2d(CHANNELS, CHANNELS, 3), nn.BatchNorm2d(CHANNELS), nn.ReLU(), nn.Dropout(DROPPED),
        )  # fmt: skip
        self.head = nn.Conv2d(CHANNELS, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.head(F.avg_pool2d(self.convolutions(x), CENTRE_PX, 1))
        return z


def cnn_codes(features: NDArray[np.float32], train: Samples, seed: int) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Train on windows around the training pixels; codes and probabilities of all pixels of ``features`` (F, h, w)."""
    codes = np.unique(train.codes)
    half = WINDOW_PX // 2
    image = torch.from_numpy(np.pad(features, [(0, 0), (half, half), (half, half)], mode="reflect"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SmallCnn(len(features), len(codes))
        _fit(network, _windows(image, train), torch.from_numpy(np.searchsorted(codes, train.codes)), seed)
    p = torch.cat([_probabilities(network, part) for part in _bands(image)], 1).numpy()
    return codes[p.argmax(0)], p.max(0)


def _windows(image: Tensor, train: Samples) -> Tensor:
    parts = [image[:, r : r + WINDOW_PX, c : c + WINDOW_PX] for r, c in zip(train.rows, train.cols, strict=True)]
    return torch.stack(parts)


def _fit(network: SmallCnn, windows: Tensor, codes: Tensor, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    weights = 1 / codes.bincount().clamp(min=1).float()
    for _ in range(STEPS):
        chosen = torch.randint(len(codes), (BATCH,), generator=generator)
        z = network(_turned(windows[chosen], generator))[:, :, 0, 0]
        loss = F.cross_entropy(z, codes[chosen], weights)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def _turned(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each window in one of the eight symmetries of a square."""
    coins = torch.rand((3, len(x), 1, 1, 1), generator=generator) < 0.5
    x = torch.where(coins[0], x.flip(3), x)
    x = torch.where(coins[1], x.flip(2), x)
    return torch.where(coins[2], x.transpose(2, 3), x)


def _bands(image: Tensor) -> list[Tensor]:
    """Bands of rows that overlap by the window."""
    rows = image.shape[1] - WINDOW_PX + 1
    return [image[:, top : min(top + BAND_PX, rows) + WINDOW_PX - 1] for top in range(0, rows, BAND_PX)]


@torch.no_grad()
def _probabilities(network: SmallCnn, image: Tensor) -> Tensor:
    return network.eval()(image[None])[0].softmax(0)
