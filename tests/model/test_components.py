"""Components are ordered by signal-to-noise ratio, in any order of the bands; noise is left out, classes are kept."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from landcover_bdgf.model.components import noise_adjusted_components

Floats = NDArray[np.float32]
BANDS, SIGNALS, PIXELS = 80, 3, 4000
NOISE_STD = np.r_[np.full(BANDS // 2, 0.02), np.full(BANDS - BANDS // 2, 0.2)]  # two detectors


def simulated(seed: int = 0) -> tuple[Floats, Floats]:
    """Bands (80, n) of three signals with standard deviations 1, 0.3 and 0.03, and the signals."""
    rng = np.random.default_rng(seed)
    signals = rng.standard_normal((SIGNALS, PIXELS)) * np.array([[1], [0.3], [0.03]])
    bands = rng.standard_normal((BANDS, SIGNALS)) @ signals / 2
    return np.float32(bands + NOISE_STD[:, None] * rng.standard_normal((BANDS, PIXELS))), np.float32(signals)


def explained(signal: Floats, components: Floats) -> float:
    """Share of the variance of a signal (n,) that a linear map of components (K, n) has."""
    design = np.vstack([components, np.ones_like(signal)]).T
    left = signal - design @ np.linalg.lstsq(design, signal, rcond=None)[0]
    return float(1 - left.var() / signal.var())


def test_signals_weaker_than_the_noise_of_other_bands_are_kept() -> None:
    """The third signal has less variance than the noise of half of the bands: principal components miss it."""
    bands, signals = simulated()
    matrix, snr = noise_adjusted_components(bands, 30)
    assert matrix.shape == (SIGNALS, BANDS)
    assert (np.diff(snr) < 0).all()
    assert explained(signals[2], matrix @ bands) > 0.9
    assert explained(signals[2], PCA(SIGNALS).fit_transform(bands.T).T) < 0.2


def test_ratios_are_those_of_signal_and_noise() -> None:
    """By hand: the noise of a component is 1, so that its variance is the ratio plus 1."""
    bands, _ = simulated()
    matrix, snr = noise_adjusted_components(bands, 30)
    np.testing.assert_allclose((matrix @ bands).var(1), snr + 1, rtol=1e-3)
    noise = NOISE_STD[:, None] * np.random.default_rng(9).standard_normal((BANDS, PIXELS))
    np.testing.assert_allclose((matrix @ noise).std(1), 1, atol=0.1)


def test_the_number_is_capped_and_at_least_two() -> None:
    bands, _ = simulated()
    assert len(noise_adjusted_components(bands, 2)[0]) == 2
    noise = np.random.default_rng(0).standard_normal((BANDS, PIXELS)).astype(np.float32)
    assert len(noise_adjusted_components(noise, 14)[0]) == 2


def test_order_of_bands_and_sign_and_threads_do_not_matter() -> None:
    bands, _ = simulated()
    order = np.random.default_rng(0).permutation(BANDS)
    matrix, snr = noise_adjusted_components(bands, 3)
    shuffled, same = noise_adjusted_components(bands[order], 3)
    np.testing.assert_allclose(shuffled, matrix[:, order], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(same, snr, rtol=1e-4)
    np.testing.assert_allclose(noise_adjusted_components(-bands, 3)[0], matrix, rtol=1e-3, atol=1e-3)
    with threadpool_limits(2):
        assert np.array_equal(noise_adjusted_components(bands, 3)[0], matrix)


def _repeated(bands: Floats) -> Floats:
    return np.concatenate([bands, bands[:1], bands[:1]])


def _interpolated(bands: Floats) -> Floats:
    bands[50] = (bands[49] + bands[51]) / 2
    return bands


def _constant(bands: Floats) -> Floats:
    bands[[3, 60]] = 0
    return bands


@pytest.mark.parametrize("spoil", [_repeated, _interpolated, _constant, lambda bands: bands[:, :40]])
def test_bands_without_noise_of_their_own_do_not_take_over(spoil: object) -> None:
    """Repeated, interpolated and constant bands, and fewer pixels than bands, which a regression fits exactly."""
    bands, signals = simulated()
    assert callable(spoil)
    spoiled = spoil(bands)
    matrix, snr = noise_adjusted_components(spoiled, SIGNALS)
    assert np.isfinite(matrix).all()
    assert np.isfinite(snr).all()
    found = matrix @ spoiled
    assert all(explained(signals[i, : found.shape[1]], found) > 0.9 for i in range(2))


def test_bands_without_any_variance_become_0() -> None:
    matrix, snr = noise_adjusted_components(np.zeros((BANDS, 50), np.float32), 14)
    assert np.isfinite(matrix).all()
    assert snr.tolist() == [0, 0]
