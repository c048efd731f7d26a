"""Whether a scene looks like the one that a checkpoint was made on; what differs is warned of."""

from __future__ import annotations

import numpy as np

from landcover_bdgf.checkpoint import Checkpoint
from landcover_bdgf.progress import log
from landcover_bdgf.scaling import random_tiles
from landcover_bdgf.stack import Stack

SAR_USUAL = 2.5  # standard deviations of log intensity
FOREIGN_SHARE = 0.5  # of values outside the training scene's percentiles; the scene itself has 0.02
FOREIGN_TILE_PX, FOREIGN_TILES = 128, 64  # looked at to find that out


def warn_of_foreign_scene(checkpoint: Checkpoint, stack: Stack, seed: int) -> None:
    """Say so when a scene's values lie outside what the checkpoint was made on: what is made of it may be worthless.

    Parameters
    ----------
    checkpoint : Checkpoint
        A model that is to map the scene, or a denoiser that a model of the scene is to be trained with.
    stack : Stack
        With the checkpoint's bands, see :func:`~landcover_bdgf.checkpoint.fit_stack`.
    seed : int
        Of the choice of tiles that are looked at.
    """
    scaling = checkpoint.scaling
    centre, half = (scaling.low + scaling.high) / 2, (scaling.high - scaling.low) / 2
    foreign = np.zeros((2, 2))  # per sensor: how many values, and of how many
    for tile in random_tiles(stack, FOREIGN_TILE_PX, FOREIGN_TILES, exclude=None, seed=seed):
        for band, middle, reach in zip(tile.spectral, centre, half, strict=True):
            foreign[0] += int((np.abs(band[tile.valid] - middle) > reach).sum()), int(tile.valid.sum())
        unusual = np.abs(scaling.sar(tile.sar[:, tile.valid])) > SAR_USUAL
        foreign[1] += int(unusual.sum()), unusual.size
    made, advice = _words(checkpoint)
    for sensor, share in zip(("spectral", "SAR"), foreign[:, 0] / foreign[:, 1], strict=True):
        if share > FOREIGN_SHARE:
            log.warning(
                "%.0f %% of the %s values lie outside what the %s on (another unit, offset or landscape). %s",
                100 * share, sensor, made, advice,
            )  # fmt: skip


def _words(checkpoint: Checkpoint) -> tuple[str, str]:
    """How the checkpoint was made, and what to do where a scene is unlike that."""
    if checkpoint.kind == "model":
        advice = "Do not trust this map before you have checked it; better train on this scene"
        return "model was trained", advice
    return "denoiser was pre-trained", "Give an image in its unit and offset, or pre-train on this scene"
