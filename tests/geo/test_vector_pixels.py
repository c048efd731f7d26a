"""Geometries are converted to pixels: x is the column, y the row, (0, 0) the corner of the first pixel."""

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.vector_pixels import to_pixels

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), (60, 80))
UTM, WGS84 = CRS.from_epsg(32633).to_wkt(), CRS.from_epsg(4326).to_wkt()


def test_corners_of_pixels_are_whole_numbers_in_any_crs() -> None:
    shapes = np.array([shapely.box(500_010, 4_999_960, 500_030, 4_999_980), shapely.Point(500_005, 4_999_995, 7)])
    to_pixels("a.gpkg", shapes, UTM, GRID)
    assert shapes[0].equals(shapely.box(1, 2, 3, 4))
    assert shapes[1] == shapely.Point(0.5, 0.5)
    (lon,), (lat,) = transform("EPSG:32633", "EPSG:4326", [500_123.0], [4_999_877.0])
    points = np.array([shapely.Point(lon, lat)])
    to_pixels("a.gpkg", points, WGS84, GRID)
    np.testing.assert_allclose(shapely.get_coordinates(points), [[12.3, 12.3]], atol=1e-5)


def test_an_unknown_crs_is_refused() -> None:
    with pytest.raises(LabelError, match=r"a\.gpkg: its CRS cannot be read\. Give it one in QGIS"):
        to_pixels("a.gpkg", np.array([shapely.Point(0, 0)]), "PROJCS[nonsense", GRID)
