"""Raw values become physical ones; nodata, NaN, infinite and masked pixels are invalid; pixels read can be counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from small_scenes import whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.band_reader import ReadCounts
from landcover_bdgf.scene.image import open_image

UTM = CRS.from_epsg(32633)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_nodata_nan_and_infinity_are_invalid(write_tif, dtype):
    pixels = np.arange(1, 41).reshape(2, 4, 5).astype(dtype)
    pixels[0, 0, 0] = 0
    expected = pixels[0] != 0
    if np.issubdtype(dtype, np.floating):
        pixels[1, 1, 1], pixels[0, 2, 2] = np.nan, np.inf
        expected[1, 1] = expected[2, 2] = False
    values, valid = whole(open_image(write_tif("a.tif", pixels, nodata=0)))
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(values, np.where(expected, pixels, 0))


def test_float32_nodata_written_with_more_digits_is_recognised(write_tif):
    pixels = np.array([[1, np.finfo("float32").min]], "float32")
    _, valid = whole(open_image(write_tif("a.tif", pixels, nodata=-3.4028234663852886e38)))
    np.testing.assert_array_equal(valid, [[True, False]])


def test_scale_and_offset_give_physical_values(write_tif):
    path = write_tif("a.tif", np.array([[100, 200, 0]], "int16"), nodata=0)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.01,), (-1.0,)
    values, valid = whole(open_image(path))
    np.testing.assert_array_equal(values[0], np.float32([[0, 1, 0]]))
    np.testing.assert_array_equal(valid, [[True, True, False]])


@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_pixels_become_intensity(write_tif, dtype):
    values, _ = whole(open_image(write_tif("slc.tif", np.array([[3 + 4j, 1j]], "complex64"), dtype=dtype)))
    np.testing.assert_array_equal(values[0], [[25, 1]])


def test_zeros_of_original_sentinel_2_files_are_invalid(tmp_path):
    pixels = np.arange(256 * 256, dtype="uint16").reshape(1, 256, 256) % 900 + 1
    pixels[:, :40] = 0
    profile = {"driver": "JP2OpenJPEG", "width": 256, "height": 256, "count": 1, "dtype": "uint16", "crs": UTM}
    profile |= {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "QUALITY": 100, "REVERSIBLE": "YES"}
    for name, expected in (("T33UUP_20200604T100031_B02_10m", False), ("elsewhere_B02", True)):
        with rasterio.open(tmp_path / f"{name}.jp2", "w", **profile) as file:
            file.write(pixels)
        values, valid = whole(open_image(tmp_path / f"{name}.jp2"))
        np.testing.assert_array_equal(values, pixels)
        np.testing.assert_array_equal(valid, (pixels[0] > 0) | expected)


def test_a_south_up_file_is_read_like_a_north_up_file(write_tif, noise):
    north = open_image(write_tif("n.tif", noise))
    flipped = Affine(10, 0, 500_000, 0, 10, 5_000_000 - 400)
    south = open_image(write_tif("s.tif", noise[:, ::-1], transform=flipped))
    assert south.grid == north.grid
    for window in (Window(0, 0, 50, 40), Window(3, 5, 20, 10)):
        np.testing.assert_array_equal(south.read(window)[0], north.read(window)[0])


def test_a_damaged_file_is_named(write_tif):
    pixels = np.random.default_rng(0).integers(0, 4, (500, 500), dtype=np.uint8)
    path = write_tif("a.tif", pixels, compress="deflate")
    content = bytearray(path.read_bytes())
    content[30_000:35_000] = b"\xff" * 5_000
    path.write_bytes(content)
    with pytest.raises(RasterError, match=r"a\.tif: is damaged"):
        whole(open_image(path))


LEAST = np.finfo("float32").min
FILLS = [("int16", -9999, "-9999"), ("float64", -9999, "-9999"), ("float32", LEAST, r"-3\.4028235e\+38")]


@pytest.mark.parametrize(("dtype", "fill", "text"), [*FILLS, ("float32", 1e38, r"1e\+38")])
def test_an_undeclared_fill_is_refused_in_one_file_of_many(write_tif, dtype, fill, text):
    pixels = np.full((4, 5), 7, dtype)
    filled = pixels.copy()
    filled[2, 3] = fill
    image = open_image([write_tif("x/B1.tif", pixels), write_tif("x/B2.tif", filled)])
    image.read(Window(0, 0, 5, 2))
    words = rf"B2\.tif: contains {text} in all bands but does not declare .* gdal_edit\.py -a_nodata {text}"
    with pytest.raises(RasterError, match=words):
        image.read(Window(0, 0, 5, 4))
    both = write_tif("both.tif", np.stack([pixels, filled]))
    assert open_image(both).read(Window(0, 0, 5, 4))[1].all()  # in one band of two: an outlier


def test_a_low_measurement_of_a_single_band_is_no_fill(write_tif, noise):
    pixels = -10_000 - 5 * noise[0]
    np.testing.assert_array_equal(whole(open_image(write_tif("depth.tif", pixels)))[0][0], pixels)


def test_a_fill_where_another_band_has_no_data_is_accepted(write_tif):
    pixels = np.full((2, 4, 5), 7, "float32")
    pixels[:, 3] = [[-9999], [np.nan]]
    _, valid = open_image(write_tif("a.tif", pixels)).read(Window(0, 0, 5, 4))
    assert valid[:3].all()
    assert not valid[3].any()


def counted(source):
    """Counts of reading a whole image, and its files."""
    counts = ReadCounts()
    image = replace(open_image(source), counts=counts)
    whole(image)
    return counts, image.paths


@pytest.mark.parametrize(("dark", "nodata", "share"), [(2, None, 0.5), (1, None, 0), (2, 0, 0)])
@pytest.mark.parametrize("in_one_file", [True, False])
def test_zeros_in_all_bands_are_counted_unless_declared(write_tif, noise, dark, nodata, share, in_one_file):
    noise[:dark, :20] = 0
    bands = [write_tif(f"x/B{i}.tif", noise[i], nodata=nodata) for i in (0, 1)]
    counts, paths = counted(write_tif("a.tif", noise[:2], nodata=nodata) if in_one_file else bands)
    assert counts.zero_share(paths) == share


def test_infinite_values_are_counted_among_floats_only(write_tif, noise):
    noise[0, :20] = np.inf
    counts, paths = counted([write_tif("a.tif", noise), write_tif("b.tif", np.ones((40, 50), "uint8"))])
    assert counts.infinite_share(paths) == pytest.approx(1 / 6)
