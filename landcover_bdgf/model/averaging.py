"""Means over the windows around a pixel that look like it: an average that stops at edges.

A bilateral filter (Tomasi and Manduchi 1998, doi:10.1109/ICCV.1998.710815) guided by the spectra, as edge-preserving
filters of class probabilities are (Kang et al. 2014, doi:10.1109/TGRS.2013.2264508). The weight of the window at j for
the pixel i is exp(−‖x_i − x_j‖² / (2 · similar · s²)), where s² is the usual ‖x_i − x_j‖² of two adjacent pixels.

Every product and sum is computed pixel by pixel in a fixed order, so that the result does not depend on tiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

GUIDE_CHANNELS = 16  # more tell no more about edges, and take time
LEAST_WEIGHT = 1e-4  # of a window unlike the pixel; if all are unlike it, the result is their plain mean
LEAST_DIFFERENCE = 1e-6  # of adjacent pixels, for scenes that are constant nearly everywhere


def guide_channels(count: int) -> list[int]:
    """Which of the spectral channels tell whether two pixels look alike, evenly spaced."""
    return [round(i) for i in np.linspace(0, count - 1, min(count, GUIDE_CHANNELS))]


def adjacent_difference(spectra: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> float:
    """s²: median squared difference of horizontally adjacent pixels, of scaled spectra (K, h, w) and valid (h, w)."""
    found = []
    for cube, valid in spectra:
        guide = cube[guide_channels(len(cube))]
        squares = ((guide[:, :, 1:] - guide[:, :, :-1]) ** 2).sum(0)
        found.append(squares[valid[:, 1:] & valid[:, :-1]])
    squares = np.concatenate(found)
    return max(float(np.median(squares)), LEAST_DIFFERENCE) if len(squares) else LEAST_DIFFERENCE


def similar_mean(x: Tensor, weight: Tensor, guide: Tensor, spread: float, size: int, stride: int) -> Tensor:
    """Mean of windows around each pixel, weighted by how much their central pixels look like it.

    Parameters
    ----------
    x : (B, C, ⌈H / stride⌉, ⌈W / stride⌉)
        Values of windows at every ``stride``-th row and column.
    weight : (B, 1, H, W)
        Of the windows, whatever the pixel.
    guide : (B, G, H, W)
        Spectra of all pixels.
    spread : float
        similar · s².
    size : int
        Side, odd, of the square of windows.

    Returns
    -------
    (B, C, H − size + 1, W − size + 1)
    """
    height, width = (n - size + 1 for n in guide.shape[2:])
    centre, reach = guide[..., size // 2 : size // 2 + height, size // 2 : size // 2 + width], size // 2
    weight, windows = weight[..., ::stride, ::stride], guide[..., ::stride, ::stride]
    mean = x.new_empty(len(x), x.shape[1], height, width)
    for row, col in product(range(stride), repeat=2):  # pixels by their place between the windows
        own = centre[..., row::stride, col::stride].contiguous()
        total, sums = x.new_zeros(len(x), 1, *own.shape[2:]), x.new_zeros(len(x), x.shape[1], *own.shape[2:])
        for (dr, rows), (dc, cols) in product(
            _offsets(row, own.shape[2], reach, stride), _offsets(col, own.shape[3], reach, stride)
        ):
            squares = (windows[..., rows, cols] - own).square_().sum(1, keepdim=True)
            alike = squares.mul_(-0.5 / spread).exp_().add_(LEAST_WEIGHT).mul_(weight[..., rows, cols])
            # with a stride of 2 the outermost count half, or the map would have stripes
            alike *= (1 / stride if abs(dr) == reach else 1.0) * (1 / stride if abs(dc) == reach else 1.0)
            total += alike
            sums.addcmul_(x[..., rows, cols], alike)
        mean[..., row::stride, col::stride] = sums.div_(total)
    return mean


def _offsets(first: int, count: int, reach: int, stride: int) -> Iterator[tuple[int, slice]]:
    """The windows within ``reach`` of pixels at ``first``, ``first + stride`` …: their offset, and where they are."""
    for window in range(-(-first // stride), (first + 2 * reach) // stride + 1):
        yield window * stride - first - reach, slice(window, window + count)
