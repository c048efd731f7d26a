"""DataArrays are read like files, with the metadata in their attributes; messages name them."""

from __future__ import annotations

import gc
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401  # for array.rio
import xarray
from affine import Affine
from rasterio.crs import CRS
from small_scenes import whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.image import open_image

PIXELS = np.random.default_rng(0).integers(1, 1000, (3, 20, 30)).astype("int16")


def array(pixels=PIXELS, crs="EPSG:32633", **options):
    """A DataArray of 10 m pixels with its corner at (500,000, 5,000,000)."""
    height, width = pixels.shape[-2:]
    coords = {"y": 5_000_000 - 10 * (np.arange(height) + 0.5), "x": 500_000 + 10 * (np.arange(width) + 0.5)}
    dims = ("band", "y", "x")[-pixels.ndim :]
    made = xarray.DataArray(pixels, dims=dims, coords=coords | options.pop("coords", {}), **options)
    return made.rio.write_crs(crs) if crs else made


def test_pixels_are_placed_by_the_coordinates_in_their_crs_or_a_given_one():
    image = open_image(array(crs=None), crs=CRS.from_epsg(32632))
    assert image.grid.transform == Affine(10, 0, 500_000, 0, -10, 5_000_000)
    assert image.grid.crs == CRS.from_epsg(32632)
    assert open_image(array()).grid.crs == CRS.from_epsg(32633)
    np.testing.assert_array_equal(whole(image)[0], PIXELS)


@pytest.mark.parametrize("turned", [
    lambda a: a[:, ::-1],
    lambda a: a.transpose("y", "x", "band"),
    lambda a: a.rename(x="lon", y="lat").rio.set_spatial_dims("lon", "lat"),
    lambda a: a.rename(band="time"),
])  # fmt: skip
def test_order_and_names_of_dimensions_change_nothing(turned):
    np.testing.assert_array_equal(whole(open_image(turned(array())))[0], PIXELS)


def test_a_slice_of_an_array_keeps_its_position():
    image = open_image(array().rio.write_transform()[:, 4::2, 6::2])
    assert image.grid.transform == Affine(20, 0, 500_055, 0, -20, 4_999_965)


def test_single_bands_need_no_dimension_and_are_one_image():
    image = open_image([array(PIXELS[0], name="B02"), array(PIXELS[1], name="B03")])
    np.testing.assert_array_equal(whole(image)[0], PIXELS[:2])
    assert (image.names, image.sensor) == (("B02", "B03"), "Sentinel-2")


@pytest.mark.parametrize(
    "options", [{"attrs": {"long_name": ("red", "green", "nir")}}, {"coords": {"band": ["red", "green", "nir"]}}]
)
def test_bands_are_named_by_long_name_or_coordinate(options):
    assert open_image(array(**options)).names == ("red", "green", "nir")


@pytest.mark.parametrize(("values", "unit"), [([490.5, 560, 665], None), ([0.4905, 0.56, 0.665], "micrometers")])
def test_wavelengths_come_from_their_coordinate(values, unit):
    made = array().assign_coords(wavelength=("band", values))
    made["wavelength"].attrs |= {"units": unit} if unit else {}
    as_dimension = array().rename(band="wavelength").assign_coords(wavelength=made["wavelength"].to_numpy())
    as_dimension["wavelength"].attrs |= made["wavelength"].attrs
    for each in (made, as_dimension):
        assert [band.wavelength_nm for band in open_image(each).bands] == [490.5, 560, 665]


def test_nodata_and_nan_are_invalid():
    pixels = PIXELS.copy()
    pixels[:, 3, 4] = -1
    valid = whole(open_image(array(pixels).rio.write_nodata(-1)))[1]
    masked = whole(open_image(array(np.where(pixels == -1, np.nan, pixels))))[1]
    np.testing.assert_array_equal(valid, pixels[0] != -1)
    np.testing.assert_array_equal(masked, valid)


def test_scale_and_offset_attributes_are_applied():
    image = open_image(array(attrs={"scale_factor": 0.5, "add_offset": -3.0}))
    np.testing.assert_array_equal(whole(image)[0], PIXELS * 0.5 - 3)


def test_the_temporary_file_lives_as_long_as_the_image():
    image = open_image(array())
    path = image.paths[0]
    assert Path(tempfile.gettempdir()) in path.parents
    assert path.is_file()
    del image
    gc.collect()
    assert not path.parent.exists()


UNEVEN = array().assign_coords(x=np.r_[np.arange(29) * 10.0, 400])


@pytest.mark.parametrize(("made", "message"), [
    (array(name="red", crs=None), "DataArray 'red': has no CRS. Set it with array.rio.write_crs(\"EPSG:…\")."),
    (array(crs=None), "DataArray of 3 × 20 × 30: has no CRS."),
    (array(name="red").rename(x="i"), "DataArray 'red': has dimensions (band, y, i), expected (band, y, x)."),
    (array(name="red").expand_dims("time"), "DataArray 'red': has dimensions (time, band, y, x), expected"),
    (UNEVEN, "DataArray of 3 × 20 × 30: has unevenly spaced x coordinates. Resample it to a regular grid."),
    (array(PIXELS * np.nan, name="red"), "DataArray 'red': no band is left, all are without data"),
    (array(name="red").to_dataset(), 'Dataset: is not a DataArray. Convert it with dataset.to_dataarray("band").'),
])  # fmt: skip
def test_messages_name_the_array(made, message):
    with pytest.raises(RasterError, match=re.escape(message)):
        open_image(made)


def test_an_unreadable_array_leaves_no_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(RasterError, match="cannot be written as a GeoTIFF"):
        open_image(array().astype(object))
    assert list(tmp_path.iterdir()) == []
