"""Prediction sets hold the right class as often as their level says, for pixels of polygons not yet seen."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from numpy.typing import NDArray

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.labels.left_out import LeftOut
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.prediction_sets import PredictionSets, threshold

LEGEND = Legend.from_values(["water", "wood", "bare"])


def left_out(codes: NDArray[np.intp], groups: NDArray[np.intp], p: NDArray[np.float64]) -> LeftOut:
    nothing = np.zeros(len(codes))
    return LeftOut(nothing, nothing, codes, codes, nothing, nothing, nothing, groups, nothing, p.astype(np.float32))  # type: ignore[arg-type]


def test_thresholds_by_hand() -> None:
    """Nine polygons of one pixel: the least of them at 90 %, the second at 80 %, and none at 95 %."""
    p, groups = np.arange(1, 10) / 10, np.arange(9)
    assert threshold(p, groups, 0.9) == 0.1
    assert threshold(p, groups, 0.8) == 0.2
    assert threshold(p, groups, 0.95) == 0
    assert threshold(p[:0], groups[:0], 0.9) == 0
    many = np.repeat([0.9, 0.1], [1, 99]), np.repeat([0, 1], [1, 99])  # polygons count, not pixels
    assert threshold(*many, 0.3) == 0.9
    assert threshold(*many, 0.5) == 0.1


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_new_polygons_are_covered_as_often_as_the_level_says(level: float) -> None:
    """The pixels of a polygon are alike, and polygons differ in size: 400 drawings of 20 polygons and a new one."""
    rng, covered = np.random.default_rng(0), []
    for _ in range(400):
        sizes = rng.integers(1, 60, 21)
        groups = np.repeat(np.arange(21), sizes)
        p = 1 / (1 + np.exp(-(rng.normal(1, 1.5, 21)[groups] + rng.normal(0, 0.3, len(groups)))))
        new = groups == 20
        covered.append((p[new] >= threshold(p[~new], groups[~new], level)).mean())
    assert level - 0.03 < np.mean(covered) < level + 1 / 21 + 0.03


def test_the_measured_coverage_is_that_of_polygons_that_set_no_threshold() -> None:
    codes, groups, p = np.ones(20, int), np.repeat(np.arange(10), 2), np.repeat(np.arange(10) / 10 + 0.05, 2)
    sets = PredictionSets.of(left_out(codes, groups, p), LEGEND, 0.9)
    bare, water, _ = sets.classes
    assert (bare.polygons, bare.pixels, bare.threshold) == (10, 20, pytest.approx(0.05))
    assert bare.coverage == 0.9  # all but the lowest polygon reach the threshold of the nine others
    assert sets.coverage == 0.9
    assert (water.polygons, water.threshold) == (0, 0)
    assert sets.to_dict()["classes"][1]["coverage"] is None


def test_coverage_is_that_of_leaving_out_each_polygon() -> None:
    """Also for equal probabilities, and for fewer polygons than a level needs."""
    rng = np.random.default_rng(0)
    for polygons, level in ((1, 0.9), (2, 0.5), (7, 0.9), (12, 0.9), (40, 0.8), (40, 0.95)):
        groups = rng.integers(0, polygons, 400) * 3
        p = rng.random(400).round(2 if polygons == 40 else 1)
        sets = PredictionSets.of(left_out(np.ones(400, int), groups, p), LEGEND, level)
        p = p.astype(np.float32).astype(np.float64)
        own = [groups == polygon for polygon in np.unique(groups)]
        expected = np.mean([(p[at] >= threshold(p[~at], groups[~at], level)).mean() for at in own])
        assert sets.classes[0].coverage == pytest.approx(expected, abs=1e-12)


def test_many_points_take_no_time() -> None:
    """20,000 points of a class took more than a minute."""
    p, started = np.random.default_rng(0).random(20_000), perf_counter()
    sets = PredictionSets.of(left_out(np.ones(20_000, int), np.arange(20_000), p), LEGEND, 0.9)
    assert sets.coverage == pytest.approx(0.9, abs=1e-3)
    assert perf_counter() - started < 5


def test_what_is_told() -> None:
    codes, groups = np.repeat([1, 2, 3], 20), np.arange(60)
    groups[codes == 3] = 59
    sets = PredictionSets.of(left_out(codes, groups, np.linspace(0.1, 0.9, 60)), LEGEND, 0.9)
    (_, first), (is_warning, second) = sets.told()
    assert first == (
        "prediction sets of level 0.9: on left-out labels they hold the right class in 93 % (bare 90 %, water 90 %, "
        "wood 100 %); this holds for polygons drawn like the labels"
    )
    assert is_warning
    assert second == (
        "in every prediction set, as they have too few polygons to be ruled out: wood (1). A level of 0.9 needs 9 "
        "polygons a class"
    )


def test_models_without_judged_labels_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"was trained without folds, .* Train it with `training\.folds=3`"):
        PredictionSets.of(None, LEGEND, 0.9)
    arrays = {name: np.zeros(3) for name in LeftOut.__dataclass_fields__ if name != "of_label"}
    with pytest.raises(CheckpointError, match=r"of an earlier version, .* Train it again, or map without `sets`"):
        PredictionSets.of(LeftOut.of(arrays), LEGEND, 0.9)
