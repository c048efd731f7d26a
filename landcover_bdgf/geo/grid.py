"""Pixel grids: the position of the pixels of an image on the ground."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainValidator
from pyproj.transformer import AreaOfInterest, TransformerGroup
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.crs import crs_name, pyproj_crs, recorded_crs, same_crs, transformer
from landcover_bdgf.geo.raster_checks import MAX_SIDE_PX
from landcover_bdgf.progress import log
from landcover_bdgf.storage import read_json

FloatArray = NDArray[np.float64]
Bounds = tuple[float, float, float, float]

WGS84 = CRS.from_epsg(4326)
_GEOD = pyproj.Geod(ellps="WGS84")
_TRUE = 0.01  # tolerated relative difference between sizes in a projection and on the ground; UTM has less
_ROW_POINTS = 101
_HALF_TURN = 180.0  # degrees, the unit of PROJ and nearly all geographic CRS


def _recorded_transform(values: Any) -> Affine:
    try:
        transform = Affine(*map(float, values))
    except (TypeError, OverflowError) as error:
        raise ValueError("it is not six numbers") from error
    if transform.a <= 0 or transform.e >= 0 or transform.b or transform.d or not all(map(math.isfinite, transform)):
        raise ValueError("it is not north-up")
    return transform


_Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]


@dataclass(frozen=True)
class Grid:
    """A north-up pixel grid in a coordinate reference system; pixels need not be square.

    Attributes
    ----------
    crs : rasterio.crs.CRS
    transform : affine.Affine
        Pixel (column, row) to map (x, y), upper left corner of the upper left pixel at (0, 0).
    shape_hw : tuple of int
        Rows, columns.
    """

    crs: Annotated[CRS, PlainValidator(recorded_crs)]
    transform: Annotated[Affine, PlainValidator(_recorded_transform)]
    shape_hw: tuple[_Side, _Side]

    def __repr__(self) -> str:
        return f"Grid({self.describe()})"

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right, top, in units of the CRS."""
        height, width = self.shape_hw
        t = self.transform
        return t.c, t.f + t.e * height, t.c + t.a * width, t.f

    @property
    def resolution_xy(self) -> tuple[float, float]:
        """Width and height of a pixel, in units of the CRS, positive."""
        return self.transform.a, -self.transform.e

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the inverse of :meth:`from_dict`."""
        return {"crs": self.crs.to_wkt(), "transform": list(self.transform)[:6], "shape_hw": list(self.shape_hw)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Grid:
        """The grid of :meth:`to_dict` in an untrusted file; ValueError if it is not a north-up grid."""
        return read_json(Grid, json.dumps(values))

    def window_grid(self, window: Window) -> Grid:
        """The grid of a window, which may extend beyond the border."""
        moved = self.shifted((window.col_off, window.row_off))
        return Grid(self.crs, moved.transform, (window.height, window.width))

    def shifted(self, offset_xy_px: tuple[float, float]) -> Grid:
        """The same grid shifted to the right and down by a number of pixels."""
        t, (right, down) = self.transform, offset_xy_px
        moved = Affine(t.a, 0.0, t.c + t.a * right, 0.0, t.e, t.f + t.e * down)
        return Grid(self.crs, moved, self.shape_hw)

    def xy(self, rows: ArrayLike, cols: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Map coordinates of pixel centres; fractional indices are allowed, 0.0 is a centre."""
        t = self.transform
        x = t.c + t.a * (np.asarray(cols, np.float64) + 0.5)
        y = t.f + t.e * (np.asarray(rows, np.float64) + 0.5)
        return x, y

    def rowcol(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Fractional pixel indices of map coordinates; 0.0 is the centre of the first pixel."""
        t = self.transform
        cols = (np.asarray(x, np.float64) - t.c) / t.a - 0.5
        rows = (np.asarray(y, np.float64) - t.f) / t.e - 0.5
        return rows, cols

    def rowcol_of(self, x: ArrayLike, y: ArrayLike, crs: CRS) -> tuple[FloatArray, FloatArray]:
        """Fractional pixel indices of coordinates in another CRS; infinite if they cannot be transformed.

        RasterError if there is no transformation between the CRS.
        """
        if not same_crs(crs, self.crs):
            x, y = transformer(crs, self.crs).transform(x, y)
        return self.rowcol(self._turned(np.asarray(x, np.float64)), y)

    def _turned(self, x: FloatArray) -> FloatArray:
        """Longitudes in the range of a grid across the antimeridian, 180.1° for −179.9°; other x unchanged."""
        left, _, right, _ = self.bounds
        if not self.crs.is_geographic or (left >= -_HALF_TURN and right <= _HALF_TURN):
            return x
        turns = np.round(((left + right) / 2 - x) / (2 * _HALF_TURN))
        return np.asarray(np.add(x, 2 * _HALF_TURN * turns, where=np.isfinite(x), out=np.copy(x)))

    def tiles(self, tile_px: int) -> Iterator[Window]:
        """Windows of ``tile_px`` that cover the grid, row by row; smaller at the right and the bottom."""
        height, width = self.shape_hw
        for row in range(0, height, tile_px):
            for col in range(0, width, tile_px):
                yield Window(col, row, min(tile_px, width - col), min(tile_px, height - row))

    def spread_windows(self, side_px: int, per_axis: int = 3) -> Iterator[Window]:
        """Square windows evenly spread from border to border, to sample the whole grid; they may overlap."""
        height, width = self.shape_hw
        side_h, side_w = min(side_px, height), min(side_px, width)
        for row, col in product(range(per_axis), repeat=2):
            row_off, col_off = ((height - side_h) * row, (width - side_w) * col)
            yield Window(col_off // (per_axis - 1), row_off // (per_axis - 1), side_w, side_h)

    def windows_to_look_at(self, side_px: int) -> Iterator[Window]:
        """25 spread windows, or all tiles if the grid is not larger than these windows together."""
        small = math.prod(self.shape_hw) <= (5 * side_px) ** 2
        return self.tiles(side_px) if small else self.spread_windows(side_px, per_axis=5)

    def offset_in(self, other: Grid, tolerance_px: float = 0.01) -> tuple[int, int] | None:
        """Row and column of this grid's first pixel in ``other``, or None if the pixels do not coincide.

        They coincide if the CRS are the same and each corner is within ``tolerance_px`` of a pixel corner of ``other``.
        """
        if not same_crs(self.crs, other.crs):
            return None
        height, width = self.shape_hw
        x, y = self.xy([0, height], [0, width])
        rows, cols = other.rowcol(x + (other._turned(x[:1]) - x[:1]), y)
        row, col = round(float(rows[0])), round(float(cols[0]))
        apart = np.abs([rows - [row, row + height], cols - [col, col + width]]).max()
        return (row, col) if apart <= tolerance_px else None

    def same_as(self, other: Grid) -> bool:
        """Whether both grids have the same pixels, to a hundredth of one."""
        return self.shape_hw == other.shape_hw and self.offset_in(other) == (0, 0)

    def bounds_in(self, crs: CRS) -> Bounds:
        """Left, bottom, right, top in another CRS; right exceeds 180° if the box crosses the antimeridian.

        RasterError if there is no transformation between the CRS.
        """
        left, bottom, right, top = transformer(self.crs, crs).transform_bounds(*self.bounds)
        return left, bottom, right if left <= right else right + 2 * _HALF_TURN, top

    def describe(self) -> str:
        """Size, pixel size and CRS as text."""
        height, width = self.shape_hw
        unit = "°" if self.crs.is_geographic else f" {self.crs.linear_units or 'units'}"
        x, y = self.resolution_xy
        pixel = f"{x:.6g}{unit}" if math.isclose(x, y, rel_tol=1e-6) else f"{x:.6g} × {y:.6g}{unit}"
        return f"{width} × {height} px of {pixel.replace(' metre', ' m')}, {crs_name(self.crs)}"


def ground_pixel_side_m(grid: Grid) -> float | None:
    """Side of a square with the ground area of the middle pixel, to 3 digits; None if unknown."""
    row, col = (side // 2 for side in grid.shape_hw)
    lons_lats = _lons_lats(grid, [row, row, row + 1], [col, col + 1, col + 1])
    if lons_lats is None:
        return None
    side = math.sqrt(math.prod(_GEOD.line_lengths(*lons_lats)))
    return float(f"{side:.3g}") if 0 < side < math.inf else None


def ground_width_m(grid: Grid) -> float | None:
    """Length of the middle row of a projected grid: the planar one if that is within 1 %; None if unknown."""
    unit_m = float(grid.crs.linear_units_factor[1])
    height, width = grid.shape_hw
    planar = width * grid.resolution_xy[0] * unit_m
    lons_lats = _lons_lats(grid, np.full(_ROW_POINTS, height / 2), np.linspace(0, width, _ROW_POINTS))
    length = float(_GEOD.line_length(*lons_lats)) if lons_lats else math.inf  # of short, nearly geodesic pieces
    if not math.isfinite(length):
        return None
    return planar if abs(length / planar - 1) <= _TRUE else length


def _lons_lats(grid: Grid, rows: ArrayLike, cols: ArrayLike) -> tuple[FloatArray, FloatArray] | None:
    """Longitudes and latitudes of pixel corners; None on another planet."""
    try:
        return transformer(grid.crs, WGS84).transform(*grid.xy(np.subtract(rows, 0.5), np.subtract(cols, 0.5)))
    except RasterError:
        return None


def mirrored(start: int, length: int, size: int) -> NDArray[np.intp]:
    """Indices of a run of pixels in a row of ``size`` pixels that continues as its mirror image."""
    if size == 1:
        return np.zeros(length, np.intp)
    folded = np.arange(start, start + length) % (2 * (size - 1))
    return np.where(folded < size, folded, 2 * (size - 1) - folded).astype(np.intp)


def warn_of_datum(name: object, source: CRS, grid: Grid) -> None:
    """Warn if a transformation from ``source`` to a grid is less accurate because a PROJ grid is missing."""
    if same_crs(source, grid.crs):
        return
    area = AreaOfInterest(*grid.bounds_in(WGS84))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyproj's own warning, without the accuracy
        ways = TransformerGroup(
            pyproj_crs(source.to_wkt()), pyproj_crs(grid.crs.to_wkt()), always_xy=True, area_of_interest=area
        )
    if ways.best_available or not ways.transformers or not ways.unavailable_operations:
        return
    files = ", ".join(file.short_name for file in ways.unavailable_operations[0].grids if not file.available)
    accuracy_m = ways.transformers[0].accuracy  # -1 if unknown
    log.warning(
        "%s: transformed from %s to %s with %s; install PROJ grid %s for better (projsync --file fetches it)",
        name,
        crs_name(source),
        crs_name(grid.crs),
        f"an accuracy of {accuracy_m:.2g} m" if accuracy_m >= 0 else "unknown accuracy",
        files,
    )
