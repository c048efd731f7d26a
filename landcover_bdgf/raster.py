"""Rasters: the grid they lie on, reading windows with their valid mask, writing without half-written files."""

from __future__ import annotations

from dataclasses import dataclass

from affine import Affine
from rasterio.crs import CRS


@dataclass(frozen=True)
class Grid:
    """Where pixels lie on the ground: north-up, square or not, in one coordinate reference system.

    Attributes
    ----------
    crs : rasterio.crs.CRS
    transform : affine.Affine
        Pixel (column, row) to map (x, y), upper left corner of the upper left pixel at (0, 0).
    shape_hw : tuple of int
        Rows, columns.
    """

    crs: CRS
    transform: Affine
    shape_hw: tuple[int, int]
