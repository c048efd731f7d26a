"""Figures of single classes: by hand, as published, and with intervals that cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landcover_bdgf.assessment.confusion import (
    ClassSizes,
    confused_pairs,
    disagreements,
    intersection_over_union,
    interval,
)
from landcover_bdgf.assessment.measures import accuracy
from landcover_bdgf.labels.legend import Legend


@pytest.mark.parametrize(("counts", "quantity", "allocation"), [
    ([[3, 1], [1, 5]], 0.0, 0.2),  # an exchange
    ([[3, 0], [2, 5]], 0.2, 0.0),  # too many of the second class
    ([[10, 6, 4], [0, 20, 10], [2, 0, 48]], 0.12, 0.10),  # margins 20, 30, 50 and 12, 26, 62
])  # fmt: skip
def test_disagreements_add_up_to_the_wrong_pixels(counts: list[list[int]], quantity: float, allocation: float) -> None:
    """Pontius and Millones (2011): half the differences of margins, and what exchanges would put right."""
    matrix = np.array(counts)
    assert disagreements(matrix) == pytest.approx((quantity, allocation))
    assert sum(disagreements(matrix)) == pytest.approx(1 - np.trace(matrix) / matrix.sum())


def test_intersection_over_union_by_hand() -> None:
    matrix = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    np.testing.assert_allclose(intersection_over_union(matrix), [6 / 9, 3 / 6, np.nan])


def test_the_most_confused_pairs_come_first_and_right_pixels_never() -> None:
    matrix = np.array([[90, 2, 7], [9, 50, 0], [0, 0, 3]])
    assert confused_pairs(matrix) == [(1, 0, 9), (0, 2, 7), (0, 1, 2)]
    assert confused_pairs(np.diag([5, 6])) == []


def test_a_class_without_pixels_has_no_interval() -> None:
    sizes = ClassSizes.of(np.array([1, 1]), np.array([1, 1]), np.array([0, 1]), classes=2)
    assert sizes.polygons.tolist() == [2, 0]
    assert math.isnan(sizes.producers[1])
    assert interval(math.nan, 3.0) == interval(0.5, math.nan) == (None, None)


@pytest.mark.parametrize("polygons", [6, 14, 40])
def test_the_intervals_of_a_class_cover_the_truth(polygons: int) -> None:
    """Of polygons whose accuracies scatter around 0.7, drawn 400 times; pixels taken one by one cover half of it."""
    rng, covered, naive = np.random.default_rng(0), 0, 0
    a, b = 0.7 * (1 / 0.4 - 1), 0.3 * (1 / 0.4 - 1)
    for _ in range(400):
        sizes = rng.integers(4, 60, polygons)
        right = rng.random(sizes.sum()) < np.repeat(rng.beta(a, b, polygons), sizes)
        groups, reference = np.repeat(np.arange(polygons), sizes), np.ones(len(right), int)
        found = ClassSizes.of(reference, np.where(right, 1, 2), groups, classes=2)
        for size, total in ((float(found.producers[0]), "covered"), (float(len(right)), "naive")):
            low, high = interval(float(right.mean()), size)
            assert low is not None
            assert high is not None
            covered += total == "covered" and low <= 0.7 <= high
            naive += total == "naive" and low <= 0.7 <= high
    assert 0.93 <= covered / 400 <= 1.0
    assert naive / 400 < 0.5


def test_classes_of_few_pixels_or_polygons_are_marked() -> None:
    """Crops: 100 px of 10 polygons; water: 100 px of 2; bare: 1 px, right; ice: none."""
    reference = np.repeat([2, 4, 1], [100, 100, 1])
    groups = np.r_[np.arange(100) // 10, 20 + np.arange(100) // 50, 30]
    result = accuracy(reference, reference, Legend.from_values(["bare", "crops", "ice", "water"]), groups)
    rows = {row["name"]: row for row in result.classes()}
    assert {name: (row["small"], row["polygons"]) for name, row in rows.items()} == {
        "crops": (False, 10), "water": (True, 2), "bare": (True, 1), "ice": (True, 0),
    }  # fmt: skip
    assert rows["bare"]["producers_low"] is not None
    assert rows["bare"]["producers_low"] < 0.25  # one pixel proves nothing
    assert rows["ice"]["producers_low"] is rows["ice"]["iou"] is None
    text = str(result)
    assert "no reference pixels of ice: the averages leave them out" in text
    assert "fewer than 30 px or 5 polygons of bare, water in the reference" in text


def test_few_polygons_are_told() -> None:
    codes, groups = np.repeat([1, 2], 40), np.arange(80) // 10
    assert "only 8 polygons" in str(accuracy(codes, codes, Legend.from_values("ab"), groups))
    assert "only 20 polygons" not in str(accuracy(codes, codes, Legend.from_values("ab"), np.arange(80) // 4))


def test_confusions_are_told_in_words_and_a_few_pixels_as_counts() -> None:
    reference, mapped = np.repeat([1, 2, 2], [40, 6, 2]), np.repeat([1, 2, 1], [40, 6, 2])
    result = accuracy(reference, np.where(np.arange(48) < 10, 2, mapped), Legend.from_values(["crops", "water"]))
    assert result.confused() == [
        "crops mapped as water: 10 of 40 reference px (25.0 %)", "water mapped as crops: 2 of 8 reference px",
    ]  # fmt: skip
