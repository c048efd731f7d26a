"""Whether a scene looks like the one that a checkpoint was made on; what differs is warned of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.checkpoint import Checkpoint
from landcover_bdgf.geo import ground_pixel_side_m
from landcover_bdgf.progress import log
from landcover_bdgf.scaling import Floats, Scaling, random_tiles
from landcover_bdgf.scene import Stack

SAR_USUAL = 2.5  # standard deviations of log intensity
FOREIGN_SHARE = 0.5  # of values outside the training scene's percentiles; the scene itself has 0.02
FOREIGN_SIZE = 1.5  # times as large as those of training are pixels that show the ground otherwise
# Scaled logarithms of amplitude spread by 0.5 where those of power spread by 1. Power of four real scenes, scaled as
# for one another, spreads by 0.69 or more.
AMPLITUDE_STD = 0.65
AMPLITUDE_MEAN = 0.7  # by so much, or more, they lie off
FOREIGN_TILE_PX, FOREIGN_TILES = 128, 64  # looked at to find that out


def warn_of_foreign_scene(checkpoint: Checkpoint, stack: Stack, seed: int) -> None:
    """Say so when values or pixel size of a scene are not what the checkpoint was made on: its map may be worthless.

    Parameters
    ----------
    checkpoint : Checkpoint
        A model that is to map the scene, or a denoiser that a model of the scene is to be trained with.
    stack : Stack
        With the checkpoint's bands, see :func:`~landcover_bdgf.checkpoint.fit_stack`.
    seed : int
        Of the choice of tiles that are looked at.
    """
    _warn_of_pixel_size(checkpoint, stack)
    scaling = checkpoint.scaling
    centre, half = (scaling.low + scaling.high) / 2, (scaling.high - scaling.low) / 2
    foreign = np.zeros((2, 2))  # per sensor: how many values, and of how many
    moments = np.zeros((3, np.count_nonzero(scaling.speckled)))  # of scaled logarithms: how many, sum, sum of squares
    for tile in random_tiles(stack, FOREIGN_TILE_PX, FOREIGN_TILES, exclude=None, seed=seed):
        for band, middle, reach in zip(tile.spectral, centre, half, strict=True):
            foreign[0] += int((np.abs(band[tile.valid] - middle) > reach).sum()), int(tile.valid.sum())
        unusual = np.abs(scaling.sar(tile.sar[:, tile.valid])) > SAR_USUAL
        foreign[1] += int(unusual.sum()), unusual.size
        logs = _scaled_logs(scaling, tile.sar[:, tile.valid])
        moments += np.stack([np.full(len(logs), logs.shape[1]), logs.sum(1), (logs**2).sum(1)])
    made, _, advice = _words(checkpoint)
    if _is_amplitude(scaling, moments):
        log.warning(
            "%s: looks like amplitude, the %s on power. Square its values, or, if they are dB, give --sar-unit db",
            stack.sar.paths[0], made,
        )  # fmt: skip
    for sensor, share in zip(("spectral", "SAR"), foreign[:, 0] / foreign[:, 1], strict=True):
        if share > FOREIGN_SHARE:
            log.warning(
                "%.0f %% of the %s values lie outside what the %s on (another unit, offset or landscape). %s",
                100 * share, sensor, made, advice,
            )  # fmt: skip


def _scaled_logs(scaling: Scaling, power: Floats) -> NDArray[np.float64]:
    """Of speckled channels as networks see them, but none clipped: ``(R, n) -> (speckled, n)``."""
    speckled = scaling.speckled > 0
    logs = np.log(power[speckled], dtype=np.float64)
    return np.asarray((logs - scaling.sar_mean[speckled, None]) / scaling.sar_std[speckled, None])


def _is_amplitude(scaling: Scaling, moments: NDArray[np.float64]) -> bool:
    """Logarithms spread half as far in all channels, lie elsewhere, and would lie nearer if values were squared."""
    count, total, squares = moments
    mean, speckled = total / count, scaling.speckled > 0
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    squared_mean = 2 * mean + (scaling.sar_mean / scaling.sar_std)[speckled]
    nearer = np.abs(squared_mean).sum() < np.abs(mean).sum()
    return bool(nearer and (std < AMPLITUDE_STD).all() and (np.abs(mean) > AMPLITUDE_MEAN).all())


def _warn_of_pixel_size(checkpoint: Checkpoint, stack: Stack) -> None:
    """Windows and surroundings count in pixels; older checkpoints do not tell how large theirs were."""
    side_m = ground_pixel_side_m(stack.grid)
    known = [side for side in checkpoint.provenance.get("pixels_m", []) if side is not None]
    if side_m is None or not known:
        return
    nearest = min(known, key=lambda side: abs(math.log(side_m / side)))
    made, verb, _ = _words(checkpoint)
    if max(side_m / nearest, nearest / side_m) > FOREIGN_SIZE:
        log.warning(
            "%s: its pixels are %g m wide on the ground, those that the %s on %g m, so that every window shows another "
            "part of it. Resample the image to about %g m, or %s on this scene",
            stack.spectral.paths[0], side_m, made, nearest, nearest, verb,
        )  # fmt: skip


def _words(checkpoint: Checkpoint) -> tuple[str, str, str]:
    """How the checkpoint was made; the verb for that; what to do where values are unlike those that it was made on."""
    if checkpoint.kind == "model":
        advice = "Do not trust this map before you have checked it; better train on this scene"
        return "model was trained", "train", advice
    advice = "Give an image in its unit and offset, or pre-train on this scene"
    return "denoiser was pre-trained", "pre-train", advice
