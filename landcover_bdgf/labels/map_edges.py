"""Pixels of a map near its border or its gaps, whose classes are less stable."""

from __future__ import annotations

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy.ndimage import minimum_filter1d

from landcover_bdgf.geo import grid_of, read_band
from landcover_bdgf.labels.class_map import NODATA

EDGE_PX = 4  # where 5 to 15 % of the classes depend on the edge, farther away fewer: docs/reliability.md
_READ_PX = 1024


def edge_share(dataset: DatasetReader) -> float:
    """Share of the mapped pixels of an open map within ``EDGE_PX`` of a pixel without data or of the border.

    Distances are Chebyshev distances: the pixels at the border, and those next to a gap, are at 1. NaN if no pixel is
    mapped.
    """
    near_px = mapped_px = 0
    nodata = NODATA if dataset.nodata is None else dataset.nodata
    for window in grid_of(dataset).tiles(_READ_PX):
        around = _grown(window, dataset.shape)
        mapped = (read_band(dataset, around) != nodata).view(np.uint8)
        inside = mapped
        for axis in (0, 1):  # outside the map there is no data
            inside = minimum_filter1d(inside, 2 * EDGE_PX + 1, axis=axis, mode="constant", cval=0)
        row, col = window.row_off - around.row_off, window.col_off - around.col_off
        own = np.s_[row : row + window.height, col : col + window.width]
        mapped_px += int(mapped[own].sum(dtype=np.int64))
        near_px += int((mapped[own] > inside[own]).sum())
    return near_px / mapped_px if mapped_px else float("nan")


def _grown(window: Window, shape_hw: tuple[int, int]) -> Window:
    """A window with ``EDGE_PX`` around it, inside the map."""
    top, left = max(0, window.row_off - EDGE_PX), max(0, window.col_off - EDGE_PX)
    bottom = min(shape_hw[0], window.row_off + window.height + EDGE_PX)
    right = min(shape_hw[1], window.col_off + window.width + EDGE_PX)
    return Window(left, top, right - left, bottom - top)
