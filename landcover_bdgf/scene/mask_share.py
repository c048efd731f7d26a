"""Which pixels of a grid a mask on another grid covers by half, whatever the window that is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.geo import Grid

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
# What is masked, the values, and where there are any, (h, w) each, in a window of the mask.
ReadMask = Callable[[Window], tuple[Bools, NDArray[Any], Bools]]

_ROUNDING = 1e-6  # a pixel that is masked by exactly half is masked


@dataclass(frozen=True)
class Covered:
    """Pixels that are masked by at least half, and the values of the mask at their centres, where it has any."""

    masked: Bools
    values: NDArray[Any]
    reached: Bools


@dataclass(frozen=True)
class _Boxes:
    """Rectangles of the mask that pixels take up: centre and size in rows and columns, 0 at the edge of the first.

    Between grids of one CRS they are exact. A pixel that is turned against the mask, by another CRS, is taken as a
    rectangle of the same centre and area.
    """

    row: Floats
    col: Floats
    height: Floats
    width: Floats

    @classmethod
    def of(cls, source: Grid, target: Grid, window: Window) -> _Boxes:
        edges = np.mgrid[
            window.row_off : window.row_off + window.height + 1, window.col_off : window.col_off + window.width + 1
        ]
        rows, cols = source.rowcol_of(*target.xy(edges[0] - 0.5, edges[1] - 0.5), target.crs)
        undefined = ~(np.isfinite(rows) & np.isfinite(cols))
        rows[undefined], cols[undefined] = np.nan, np.nan
        (row, height), (col, width) = _middle_and_size(rows + 0.5), _middle_and_size(cols + 0.5)
        return cls(row, col, height, width)


def _middle_and_size(edge: Floats) -> tuple[Floats, Floats]:
    """Middle and extent of pixels along one axis of the mask, from the positions of their corners."""
    corners = edge[:-1, :-1], edge[:-1, 1:], edge[1:, :-1], edge[1:, 1:]
    down = (corners[2] + corners[3] - corners[0] - corners[1]) / 2
    right = (corners[1] + corners[3] - corners[0] - corners[2]) / 2
    return (corners[0] + corners[1] + corners[2] + corners[3]) / 4, np.hypot(down, right)


def covered_pixels(read: ReadMask, source: Grid, target: Grid, window: Window) -> Covered:
    """The pixels in a window of ``target`` that a mask on ``source`` covers by at least half."""
    shape = (window.height, window.width)
    nothing = Covered(np.zeros(shape, bool), np.zeros(shape), np.zeros(shape, bool))
    boxes = _Boxes.of(source, target, window)
    (top, bottom), (left, right) = (
        _extent(middle, size, limit)
        for middle, size, limit in zip(
            (boxes.row, boxes.col), (boxes.height, boxes.width), source.shape_hw, strict=True
        )
    )
    if top >= bottom or left >= right:
        return nothing
    hits, values, valid = read(Window(left, top, right - left, bottom - top))
    rows, cols = (_index(middle, start) for middle, start in ((boxes.row, top), (boxes.col, left)))
    within = (rows >= 0) & (rows < bottom - top) & (cols >= 0) & (cols < right - left)
    at = np.where(within, rows, 0), np.where(within, cols, 0)
    masked = _share(hits, boxes, top, left) >= 0.5 - _ROUNDING if hits.any() else nothing.masked
    return Covered(masked, values[at], within & valid[at])


def _extent(middle: Floats, size: Floats, limit: int) -> tuple[int, int]:
    """First and last + 1 of the rows or columns of the mask that the pixels touch."""
    if np.isnan(middle).all():
        return 0, 0
    first, last = math.floor(np.nanmin(middle - size / 2)), math.ceil(np.nanmax(middle + size / 2))
    return max(first, 0), min(last, limit)


def _index(middle: Floats, start: int) -> NDArray[np.intp]:
    return np.floor(np.nan_to_num(middle, nan=-1.0) + _ROUNDING).astype(np.intp) - start


def _share(hits: Bools, boxes: _Boxes, top: int, left: int) -> Floats:
    """Masked share of the area of each box, by a summed-area table: it is linear between the corners of its pixels."""
    table = np.zeros((hits.shape[0] + 1, hits.shape[1] + 1))
    table[1:, 1:] = hits.cumsum(0).cumsum(1)

    def up_to(rows: Floats, cols: Floats) -> Floats:
        """Masked area above and left of positions."""
        rows, cols = (
            np.nan_to_num(position - start, nan=0.0).clip(0, side)
            for position, start, side in ((rows, top, hits.shape[0]), (cols, left, hits.shape[1]))
        )
        i, j = (
            np.minimum(position, side - 1).astype(np.intp)
            for position, side in zip((rows, cols), hits.shape, strict=True)
        )
        down, right = rows - i, cols - j
        above = table[i, j] * (1 - right) + table[i, j + 1] * right
        below = table[i + 1, j] * (1 - right) + table[i + 1, j + 1] * right
        return above * (1 - down) + below * down

    low, high = boxes.row - boxes.height / 2, boxes.row + boxes.height / 2
    west, east = boxes.col - boxes.width / 2, boxes.col + boxes.width / 2
    area = up_to(high, east) - up_to(low, east) - up_to(high, west) + up_to(low, west)
    return np.nan_to_num(area / (boxes.height * boxes.width), nan=0.0)
