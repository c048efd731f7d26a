"""The grid of a mosaic, and finished maps read on it: each of its pixels gets the nearest pixel of a map.

Coordinates are transformed at the nodes of a lattice that is fixed in the mosaic, and interpolated in between, so that
they do not depend on the windows in which the mosaic is written; GDAL's warper interpolates them over its window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import MAX_SIDE_PX, Grid, known_crs, read_bands, same_crs, transformer, warn_of_datum
from landcover_bdgf.labels import NODATA, layer_nodata
from landcover_bdgf.mapping.finished_maps import FinishedMap
from landcover_bdgf.mapping.settings import MosaicSettings
from landcover_bdgf.progress import log
from landcover_bdgf.scene import BOTH

FloatArray = NDArray[np.float64]
Extent = tuple[int, int, int, int]  # first row and column, and the row and column after the last

_ON_LATTICE_PX = 0.01
_STEPS_PX = (64, 16, 4)  # sides of the cells of the lattice of coordinates, if one is exact enough, else 1
_EXACT_PX = 0.02  # largest error of interpolated coordinates, in pixels of the map
_SAMPLED = 5  # cells along each side of a map, where the error is measured
_READ_AT_ONCE_PX = 1 << 24  # of a map that is much finer than the mosaic


def mosaic_grid(maps: Sequence[FinishedMap], settings: MosaicSettings) -> Grid:
    """The grid that holds all maps.

    By default its CRS is that of most maps, and its pixels are those of the first one of them, which is then copied as
    it is. With another resolution, corners of pixels lie at multiples of it, as with ``gdalwarp -tap``.

    Raises
    ------
    SettingsError
        The CRS is unknown.
    RasterError
        A map has no place in it, or the mosaic is too large.
    """
    crs = known_crs(settings.crs, "crs") or _usual_crs(maps)
    lattice = _lattice(maps, crs, settings.resolution)
    extents = np.array([_extent(each, lattice) for each in maps])
    (top, left), (bottom, right) = extents[:, :2].min(axis=0), extents[:, 2:].max(axis=0)
    height, width = int(bottom - top), int(right - left)
    if max(height, width) > MAX_SIDE_PX:
        raise RasterError(None, f"the mosaic would have {width} × {height} px", "Join maps of one region.")
    return lattice.window_grid(Window(int(left), int(top), width, height))


def _usual_crs(maps: Sequence[FinishedMap]) -> CRS:
    """The CRS of most maps; of several such, that of the first map."""
    counts: list[tuple[CRS, int]] = []
    for each in maps:
        at = next((i for i, (crs, _) in enumerate(counts) if same_crs(crs, each.grid.crs)), None)
        if at is None:
            counts.append((each.grid.crs, 1))
        else:
            counts[at] = (counts[at][0], counts[at][1] + 1)
    return max(counts, key=lambda pair: pair[1])[0]


def _lattice(maps: Sequence[FinishedMap], crs: CRS, resolution: float | None) -> Grid:
    """A grid with the pixels of the mosaic, of any extent."""
    like = next((each.grid for each in maps if same_crs(each.grid.crs, crs)), None)
    if like is not None and (resolution is None or like.resolution_xy == (resolution, resolution)):
        return like
    if resolution is None:
        resolution = _kept_resolution(maps[0].grid, crs)
    return Grid(crs, Affine(resolution, 0, 0, 0, -resolution, 0), (1, 1))


def _kept_resolution(grid: Grid, crs: CRS) -> float:
    """Pixel size in another CRS that keeps the number of pixels on the diagonal, as in gdalwarp."""
    left, bottom, right, top = grid.bounds
    x, y = transformer(grid.crs, crs).transform([left, right], [top, bottom])
    return math.hypot(x[1] - x[0], y[1] - y[0]) / math.hypot(*grid.shape_hw)


def _extent(each: FinishedMap, lattice: Grid) -> Extent:
    """The place of a map among pixels."""
    grid = each.grid
    if (corner := grid.offset_in(lattice, _ON_LATTICE_PX)) is not None:
        return *corner, corner[0] + grid.shape_hw[0], corner[1] + grid.shape_hw[1]
    left, bottom, right, top = grid.bounds_in(lattice.crs)
    if not np.isfinite([left, bottom, right, top]).all():
        raise RasterError(each.path, "has no place in the CRS of the mosaic", "Choose another with `crs`.")
    (top_row, bottom_row), (left_col, right_col) = (each + 0.5 for each in lattice.rowcol([left, right], [top, bottom]))
    first_row, first_col = (math.floor(value + _ON_LATTICE_PX) for value in (top_row, left_col))
    last_row, last_col = (math.ceil(value - _ON_LATTICE_PX) for value in (bottom_row, right_col))
    return first_row, first_col, last_row, last_col


@dataclass(frozen=True)
class PlacedMap:
    """A finished map on the grid of a mosaic."""

    found: FinishedMap
    grid: Grid
    extent: Extent
    step_px: int  # side of the cells of the lattice of coordinates

    @classmethod
    def of(cls, found: FinishedMap, grid: Grid) -> PlacedMap:
        """Place a map; tells that it is resampled."""
        if found.grid.offset_in(grid, _ON_LATTICE_PX) is None:
            log.info("%s: %s, is resampled to the nearest pixels of the mosaic", found.path, found.grid.describe())
            warn_of_datum(found.path, found.grid.crs, grid)
        extent = _extent(found, grid)
        return cls(found, grid, extent, _step_px(found.grid, grid, extent))

    def touches(self, window: Window) -> bool:
        """Whether the map may have pixels in a window of the mosaic."""
        top, left, bottom, right = self.extent
        rows = top < window.row_off + window.height and window.row_off < bottom
        return rows and left < window.col_off + window.width and window.col_off < right

    def codes(self, window: Window) -> NDArray[Any]:
        """Class codes (h, w), 0 where the map has no data."""
        return self._read(window, None)[0]

    def layer(self, window: Window, name: str) -> NDArray[Any]:
        """Pixels of a layer (bands, h, w); its nodata beyond the map."""
        if name not in self.found.layers:  # see FinishedMap.has
            return (self.codes(window)[None] != NODATA) * np.uint8(BOTH)
        return self._read(window, name)

    def _read(self, window: Window, layer: str | None) -> NDArray[Any]:
        shape = (window.height, window.width)
        rows, cols = self._nearest(window)
        height, width = self.found.grid.shape_hw
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        count, nodata, dtype = self._kind(layer)
        pixels = np.full((count, *shape), nodata, dtype)
        if not inside.any():
            return pixels
        rows, cols = rows[inside].astype(np.intp), cols[inside].astype(np.intp)
        own = Window(cols.min(), rows.min(), np.ptp(cols) + 1, np.ptp(rows) + 1)
        if own.width * own.height > _READ_AT_ONCE_PX and max(shape) > 1:
            return np.concatenate([self._read(half, layer) for half in _halves(window)], axis=1 + (shape[1] > shape[0]))
        values = self.found.codes(own)[None] if layer is None else read_bands(self.found.layers[layer], own)
        pixels[:, inside] = values[:, rows - own.row_off, cols - own.col_off]
        return pixels

    def _nearest(self, window: Window) -> tuple[FloatArray, FloatArray]:
        """Row and column of the map for each pixel of a window, (h, w) each; NaN where there is none."""
        rows = np.arange(window.row_off, window.row_off + window.height)
        cols = np.arange(window.col_off, window.col_off + window.width)
        own_rows, own_cols = _interpolated(self.found.grid, self.grid, rows, cols, self.step_px)
        return np.floor(own_rows + 0.5), np.floor(own_cols + 0.5)

    def _kind(self, layer: str | None) -> tuple[int, int, str]:
        """Number of bands, nodata and data type of the codes or a layer."""
        if layer is None:
            return 1, NODATA, self.found.classes.dtypes[0]
        dataset = self.found.layers[layer]
        return dataset.count, layer_nodata(layer, dataset.dtypes[0]), dataset.dtypes[0]


def _step_px(own: Grid, grid: Grid, extent: Extent) -> int:
    """The largest side of cells in which coordinates can be interpolated."""
    if own.crs.is_geographic and not same_crs(own.crs, grid.crs):  # a cell may lie across the antimeridian
        return 1
    top, left, bottom, right = extent
    for step_px in _STEPS_PX:
        middles = np.arange(_SAMPLED) / _SAMPLED
        rows, cols = (
            (first + middles * (last - first)).astype(int) // step_px * step_px + step_px // 2
            for first, last in ((top, bottom), (left, right))
        )
        exact = _rowcols(own, grid, rows, cols)
        errors = np.subtract(_interpolated(own, grid, rows, cols, step_px), exact)
        if np.abs(errors[np.isfinite(errors)]).max(initial=0) <= _EXACT_PX:
            return step_px
    return 1


def _interpolated(
    own: Grid, grid: Grid, rows: NDArray[np.int_], cols: NDArray[np.int_], step_px: int
) -> tuple[FloatArray, FloatArray]:
    """Rows and columns in ``own`` of the pixels of ``grid`` in some rows and columns, ascending; (h, w) each."""
    (row_nodes, up, down), (col_nodes, west, east) = (_nodes(each, step_px) for each in (rows, cols))
    found = []
    for nodes in _rowcols(own, grid, row_nodes, col_nodes):
        with np.errstate(invalid="ignore"):  # infinite where there is no transformation
            lines = nodes[up] * (1 - down[:, None]) + nodes[up + 1] * down[:, None]
            found.append(lines[:, west] * (1 - east) + lines[:, west + 1] * east)
    return found[0], found[1]


def _nodes(places: NDArray[np.int_], step_px: int) -> tuple[NDArray[np.int_], NDArray[np.int_], FloatArray]:
    """Nodes of a lattice about places along an axis; the node before each place, and its distance from it, 0 to 1."""
    first, last = places[0] // step_px, places[-1] // step_px
    nodes = np.arange(first, last + 2) * step_px
    return nodes, places // step_px - first, places % step_px / step_px


def _rowcols(own: Grid, grid: Grid, rows: NDArray[np.int_], cols: NDArray[np.int_]) -> tuple[FloatArray, FloatArray]:
    x, y = np.broadcast_arrays(*grid.xy(rows[:, None], cols[None]))
    return own.rowcol_of(x, y, grid.crs)


def _halves(window: Window) -> list[Window]:
    """The left and right half of a window, or the upper and lower one if it is not wider than high."""
    row, col, height, width = window.row_off, window.col_off, window.height, window.width
    if width > height:
        half = width // 2
        return [Window(col, row, half, height), Window(col + half, row, width - half, height)]
    half = height // 2
    return [Window(col, row, width, half), Window(col, row + half, width, height - half)]
