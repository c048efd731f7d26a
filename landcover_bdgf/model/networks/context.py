"""The context network: classes from the surroundings of a pixel, wider than the 9 px windows of the paper.

Mean and standard deviation of each channel in squares of several sizes (first-order texture) describe the surroundings,
which help to recognise fields, towns and shores. A small network on these statistics has its own loss, and its logits
are added to those of the group network: a product of two experts (Hinton 2002, doi:10.1162/089976602760128018).

Glossary
    C       channels of the cube, SAR first
    Q       statistics of a pixel: its own values, mean and standard deviation for each size
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.layers import crop, drop, project, window_mean
from landcover_bdgf.model.recipe import Recipe

LEAST_SHARE = 1e-6  # share of pixels with data in a square, to avoid division by 0


def surroundings(cube: Tensor, valid: Tensor, sizes: Sequence[int], stride: int = 1) -> Tensor:
    """Statistics of squares around pixels: ``(B, C, H, W), (B, 1, H, W) -> (B, Q, ⌈H' / stride⌉, ⌈W' / stride⌉)``.

    H' = H − s + 1 with the side s of the largest square, which must be complete. ``valid`` is 1 for pixels with data
    and 0 elsewhere; the cube is 0 there, too. Only pixels with data count.
    """
    if not sizes:
        return cube.new_empty(len(cube), 0, -(-cube.shape[2] // stride), -(-cube.shape[3] // stride))
    channels, reach = cube.shape[1], max(sizes) // 2
    sums = torch.cat([cube, cube**2, valid], dim=1)
    found = [crop(cube, reach)[..., ::stride, ::stride]]
    for size in sizes:
        mean, square, share = window_mean(crop(sums, reach - size // 2), size, stride).split([channels, channels, 1], 1)
        share = share.clamp(min=LEAST_SHARE)
        mean = mean / share
        found += [mean, (square / share - mean**2).clamp_(min=0).sqrt_()]
    return torch.cat(found, dim=1)


class ContextNetwork(nn.Module):
    """Logits of pixels from statistics of their surroundings: ``(B, Q, h, w) -> (B, classes, h, w)``."""

    def __init__(self, statistics: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(statistics)
        self.hidden, self.head = nn.Linear(statistics, hidden), nn.Linear(hidden, classes)
        self.dropout = dropout

    @classmethod
    def of(cls, statistics: int, classes: int, recipe: Recipe) -> ContextNetwork:
        """Build the network of a recipe."""
        return cls(statistics, recipe.context.hidden, classes, recipe.fusion.dropout)

    def forward(self, around: Tensor, generator: Generator | None = None) -> Tensor:
        """With a ``generator`` (training), dropout is applied to the hidden units."""
        hidden = F.relu_(project(self.hidden, self.norm(around).movedim(1, 0)))
        return project(self.head, drop(hidden, self.dropout, generator)).movedim(0, 1)


def context_network(statistics: int, classes: int, recipe: Recipe) -> ContextNetwork | None:
    """The context network of a recipe; None if it has none."""
    return ContextNetwork.of(statistics, classes, recipe) if statistics else None
