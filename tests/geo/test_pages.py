"""A TIFF with a band on each page is read as one image, if its pages have one size, type and place."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import open_raster, read_band
from landcover_bdgf.scene.image import open_image

FIRST = {"driver": "GTiff", "crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
ELSEWHERE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 6e5, 0, -10, 5e6)}
PLACELESS = {"crs": None, "transform": None}


def write_pages(path, pixels, changes=(), descriptions=()):
    """A page for each array, with ``changes`` of its profile and a description."""
    for at, page in enumerate(pixels):
        height, width = page.shape
        profile = FIRST | {"count": 1, "height": height, "width": width, "dtype": page.dtype}
        profile |= changes[at] if at < len(changes) else {}
        more = {"APPEND_SUBDATASET": "YES"} if at else {}
        with rasterio.open(path, "w", **profile, **more) as file:
            file.write(page, 1)
            if descriptions:
                file.update_tags(TIFFTAG_IMAGEDESCRIPTION=descriptions[at])
    return path


@pytest.mark.parametrize(("changes", "descriptions", "names"), [
    ((), (), ("band 1", "band 2", "band 3")),
    (({}, PLACELESS, PLACELESS), (), ("band 1", "band 2", "band 3")),
    (({"nodata": 7}, {"nodata": 7}, {"nodata": 7}), ("B02", "B03", "B04"), ("B02", "B03", "B04")),
    ((), ('{"shape": [3, 40, 50]}', "", ""), ("band 1", "band 2", "band 3")),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pages_are_bands_in_order(tmp_path, noise, changes, descriptions, names, caplog):
    caplog.set_level("INFO")
    path = write_pages(tmp_path / "pages.tif", noise, changes, descriptions)
    image = open_image(path)
    assert image.names == names
    assert image.files == image.paths == (path,)
    assert "pages.tif: its 3 pages are read as bands." in caplog.text
    np.testing.assert_array_equal(image.read(Window(3, 2, 40, 30))[0], noise[:, 2:32, 3:43])
    image.check_unchanged()
    image.close()
    with open_raster(path) as dataset:
        np.testing.assert_array_equal(read_band(dataset), noise[0])


def test_many_pages_are_in_order(tmp_path):
    pixels = np.arange(12 * 64, dtype="uint16").reshape(12, 8, 8)
    image = open_image(write_pages(tmp_path / "pages.tif", pixels))
    np.testing.assert_array_equal(image.read(Window(0, 0, 8, 8))[0], pixels)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_world_file_beside_pages_is_not_read_and_told(tmp_path, noise):
    path = write_pages(tmp_path / "pages.tif", noise, [PLACELESS] * 3)
    (tmp_path / "pages.tfw").write_text("10\n0\n0\n-10\n500005\n4999995\n")
    with pytest.raises(
        RasterError, match=r"has no position on the ground in the file; pages\.tfw next to it is not read"
    ):
        open_image(path)


def test_pages_of_another_size_are_left_out(tmp_path, noise, caplog):
    caplog.set_level("INFO")
    path = write_pages(tmp_path / "pages.tif", [noise[0], noise[1], noise[2, ::2, ::2]])
    assert len(open_image(path).bands) == 2
    assert "its pages of other sizes are not read" in caplog.text


@pytest.mark.parametrize(("pixels", "changes", "why"), [
    (np.ones((2, 8, 8), "uint16"), ({}, ELSEWHERE), "they have different positions"),
    ([np.ones((8, 8), "uint16"), np.ones((8, 8), "uint8")], (), "they have different types of pixels"),
    (np.ones((502, 1, 1), "uint8"), (), "more than 500 are not read"),
])  # fmt: skip
def test_pages_that_are_not_bands_of_one_image_are_refused(tmp_path, pixels, changes, why):
    path = write_pages(tmp_path / "pages.tif", pixels, changes)
    with pytest.raises(RasterError, match=rf"holds \d+ pages that are not bands of one image: {why}\. Make one file"):
        open_raster(path)


def test_pages_that_are_cut_off_are_refused(tmp_path, noise):
    path = write_pages(tmp_path / "pages.tif", noise)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(RasterError, match=r"pages\.tif: "):
        open_image(path)
