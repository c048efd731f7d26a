"""The expected calibration error is that of Guo et al. (2017), in cases computed by hand."""

import numpy as np
import pytest

from landcover_bdgf.assessment.reliability import calibration_error, reliability_bins


def test_calibrated_probabilities_have_no_error() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.2, 1, 200_000)
    assert calibration_error(reliability_bins(probability, rng.random(200_000) < probability)) < 0.005


def test_bins_and_error_by_hand() -> None:
    """Ten pixels at 0.9 of which six are right, thirty at 0.5 of which fifteen are: (10 · 0.3 + 30 · 0) / 40."""
    probability = np.repeat([0.9, 0.5], [10, 30])
    right = np.concatenate([np.arange(10) < 6, np.arange(30) < 15])
    bins = reliability_bins(probability, right)
    assert [(one.n, one.probability, one.right) for one in bins] == [
        (30, pytest.approx(0.5), pytest.approx(0.5)),
        (10, pytest.approx(0.9), pytest.approx(0.6)),
    ]
    assert calibration_error(bins) == pytest.approx(10 * 0.3 / 40)


def test_a_probability_of_1_is_in_the_last_bin() -> None:
    assert [one.n for one in reliability_bins(np.array([1.0, 0.99]), np.array([True, True]))] == [2]
