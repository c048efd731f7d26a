"""Experts get shares by what they know of left-out labels."""

import numpy as np
import pytest

from landcover_bdgf.training.stacking import as_shares, fitted_powers

TWO = ("windows", "pixel")


def opinions_of(right: list[np.ndarray], truth: np.ndarray) -> np.ndarray:
    """Log probabilities (n, E, 2) of experts that are right, or not, with a probability of 0.9."""
    p = np.stack([np.where((truth == 0) == own, 0.9, 0.1) for own in right], axis=1)
    return np.log(np.stack([p, 1 - p], axis=2))


def shares(
    right: list[np.ndarray], truth: np.ndarray, names: tuple[str, ...] = TWO, polygons: int = 400
) -> list[float]:
    powers, _ = fitted_powers(opinions_of(right, truth), truth, names, polygons)
    assert powers.min() >= 0
    return [*as_shares(powers.tolist(), names).values()]


def test_the_expert_that_knows_more_has_the_greater_say() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 4000)
    good, other, guess = (rng.random(4000) < share for share in (0.9, 0.9, 0.5))
    assert shares([good, guess], truth)[0] > 0.9
    assert shares([guess, good], truth)[1] > 0.8, "also against the usual shares"
    first, second = shares([good, other], truth)
    assert first == pytest.approx(0.5, abs=0.1)
    assert first + second == pytest.approx(1, abs=1e-3)
    assert shares([good], truth, ("windows",)) == [1]


def test_few_polygons_leave_the_usual_shares() -> None:
    """Of two, by chance, the pixel's own expert may have been right."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400)
    good, guess = (rng.random(400) < share for share in (0.85, 0.5))
    assert shares([guess, good], truth, polygons=1)[0] > 0.6
    assert shares([guess, good], truth, polygons=2000)[0] < 0.1


def test_a_rare_class_counts_as_much_as_a_common_one() -> None:
    """Each of two experts knows one class; that of the common class must not silence the other."""
    rng = np.random.default_rng(0)
    truth = (rng.random(5000) < 0.02).astype(int)
    knows_common, knows_rare = (rng.random(5000) < np.where(truth == code, 0.95, 0.5) for code in (0, 1))
    common, rare = shares([knows_common, knows_rare], truth)
    assert abs(common - rare) < 0.3


def test_the_cross_entropy_tells_the_better_opinions() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 2000)
    found = [
        fitted_powers(opinions_of([rng.random(2000) < share], truth), truth, ("windows",), 400)[1]
        for share in (0.9, 0.7)
    ]
    assert found[0] < found[1]
