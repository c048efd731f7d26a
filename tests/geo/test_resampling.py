"""Resampled values are exact on planes, means of finer pixels, and independent of the window."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.geo.crs import transformer
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.resampling import resample, resolution_ratio

UTM = CRS.from_epsg(32633)
SOURCE = Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_000_000), (80, 90))


def resampled(values, target, window=None):
    """Values of an array (h, w) on SOURCE at the pixels of a target; and which are valid."""
    height, width = target.shape_hw
    valid, filled = np.isfinite(values), np.nan_to_num(values)

    def read(part):
        return filled[None][:, *part.toslices()], valid[None][:, *part.toslices()]

    found, there = resample(read, SOURCE, target, window or Window(0, 0, width, height), count=1)
    return found[0], there[0]


def ramp(grid):
    """A plane over the map, 1 per 100 m to the east and −2 to the south."""
    x, y = transformer(grid.crs, UTM).transform(*grid.xy(*np.indices(grid.shape_hw)))
    return (x - 500_000) / 100 + (y - 5_000_000) / 50


@pytest.mark.parametrize("pixel_m", [2.5, 13.7, 35])
def test_a_plane_stays_a_plane_at_any_resolution(pixel_m):
    side = int(500 / pixel_m)
    target = Grid(UTM, Affine(pixel_m, 0, 500_103, 0, -pixel_m, 4_999_871), (side, side))
    found, valid = resampled(ramp(SOURCE), target)
    assert valid.all()
    np.testing.assert_allclose(found, ramp(target), atol=1e-4)


def test_a_plane_stays_a_plane_in_another_crs():
    wgs84 = CRS.from_epsg(4326)
    lon, lat = transformer(UTM, wgs84).transform(500_450, 4_999_600)
    target = Grid(wgs84, Affine(1e-4, 0, lon, 0, -1e-4, lat), (12, 12))
    found, valid = resampled(ramp(SOURCE), target)
    assert valid.all()
    np.testing.assert_allclose(found, ramp(target), atol=1e-3)


def test_whole_pixels_are_copied_and_outside_is_nodata():
    noise = np.random.default_rng(0).random(SOURCE.shape_hw)
    found, valid = resampled(noise, SOURCE.shifted((7, -5)))
    np.testing.assert_array_equal(found[5:, :83], noise[:75, 7:].astype(np.float32))
    assert valid[5:, :83].all()
    assert not valid[:5].any()
    assert not valid[:, 83:].any()
    assert (found[~valid] == 0).all()


def test_coarser_pixels_are_means_of_finer_ones():
    noise = np.random.default_rng(1).random(SOURCE.shape_hw)
    target = Grid(UTM, Affine(20, 0, 500_000, 0, -20, 5_000_000), (40, 45))
    assert resolution_ratio(SOURCE, target) == pytest.approx((2, 2))
    found, _ = resampled(noise, target)
    np.testing.assert_allclose(found, noise.reshape(40, 2, 45, 2).mean(axis=(1, 3)), rtol=1e-6)


def test_invalid_pixels_have_no_weight_and_half_of_the_weight_must_be_valid():
    ones = np.ones(SOURCE.shape_hw)
    ones[:, 40:] = np.nan
    for shift, edge in ((0.25, 40), (0.75, 39)):  # the last pixel has 75 % and 25 % of its weight in valid ones
        found, valid = resampled(ones, SOURCE.shifted((shift, 0)))
        assert valid[0].sum() == edge
        np.testing.assert_allclose(found[valid], 1)


@pytest.mark.parametrize("pixel_m", [3, 12, 31])
def test_values_do_not_depend_on_the_window(pixel_m):
    rng = np.random.default_rng(2)
    noise = np.where(rng.random(SOURCE.shape_hw) < 0.2, np.nan, rng.random(SOURCE.shape_hw))
    next_zone = CRS.from_epsg(32634)
    x, y = transformer(UTM, next_zone).transform(500_100, 4_999_900)
    target = Grid(next_zone, Affine(pixel_m, 0, x, 0, -pixel_m, y), (600 // pixel_m, 500 // pixel_m))
    whole, valid = resampled(noise, target)
    assert valid.mean() > 0.1
    for window in target.tiles(17):
        part, there = resampled(noise, target, window)
        np.testing.assert_array_equal(part, whole[window.toslices()])
        np.testing.assert_array_equal(there, valid[window.toslices()])
