"""Which features contain each pixel of a grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.windows import Window

_AT_ONCE = 100_000  # features whose bounds are compared
_BURN_PX = 2048  # side of the largest window to rasterise at once
_CELL_PX = 4  # side of the cells in which polygons are kept apart
_SHEETS = 63  # sets of polygons without a common cell; bits of an int64
_ROUNDING_PX = 0.01  # rounding error of a conversion between CRS
_NOTHING = shapely.Polygon()

Geometries = NDArray[np.object_]
Ints = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Claims:
    """Pixels of features, each once, in the order of rows and columns.

    ``first`` and ``last`` are the first and last feature that contains the pixel; ``disputed`` is whether features of
    different classes contain it.
    """

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    disputed: NDArray[np.bool_]


def burn(shape_hw: tuple[int, int], parts: Parts, codes: Ints, counts: Counter[str]) -> Claims:
    """The pixels of all features, with the codes of their classes.

    A polygon gets the pixels whose centres it contains, a point the pixel that contains it. Memory depends on the
    number of pixels, not on that of overlapping features. Features without a pixel are counted.
    """
    height, width = shape_hw
    holds = np.zeros(len(parts.inside), bool)
    holds[parts.point_of[((parts.points >= 0) & (parts.points < (width, height))).all(axis=1)]] = True
    found: list[list[Ints]] = [[np.empty(0, dtype) for dtype in (np.int32, np.int32, np.int32, np.int32, bool)]]
    for window in _pieces(parts, shape_hw):
        layer = _Layer.empty((window.height, window.width), codes)
        for pixels, first, last in _burnt(parts, codes, window):
            layer.add(pixels, first, last)
            holds[first] = holds[last] = True
        rows, cols = (index.astype(np.int32) for index in np.nonzero(layer.first >= 0))
        values = [array[rows, cols] for array in (layer.first, layer.last, layer.disputed)]
        found.append([rows + np.int32(window.row_off), cols + np.int32(window.col_off), *values])
    counts["too small or thin to hold a pixel centre"] = int((parts.inside & ~holds).sum())
    rows, cols, *others = (np.concatenate(of_all) for of_all in zip(*found, strict=True))
    order = np.lexsort((cols, rows))
    return Claims(rows[order], cols[order], *(array[order] for array in others))


def _inside(shape_hw: tuple[int, int], geometries: Geometries, counts: Counter[str]) -> NDArray[np.bool_]:
    """Which features lie in the image, at least partly; counts the others, but not empty ones."""
    height, width = shape_hw
    inside = np.zeros(len(geometries), bool)
    for start in range(0, len(geometries), _AT_ONCE):
        left, top, right, bottom = shapely.bounds(geometries[start : start + _AT_ONCE]).T  # NaN for empty ones
        found = (left < width) & (right > 0) & (top < height) & (bottom > 0)
        beyond = np.maximum.reduce([-left, -top, right - width, bottom - height])
        counts["outside the image"] += int((~found & ~np.isnan(left)).sum())
        counts["cut off at the edge of the image"] += int((found & (beyond > _ROUNDING_PX)).sum())
        inside[start : start + _AT_ONCE] = found
    return inside


def features_at(parts: Parts, row: int, col: int) -> list[int]:
    """All features that contain a pixel."""
    at_point = (np.floor(parts.points) == (col, row)).all(axis=1)
    found = set(parts.point_of[at_point].tolist())
    left, top, right, bottom = shapely.bounds(parts.polygons).T
    for i in np.flatnonzero((left <= col + 1) & (right >= col) & (top <= row + 1) & (bottom >= row)):
        (shape,) = _shapes(parts.polygons[i : i + 1], np.array([col, row]))
        if rasterize([shape], out_shape=(1, 1)).any():
            found.add(int(parts.polygon_of[i]))
    return sorted(found)


@dataclass(frozen=True, eq=False)
class Parts:
    """The polygons and points (x, y) of features in an image, each with the number of its feature.

    x is the column, y the row, (0, 0) the corner of the first pixel. A million points take a tenth of the memory that
    geometries take. ``inside`` is whether a feature lies in the image, at least partly.
    """

    polygons: Geometries
    polygon_of: Ints
    points: NDArray[np.float64]
    point_of: Ints
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, shape_hw: tuple[int, int], geometries: Geometries, counts: Counter[str]) -> Parts:
        """Of geometries in pixels; features outside the image are counted and left out."""
        inside = _inside(shape_hw, geometries, counts)
        geometries = np.where(inside, geometries, _NOTHING)
        single = np.flatnonzero((shapely.get_type_id(geometries) == 0) & ~shapely.is_empty(geometries))
        others = np.flatnonzero(~np.isin(np.arange(len(geometries)), single))
        parts, owner = shapely.get_parts(geometries[others], return_index=True)
        parts, inner = shapely.get_parts(parts, return_index=True)  # make_valid returns collections of multi-polygons
        owner, kinds = others[owner[inner]], shapely.get_type_id(parts)
        points, index = shapely.get_coordinates(parts[kinds == 0], return_index=True)
        filled = (kinds == 3) & ~shapely.is_empty(parts)
        points = np.concatenate([points, shapely.get_coordinates(geometries[single])])
        point_of = np.concatenate([owner[kinds == 0][index], single])
        return cls(parts[filled], owner[filled].astype(np.int32), points, point_of.astype(np.int32), inside)

    def bounds(self) -> NDArray[np.float64]:
        """West, north, east and south of all; NaN if there are none."""
        corners = [np.full((1, 2), np.nan)]
        if len(self.polygons):
            corners.append(shapely.total_bounds(self.polygons).reshape(2, 2))
        if len(self.points):
            corners.append(np.stack([self.points.min(axis=0), self.points.max(axis=0)]))
        both = np.concatenate(corners)
        return np.r_[np.fmin.reduce(both), np.fmax.reduce(both)]


@dataclass(frozen=True, eq=False)
class _Layer:
    """What is claimed so far in a window (h, w); see :class:`Claims`."""

    first: NDArray[np.int32]
    last: NDArray[np.int32]
    disputed: NDArray[np.bool_]
    codes: Ints  # of features

    @classmethod
    def empty(cls, shape_hw: tuple[int, int], codes: Ints) -> _Layer:
        return cls(np.full(shape_hw, -1, np.int32), np.full(shape_hw, -1, np.int32), np.zeros(shape_hw, bool), codes)

    def add(self, pixels: Ints, first: Ints, last: Ints) -> None:
        """Claim pixels, flat indices without repetition, for two features each, in any order."""
        before = self.first.flat[pixels]
        free = before < 0
        known = np.where(free, first, before)
        self.disputed.flat[pixels] |= (self.codes[known] != self.codes[first]) | (self.codes[known] != self.codes[last])
        self.first.flat[pixels] = np.minimum(known, first)
        self.last.flat[pixels] = np.maximum(self.last.flat[pixels], last)


def _burnt(parts: Parts, codes: Ints, window: Window) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Pixels of a window as flat indices, each set without repetition, with two features that contain each."""
    shape = np.array([window.height, window.width])
    corner = np.array([window.col_off, window.row_off])
    inside = ((parts.points >= corner) & (parts.points < corner + shape[::-1])).all(axis=1)
    at = (parts.points[inside] - corner).astype(np.int32)
    yield from _of_points(at[:, 1] * np.int32(window.width) + at[:, 0], parts.point_of[inside], codes)
    bounds = shapely.bounds(parts.polygons) - np.tile(corner, 2)
    starts, ends = np.floor(bounds[:, [1, 0]]).clip(0, shape), (np.floor(bounds[:, [3, 2]]) + 1).clip(0, shape)
    near = np.flatnonzero((starts < ends).all(axis=1))
    starts, ends = starts[near].astype(int), ends[near].astype(int)
    for sheet in _sheets(starts, ends, shape):
        top, left = starts[sheet].min(axis=0)
        size = ends[sheet].max(axis=0) - (top, left)
        shapes = _shapes(parts.polygons[near[sheet]], corner, np.array([left, top]))
        numbers = parts.polygon_of[near[sheet]]
        burnt = rasterize(zip(shapes, numbers.tolist(), strict=True), out_shape=size, fill=-1, dtype="int32")
        rows, cols = np.nonzero(burnt >= 0)
        yield (rows + top) * shape[1] + cols + left, burnt[rows, cols], burnt[rows, cols]


def _shapes(polygons: Geometries, *origins: Ints) -> list[dict[str, Any]]:
    """Polygons as GeoJSON, moved by one origin after the other; Shapely takes several times as long for each."""
    rings, owner = shapely.get_rings(polygons, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    for origin in origins:
        xy -= origin
    points, start = xy.tolist(), 0
    shapes: list[dict[str, Any]] = [{"type": "Polygon", "coordinates": []} for _ in polygons]
    for end, polygon in zip(np.cumsum(np.bincount(ring)).tolist(), owner.tolist(), strict=True):
        shapes[polygon]["coordinates"].append(points[start:end])
        start = end
    return shapes


def _of_points(pixels: Ints, owner: Ints, codes: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Pixels of points with the first and last feature, then with two features whose classes differ, if any do."""
    for key in (owner, codes[owner]):
        order = np.lexsort((key, pixels))
        begins = np.flatnonzero(np.diff(pixels[order], prepend=-1))
        ends = np.r_[begins[1:], len(order)][: len(begins)] - 1
        yield pixels[order[begins]], owner[order[begins]], owner[order[ends]]


def _sheets(starts: Ints, ends: Ints, shape: Ints) -> list[Ints]:
    """Indices of rectangles in sets without a common cell, so that each set can be rasterised at once."""
    used = np.zeros(tuple(shape // _CELL_PX + 1), np.int64)
    sheets: list[list[int]] = [[] for _ in range(_SHEETS)]
    alone = []
    for i, (top, left, bottom, right) in enumerate(np.c_[starts // _CELL_PX, (ends - 1) // _CELL_PX + 1].tolist()):
        cells = used[top:bottom, left:right]
        taken = int(np.bitwise_or.reduce(cells, axis=None))
        sheet = (~taken & (taken + 1)).bit_length() - 1  # the lowest bit that is 0
        if sheet < _SHEETS:
            cells |= 1 << sheet
            sheets[sheet].append(i)
        else:
            alone.append([i])
    return [np.array(sheet) for sheet in [*sheets, *alone] if sheet]


def _pieces(parts: Parts, shape_hw: tuple[int, int]) -> Iterator[Window]:
    """Windows of limited size that cover the geometries: scenes may be 11,000 pixels wide."""
    bounds = parts.bounds()
    if np.isnan(bounds).any():
        return
    first = np.clip(np.floor(bounds[[1, 0]]), 0, shape_hw).astype(int)
    last = np.clip(np.floor(bounds[[3, 2]]) + 1, 0, shape_hw).astype(int)
    for row in range(first[0], last[0], _BURN_PX):
        for col in range(first[1], last[1], _BURN_PX):
            yield Window(col, row, min(_BURN_PX, last[1] - col), min(_BURN_PX, last[0] - row))
