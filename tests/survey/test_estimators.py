"""The estimators give the numbers of the papers and of two R packages, and their intervals cover what they claim."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from landcover_bdgf.survey.estimators import FEW, Sample, clopper_pearson, error_matrix

HUGE = 10**6  # strata a million times larger have the same weights and no finite population correction

# Olofsson et al. (2014), section 5, table 8: rows are the map (deforestation, forest gain, stable forest, stable
# non-forest), columns the reference; pixels of 30 m of each mapped class.
OLOFSSON = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
OLOFSSON_PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])

# Stehman (2014), table 2: ten points of each of four strata that are not the classes of the map.
STRATA = "AAAAAAAAAA BBBBBBBBBB CCCCCCCCCC DDDDDDDDDD"
MAPPED = "AAAAAAABBB ABBBBBBBBB BBCCCCCCBB DDDDDDDDDD"
REFERENCE = "AAAAACBABC ABBBBBAABB CCCCCDDBBA DDDDDDDCCB"
STEHMAN_PIXELS = np.array([40_000, 30_000, 20_000, 10_000])


def letters(text: str) -> NDArray[np.int64]:
    return np.array([ord(letter) - ord("A") for letter in text.replace(" ", "")])


def of_matrix(
    matrix: NDArray[np.int64], pixels: NDArray[np.int64]
) -> tuple[Sample, NDArray[np.int64], NDArray[np.int64]]:
    """The points of an error matrix whose rows are the strata."""
    mapped, reference = (np.repeat(index, matrix.ravel()) for index in np.indices(matrix.shape).reshape(2, -1))
    return Sample(mapped, np.ones(len(mapped)), pixels), mapped, reference


def stehman(times: int = 1) -> tuple[Sample, NDArray[np.int64], NDArray[np.int64]]:
    return Sample(letters(STRATA), np.ones(40), times * STEHMAN_PIXELS), letters(MAPPED), letters(REFERENCE)


def test_olofsson_2014() -> None:
    """Page 54 of the paper as printed; more digits from R's mapaccuracy 0.1.2 (olofsson), of the same example."""
    sample, mapped, reference = of_matrix(OLOFSSON, OLOFSSON_PIXELS * HUGE)
    everywhere = np.ones(len(mapped), bool)
    hectares = OLOFSSON_PIXELS.sum() * 900 / 10_000
    overall = sample.estimate(mapped == reference, everywhere)
    assert overall.value == pytest.approx(0.9465119, abs=1e-7)
    assert 1.959964 * overall.se == pytest.approx(0.01848328, rel=1e-5)
    users, producers, areas = [], [], []
    for k in range(4):
        right = (mapped == k) & (reference == k)
        for found, where in ((users, mapped == k), (producers, reference == k)):
            one = sample.estimate(right, where)
            found.append((one.value, 1.959964 * one.se))
        area = sample.estimate(reference == k, everywhere)
        areas.append((hectares * area.value, hectares * 1.959964 * area.se))
    of_users = [(0.88, 0.07403962), (0.7333333, 0.10075516), (0.9272727, 0.03974464), (0.9630769, 0.02053312)]
    assert np.allclose(users, of_users, rtol=1e-5)
    of_producers = [(0.7486614, 0.21330593), (0.8471564, 0.25440369), (0.9345089, 0.03432379), (0.961609, 0.0183612)]
    assert np.allclose(producers, of_producers, rtol=1e-5)
    of_areas = [(21157.76, 6157.521), (11686.15, 3755.757), (285769.9, 15509.55), (581386.2, 16281.36)]
    assert np.allclose(areas, of_areas, rtol=1e-5)
    printed = [(21_158, 6_158), (11_686, 3_756), (285_770, 15_510), (581_386, 16_282)]
    assert np.allclose(areas, printed, atol=1)
    assert [round(share, 2) for share, _ in users] == [0.88, 0.73, 0.93, 0.96]
    assert [round(share, 2) for share, _ in producers] == [0.75, 0.85, 0.93, 0.96]
    assert [round(half, 2) for _, half in producers] == [0.21, 0.25, 0.03, 0.02]


def test_olofsson_by_the_formulas_of_the_paper() -> None:
    """Equations 4, 5, 6, 7, 10 and 11, written out, on the same matrix."""
    sample, mapped, reference = of_matrix(OLOFSSON, OLOFSSON_PIXELS * HUGE)
    everywhere = np.ones(len(mapped), bool)
    weight, n = OLOFSSON_PIXELS / OLOFSSON_PIXELS.sum(), OLOFSSON.sum(axis=1)
    p = weight[:, None] * OLOFSSON / n[:, None]
    user = np.diag(p) / p.sum(axis=1)
    assert np.allclose(error_matrix(sample.weights, mapped, reference, 4), p)
    overall = sample.estimate(mapped == reference, everywhere)
    assert overall.se == pytest.approx(math.sqrt((weight**2 * user * (1 - user) / (n - 1)).sum()))
    for k in range(4):
        right = (mapped == k) & (reference == k)
        assert sample.estimate(right, mapped == k).se == pytest.approx(math.sqrt(user[k] * (1 - user[k]) / (n[k] - 1)))
        inside, rest = OLOFSSON[:, k] / n, np.arange(4) != k
        total = (OLOFSSON_PIXELS * inside).sum()
        producer = OLOFSSON_PIXELS[k] * user[k] / total
        variance = OLOFSSON_PIXELS[k] ** 2 * (1 - producer) ** 2 * user[k] * (1 - user[k]) / (n[k] - 1)
        variance += producer**2 * (OLOFSSON_PIXELS**2 * inside * (1 - inside) / (n - 1))[rest].sum()
        assert sample.estimate(right, reference == k).se == pytest.approx(math.sqrt(variance) / total)
        area_se = math.sqrt((weight**2 * inside * (1 - inside) / (n - 1)).sum())
        assert sample.estimate(reference == k, everywhere).se == pytest.approx(area_se)


# Class: user's accuracy, its standard error, producer's accuracy, its standard error. Values of the R package mapac
# (aa_stratified) in its documentation, without a finite population correction.
MAPAC = {
    "A": (0.7419355, 0.1645627, 0.6571429, 0.1477318),
    "B": (0.5744681, 0.1248023, 0.7941176, 0.1165671),
    "C": (0.5000000, 0.2151657, 0.3000000, 0.1504438),
}


def test_stehman_2014() -> None:
    """Pages 4932 to 4936 of the paper; more digits from R's mapaccuracy 0.1.2 (stehman2014) and mapac."""
    sample, mapped, reference = stehman()
    everywhere = np.ones(40, bool)
    areas = [sample.ratio(reference == k, everywhere) for k in range(4)]
    assert [round(share, 2) for share, _ in areas] == [0.35, 0.34, 0.20, 0.11]
    assert (round(areas[0][1], 3), round(areas[2][1], 3)) == (0.082, 0.064)  # printed
    assert areas[0][1] == pytest.approx(0.0822478, abs=1e-7)
    assert areas[2][1] == pytest.approx(0.06427977, abs=1e-7)
    assert sample.ratio(mapped == reference, everywhere) == pytest.approx((0.63, 0.08464219), abs=1e-7)
    right = (mapped == 1) & (reference == 1)
    assert sample.ratio(right, mapped == 1) == pytest.approx((0.5744681, 0.1247822), abs=1e-7)
    assert sample.ratio(right, reference == 1) == pytest.approx((0.7941176, 0.1165479), abs=1e-7)
    assert error_matrix(sample.weights, mapped, reference, 4)[1, 2] == pytest.approx(0.08)
    infinite, *_ = stehman(HUGE)
    for name, expected in MAPAC.items():
        k = letters(name)[0]
        right = (mapped == k) & (reference == k)
        found = (*infinite.ratio(right, mapped == k), *infinite.ratio(right, reference == k))
        assert found == pytest.approx(expected, abs=1e-7)


def test_stehman_by_the_formulas_of_the_paper() -> None:
    """Equations 25 and 28 with variances and covariances, for the user's accuracy of class B."""
    sample, mapped, reference = stehman()
    y, x = ((mapped == 1) & (reference == 1)).astype(float), (mapped == 1).astype(float)
    n, total, ratio = 10, STEHMAN_PIXELS, 27_000 / 47_000
    parts = np.split(np.arange(40), 4)
    assert (total * [y[i].mean() for i in parts]).sum() == pytest.approx(27_000)
    variance = 0.0
    for size, i in zip(total, parts, strict=True):
        spread = y[i].var(ddof=1) + ratio**2 * x[i].var(ddof=1) - 2 * ratio * np.cov(y[i], x[i])[0, 1]
        variance += size**2 * (1 - n / size) * spread / n
    assert sample.ratio(y > 0, x > 0) == pytest.approx((ratio, math.sqrt(variance) / 47_000))


def test_a_simple_random_sample_is_one_stratum_and_its_exact_interval_is_binomial() -> None:
    from scipy.stats import binomtest

    right = np.arange(50) < 46
    sample = Sample(np.zeros(50, int), np.ones(50), np.array([HUGE * HUGE]))
    found = sample.estimate(right, np.ones(50, bool))
    assert found.value == 0.92
    assert found.se == pytest.approx(math.sqrt(0.92 * 0.08 / 49))
    exact = binomtest(46, 50).proportion_ci(method="exact")
    assert (found.exact_low, found.exact_high) == pytest.approx((exact.low, exact.high), abs=1e-6)


@pytest.mark.parametrize(("hits", "size", "low", "high"), [
    (0, 10, 0.0, 0.3084971), (10, 10, 0.6915029, 1.0), (3, 10, 0.0667395, 0.6524529), (97, 100, 0.9148235, 0.9937701),
])  # fmt: skip
def test_clopper_pearson(hits: int, size: int, low: float, high: float) -> None:
    assert clopper_pearson(hits / size, size) == pytest.approx((low, high), abs=1e-6)


def test_a_class_without_points_has_no_estimate_and_one_that_is_all_right_a_wide_exact_interval() -> None:
    sample, mapped, reference = of_matrix(np.array([[12, 0], [0, 30]]), np.array([1000, 9000]))
    nothing = sample.estimate(mapped == 5, mapped == 5)
    assert (nothing.value, nothing.low, nothing.exact_high, nothing.n) == (None, None, None, 0)
    right = sample.estimate(reference == 0, mapped == 0)
    assert (right.value, right.low, right.high) == (1.0, 1.0, 1.0)
    assert right.exact_low == pytest.approx(0.025 ** (1 / 12))


def test_pixels_of_different_sizes_count_by_their_area() -> None:
    """Half of the pixels are twice as large and of class 1: it has two thirds of the area."""
    reference = np.arange(100) % 2
    sample = Sample(np.zeros(100, int), 1.0 + reference, np.array([10_000]))
    assert sample.ratio(reference == 1, np.ones(100, bool))[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("own_strata", [True, False])
def test_intervals_of_2000_draws_from_a_known_map_cover_93_to_97_percent(own_strata: bool) -> None:
    """Of all figures whose classes have at least FEW right and wrong points, on average over the draws."""
    rng = np.random.default_rng(5)
    size = 400_000
    truth = rng.choice(4, size, p=(0.45, 0.3, 0.17, 0.08))
    mapped = np.where(rng.random(size) < 0.2, rng.choice(4, size), truth)
    strata = mapped if own_strata else np.where(rng.random(size) < 0.3, rng.choice(4, size), mapped)
    pixels, counts = np.bincount(strata), np.array([300, 260, 230, 210])
    members = [np.flatnonzero(strata == h) for h in range(4)]
    true, covered, enough = figures_of(truth, mapped), [], []
    for _ in range(2000):
        drawn = np.concatenate([m[rng.integers(0, len(m), n)] for m, n in zip(members, counts, strict=True)])
        sample = Sample(strata[drawn], np.ones(len(drawn)), pixels)
        found = estimates_of(sample, mapped[drawn], truth[drawn])
        covered.append([abs(value - known) <= 1.959964 * se for (value, se, _), known in zip(found, true, strict=True)])
        enough.append([few for _, _, few in found])
    share = np.mean(covered, axis=0)[np.mean(enough, axis=0) >= FEW]
    assert len(share) >= 12  # of 13: overall, and user's, producer's and area of four classes
    assert share.min() >= 0.93
    assert share.max() <= 0.97


def figures_of(truth: NDArray[np.int64], mapped: NDArray[np.int64]) -> list[float]:
    found = [float((truth == mapped).mean())]
    for k in range(4):
        right = ((truth == k) & (mapped == k)).sum()
        found += [right / (mapped == k).sum(), right / (truth == k).sum(), (truth == k).mean()]
    return found


def estimates_of(sample: Sample, mapped: NDArray[np.int64], truth: NDArray[np.int64]) -> list[tuple[float, float, int]]:
    """Share, standard error, and the smaller of the numbers of points that are in y, and in x but not in y."""
    everywhere = np.ones(len(mapped), bool)
    pairs = [(mapped == truth, everywhere)]
    for k in range(4):
        right = (mapped == k) & (truth == k)
        pairs += [(right, mapped == k), (right, truth == k), (truth == k, everywhere)]
    return [(*sample.ratio(y, x), min(int(y.sum()), int((x & ~y).sum()))) for y, x in pairs]


def test_a_stratum_of_one_pixel_adds_nothing_to_the_standard_error() -> None:
    stratum, right = np.repeat([0, 1], [40, 1]), np.arange(41) % 2 == 0
    everywhere = np.ones(41, bool)
    _, alone = Sample(stratum[:40], np.ones(40), np.array([1000])).ratio(right[:40], everywhere[:40])
    value, se = Sample(stratum, np.ones(41), np.array([1000, 1])).ratio(right, everywhere)
    assert (value, se) == pytest.approx((0.5, alone), abs=1e-3)
    assert se > 0.07


def test_a_stratum_of_one_point_of_many_pixels_has_an_unknown_standard_error() -> None:
    sample = Sample(np.repeat([0, 1], [40, 1]), np.ones(41), np.array([1000, 9]))
    found = sample.estimate(np.arange(41) % 2 == 0, np.ones(41, bool))
    assert found.value == pytest.approx(0.504, abs=1e-3)
    assert (found.se, found.low, found.exact_high) == (None, None, None)


def test_a_rare_class_may_be_missed_in_strata_of_which_no_point_shows_it() -> None:
    """In a sixth of the samples no point shows an omission; intervals then were far too narrow, 83 % in all."""
    rng, size = np.random.default_rng(4), 400_000
    truth = rng.choice(3, size, p=(0.6, 0.38, 0.02))
    mapped = np.where((truth == 2) & (rng.random(size) < 0.25), 0, truth)
    members = [np.flatnonzero(mapped == h) for h in range(3)]
    pixels, counts = np.bincount(mapped), (200, 120, 30)
    true, hits, none = float(((mapped == 2) & (truth == 2)).sum() / (truth == 2).sum()), 0, 0
    for _ in range(400):
        drawn = np.concatenate([m[rng.integers(0, len(m), n)] for m, n in zip(members, counts, strict=True)])
        is_class, right = truth[drawn] == 2, (truth[drawn] == 2) & (mapped[drawn] == 2)
        found = Sample(mapped[drawn], np.ones(len(drawn)), pixels).estimate(right, is_class, unseen=True)
        assert found.exact_low is not None
        assert found.exact_high is not None
        hits += found.exact_low <= true <= found.exact_high
        none += bool((is_class == right).all())
    assert none > 40
    assert hits >= 375  # 380 are expected at least
