"""Which pixels of a grid a mask on another grid covers by half, whatever the window that is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.geo import Grid, same_crs

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
# What is masked, the values, and where there are any, (h, w) each, in a window of the mask.
ReadMask = Callable[[Window], tuple[Bools, NDArray[Any], Bools]]

_ROUNDING = 1e-6  # a pixel that is masked by exactly half is masked
_LATTICE_PX = 16  # every n-th pixel is transformed between CRS, which takes most of the time; others lie between
_MOST_BENT = 0.02  # of a pixel of the mask, in two steps of the lattice; then it is off by a hundredth at most


@dataclass(frozen=True)
class Covered:
    """Pixels that are masked by at least half, and the values of the mask at their centres, where it has any."""

    masked: Bools
    values: NDArray[Any]
    reached: Bools


@dataclass(frozen=True)
class _Boxes:
    """Rectangles of the mask that pixels take up: centre and size in rows and columns, 0 at the edge of the first.

    Between grids of one CRS they are exact; else to a hundredth of a pixel of the mask, and a pixel that is turned
    against the mask is taken as a rectangle of the same centre and area.
    """

    row: Floats
    col: Floats
    height: Floats
    width: Floats

    @classmethod
    def of(cls, source: Grid, target: Grid, window: Window) -> _Boxes:
        edges = (
            np.arange(window.row_off, window.row_off + window.height + 1)[:, None] - 0.5,
            np.arange(window.col_off, window.col_off + window.width + 1)[None] - 0.5,
        )
        if same_crs(source.crs, target.crs):  # rows do not depend on columns
            rows = _transformed(source, target, edges[0], edges[1][:, :1])[0]
            cols = _transformed(source, target, edges[0][:1], edges[1])[1]
        elif smooth := cls._interpolated(source, target, edges[0][:-1, 0] + 0.5, edges[1][0, :-1] + 0.5):
            return smooth
        else:
            rows, cols = _transformed(source, target, *edges)
        (row, height), (col, width) = _middle_and_size(rows + 0.5), _middle_and_size(cols + 0.5)
        return cls(row, col, height, width)

    @classmethod
    def _interpolated(cls, source: Grid, target: Grid, rows: Floats, cols: Floats) -> _Boxes | None:
        """Boxes from every n-th pixel; None where positions are not smooth enough for that."""
        lattice_rows, lattice_cols = _lattice(rows), _lattice(cols)
        lattice = _transformed(source, target, lattice_rows[:, None], lattice_cols[None])
        if any(not np.isfinite(at).all() or _bent(at) > _MOST_BENT for at in lattice):
            return None
        down, right = _weights(rows, lattice_rows), _weights(cols, lattice_cols)
        height, width = (np.hypot(*np.gradient(at, _LATTICE_PX)) for at in lattice)
        row, col = (at + 0.5 for at in lattice)
        return cls(*(down @ at @ right.T for at in (row, col, height, width)))


def _transformed(source: Grid, target: Grid, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
    """Positions in ``target`` as rows and columns of ``source``; NaN where there are none."""
    found = source.rowcol_of(*target.xy(*np.broadcast_arrays(rows, cols)), target.crs)
    undefined = ~(np.isfinite(found[0]) & np.isfinite(found[1]))
    found[0][undefined], found[1][undefined] = np.nan, np.nan
    return found


def _lattice(positions: Floats) -> Floats:
    """Multiples of the step from before the first to behind the last position, three or more."""
    first, last = (int(positions[at] // _LATTICE_PX) for at in (0, -1))
    return _LATTICE_PX * np.arange(first, last + 3, dtype=np.float64)


def _weights(positions: Floats, lattice: Floats) -> Floats:
    """Weights (n, m) of linear interpolation from m points of a lattice."""
    return np.maximum(0, 1 - abs(positions[:, None] - lattice) / _LATTICE_PX)


def _bent(at: Floats) -> float:
    """Largest deviation from a straight line in two steps along rows or columns."""
    return max(float(abs(np.diff(at, 2, axis=axis)).max()) for axis in (0, 1))


def _middle_and_size(edge: Floats) -> tuple[Floats, Floats]:
    """Middle and extent of pixels along one axis of the mask, from the positions of their corners."""
    corners = [corner for side in _ends(edge, 0) for corner in _ends(side, 1)]
    down = (corners[2] + corners[3] - corners[0] - corners[1]) / 2
    right = (corners[1] + corners[3] - corners[0] - corners[2]) / 2
    return (corners[0] + corners[1] + corners[2] + corners[3]) / 4, np.hypot(down, right)


def _ends(edge: Floats, axis: int) -> tuple[Floats, Floats]:
    """First and last corner of each pixel along an axis; the same where positions do not depend on it."""
    if edge.shape[axis] == 1:
        return edge, edge
    return (edge[:-1], edge[1:]) if axis == 0 else (edge[:, :-1], edge[:, 1:])


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
    masked = _by_half(hits, boxes, top, left) if hits.any() else nothing.masked
    return Covered(masked, values[at], within & valid[at])


def _extent(middle: Floats, size: Floats, limit: int) -> tuple[int, int]:
    """First and last + 1 of the rows or columns of the mask that the pixels touch."""
    if np.isnan(middle).all():
        return 0, 0
    first, last = math.floor(np.nanmin(middle - size / 2)), math.ceil(np.nanmax(middle + size / 2))
    return max(first, 0), min(last, limit)


def _index(middle: Floats, start: int) -> NDArray[np.intp]:
    return np.floor(np.nan_to_num(middle, nan=-1.0) + _ROUNDING).astype(np.intp) - start


def _by_half(hits: Bools, boxes: _Boxes, top: int, left: int) -> Bools:
    """Where at least half of the area of each box is masked; it is computed where its pixels of the mask differ."""
    table = np.zeros((hits.shape[0] + 1, hits.shape[1] + 1), np.int32)
    table[1:, 1:] = hits.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    low, high = boxes.row - boxes.height / 2 - top, boxes.row + boxes.height / 2 - top
    west, east = boxes.col - boxes.width / 2 - left, boxes.col + boxes.width / 2 - left
    above, below = _whole(np.floor(low), hits.shape[0]), _whole(np.ceil(high), hits.shape[0])
    before, behind = _whole(np.floor(west), hits.shape[1]), _whole(np.ceil(east), hits.shape[1])
    count = table[below, behind] - table[above, behind] - table[below, before] + table[above, before]
    masked = np.asarray(count == (np.ceil(high) - np.floor(low)) * (np.ceil(east) - np.floor(west)))
    mixed = (count > 0) & ~masked
    edges = [np.broadcast_to(edge, mixed.shape)[mixed] for edge in (low, high, west, east)]
    masked[mixed] = _share(table, *edges) >= 0.5 - _ROUNDING
    return masked


def _whole(position: Floats, side: int) -> NDArray[np.intp]:
    return np.nan_to_num(position, nan=0.0).clip(0, side).astype(np.intp)


def _share(table: NDArray[np.int32], low: Floats, high: Floats, west: Floats, east: Floats) -> Floats:
    """Masked share of the area of boxes, by a summed-area table: it is linear between the corners of its pixels."""

    def up_to(rows: Floats, cols: Floats) -> Floats:
        """Masked area above and left of positions."""
        (rows, i), (cols, j) = (
            (within, np.minimum(within, side - 2).astype(np.intp))
            for position, side in zip((rows, cols), table.shape, strict=True)
            for within in [position.clip(0, side - 1)]
        )
        down, right = rows - i, cols - j
        above = table[i, j] * (1 - right) + table[i, j + 1] * right
        below = table[i + 1, j] * (1 - right) + table[i + 1, j + 1] * right
        return above * (1 - down) + below * down

    area = up_to(high, east) - up_to(low, east) - up_to(high, west) + up_to(low, west)
    return np.asarray(area / ((high - low) * (east - west)))
