"""Resampling of a raster to another grid, with values that do not depend on the window.

GDAL's warper interpolates coordinates over its window, so that a tiled map would depend on the tiles. Here every
destination pixel is transformed by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.geo.grid import Grid

FloatArray = NDArray[np.float64]
Masked = tuple[NDArray[np.floating], NDArray[np.bool_]]
ReadSource = Callable[[Window], Masked]

# A ratio slightly above a whole number needs no further sub-sample, which would only blur.
RATIO_TOLERANCE = 0.1
# Source pixels per band that are read at once; larger windows are processed in parts.
MAX_SOURCE_PX = 4_000_000


def resolution_ratio(source: Grid, target: Grid) -> tuple[float, float]:
    """Height and width of a pixel of ``target`` in pixels of ``source``, measured at its middle."""
    height, width = target.shape_hw
    middle_row, middle_col = (height - 1) / 2, (width - 1) / 2
    rows, cols = _source_rowcol(
        source, target, middle_row + np.array([0.0, 1.0, 0.0]), middle_col + np.array([0.0, 0.0, 1.0])
    )
    down = math.hypot(rows[1] - rows[0], cols[1] - cols[0])
    right = math.hypot(rows[2] - rows[0], cols[2] - cols[0])
    return down, right


def resample(
    read: ReadSource, source: Grid, target: Grid, window: Window, *, count: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bilinear values at the pixels of a window of ``target``; means where the source is finer.

    Each pixel is the mean of k × k bilinear sub-samples, k being the ratio of the resolutions rounded up. Invalid
    source pixels have no weight; a pixel is valid if at least half of its weight is.

    Parameters
    ----------
    read : callable
        Returns values and valid, (count, h, w) each, of a window inside ``source``; invalid values must be finite.
    source, target : Grid
    window : Window
        Inside ``target``.
    count : int
        Number of bands.

    Returns
    -------
    values : float32 (count, h, w), 0 where invalid
    valid : bool (count, h, w)
    """
    values = np.zeros((count, window.height, window.width), np.float32)
    valid = np.zeros(values.shape, bool)
    down, right = resolution_ratio(source, target)
    samples_yx = max(1, math.ceil(down - RATIO_TOLERANCE)), max(1, math.ceil(right - RATIO_TOLERANCE))
    for part in _parts(window, down * right):
        rows = slice(part.row_off - window.row_off, part.row_off - window.row_off + part.height)
        cols = slice(part.col_off - window.col_off, part.col_off - window.col_off + part.width)
        values[:, rows, cols], valid[:, rows, cols] = _resample_part(read, source, target, part, samples_yx)
    return values, valid


def _extent(index: FloatArray, size: int) -> tuple[int, int]:
    """First and last + 1 of the source rows or columns that contain all neighbours of fractional indices."""
    finite = index[np.isfinite(index)]
    if finite.size == 0:
        return 0, 0
    low, high = math.floor(finite.min()), math.floor(finite.max()) + 2
    return min(max(low, 0), size), min(max(high, 0), size)


def _parts(window: Window, area_ratio: float) -> Iterator[Window]:
    """The window cut into parts whose source pixels fit in memory."""
    edge = max(1, math.isqrt(int(MAX_SOURCE_PX / max(area_ratio, 1.0))))
    for row, col in product(range(0, window.height, edge), range(0, window.width, edge)):
        height, width = min(edge, window.height - row), min(edge, window.width - col)
        yield Window(window.col_off + col, window.row_off + row, width, height)


def _resample_part(read: ReadSource, source: Grid, target: Grid, window: Window, samples_yx: tuple[int, int]) -> Masked:
    all_rows, all_cols = _samples(source, target, window, samples_yx)
    (top, bottom), (left, right) = map(_extent, (all_rows, all_cols), source.shape_hw)
    area = Window(left, top, right - left, bottom - top)
    if area.height == 0 or area.width == 0:
        return np.zeros((1, window.height, window.width)), np.zeros((1, window.height, window.width), bool)
    values, valid = read(area)
    total = np.zeros((len(values), window.height, window.width))
    weight = np.zeros_like(total)
    for rows, cols in zip(all_rows, all_cols, strict=True):
        for flat, share in _neighbours(rows, cols, area):
            for band in range(len(values)):
                valid_share = share * valid[band].ravel()[flat]
                total[band] += valid_share * values[band].ravel()[flat]
                weight[band] += valid_share
    enough = weight >= 0.5 * len(all_rows)
    return np.divide(total, weight, out=np.zeros_like(total), where=enough), enough


def _samples(source: Grid, target: Grid, window: Window, samples_yx: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Fractional rows and columns in ``source`` of all sub-samples, (k·k, h, w) each."""
    down, right = samples_yx
    rows, cols = np.mgrid[
        window.row_off : window.row_off + window.height, window.col_off : window.col_off + window.width
    ]
    places = [
        _source_rowcol(source, target, rows + (i + 0.5) / down - 0.5, cols + (j + 0.5) / right - 0.5)
        for i, j in product(range(down), range(right))
    ]
    return np.stack([r for r, _ in places]), np.stack([c for _, c in places])


def _source_rowcol(source: Grid, target: Grid, rows: FloatArray, cols: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fractional indices in ``source`` of fractional indices in ``target``; infinite where undefined."""
    return source.rowcol_of(*target.xy(rows, cols), target.crs)


def _neighbours(rows: FloatArray, cols: FloatArray, area: Window) -> Iterator[tuple[NDArray[np.intp], FloatArray]]:
    """The four neighbours of each place: flat index inside ``area``, and bilinear weight (0 outside it)."""
    finite = np.isfinite(rows) & np.isfinite(cols)
    rows, cols = np.where(finite, rows, -2.0), np.where(finite, cols, -2.0)
    top, left = np.floor(rows), np.floor(cols)
    for down, right in product((0, 1), (0, 1)):
        share = np.abs(1 - down - (rows - top)) * np.abs(1 - right - (cols - left))
        row = (top + down - area.row_off).astype(np.intp)
        col = (left + right - area.col_off).astype(np.intp)
        inside = (row >= 0) & (row < area.height) & (col >= 0) & (col < area.width)
        yield np.where(inside, row * area.width + col, 0), np.where(inside, share, 0.0)
