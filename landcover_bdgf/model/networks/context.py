"""What lies around a pixel, farther than the 9 px windows of the paper.

Mean and standard deviation of each channel in squares of several sizes (first-order texture) describe the surroundings,
which help to recognise fields, towns and shores.

Glossary
    C       channels of the cube, SAR first
    Q       statistics of a pixel: its own values, mean and standard deviation for each size
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from landcover_bdgf.model.networks.layers import crop, window_mean

LEAST_SHARE = 1e-6  # share of pixels with data in a square, to avoid division by 0


def surroundings(cube: Tensor, valid: Tensor, sizes: Sequence[int], stride: int = 1) -> Tensor:
    """Statistics of squares around pixels: ``(B, C, H, W), (B, 1, H, W) -> (B, Q, ⌈H' / stride⌉, ⌈W' / stride⌉)``.

    H' = H − s + 1 with the side s of the largest square, which must be complete; without sizes, s = 1. ``valid`` is 1
    for pixels with data and 0 elsewhere; the cube is 0 there, too. Only pixels with data count.
    """
    channels, reach = cube.shape[1], max(sizes, default=1) // 2
    found = [crop(cube, reach)[..., ::stride, ::stride]]
    if sizes:
        sums = torch.cat([cube, cube**2, valid], dim=1)
    for size in sizes:
        mean, square, share = window_mean(crop(sums, reach - size // 2), size, stride).split([channels, channels, 1], 1)
        share = share.clamp(min=LEAST_SHARE)
        mean = mean / share
        found += [mean, (square / share - mean**2).clamp_(min=0).sqrt_()]
    return torch.cat(found, dim=1)
