"""Fit the scaling of scenes to a sample of their pixels: of all together, or of each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from landcover_bdgf.labels import JoinedSamples
from landcover_bdgf.model.components import noise_adjusted_components
from landcover_bdgf.model.learning_tiles import pixels_of_sensors, random_pixels
from landcover_bdgf.model.recipe import SpectralRecipe
from landcover_bdgf.model.scaling import Floats, OfScene, Scaling, clipped, percentiles, reduce_bands, to_unit
from landcover_bdgf.scene import Stack

SEED = 0  # of the sample of a scene that is mapped: the map must not depend on the seed of the run


def fit_scaling(
    stacks: Sequence[Stack],
    recipe: SpectralRecipe,
    *,
    exclude: JoinedSamples | None,
    seed: int,
    by_scene: bool = False,
) -> Scaling:
    """Fit the scaling to a sample of the valid pixels of the scenes; test pixels of ``exclude`` are left out.

    ``seed`` decides which pixels are sampled.
    """
    samples = [random_pixels([stack], exclude=exclude, seed=seed) for stack in stacks]
    spectral, sar = (np.concatenate(parts, axis=1) for parts in zip(*samples, strict=True))
    none = np.zeros(0, np.float32)
    speckled = np.array([name not in stacks[0].plain_names for name in stacks[0].sar.names])
    all_bands = np.zeros((0, len(spectral)), np.float32)
    scaling = Scaling(*percentiles(spectral), all_bands, none, none, none, *fit_sar(sar, speckled))
    if by_scene:
        scaling = with_scenes(scaling, stacks, exclude=exclude, seed=seed)
    bands = len(stacks[0].spectral.bands)
    if bands <= recipe.max_bands:
        return scaling
    own = (scaling_of(scaling, stack) for stack in stacks)
    parts = [clipped(to_unit(values, each.low, each.high)) for (values, _), each in zip(samples, own, strict=True)]
    scaled = np.concatenate(parts, axis=1)
    components, snr = noise_adjusted_components(scaled[:bands], recipe.max_components)
    kept = block_diag(components, np.eye(len(scaled) - bands)).astype(np.float32)  # extra layers are kept
    low, high = percentiles(reduce_bands(scaled, kept))
    return replace(scaling, components=kept, snr=snr, reduced_low=low, reduced_high=high)


def fit_sar(sar: Floats, speckled: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """``sar_mean``, ``sar_std`` and ``speckled`` of a scaling, from values (R, n)."""
    low, high = percentiles(sar)
    log = np.log(np.where(speckled[:, None], sar, 1))
    mean = np.where(speckled, log.mean(axis=1, dtype=np.float64), (low + high) / 2)
    std = np.where(speckled, log.std(axis=1, dtype=np.float64), (high - low) / 2)
    return mean.astype(np.float32), np.maximum(std, 1e-6).astype(np.float32), speckled.astype(np.float32)


def with_scenes(scaling: Scaling, stacks: Sequence[Stack], *, exclude: JoinedSamples | None, seed: int) -> Scaling:
    """The scaling with the values of each of these scenes, fitted to a sample without test pixels of ``exclude``."""
    own = {_sha256(stack): _fit_scene(scaling, stack, exclude=exclude, seed=seed) for stack in stacks}
    return scaling.with_scenes(own)


def scaling_of(scaling: Scaling, stack: Stack) -> Scaling:
    """The scaling of a scene: the same for all, or by its own values.

    Those of a training scene are known; another scene is sampled as a whole, whatever its area of interest and the part
    that is read, so that all parts are scaled alike.

    Raises
    ------
    RasterError
        The scene has no pixels with data.
    """
    if not scaling.by_scene:
        return scaling
    return scaling.of(scaling.known(_sha256(stack)) or _fit_scene(scaling, stack, exclude=None, seed=SEED))


def _fit_scene(scaling: Scaling, stack: Stack, *, exclude: JoinedSamples | None, seed: int) -> OfScene:
    """Of the pixels that each sensor saw; without any, and for extra layers, what all scenes have together."""
    spectral, sar = pixels_of_sensors(stack, exclude=exclude, seed=seed)
    low, high, mean, std = scaling.low.copy(), scaling.high.copy(), scaling.sar_mean, scaling.sar_std
    bands = len(stack.spectral.bands)
    if spectral.size:
        low[:bands], high[:bands] = percentiles(spectral[:bands])
    if sar.size:
        mean, std, _ = fit_sar(sar, scaling.speckled > 0)
    return OfScene(low, high, mean, std)


def _sha256(stack: Stack) -> bytes:
    """Of all that the sample of a scene depends on."""
    return bytes.fromhex(replace(stack, area=None, grid=stack.image_grid, missing="error").fingerprint())
