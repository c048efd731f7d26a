"""Pixels of two grids that show the same ground get the same place, and others their distance on the ground."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from landcover_bdgf.geo.common_plane import APART_PX, common_positions, overlapping
from landcover_bdgf.geo.crs import transformer
from landcover_bdgf.geo.grid import Grid

CORNERS = np.array([[0, 0], [0, 99], [79, 0], [79, 99]])


def grid(x: float = 500_000, y: float = 5_000_000, side: float = 10, crs: int = 32633) -> Grid:
    return Grid(CRS.from_epsg(crs), Affine(side, 0, x, 0, -side, y), (80, 100))


def test_one_grid_keeps_its_rows_and_columns() -> None:
    (found,) = common_positions([grid()], [CORNERS])
    assert np.array_equal(found, CORNERS)


def test_grids_of_one_lattice_agree_exactly() -> None:
    one, shifted = common_positions([grid(), grid(500_000 + 50 * 10, 5_000_000 - 20 * 10)], [CORNERS, CORNERS])
    assert np.array_equal(one, CORNERS)
    assert np.array_equal(shifted, CORNERS + np.array([20, 50]))


def test_the_same_ground_in_the_next_utm_zone_is_at_the_same_place() -> None:
    west = grid(x=720_000)  # 17.8° E, near the eastern border of zone 33
    x, y = transformer(west.crs, CRS.from_epsg(32634)).transform(*west.xy(40, 50))
    east = grid(x=float(x) - 505, y=float(y) + 405, crs=32634)  # with the same ground in its middle
    one, other = common_positions([west, east], [CORNERS, np.array([[40, 50], [40, 60]])])
    assert np.array_equal(one, CORNERS)
    np.testing.assert_allclose(other[0], [40, 50], atol=0.01)
    assert np.hypot(*(other[1] - other[0])) == pytest.approx(10, rel=0.01)


def test_the_unit_is_the_larger_pixel() -> None:
    fine, coarse = common_positions([grid(), grid(side=20)], [CORNERS, CORNERS])
    assert np.array_equal(coarse, CORNERS)
    np.testing.assert_allclose(fine[3], [39.25, 49.25])


def test_distant_grids_lie_on_planes_of_their_own() -> None:
    kenya = grid(x=300_000, y=50_000, crs=32637)
    next_to_it = grid(x=300_000 + 100 * 10, y=50_000, crs=32637)
    one, far, beside = common_positions([grid(), kenya, next_to_it], [CORNERS] * 3)
    assert np.abs(far - one).max() >= APART_PX
    assert np.array_equal(beside - far, np.tile([0, 100], (4, 1)))


def test_scenes_that_touch_do_not_overlap_and_a_chain_is_one_group() -> None:
    east = [grid(x=500_000 + 10 * shift) for shift in (0, 90, 180, 280)]
    groups = overlapping(east).tolist()
    assert groups[0] == groups[1] == groups[2] != groups[3]
    assert len(set(overlapping([grid(), grid(crs=32733), grid(x=300_000, crs=32637)]).tolist())) == 3
