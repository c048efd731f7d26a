"""A scene is cropped to the blocks that polygons touch; other pixels are invalid, but networks see them."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely
from rasterio.windows import Window

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.area import LATTICE_PX
from landcover_bdgf.scene.settings import AlignSettings

RNG = np.random.default_rng(0)
SPECTRAL = RNG.integers(100, 3000, (3, 300, 420)).astype("int16")
POWER = RNG.gamma(4, 0.05, (2, 150, 210)).astype("float32")  # of 20 m
X, Y = 500_000, 5_000_000
TRIANGLE = shapely.Polygon([(150.3, 140.2), (250.1, 150), (200, 249.7)])  # columns and rows


def on_ground(shape):
    return shapely.transform(shape, lambda xy: xy * (10, -10) + (X, Y))


@pytest.fixture
def scene(write_tif, tmp_path, monkeypatch, no_shift):
    """A function that aligns a scene of 4 x 3 blocks within areas, given in pixels."""
    monkeypatch.chdir(tmp_path)
    paths = write_tif("hsi.tif", SPECTRAL), write_tif("sar.tif", POWER, pixel_m=20)

    def make(*shapes, crs=32633, **settings):
        if shapes:
            frame = geopandas.GeoDataFrame(geometry=[on_ground(shape) for shape in shapes], crs=32633)
            frame.to_crs(crs).to_file("aoi.gpkg")
        return align(*paths, settings=AlignSettings(aoi="aoi.gpkg" if shapes else None, **settings))

    return make


def test_the_grid_is_cropped_to_whole_blocks(scene):
    stack = scene(TRIANGLE)
    assert stack.origin_rc == (LATTICE_PX, LATTICE_PX)
    assert stack.grid.shape_hw == (LATTICE_PX, LATTICE_PX)
    assert stack.grid.transform[2:6:3] == (X + 1280, Y - 1280)
    assert scene(shapely.box(390, 290, 500, 400)).grid.shape_hw == (44, 36)  # to the border of the image
    assert scene(shapely.box(-50, -50, 500, 400)).grid.same_as(stack.image_grid)


def test_pixels_whose_centres_are_outside_are_invalid_but_seen_by_networks(scene):
    stack, image = scene(TRIANGLE), scene()
    window = Window(0, 0, 128, 128)
    rows, cols = np.mgrid[128:256, 128:256]
    inside = shapely.contains_xy(TRIANGLE, cols + 0.5, rows + 0.5)
    tile, there = stack.read(window), image.read(Window(128, 128, 128, 128))
    assert np.array_equal(tile.valid, inside)
    assert stack.pixels == inside.sum()
    assert np.array_equal(tile.spectral, there.spectral * inside)
    seen, whole = stack.read_padded(-200, -140, 400, 500), image.read_padded(-72, -12, 400, 500)
    for name in ("spectral", "sar", "valid"):
        assert np.array_equal(getattr(seen, name), getattr(whole, name)), name
    assert stack.read_sar(window)[1].all()


@pytest.mark.parametrize("crs", [4326, 32632, 3035])
def test_polygons_may_be_in_another_crs(scene, crs):
    here, there = scene(TRIANGLE), scene(TRIANGLE, crs=crs)
    assert here.grid.same_as(there.grid)
    differ = here.read_inside(Window(0, 0, 128, 128)) != there.read_inside(Window(0, 0, 128, 128))
    assert not differ.any()


def test_several_polygons_are_united(scene):
    shapes = shapely.box(10, 10, 20, 20), shapely.box(15, 15, 30, 30), shapely.MultiPolygon([shapely.box(40, 2, 50, 4)])
    assert scene(*shapes).pixels == 100 + 225 - 25 + 20


def test_a_crossed_outline_is_mended(scene):
    assert scene(shapely.Polygon([(10, 10), (30, 30), (30, 10), (10, 30)])).pixels > 150


def test_the_area_is_described_recorded_and_part_of_the_fingerprint(scene):
    one, other = scene(shapely.box(10, 10, 20, 20)), scene(shapely.box(10, 10, 20, 21))
    assert one.grid.same_as(other.grid)
    assert one.fingerprint() != other.fingerprint()
    assert "area of interest: aoi.gpkg: 110 px, 0.0873 % of the image" in other.describe()
    assert other.limits() == {"area": {"file": "aoi.gpkg", "pixels": 110, "share": 110 / 126_000}}


def test_the_share_of_a_mask_is_that_of_the_area(scene, write_tif):
    mask = np.zeros((300, 420), np.uint8)
    mask[:15], mask[200:] = 1, 1
    write_tif("clouds.tif", mask)
    stack = scene(shapely.box(10, 10, 20, 20), mask=("clouds.tif",))
    assert stack.mask.share == 0.5
    assert stack.read_masked(Window(0, 0, 128, 128)).sum() == 15 * 128
    assert stack.read_valid(Window(0, 0, 128, 128)).sum() == 50
    with pytest.raises(RasterError, match="masks all of the area of interest"):
        scene(shapely.box(10, 5, 20, 10), mask=("clouds.tif",))


REFUSED = [
    ([shapely.Point(5, 5)], "holds points, but an area of interest is made of polygons"),
    ([shapely.LineString([(5, 5), (9, 9)])], "holds lines, but"),
    ([shapely.box(1e4, 10, 1.1e4, 20)], "does not overlap the image: the area covers 16.2.*, the image 15.0"),
    ([shapely.Polygon()], "has no polygons"),
    ([shapely.box(5.1, 5.1, 5.4, 5.4)], "so small or thin that they hold no centre of a pixel"),
]


@pytest.mark.parametrize(("shapes", "message"), REFUSED)
def test_what_is_no_area_is_refused(scene, shapes, message):
    with pytest.raises(LabelError, match=f"aoi.gpkg: .*{message}"):
        scene(*shapes)


def test_layers_are_no_setting_of_an_area(scene):
    geopandas.GeoDataFrame(geometry=[on_ground(TRIANGLE)], crs=32633).to_file("aoi.gpkg", layer="other")
    with pytest.raises(LabelError, match=r"has 2 layers, .* Save the polygons of the area as a file of their own"):
        scene(TRIANGLE)


def test_an_area_that_changes_is_noticed(scene, tmp_path):
    stack = scene(TRIANGLE)
    stack.check_unchanged()
    geopandas.GeoDataFrame(geometry=[on_ground(TRIANGLE)], crs=4326).to_file("aoi.gpkg")
    with pytest.raises(RasterError, match=r"aoi\.gpkg: was modified"):
        stack.check_unchanged()
