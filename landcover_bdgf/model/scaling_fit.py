"""Fit the scaling of a scene to a sample of its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from landcover_bdgf.labels import JoinedSamples
from landcover_bdgf.model.components import noise_adjusted_components
from landcover_bdgf.model.learning_tiles import random_pixels
from landcover_bdgf.model.recipe import SpectralRecipe
from landcover_bdgf.model.scaling import Floats, Scaling, clipped, percentiles, reduce_bands, to_unit
from landcover_bdgf.scene import Stack


def fit_scaling(
    stacks: Sequence[Stack], recipe: SpectralRecipe, *, exclude: JoinedSamples | None, seed: int
) -> Scaling:
    """Fit the scaling to a sample of the valid pixels of the scenes; test pixels of ``exclude`` are left out.

    ``seed`` decides which pixels are sampled.
    """
    spectral, sar = random_pixels(stacks, exclude=exclude, seed=seed)
    low, high = percentiles(spectral)
    components = np.zeros((0, len(spectral)), np.float32)
    snr = reduced_low = reduced_high = np.zeros(0, np.float32)
    bands = len(stacks[0].spectral.bands)
    if bands > recipe.max_bands:
        scaled = clipped(to_unit(spectral, low, high))
        own, snr = noise_adjusted_components(scaled[:bands], recipe.max_components)
        components = block_diag(own, np.eye(len(spectral) - bands)).astype(np.float32)  # extra layers are kept
        reduced_low, reduced_high = percentiles(reduce_bands(scaled, components))
    speckled = np.array([name not in stacks[0].plain_names for name in stacks[0].sar.names])
    return Scaling(low, high, components, snr, reduced_low, reduced_high, *fit_sar(sar, speckled))


def fit_sar(sar: Floats, speckled: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """``sar_mean``, ``sar_std`` and ``speckled`` of a scaling, from values (R, n)."""
    low, high = percentiles(sar)
    log = np.log(np.where(speckled[:, None], sar, 1))
    mean = np.where(speckled, log.mean(axis=1, dtype=np.float64), (low + high) / 2)
    std = np.where(speckled, log.std(axis=1, dtype=np.float64), (high - low) / 2)
    return mean.astype(np.float32), np.maximum(std, 1e-6).astype(np.float32), speckled.astype(np.float32)
