"""A pixel is masked if at least half of it is, on any grid and in any window."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform
from rasterio.windows import Window

from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.scene.mask_share import Covered, _Boxes, covered_pixels

UTM = CRS.from_epsg(32633)
ALL_200 = Window(0, 0, 200, 20)
TARGET = Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_000_000), (40, 50))


def covered(mask: np.ndarray, source: Grid, window: Window = Window(0, 0, 50, 40), target: Grid = TARGET) -> Covered:
    def read(part: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values = mask[part.toslices()]
        return values > 0, values, np.ones(values.shape, bool)

    return covered_pixels(read, source, target, window)


def moved(pixel_m: float, shape: tuple[int, int], right_m: float = 0, down_m: float = 0) -> Grid:
    return Grid(UTM, Affine(pixel_m, 0, 500_000 + right_m, 0, -pixel_m, 5_000_000 - down_m), shape)


def test_a_coarse_mask_is_repeated() -> None:
    mask = np.random.default_rng(0).random((20, 25)) < 0.3
    assert np.array_equal(covered(mask, moved(20, (20, 25))).masked, mask.repeat(2, 0).repeat(2, 1))
    coarse = mask[:7, :9]
    whole = coarse.repeat(6, 0).repeat(6, 1)[:40, :50]
    assert np.array_equal(covered(coarse, moved(60, (7, 9))).masked, whole)


@pytest.mark.parametrize(("parts", "masked"), [(0, False), (1, False), (2, True), (3, True), (4, True)])
def test_half_of_the_pixels_of_a_fine_mask_are_enough(parts: int, masked: bool) -> None:
    mask = np.zeros((80, 100), np.uint8)
    mask[10:12, 20:22].flat[:parts] = 1  # the four parts of the pixel in row 5, column 10
    expected = np.zeros((40, 50), bool)
    expected[5, 10] = masked
    assert np.array_equal(covered(mask, moved(5, (80, 100))).masked, expected)


@pytest.mark.parametrize(("right_m", "masked"), [(0, [10]), (4, [10]), (5, [10, 11]), (6, [11]), (10, [11])])
def test_a_mask_between_pixels_counts_by_its_area(right_m: float, masked: list[int]) -> None:
    mask = np.zeros((40, 50), np.uint8)
    mask[:, 10] = 1
    found = covered(mask, moved(10, (40, 50), right_m)).masked
    assert np.flatnonzero(found.any(axis=0)).tolist() == masked
    assert found[:, masked].all()


@pytest.mark.parametrize("pixel_m", [3.7, 10, 20, 26])
def test_windows_do_not_matter(pixel_m: float) -> None:
    shape = (int(380 / pixel_m), int(450 / pixel_m))
    mask = np.random.default_rng(1).random(shape) < 0.5
    source = moved(pixel_m, shape, 7.3, -4.1)
    whole = covered(mask, source)
    for window in TARGET.tiles(17):
        part, at = covered(mask, source, window), window.toslices()
        assert np.array_equal(part.masked, whole.masked[at])
        assert np.array_equal(part.reached, whole.reached[at])


def test_a_mask_in_another_crs() -> None:
    """Degrees; the truth is the mask at the centres of the pixels, except next to its border."""
    (west,), (north,) = transform(UTM, 4326, [499_900], [5_000_100])
    source = Grid(CRS.from_epsg(4326), Affine(1e-4, 0, west, 0, -1e-4, north), (80, 100))
    mask = np.zeros((80, 100), np.uint8)
    mask[30:50, 30:60] = 1
    found = covered(mask, source)
    x, y = TARGET.xy(*np.mgrid[:40, :50])
    lon, lat = transform(UTM, 4326, x.ravel(), y.ravel())
    cols, rows = (np.array(lon) - west) / 1e-4, (north - np.array(lat)) / 1e-4
    depth = np.minimum.reduce([rows - 30, 50 - rows, cols - 30, 60 - cols]).reshape(40, 50)
    clear = np.abs(depth) > 0.8
    assert np.array_equal(found.masked[clear], depth[clear] > 0)
    assert found.masked.any()
    assert not found.masked.all()


@pytest.mark.parametrize("epsg", [32632, 3857, 4326, 3413])
def test_boxes_between_transformed_pixels_are_those_of_all_pixels(epsg: int) -> None:
    crs, target = CRS.from_epsg(epsg), Grid(UTM, TARGET.transform, (400, 300))
    (west,), (north,) = transform(UTM, crs, [499_000], [5_000_900])
    side = 1e-4 if epsg == 4326 else 9
    source = Grid(crs, Affine(side, 0, west, 0, -side, north), (600, 600))
    window = Window(13, 7, 250, 333)
    found = _Boxes.of(source, target, window)
    rows, cols = np.mgrid[7 : 7 + 333, 13 : 13 + 250]
    row, col = source.rowcol_of(*target.xy(rows, cols), UTM)
    assert abs(found.row - (row + 0.5)).max() < 0.01
    assert abs(found.col - (col + 0.5)).max() < 0.01
    ends = [source.rowcol_of(*target.xy(rows + at, cols), UTM)[0] for at in (-0.5, 0.5)]
    assert (found.height >= abs(ends[1] - ends[0]) - 0.01).all()
    assert found.row.shape == (333, 250)


def test_positions_that_jump_are_transformed_one_by_one() -> None:
    """A scene across the antimeridian, whose mask in degrees covers the Earth."""
    target = Grid(CRS.from_epsg(32601), Affine(1000, 0, 200_000, 0, -1000, 100_000), (20, 200))
    mask = np.zeros((1800, 3600), np.uint8)
    mask[:, 3590:] = 1  # from 179° east
    found = covered(mask, Grid(CRS.from_epsg(4326), Affine(0.1, 0, -180, 0, -0.1, 90), mask.shape), ALL_200, target)
    x, y = target.xy(*np.mgrid[:20, :200])
    east = np.array(transform(target.crs, 4326, x.ravel(), y.ravel())[0]).reshape(20, 200)
    clear = abs(abs(east) - 180) > 0.03
    assert np.array_equal(found.masked[clear], east[clear] > 179)


def test_beyond_the_mask_nothing_is_masked() -> None:
    found = covered(np.ones((10, 10), np.uint8), moved(10, (10, 10), 100, 50))
    inside = np.zeros((40, 50), bool)
    inside[5:15, 10:20] = True
    assert np.array_equal(found.masked, inside)
    assert np.array_equal(found.reached, inside)
    assert not covered(np.ones((10, 10), np.uint8), moved(10, (10, 10), 10_000)).reached.any()
