"""Accuracies equal published and hand-computed values; the rows of the matrix are the map."""

from __future__ import annotations

import json

import numpy as np
import pytest

from landcover_bdgf.assessment.measures import Accuracy, accuracy
from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.legend import Legend


def of_counts(counts: list[list[int]]) -> Accuracy:
    """The accuracy of a matrix, rows map, columns reference."""
    matrix = np.array(counts)
    mapped, reference = (np.repeat(axis.ravel(), matrix.ravel()) + 1 for axis in np.indices(matrix.shape))
    return accuracy(reference, mapped, Legend.from_values(range(1, len(matrix) + 1)))


def test_accuracies_of_olofsson_2014() -> None:
    """User's accuracies as published (counts within strata); the others are plain shares of the counts."""
    counts = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
    result = of_counts(counts)
    np.testing.assert_array_equal(result.matrix, counts)
    np.testing.assert_allclose(result.users, [0.88, 0.73, 0.93, 0.96], atol=0.005)
    np.testing.assert_allclose(result.producers, [66 / 69, 55 / 56, 153 / 175, 313 / 340])
    assert result.overall == pytest.approx(587 / 640)
    assert result.average == pytest.approx(np.mean([66 / 69, 55 / 56, 153 / 175, 313 / 340]))


def test_kappa_by_hand_and_in_the_summary() -> None:
    """Observed 0.7; by chance 0.5 · 0.6 + 0.5 · 0.4 = 0.5; kappa 0.4."""
    result = of_counts([[20, 5], [10, 15]])
    assert result.kappa == pytest.approx(0.4)
    np.testing.assert_allclose(result.f1, [2 * 20 / 55, 2 * 15 / 45])
    text = str(result)
    assert "overall accuracy 70.0 %" in text
    assert "kappa 0.400" in text
    assert "not a probability sample" in text


def test_wilson_interval_by_hand() -> None:
    """Wilson's formula for 35 of 50 and z = 1.959964."""
    z, p, n = 1.959964, 0.7, 50
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = (middle + np.array([-half, half])) / (1 + z * z / n)
    np.testing.assert_allclose(of_counts([[20, 5], [10, 15]]).interval, expected, rtol=1e-6)


def test_pixels_without_map_data_are_counted_apart() -> None:
    result = accuracy(np.array([1, 1, 2, 2]), np.array([1, 0, 0, 2]), Legend.from_values("ab"))
    assert (result.n, result.overall) == (2, 1.0)
    assert result.no_data.tolist() == [1, 1]
    with pytest.raises(LabelError, match="no data at any"):
        accuracy(np.array([1]), np.array([0]), Legend.from_values("ab"))
    with pytest.raises(LabelError, match="code 7"):
        accuracy(np.array([1]), np.array([7]), Legend.from_values("ab"))


def test_undefined_figures_are_none_in_json() -> None:
    result = accuracy(np.array([1, 1]), np.array([1, 1]), Legend.from_values("ab"))
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert values["kappa"] is None
    assert values["classes"][1]["producers"] is None
    assert values["average_accuracy"] == 1.0
    assert (values["confusion_matrix"]["rows"], values["confusion_matrix"]["columns"]) == ("map", "reference")
