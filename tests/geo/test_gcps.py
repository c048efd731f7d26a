"""An image georeferenced by ground-control points has the values of the file at the right places."""

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.scene.alignment import AlignSettings, align
from landcover_bdgf.scene.image import open_image

HEIGHT, WIDTH, DEGREES_PX = 300, 400, 1e-4
WGS84 = CRS.from_epsg(4326)
CORNERS = [(r, c, 10 + c / 1e4, 50 - r / 1e4) for r in (0, 30) for c in (0, 40)]  # of 30 × 40 px
HALF = np.repeat([[0, 255]], 30, axis=0).repeat(20, axis=1).astype(np.uint8)  # its western half is masked


def place(rows, cols):
    """Longitude and latitude, turned a little and with a wave that no polynomial follows."""
    lon = 10 + DEGREES_PX * (cols + 0.1 * rows + 3 * np.sin(cols / 60))
    return lon, 50 - DEGREES_PX * (rows - 0.1 * cols - 3 * np.cos(rows / 50))


@pytest.fixture
def write(write_tif):
    """A function that writes an image with ground-control points (row, column, x, y) in place of a transform."""

    def make(name, pixels, points, crs=WGS84, **options):
        path = write_tif(name, pixels, **({"crs": WGS84} | options))
        with rasterio.open(path, "r+") as file:
            file.gcps = [GroundControlPoint(*point) for point in points], crs
        return path

    return make


@pytest.fixture
def placed(write):
    """Two bands that hold the row and the column of each pixel, from 1, as Sentinel-1 GRD is delivered."""
    rows, cols = np.mgrid[1 : HEIGHT + 1, 1 : WIDTH + 1].astype(np.uint16)
    lattice = [(r, c) for r in np.linspace(0, HEIGHT, 13) for c in np.linspace(0, WIDTH, 17)]
    points = [(r, c, *map(float, place(r, c))) for r, c in lattice]
    about = {"names": ("VV", "VH"), "tags": {"ACQUISITION_DATE": "2020-06-04"}}
    return write("grd.tif", np.stack([rows, cols]), points, **about)


def test_pixels_are_at_the_places_of_the_points(placed):
    image = open_image(placed, warp_gcps=True)
    height, width = image.grid.shape_hw
    values, valid = image.read(Window(0, 0, width, height))
    assert image.names == ("VV", "VH")
    assert image.tags["ACQUISITION_DATE"] == "2020-06-04"
    rows, cols = values - 1  # in the file
    lon, lat = place(rows + 0.5, cols + 0.5)
    there = image.grid.xy(*np.mgrid[:height, :width])
    off_px = np.hypot(lon - there[0], lat - there[1])[valid] / DEGREES_PX
    assert np.median(off_px) < 0.5  # nearest neighbour
    assert np.percentile(off_px, 99) < 1
    assert 0.7 < valid.mean() < 0.95  # the corners are empty


def test_values_do_not_depend_on_the_window(placed):
    image = open_image(placed, warp_gcps=True)
    height, width = image.grid.shape_hw
    whole, valid = image.read(Window(0, 0, width, height))
    assert set(np.unique(whole[0, valid])) == set(range(1, HEIGHT + 1))
    for row, col in ((0, 0), (37, 141), (150, 200)):
        part, there = open_image(placed, warp_gcps=True).read(Window(col, row, 61, 47))
        np.testing.assert_array_equal(part, whole[:, row : row + 47, col : col + 61])
        np.testing.assert_array_equal(there, valid[row : row + 47, col : col + 61])


def test_an_image_can_be_read_on_a_grid_in_metres(placed):
    grid = Grid(CRS.from_epsg(32632), rasterio.Affine(10, 0, 572_500, 0, -10, 5_539_000), (200, 180))
    values, valid = open_image(placed, warp_gcps=True).read(Window(0, 0, 180, 200), grid)
    assert valid.all()
    x, y = map(np.ravel, grid.xy(*np.mgrid[:200, :180]))
    lon, lat = (np.reshape(a, (200, 180)) for a in rasterio.warp.transform(grid.crs, "EPSG:4326", x, y))
    found = place(*(values - 0.5))
    off_m = np.hypot((found[0] - lon) * 71_600, (found[1] - lat) * 111_200)
    assert np.median(off_m) < 5
    assert off_m.max() < 15


def test_a_real_sar_image_with_points_is_at_its_old_place(shared_data, write):
    spectral, sar = (shared_data / "s1s2_chile" / name for name in ("s2_l2a.tif", "s1_rtc_db.tif"))
    with rasterio.open(sar) as file:
        pixels, profile, names = file.read(), file.profile, file.descriptions
    lattice = [(r, c) for r in np.linspace(0, file.height, 14) for c in np.linspace(0, file.width, 15)]
    x, y = np.array([profile["transform"] @ (c, r) for r, c in lattice]).T
    lon, lat = rasterio.warp.transform(profile["crs"], "EPSG:4326", x, y)
    points = [(*rc, *at) for rc, at in zip(lattice, zip(lon, lat, strict=True), strict=True)]
    placed = write("placed.tif", pixels, points, names=names, nodata=profile["nodata"])
    stacks = [align(spectral, image, settings=AlignSettings(warp_gcps=True)) for image in (sar, placed)]
    assert [stack.sar.grid.crs.is_geographic for stack in stacks] == [False, True]
    one, other = (10 * np.log10(stack.read(Window(20, 20, 160, 160)).sar[0]) for stack in stacks)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9
    aside = 10 * np.log10(stacks[1].read(Window(21, 21, 160, 160)).sar[0])
    assert abs(one - other).mean() < abs(one - aside).mean() / 2


def test_an_internal_mask_is_used(write):
    path = write("masked.tif", np.ones((30, 40), np.float32), CORNERS)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(HALF)
    image = open_image(path, warp_gcps=True)
    assert image.grid.shape_hw == (30, 40)
    _, valid = image.read(Window(0, 0, 40, 30))
    assert not valid[:, :19].any()
    assert valid[:, 21:].all()


@pytest.mark.parametrize(("points", "crs", "message"), [
    (CORNERS, CRS(), "have no CRS"),
    ([(0, 0, 10, 50), (0, 0, 20, 60), (30, 40, 10, 50), (15, 20, 10, 50)], WGS84, "are degenerate or contradict"),
])  # fmt: skip
def test_unusable_points_are_refused(points, crs, message, write):
    path = write("bad.tif", HALF, points, crs)
    with pytest.raises(RasterError, match=message):
        open_image(path, warp_gcps=True)


@pytest.mark.parametrize(
    ("spacing", "at", "off_px"), [(500, 0, (1503, 1503)), (250, 10, (8, -175)), (100, 417, (-70, -3))]
)
def test_a_misplaced_point_is_detected(spacing, at, off_px, write):
    lattice = [(r, c) for r in range(0, 2001, spacing) for c in range(0, 2001, spacing)]
    places = [(10 + c / 1e4, 50 - r / 1e4) for r, c in lattice]

    def opened():
        points = [(*rc, *xy) for rc, xy in zip(lattice, places, strict=True)]
        return open_image(write("claimed.tif", np.ones((2000, 2000), np.uint8), points), warp_gcps=True).grid.shape_hw

    assert opened() == (2000, 2000)
    places[at] = (places[at][0] + off_px[1] / 1e4, places[at][1] - off_px[0] / 1e4)
    with pytest.raises(RasterError, match="are degenerate or contradict one another"):
        opened()
