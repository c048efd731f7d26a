"""Experts get shares by what they know of left-out labels."""

import numpy as np
import pytest

from landcover_bdgf.training.stacking import fitted_pool, pool_of

TWO = ("windows", "pixel")


def opinions_of(right: list[np.ndarray], truth: np.ndarray) -> np.ndarray:
    """Log probabilities (n, E, 2) of experts that are right, or not, with a probability of 0.9."""
    p = np.stack([np.where((truth == 0) == own, 0.9, 0.1) for own in right], axis=1)
    return np.log(np.stack([p, 1 - p], axis=2))


def shares(
    right: list[np.ndarray], truth: np.ndarray, names: tuple[str, ...] = TWO, polygons: int = 400
) -> list[float]:
    groups = np.arange(len(truth)) * polygons // len(truth)
    similar, found = pool_of(opinions_of(right, truth)[:, None], truth, names, groups)
    assert similar == 0
    assert min(found.values()) >= 0
    return [*found.values()]


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


def test_polygons_that_contradict_one_another_leave_the_usual_shares() -> None:
    """The pixel's own expert knows four of eight polygons, and is mostly wrong in the others."""
    rng = np.random.default_rng(0)
    truth, polygon = rng.integers(0, 2, 1000), np.arange(1000) // 125
    windows, pixel = (rng.random(1000) < np.where(polygon < 4, *shares) for shares in ((0.75, 0.75), (0.95, 0.4)))
    opinions = opinions_of([windows, pixel], truth)[:, None]
    usual = np.array([0.76, 0.15]) / 0.91
    fitted = fitted_pool(opinions, truth, usual, 8).powers
    assert fitted[1] / fitted.sum() > 1.4 * usual[1]
    assert list(pool_of(opinions, truth, TWO, polygon)[1].values()) == pytest.approx(usual.tolist(), abs=1e-4)


def test_the_better_of_two_averages_is_chosen() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 2000)
    poor, good = (opinions_of([rng.random(2000) < share], truth) for share in (0.7, 0.9))
    found = fitted_pool(np.stack([poor, good], axis=1), truth, np.ones(1), 400)
    assert found.similar == 1
    assert pool_of(np.stack([poor, good], axis=1), truth, ("windows",), np.arange(2000)) == (1, {"windows": 1})
