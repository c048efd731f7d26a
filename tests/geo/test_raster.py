"""Rasters of the supported formats are opened, and only georeferenced ones have a grid."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.control import GroundControlPoint

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import grid_of, open_raster


def test_an_envi_image_opens_by_its_header_too(write_tif, noise):
    path = write_tif("scene.img", noise, driver="ENVI")
    with open_raster(path.with_suffix(".hdr")) as dataset:
        np.testing.assert_array_equal(dataset.read(), noise)


@pytest.mark.parametrize(("options", "words"), [
    ({"crs": None}, "no CRS"),
    ({"transform": Affine.identity()}, "no position"),
    ({"transform": Affine(10, 1, 0, 1, -10, 0)}, "rotated or sheared"),
    ({"transform": Affine(-10, 0, 0, 0, -10, 0)}, "mirrored"),
    ({"transform": Affine(float("nan"), 0, 0, 0, -10, 0)}, "invalid pixel size"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_a_usable_georeference_is_refused(write_tif, noise, options, words):
    with open_raster(write_tif("a.tif", noise, **options)) as dataset, pytest.raises(RasterError, match=words):
        grid_of(dataset)


def test_ground_control_points_alone_are_refused(write_tif, noise):
    points = [GroundControlPoint(row, col, 9 + col, 50 - row) for row in (0, 40) for col in (0, 50)]
    path = write_tif("grd.tif", noise, transform=None, gcps=points)
    with open_raster(path) as dataset, pytest.raises(RasterError, match="4 ground-control points"):
        grid_of(dataset)


@pytest.mark.parametrize(("options", "words"), [
    ({"crs": "EPSG:4326"}, "which are not degrees, but its CRS is EPSG:4326"),
    ({"origin_xy": (13.5, 52.3), "pixel_m": 0.0001}, "which look like degrees, but its CRS is EPSG:32633"),
])  # fmt: skip
def test_coordinates_in_another_unit_than_the_crs_are_refused(write_tif, noise, options, words):
    with open_raster(write_tif("a.tif", noise, **options)) as dataset, pytest.raises(RasterError, match=words):
        grid_of(dataset)
