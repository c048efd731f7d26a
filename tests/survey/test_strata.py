"""Strata are counted and drawn from strip by strip; the strips do not matter."""

from pathlib import Path

import numpy as np
import pytest
from drawn_maps import write_map
from surveys import LEGEND, WIDE, maps, truth

from landcover_bdgf.errors import RasterError
from landcover_bdgf.labels import class_raster
from landcover_bdgf.labels.class_raster import open_classes
from landcover_bdgf.survey.strata import draw_random, draw_systematic, strata_of


def test_counts_areas_and_points_are_those_of_the_whole_map_whatever_the_strip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = maps(tmp_path)
    drawn = []
    for rows in (512, 300, 64, 7, 1):
        monkeypatch.setattr(class_raster, "STRIP_ROWS", rows)
        with open_classes(path) as map_:
            codes = map_.read()
            strata = strata_of(map_, None)
            rows_cols = draw_random(strata, np.array([20, 30, 40, 50]), seed=3)
            grid_points = draw_systematic(strata, WIDE.shape_hw, 100, seed=3)[:3]
        assert strata.pixels.tolist() == [int((codes == code).sum()) for code in (1, 2, 3, 4)]
        assert strata.area_m2.sum() == pytest.approx((codes > 0).sum() * 100, rel=0.002)
        for found_rows, found_cols, index in (rows_cols, grid_points):
            assert (codes[found_rows, found_cols] == strata.codes[index]).all()
        assert np.bincount(rows_cols[2]).tolist() == [20, 30, 40, 50]
        places = sorted(zip(*(each.tolist() for each in rows_cols), strict=True))
        assert len(set(places)) == 140
        drawn.append((places, [each.tolist() for each in grid_points]))
    assert all(each == drawn[0] for each in drawn)


def test_the_points_of_a_stratum_depend_on_the_seed_and_not_on_the_other_strata(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    with open_classes(path) as map_:
        strata = strata_of(map_, None)
        found = [draw_random(strata, np.array(n), seed) for n, seed in
                 (((10, 10, 10, 10), 0), ((10, 50, 99, 10), 0), ((10, 10, 10, 10), 1))]  # fmt: skip
    first = [sorted(zip(r[i == 0].tolist(), c[i == 0].tolist(), strict=True)) for r, c, i in found]
    assert first[0] == first[1] != first[2]


def test_every_pixel_of_a_stratum_is_drawn_equally_often(tmp_path: Path) -> None:
    """2,000 draws of 4 of the 40 pixels of a stratum: each pixel about 200 times."""
    codes = np.ones((20, 20), np.uint8)
    codes[:4, 5:15] = 2
    path = write_map(tmp_path / "m.tif", codes, LEGEND, WIDE.window_grid(class_raster.Window(0, 0, 20, 20)))
    times = np.zeros((20, 20), int)
    with open_classes(path) as map_:
        strata = strata_of(map_, None)
        for seed in range(2000):
            rows, cols, index = draw_random(strata, np.array([2, 4]), seed)
            times[rows[index == 1], cols[index == 1]] += 1
    drawn = times[codes == 2]
    assert drawn.sum() == 8000
    assert not times[codes == 1].any()
    chi2 = ((drawn - 200.0) ** 2 / 200).sum() / 0.9  # without replacement
    assert chi2 < 72.1  # 99.9 % of 39 degrees of freedom


def test_strata_of_another_raster_count_only_where_the_map_has_data(tmp_path: Path) -> None:
    true, path = maps(tmp_path)
    with open_classes(path) as map_, open_classes(true) as other:
        strata = strata_of(map_, other)
        expected = np.bincount(truth()[map_.read() > 0], minlength=5)[1:]
    assert strata.pixels.tolist() == expected.tolist()
    with open_classes(path) as map_:
        whole = strata_of(map_, None, one=True)
    assert (whole.names, whole.pixels.tolist()) == (("whole map",), [expected.sum()])


def test_strata_on_another_grid_and_an_empty_map_are_refused(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    small = write_map(
        tmp_path / "small.tif", truth()[:100, :100], LEGEND, WIDE.window_grid(class_raster.Window(0, 0, 100, 100))
    )
    empty = write_map(tmp_path / "empty.tif", np.zeros((300, 400), np.uint8), LEGEND, WIDE)
    with open_classes(path) as map_, open_classes(small) as other, pytest.raises(RasterError, match="on another grid"):
        strata_of(map_, other)
    with open_classes(empty) as map_, pytest.raises(RasterError, match="no pixel with data"):
        strata_of(map_, None)
