"""Area of pixels on the ellipsoid of their CRS.

A belt of the ellipsoid between the equator and latitude φ has, for each radian of longitude, the area (Snyder 1987, Map
Projections, USGS Professional Paper 1395, eq. 3-12 with eq. 3-16)::

    F(φ) = b²/2 · [ sin φ / (1 − e² sin² φ) + artanh(e sin φ) / e ]                                       (1)

so that (λ, F) are coordinates in which areas are true. In a geographic CRS the area of a pixel is Δλ · ΔF, exactly. In
a projected one it is that of the quadrilateral of its four corners in (λ, F).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyproj
from numpy.typing import ArrayLike, NDArray
from rasterio.windows import Window

from landcover_bdgf.geo.grid import Grid

M2_PER_HA = 10_000.0
# Distance of the pixels whose areas are computed in a projected CRS. Between them they are interpolated, with an error
# of a millionth: areas change by a few 10⁻¹⁴ of themselves per m² of distance.
_STEP_M = 5000.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PixelAreas:
    """Areas of the pixels of a grid, in m² on the ellipsoid of its CRS; planar in a local CRS without one."""

    grid: Grid

    def of(self, window: Window) -> Floats:
        """Areas in a window, float64 (h, 1) in a geographic CRS, else (h, w)."""
        rows = np.arange(window.row_off, window.row_off + window.height)
        if self._ellipsoid is None:
            return np.full((window.height, 1), self._planar_m2)
        if self.grid.crs.is_geographic:
            return self.at(rows, np.zeros(len(rows), int))[:, None]
        cols = np.arange(window.col_off, window.col_off + window.width)
        row_nodes, row, down = _between(rows, self._step_px, self.grid.shape_hw[0])
        col_nodes, col, right = _between(cols, self._step_px, self.grid.shape_hw[1])
        at_nodes = self.at(*np.broadcast_arrays(row_nodes[:, None], col_nodes))
        across = at_nodes[:, col] * (1 - right) + at_nodes[:, col + 1] * right
        return across[row] * (1 - down[:, None]) + across[row + 1] * down[:, None]

    def at(self, rows: ArrayLike, cols: ArrayLike) -> Floats:
        """Areas of pixels, float64 of the shape of ``rows`` and ``cols``."""
        row, col = np.asarray(rows, np.float64), np.asarray(cols, np.float64)
        if self._ellipsoid is None:
            return np.full(row.shape, self._planar_m2)
        # Upper left, upper right, lower right, lower left.
        corners = [self._true(row + down, col + right) for down, right in _CORNERS]
        return np.abs(_quadrilateral([x for x, _ in corners], [f for _, f in corners]))

    @cached_property
    def _step_px(self) -> int:
        side_m = max(self.grid.resolution_xy) * float(self.grid.crs.linear_units_factor[1])
        return max(1, int(_STEP_M / side_m))

    @cached_property
    def _planar_m2(self) -> float:
        width, height = self.grid.resolution_xy
        return width * height * float(self._crs.axis_info[0].unit_conversion_factor) ** 2

    @cached_property
    def _crs(self) -> Any:
        return pyproj.CRS.from_wkt(self.grid.crs.to_wkt())

    @cached_property
    def _ellipsoid(self) -> tuple[float, float] | None:
        """Semi-minor axis in m, and eccentricity."""
        found = self._crs.ellipsoid if self._crs.geodetic_crs is not None else None
        if found is None:
            return None
        a, b = found.semi_major_metre, found.semi_minor_metre
        return b, math.sqrt(max(0.0, 1 - (b / a) ** 2))

    @cached_property
    def _to_geodetic(self) -> pyproj.Transformer:
        return pyproj.Transformer.from_crs(self._crs, self._crs.geodetic_crs, always_xy=True)

    def _true(self, row: Floats, col: Floats) -> tuple[Floats, Floats]:
        """Longitude in radians and F in m², eq. (1), of fractional rows and columns; 0.0 is the centre of a pixel."""
        x, y = self.grid.xy(row, col)
        lon, lat = (x, y) if self.grid.crs.is_geographic else self._to_geodetic.transform(x, y)
        unit = float(self._crs.geodetic_crs.axis_info[0].unit_conversion_factor)  # of degrees, or of grads in NTF
        minor, e = self._ellipsoid or (1.0, 0.0)
        sine = np.sin(np.clip(np.asarray(lat) * unit, -math.pi / 2, math.pi / 2))
        curved = np.arctanh(e * sine) / e if e else sine
        return np.asarray(lon) * unit, minor**2 / 2 * (sine / (1 - (e * sine) ** 2) + curved)


def _between(pixels: NDArray[np.int64], step: int, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Nodes every ``step`` pixels of an axis, the node before each pixel, and the share of the way to the next."""
    nodes = np.arange(pixels[0] // step, pixels[-1] // step + 2) * step
    nodes = np.minimum(nodes, max(side - 1, int(pixels[-1])))  # beyond the border a projection may have no area
    before = pixels // step - pixels[0] // step
    return nodes, before, (pixels - nodes[before]) / np.maximum(nodes[before + 1] - nodes[before], 1)


_CORNERS = ((-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5))


def _quadrilateral(x: list[Floats], y: list[Floats]) -> Floats:
    """Signed area of quadrilaterals by their diagonals; longitudes on both sides of the antimeridian are joined."""
    one, other = (_turned(x[2] - x[0]), y[2] - y[0]), (_turned(x[3] - x[1]), y[3] - y[1])
    return np.asarray(one[0] * other[1] - other[0] * one[1]) / 2


def _turned(angle: Floats) -> Floats:
    return np.asarray((angle + math.pi) % (2 * math.pi) - math.pi)
