"""Distance of pixels to the nearest border between classes: up to 2, 3 to 5, or more than 5 px.

The distance of a pixel is the Chebyshev distance to the nearest pixel of another class, so pixels on both sides of a
border are at 1. A pixel without a class, or outside the image, may be of any class. Where the answer depends on such
pixels it is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy.ndimage import maximum_filter, minimum_filter

from landcover_bdgf.geo import grid_of, read_band
from landcover_bdgf.labels import NODATA, label_tiles

BORDER_BINS_PX = ((0.0, 3.0), (3.0, 6.0), (6.0, math.inf))
UNKNOWN = -1
_REACH_PX = 5
_TILE_PX = 1024
_TILES = 16  # spread over the map; these tell the shares of a large one
_NO_CODE = 1 << 17  # above all codes


def border_bins(codes: NDArray[np.integer]) -> NDArray[np.int8]:
    """Index into ``BORDER_BINS_PX`` of each pixel of an image of classes (h, w), or -1 where it is not known."""
    own, no_class = codes.astype(np.int32), codes == NODATA
    others = np.where(no_class, _NO_CODE, own)
    nearest_known, nearest_possible = (np.full(codes.shape, len(BORDER_BINS_PX) - 1, np.int8) for _ in range(2))
    for index, (_, to_px) in reversed(list(enumerate(BORDER_BINS_PX[:-1]))):
        side = 2 * int(to_px) - 1
        differs = maximum_filter(own, side, mode="constant", cval=NODATA) != own
        differs |= minimum_filter(others, side, mode="constant", cval=_NO_CODE) != own
        gap = maximum_filter(no_class.view(np.uint8), side, mode="constant", cval=1) > 0
        nearest_known[differs] = index
        nearest_possible[differs | gap] = index
    return np.where(~no_class & (nearest_known == nearest_possible), nearest_known, np.int8(UNKNOWN))


def border_bins_at(
    rows: NDArray[np.int32], cols: NDArray[np.int32], shape_hw: tuple[int, int],
    read: Callable[[Window], NDArray[np.integer]],
) -> NDArray[np.int8]:  # fmt: skip
    """:func:`border_bins` at some pixels (n,) of an image that ``read`` reads window by window."""
    found = np.full(len(rows), UNKNOWN, np.int8)
    for window, inside in label_tiles(rows, cols, shape_hw):
        top, left = max(0, window.row_off - _REACH_PX), max(0, window.col_off - _REACH_PX)
        bottom = min(shape_hw[0], window.row_off + window.height + _REACH_PX)
        right = min(shape_hw[1], window.col_off + window.width + _REACH_PX)
        bins = border_bins(read(Window(left, top, right - left, bottom - top)))
        found[inside] = bins[rows[inside] - top, cols[inside] - left]
    return found


def border_shares(dataset: DatasetReader) -> NDArray[np.float64]:
    """Shares (B,) of the pixels of an open map in the bins of :func:`border_bins`; of a large map, from some tiles.

    Pixels whose distance is not known are left out. Zeros if none is known.
    """
    tiles = list(grid_of(dataset).tiles(_TILE_PX))
    counts = np.zeros(len(BORDER_BINS_PX))
    for index in np.unique(np.linspace(0, len(tiles) - 1, _TILES).round().astype(int)):
        bins = border_bins(read_band(dataset, tiles[index]))
        counts += np.bincount(bins[bins != UNKNOWN], minlength=len(counts))
    return counts / max(1.0, counts.sum())
