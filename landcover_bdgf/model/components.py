"""Noise-adjusted principal components of many spectral bands (decision 0016).

The noise of a band is what a linear regression on all other bands leaves of it (Roger and Arnold 1996,
doi:10.1080/01431169608949060). In units of this noise, principal components are ordered by signal-to-noise ratio
instead of variance (Green et al. 1988, doi:10.1109/36.3001; Lee et al. 1990, doi:10.1109/36.54355). Neither step needs
an order of the bands or neighbouring pixels, so that objects of one pixel are not taken for noise.

Glossary
    S, K    bands, components
    C       covariance of the bands
    P       its inverse
    N       variance of the noise of each band: the diagonal of the noise covariance
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float32]

FIT_PX = 30_000  # of the sampled pixels, evenly spaced: enough for the covariance of hundreds of bands
RIDGE = 1e-6  # of the mean variance; makes the regression possible for constant bands and for few pixels
# Least noise variance of a band, of the lower quartile: interpolated and repeated bands have none, and the first
# components would show nothing else. On EnMAP and AVIRIS the least of any band is 0.2.
LEAST_NOISE = 0.1
LEAST_SNR = 1.0  # as much signal as noise
FEWEST = 2  # components, however noisy


def noise_adjusted_components(bands: Floats, most: int) -> tuple[Floats, Floats]:
    """Linear map (K, S) of bands (S, n) to at most ``most`` components, and their signal-to-noise ratios (K,).

    The ratio is that of variances. The largest come first; those below ``LEAST_SNR`` are left out, but two are kept.
    """
    # products split over threads round differently
    with threadpool_limits(1):
        covariance = np.atleast_2d(np.cov(bands[:, :: -(-bands.shape[1] // FIT_PX)], dtype=np.float64))
        noise_std = np.sqrt(_noise(covariance))
        variances, vectors = np.linalg.eigh(covariance / np.outer(noise_std, noise_std))
    snr = np.maximum(variances[::-1] - 1, 0)
    kept = min(most, max(FEWEST, int((snr >= LEAST_SNR).sum())))
    components = vectors.T[::-1][:kept]
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(kept), largest])[:, None]  # else the sign is arbitrary
    return (components / noise_std).astype(np.float32), snr[:kept].astype(np.float32)


def _noise(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """N: the variance of a band that is left after a ridge regression on the others is 1 / P_ss."""
    ridge = RIDGE * np.trace(covariance) / len(covariance) or 1.0  # without any variance, all components are 0
    noise = 1 / np.diag(np.linalg.inv(covariance + ridge * np.eye(len(covariance))))
    return np.maximum(noise, LEAST_NOISE * np.quantile(noise, 0.25))
