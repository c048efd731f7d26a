"""Pixel centres, windows, tiles and other CRS agree to a hundredth of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.geo.crs import transformer
from landcover_bdgf.geo.grid import Grid, ground_pixel_side_m, ground_width_m, mirrored

UTM = CRS.from_epsg(32633)
GRID = Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_000_000), (70, 90))
BEYOND_180 = Grid(CRS.from_epsg(4326), Affine(0.001, 0, 179.9, 0, -0.001, -16), (200, 200))


@pytest.mark.parametrize("turns", [-1, 0, 1])
def test_coordinates_across_the_antimeridian_are_found_in_any_longitude_convention(turns):
    grid = Grid(BEYOND_180.crs, Affine(0.001, 0, 179.9 + 360 * turns, 0, -0.001, -16), BEYOND_180.shape_hw)
    x, y = np.array([179.9505, -179.9495, 180.0505]), np.full(3, -16.0505)
    for crs, atol in ((BEYOND_180.crs, 1e-6), (CRS.from_epsg(3460), 0.01)):
        there = transformer(BEYOND_180.crs, crs).transform(x, y)
        np.testing.assert_allclose(grid.rowcol_of(*there, crs), [[50, 50, 50], [50, 150, 150]], atol=atol)
    assert BEYOND_180.offset_in(grid) == (0, 0)
    assert grid.window_grid(Window(5, 7, 20, 20)).offset_in(BEYOND_180) == (7, 5)


def test_global_grids_keep_their_longitudes():
    for west in (-180, 0):
        earth = Grid(CRS.from_epsg(4326), Affine(1, 0, west, 0, -1, 90), (180, 360))
        assert earth.same_as(earth)
        assert earth.rowcol_of(-10, 0, earth.crs)[1] == (169.5 if west else 349.5)


def test_pixel_centres_are_half_a_pixel_inside():
    assert GRID.xy(0, 0) == (500_005, 4_999_995)
    assert GRID.rowcol(500_015, 4_999_975) == (2.0, 1.0)
    assert GRID.bounds == (500_000, 4_999_300, 500_900, 5_000_000)
    assert GRID.resolution_xy == (10, 10)


def test_a_window_of_the_grid_has_the_same_pixels():
    inner = GRID.window_grid(Window(7, 5, 20, 10))
    assert inner.shape_hw == (10, 20)
    assert inner.xy(0, 0) == GRID.xy(5, 7)
    assert inner.offset_in(GRID) == (5, 7)


def test_tiles_cover_the_grid_once_row_by_row():
    seen = np.zeros(GRID.shape_hw, int)
    for window in GRID.tiles(32):
        seen[window.toslices()] += 1
    assert (seen == 1).all()
    assert [w.col_off for w in GRID.tiles(32)][:4] == [0, 32, 64, 0]


@pytest.mark.parametrize(("shift_px", "same"), [(0.0, True), (0.005, True), (0.02, False), (1.0, False)])
def test_grids_are_the_same_within_a_hundredth_of_a_pixel(shift_px, same):
    assert GRID.same_as(GRID.shifted((shift_px, 0.0))) is same
    assert not GRID.same_as(Grid(UTM, Affine(10.01, 0, 500_000, 0, -10, 5_000_000), (70, 90)))


@pytest.mark.parametrize(("change", "message"), [
    ({"shape_hw": [0, 9]}, "shape_hw.0: Input should be greater than or equal to 1"),
    ({"transform": [10, 1, 0, 0, -10, 0]}, "transform: it is not north-up"),
    ({"crs": "x"}, "crs: The WKT could not be parsed"),
])  # fmt: skip
def test_an_invalid_grid_is_refused(change, message):
    assert Grid.from_dict(GRID.to_dict()) == GRID
    with pytest.raises(ValueError, match=message):
        Grid.from_dict(GRID.to_dict() | change)


def test_a_grid_can_be_shifted_by_parts_of_a_pixel():
    rows, cols = GRID.rowcol(*GRID.shifted((-0.25, 17.5)).xy([0, 9], [0, 4]))
    np.testing.assert_allclose([*rows, *cols], [17.5, 26.5, -0.25, 3.75], atol=1e-6)


@pytest.mark.parametrize("epsg", [4326, 3035, 32632])
def test_coordinates_come_back_from_another_crs(epsg):
    rows, cols = np.mgrid[0:70:23, 0:90:29].reshape(2, -1)
    other = CRS.from_epsg(epsg)
    there = transformer(UTM, other).transform(*GRID.xy(rows, cols))
    np.testing.assert_allclose(GRID.rowcol_of(*there, other), [rows, cols], atol=1e-4)


def test_lengths_are_those_on_the_ground():
    assert ground_width_m(GRID) == 900
    mercator = Grid(CRS.from_epsg(3857), Affine(10, 0, 1_500_000, 0, -10, 8_400_000), (70, 90))  # at 60° N
    assert ground_width_m(mercator) == pytest.approx(900 * np.cos(np.radians(60)), rel=0.01)


def test_mirrored_indices_reflect_at_the_border():
    assert mirrored(-2, 9, 4).tolist() == [2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert mirrored(-3, 7, 1).tolist() == [0] * 7


@pytest.mark.parametrize(("crs", "x", "y", "pixel", "side_m"), [
    (32633, 500_000, 5_000_000, 10.0, 10.0),
    (32633, 500_000, 5_000_000, 0.1, 0.1),
    (4326, 11.0, 60.0, 1e-4, 7.87),  # 11.14 m high, 5.58 m wide
    (3857, 0, 8_399_738, 20.0, 10.0),  # at 60 degrees north
    (2225, 6_000_000, 2_000_000, 32.8084, 10.0),  # in feet
])  # fmt: skip
def test_pixels_are_measured_on_the_ground(crs: int, x: float, y: float, pixel: float, side_m: float) -> None:
    grid = Grid(CRS.from_epsg(crs), Affine(pixel, 0, x, 0, -pixel, y), (60, 80))
    assert ground_pixel_side_m(grid) == pytest.approx(side_m, rel=5e-3)
