"""The interval of an accuracy covers the truth as often as it says, also when pixels come in polygons."""

import numpy as np
import pytest

from landcover_bdgf.assessment.intervals import effective_size, paired_gain, wilson


def test_wilson_by_hand() -> None:
    """Newcombe (1998, doi:10.1002/(SICI)1097-0258), table I: 81 of 263."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20) == pytest.approx((0, 0.1611), abs=5e-5)


def test_single_pixels_count_one_by_one() -> None:
    right = np.random.default_rng(0).random(2000) < 0.8
    assert effective_size(right, np.arange(2000)) == 2000


def test_pixels_that_are_right_together_count_as_one() -> None:
    right = np.repeat(np.random.default_rng(0).random(200) < 0.7, 50)
    assert effective_size(right, np.repeat(np.arange(200), 50)) == pytest.approx(200, rel=0.1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_polygons_without_an_exception_are_no_proof(share: float) -> None:
    right = np.full(500, bool(share))
    assert effective_size(right, np.repeat(np.arange(5), 100)) < 10
    assert np.isfinite(effective_size(right, np.zeros(500, int)))


@pytest.mark.parametrize(("polygons", "share", "alike"), [(20, 0.8, 0.3), (70, 0.7, 0.6), (40, 0.9, 0.3)])
def test_the_interval_covers_the_truth(polygons: int, share: float, alike: float) -> None:
    """Polygons of 4 to 59 px whose accuracies scatter around the truth; an interval of single pixels covers a third."""
    rng, covered, naive = np.random.default_rng(0), 0, 0
    a, b = share * (1 / alike - 1), (1 - share) * (1 / alike - 1)
    for _ in range(400):
        sizes = rng.integers(4, 60, polygons)
        right = rng.random(sizes.sum()) < np.repeat(rng.beta(a, b, polygons), sizes)
        low, high = wilson(right.mean(), effective_size(right, np.repeat(np.arange(polygons), sizes)))
        covered += low <= share <= high
        low, high = wilson(right.mean(), len(right))
        naive += low <= share <= high
    assert 0.93 <= covered / 400 <= 0.985
    assert naive / 400 < 0.5


def test_the_interval_of_a_gain_by_hand() -> None:
    """Three polygons of 2 px with gains of 1, 0 and 0.5: mean 0.5, standard error √(0.5 / 6), t of 2 degrees 4.3027."""
    gain, polygons = np.array([1.0, 1, 0, 0, 1, 0]), np.array([7, 7, 2, 2, 5, 5])
    half = 4.3027 * (0.5 / 6) ** 0.5
    assert paired_gain(gain, polygons) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-4)
    assert paired_gain(gain, np.zeros(6, int)) is None


def test_the_interval_of_a_gain_covers_the_truth() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        sizes = rng.integers(4, 60, 30)
        gain = np.repeat(rng.normal(0.02, 0.2, 30), sizes) + rng.normal(0, 0.5, sizes.sum())
        found = paired_gain(gain, np.repeat(np.arange(30), sizes))
        assert found is not None
        covered += found[1] <= 0.02 <= found[2]
    assert 0.92 <= covered / 400 <= 0.98
