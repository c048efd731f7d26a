"""Gaps of a date are filled from the nearest dates on a straight line in time; too few dates leave a gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.geo import Grid
from landcover_bdgf.scene.band_reader import Band, ReadCounts
from landcover_bdgf.scene.pixel_set import PixelSet
from landcover_bdgf.scene.time_series import TimeSeries, day_of_band, groups_of

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), (3, 4))
DAYS = ("2023-06-01", "2023-06-11", "2023-07-01", "2023-07-31")  # 0, 10, 30 and 60 days


def bands(*names: str) -> list[Band]:
    return [Band(name, None, Path("a.tif"), index, None, 1.0, 0.0, GRID) for index, name in enumerate(names, 1)]


def filled(values: list[float], *, least: float = 0.5) -> list[float] | None:
    """One pixel at four dates after filling, NaN where there is no data; None if it is invalid."""
    cube = np.nan_to_num(np.array(values, np.float32)[:, None, None])
    valid = np.isfinite(np.array(values))[:, None, None]
    TimeSeries(GRID, least).fill(bands(*(f"B04@{day}" for day in DAYS)), cube, valid)
    assert valid.all() == valid.any()
    return cube.ravel().tolist() if valid.all() else None


NO = float("nan")


@pytest.mark.parametrize(("values", "expected"), [
    ([1, 2, 3, 4], [1, 2, 3, 4]),
    ([10, NO, 40, 70], [10, 20, 40, 70]),  # 10 of 30 days
    ([10, NO, NO, 70], [10, 20, 40, 70]),
    ([10, 20, NO, 70], [10, 20, 40, 70]),  # 20 of 50 days
    ([NO, 2, 3, NO], [2, 2, 3, 3]),  # the nearest at the ends
    ([NO, NO, 3, 4], [3, 3, 3, 4]),
    ([NO, NO, 3, NO], None),  # one of four dates is less than half
    ([NO, NO, NO, NO], None),
])  # fmt: skip
def test_values_by_hand(values: list[float], expected: list[float] | None) -> None:
    assert filled(values) == (None if expected is None else pytest.approx(expected))


def test_the_share_of_dates_that_must_have_data() -> None:
    assert filled([1, NO, NO, NO], least=0.25) == [1, 1, 1, 1]
    assert filled([1, NO, NO, NO], least=0.0) == [1, 1, 1, 1]
    assert filled([NO, NO, NO, NO], least=0.0) is None
    assert filled([1, 2, 3, NO], least=1.0) is None
    assert filled([1, 2, 3, 4], least=1.0) == [1, 2, 3, 4]


def test_groups_are_filled_apart_whatever_the_order_of_bands() -> None:
    names = ("B8A@2023-06-11", "B04@2023-07-01", "B04@2023-06-01", "B04@2023-06-11", "B8A@2023-06-01")
    assert [group.tolist() for group in groups_of(names)] == [[4, 0], [2, 3, 1]]
    cube = np.array([0, 40, 10, 0, 7], np.float32)[:, None, None]
    valid = np.array([False, True, True, False, True])[:, None, None]
    counts = ReadCounts()
    TimeSeries(GRID, 0.5).fill(bands(*names), cube, valid, counts=counts)
    assert cube.ravel().tolist() == [7, 40, 10, 20, 7]
    assert valid.all()
    assert {index for (_, index), count in counts.filled.items() if count} == {1, 4}


def test_bands_that_a_date_lacks_are_gaps_or_zero() -> None:
    names = [f"{band}@{day}" for day in DAYS[:2] for band in ("B04", "B8A")]
    for gaps, expected in (("drop", [1, 6, 3, 6]), ("zero", [1, 0, 3, 6])):
        cube = np.array([1, 0, 3, 6], np.float32)[:, None, None]
        valid = np.array([True, False, True, True])[:, None, None]
        TimeSeries(GRID, 0.5).fill(bands(*names), cube, valid, gaps=gaps)
        assert (cube.ravel().tolist(), valid.all()) == (expected, True)


def test_pixels_with_data_at_too_few_dates_are_counted() -> None:
    counts, names = ReadCounts(), [f"B04@{day}" for day in DAYS[:3]]
    valid = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 1]], bool).T[:, None]  # three pixels at three dates
    TimeSeries(GRID, 0.5).fill(bands(*names), np.ones((3, 1, 3), np.float32), valid, counts=counts)
    assert (counts.filled.total(), counts.too_few.total()) == (1, 1)
    assert valid[:, 0].all(0).tolist() == [False, True, True]


def test_a_mask_is_of_its_date_and_read_at_the_centres_of_other_grids() -> None:
    masked = np.zeros((3, 4), bool)
    masked[1, 2] = True
    names = ["B04@2023-06-01", "B04@2023-06-11"]
    series = TimeSeries(GRID, 0.5, {day_of_band(names[1]): PixelSet.of(masked)})

    def read(window: Window, grid: Grid) -> list[list[int]]:
        valid = np.ones((2, window.height, window.width), bool)
        series.mask(names, valid, window, grid)
        assert valid[0].all()
        return np.argwhere(~valid[1]).tolist()

    assert read(Window(0, 0, 4, 3), GRID) == [[1, 2]]
    assert read(Window(2, 1, 2, 2), GRID) == [[0, 0]]
    assert read(Window(0, 0, 4, 3), GRID.shifted((1.3, 0.0))) == [[1, 1]]
    assert read(Window(0, 0, 4, 3), GRID.shifted((20.0, 0.0))) == []
    finer = Grid(GRID.crs, Affine(5, 0, 500_000, 0, -5, 5_000_000), (6, 8))
    assert read(Window(0, 0, 8, 6), finer) == [[2, 4], [2, 5], [3, 4], [3, 5]]
