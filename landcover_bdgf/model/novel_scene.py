"""Warnings about a scene that is unlike the training scenes of a checkpoint: its values, band order and pixel size.

Thresholds were chosen on real scenes of Chile and Denmark and checked on others (decision 20).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import ground_pixel_side_m
from landcover_bdgf.model.checkpoint import BandName, Checkpoint
from landcover_bdgf.model.learning_tiles import random_pixels
from landcover_bdgf.model.scaling import LEAST_RELATIVE, Floats, Scaling
from landcover_bdgf.model.training_values import (
    COMPARED_PX,
    SensorValues,
    by_group,
    moments,
    most_frequent,
    quantiles,
)
from landcover_bdgf.progress import log
from landcover_bdgf.scene import ALONE, Image, Sensor, Stack
from landcover_bdgf.text import printable

SPECTRAL_CAUSES = "different unit, offset or landscape, haze or clouds"
EXTRA_CAUSES = "different unit, scale, source or landscape"
SAR_CAUSES = "different unit, calibration or landscape"
LEAST_PX = 1000  # to compare; a small area of interest may be a single field or lake
FOREIGN_SHARE = 0.5  # of such pixels; other dates of one place had up to 0.02, thin cloud over a third has 0.34
NOVEL_SHARE = 0.12  # of pixels unlike all training pixels; a tenth of a scene may show what is rare in the whole
REPEATED_SHARE = 0.1  # of pixels with one value in a band
REPEATED_RATIO = 4.0  # to its share in training; a quarter of a scene, all of it water, has four times as much
SHRUNK = 0.6  # largest ratio of standard deviations to those in training
EVENLY = 0.3  # exponent; by a factor of 0.5, the ratios of bands differ by 1.2 at most, by a factor of 0.1 by 2
LEAST_BANDS = 3  # to tell a scale from a uniform landscape
MISPLACED = 0.3  # least mean distance of misplaced bands, in standard deviations of training
CLEARLY_BETTER = 0.38  # of this distance at most is left in the better order; in another landscape it was 0.47 or more
NAMED_BANDS = 3  # in a message
NOVEL_PIXEL_RATIO = 1.5  # of pixel sizes; beyond it, windows cover too different an area of ground
# The scaled logarithm of amplitude has half the standard deviation of that of power, 0.5 instead of 1. Across four real
# scenes in power, each scaled with another's parameters, the least standard deviation was 0.69.
AMPLITUDE_STD = 0.65
AMPLITUDE_MEAN = 0.7  # least absolute mean of the scaled logarithms


@dataclass(frozen=True)
class Compared:
    """Pixels of one sensor, their values (B, n) and the same scaled (K, n), and those of the training scenes."""

    image: Image
    sensor: str
    causes: str  # of other values
    bands: Sequence[BandName]  # of the checkpoint
    values: Floats
    scaled: Floats
    trained: SensorValues


def warn_of_novel_scene(checkpoint: Checkpoint, stack: Stack, seed: int, *, force: bool = True) -> None:
    """Warn if the values, the order of the bands or the pixel size of a scene are unlike those in training.

    The stack has the checkpoint's bands, see :func:`~landcover_bdgf.model.compatibility.fit_stack`; ``seed`` chooses
    the pixels that are compared. Values are compared as all scenes together are scaled, even where the networks see
    each scene scaled by its own: then another landscape looks like another unit or offset, and neither is refused.

    Raises
    ------
    RasterError
        Without ``force``: most pixels have values unlike all training pixels, so most classes would be wrong; not if
        each scene is scaled by its own values.
    """
    _warn_of_pixel_size(checkpoint, stack)
    if stack.missing == "error":
        spectral, sar = random_pixels([stack], exclude=None, seed=seed)
        if spectral.shape[1] < LEAST_PX:
            log.info("only %d px have data, too few to compare their values with those in training.", spectral.shape[1])
            return
    else:
        spectral, sar = (_seen_by(stack, sensor, seed) for sensor in ALONE)
    if sar.shape[1] >= LEAST_PX:
        _warn_of_sar(checkpoint, stack, sar, seed, force=force)
    if spectral.shape[1] >= LEAST_PX:
        _warn_of_spectral(checkpoint, stack, spectral, seed, force=force)


def _seen_by(stack: Stack, sensor: Sensor, seed: int) -> Floats:
    """Values (B, n) of one sensor, of a sample of all pixels that it saw; of none if it saw nothing."""
    try:
        spectral, sar = random_pixels([replace(stack, missing=sensor)], exclude=None, seed=seed)
    except RasterError:
        return np.zeros((1, 0), np.float32)
    return spectral if sensor == "spectral" else sar


def _warn_of_sar(checkpoint: Checkpoint, stack: Stack, sar: Floats, seed: int, *, force: bool) -> None:
    scaling, trained = checkpoint.scaling, checkpoint.values
    logs = scaling.log_sar(sar)
    if _is_amplitude(scaling, logs):
        log.warning(
            '%s: seems to be amplitude, the %s on power. Square its values, or set `sar_unit="db"` if they are in dB',
            stack.sar.paths[0], _words(checkpoint)[0],
        )  # fmt: skip
    else:
        found = Compared(stack.sar, "SAR", SAR_CAUSES, checkpoint.sar_bands, logs, scaling.sar(sar), trained.sar)
        _warn_of_values(checkpoint, found, seed, force=force)


def _warn_of_spectral(checkpoint: Checkpoint, stack: Stack, spectral: Floats, seed: int, *, force: bool) -> None:
    """Of the spectral image and of extra layers."""
    scaling, trained = checkpoint.scaling, checkpoint.values
    bands = [len(group.bands) for group in checkpoint.extra]
    images, names = (stack.spectral, *stack.extra), ["spectral", *(printable(group.name) for group in checkpoint.extra)]
    causes = [SPECTRAL_CAUSES, *(EXTRA_CAUSES for _ in bands)]
    known = [checkpoint.bands, *(group.bands for group in checkpoint.extra)]
    values, scaled = by_group(spectral, bands), by_group(scaling.spectral(spectral), bands)
    groups = zip(images, names, causes, known, values, scaled, (trained.spectral, *trained.extra), strict=True)
    for group in groups:
        _warn_of_values(checkpoint, Compared(*group), seed, force=force)


def _warn_of_values(checkpoint: Checkpoint, found: Compared, seed: int, *, force: bool) -> None:
    """Warn of values unlike those in training; refuse them, unless forced, if those of most pixels are."""
    far, bands = _far(found, seed)
    _warn_of_particulars(checkpoint, found, far, bands)
    if far > FOREIGN_SHARE and not force and not checkpoint.scaling.by_scene:
        raise RasterError(
            found.image.paths[0],
            f"{100 * far:.0f} % of the pixels have {found.sensor} values unlike all that the model was trained on, so "
            "most of the map would be wrong",
            "Train on this scene, correct its values, or map it all the same with `force`.",
        )


def _warn_of_particulars(checkpoint: Checkpoint, found: Compared, far: float, bands: str) -> None:
    """Warn of the most particular of: another order, one value in many pixels, another scale, unlike pixels."""
    trained, _, remedy = _words(checkpoint)
    path = found.image.paths[0]
    order = _better_order(found)
    if order:
        named = [f'"{found.image.names[at]}" looks like {found.bands[like].name}' for at, like in order]
        log.warning(
            "%s: its bands seem to be in a different order from that in training: %s. Check the order or the names "
            "of the bands",
            path, _listed(named),
        )  # fmt: skip
        return
    repeated, explained = _repeated(found)
    if repeated:
        log.warning(
            "%s: many pixels have one value (saturated or missing?), unlike the images that the %s on: %s. Declare "
            "missing values as nodata, or check the map there",
            path, trained, repeated,
        )  # fmt: skip
    factor = _shrunk(found)
    if factor is not None:
        log.warning(
            "novel scene: all %s values vary only %.2g times as much as those that the %s on (different unit or "
            "scale?). %s",
            found.sensor, factor, trained, remedy,
        )  # fmt: skip
        return
    if far - explained > NOVEL_SHARE:
        log.warning(
            "novel scene: %.0f %% of the pixels have %s values unlike all that the %s on (%s?); most different: %s. %s",
            100 * far, found.sensor, trained, found.causes, bands, remedy,
        )  # fmt: skip


def _better_order(found: Compared) -> list[tuple[int, int]]:
    """Bands, and those of the checkpoint that their values fit clearly better; empty if the order is right."""
    own, trained = quantiles(found.values), found.trained
    apart = np.abs(own[:, None] - trained.quantiles[None]).mean(2) / _spread(trained)  # (found, trained)
    if (apart.argmin(1) == np.arange(len(apart))).all():
        return []  # each band fits best where it is, as in most scenes
    at, like = scipy.optimize.linear_sum_assignment(apart)
    moved = at != like
    if not moved.any():
        return []
    before, after = apart[at, at][moved].mean(), apart[at, like][moved].mean()
    clear = before > MISPLACED and after < CLEARLY_BETTER * before
    return list(zip(at[moved].tolist(), like[moved].tolist(), strict=True)) if clear else []


def _repeated(found: Compared) -> tuple[str, float]:
    """Bands with one value in far more pixels than any in training, "B02 (16000 in 25 %, …)", and their largest share.

    The most frequent value of the training scenes is known to the networks: a lake may have it throughout.
    """
    trained, texts, largest = found.trained, [], 0.0
    rows = zip(found.image.names, most_frequent(found.values), trained.frequent, trained.repeated, strict=True)
    for name, (value, share), known, usual in rows:
        if share > REPEATED_SHARE and share > REPEATED_RATIO * usual and value != known:
            texts.append(f"{name} ({value:g} in {100 * share:.0f} %, in training no value in over {100 * usual:.1f} %)")
            largest = max(largest, share)
    return _listed(texts), largest


def _shrunk(found: Compared) -> float | None:
    """Factor by which all bands vary less than in training, if it is about the same for all; None otherwise.

    In a part of a scene, such as a lake, some bands lose far more of their variation than others.
    """
    ratios = moments(found.values)[1] / _spread(found.trained)
    least, most = ratios.min(), ratios.max()
    shrunk = len(ratios) >= LEAST_BANDS and least > 0 and most < SHRUNK and most / least < most**-EVENLY
    return float(np.median(ratios)) if shrunk else None


def _far(found: Compared, seed: int) -> tuple[float, str]:
    """Share of pixels unlike all training pixels, and the bands in which they differ most."""
    chosen = np.random.default_rng(seed).permutation(found.values.shape[1])[:COMPARED_PX]
    far = found.trained.far(found.scaled[:, chosen])
    if not far.any():
        return 0.0, ""
    mean = found.values[:, chosen[far]].mean(1, dtype=np.float64)
    order = np.argsort(-np.abs(mean - found.trained.mean) / _spread(found.trained))[:NAMED_BANDS]
    names = [f"{found.image.names[i]} (mean {mean[i]:.4g}, in training {found.trained.mean[i]:.4g})" for i in order]
    return float(far.mean()), ", ".join(names)


def _listed(texts: list[str]) -> str:
    """The first few, and how many more."""
    more = len(texts) - NAMED_BANDS
    return ", ".join(texts[:NAMED_BANDS]) + (f" and {more} more" if more > 0 else "")


def _spread(trained: SensorValues) -> NDArray[np.float64]:
    """Standard deviations in training; of a constant band the precision of its value."""
    least = LEAST_RELATIVE * np.abs(trained.mean) + np.finfo(np.float32).tiny
    return np.maximum(trained.std, least, dtype=np.float64)


def _is_amplitude(scaling: Scaling, logs: NDArray[np.float32]) -> bool:
    """Whether in all channels the logarithms spread half as far, are off centre, and squaring would centre them."""
    speckled = scaling.speckled > 0
    usual_mean, usual_std = scaling.sar_mean[speckled], scaling.sar_std[speckled]
    mean, std = moments((logs[speckled] - usual_mean[:, None]) / usual_std[:, None])
    nearer = np.abs(2 * mean + usual_mean / usual_std).sum() < np.abs(mean).sum()
    return bool(nearer and (std < AMPLITUDE_STD).all() and (np.abs(mean) > AMPLITUDE_MEAN).all())


def _warn_of_pixel_size(checkpoint: Checkpoint, stack: Stack) -> None:
    """Warn of a different pixel size, if both are known: windows are counted in pixels."""
    side_m = ground_pixel_side_m(stack.grid)
    known = [side for side in checkpoint.provenance.get("pixels_m", []) if side is not None]
    if side_m is None or not known:
        return
    nearest = min(known, key=lambda side: abs(math.log(side_m / side)))
    trained, verb, _ = _words(checkpoint)
    if max(side_m / nearest, nearest / side_m) > NOVEL_PIXEL_RATIO:
        log.warning(
            "%s: pixels are %g m wide on the ground; the %s on %g m. Resample the image to about %g m, or %s on this "
            "scene",
            stack.spectral.paths[0], side_m, trained, nearest, nearest, verb,
        )  # fmt: skip


def _words(checkpoint: Checkpoint) -> tuple[str, str, str]:
    """Clause "model was trained", verb "train", and remedy for novel values, by the kind of checkpoint."""
    is_model = checkpoint.kind == "model"
    trained, verb = ("model was trained", "train") if is_model else ("denoiser was pre-trained", "pre-train")
    if checkpoint.scaling.by_scene:
        start = "Scaled by its own values, it may be mapped well all the same; check the map"
    else:
        start = "Check the map" if is_model else "Use an image with the same unit and offset"
    return trained, verb, f"{start}, or {verb} on this scene"
