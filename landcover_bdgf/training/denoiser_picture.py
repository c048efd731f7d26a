"""A picture of the results of the denoiser: tiles of the scene, noisy, and denoised by the reverse process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from landcover_bdgf.model import (
    Channels,
    Checkpoint,
    Run,
    Schedule,
    add_noise,
    denoise,
    denoiser_network,
    noise_predictor,
    open_workers,
    scaled_cube,
    scaling_of,
    with_weights,
)
from landcover_bdgf.progress import track
from landcover_bdgf.scene import Stack
from landcover_bdgf.training.loop import generator_of

PLACES = (0.25, 0.5, 0.75)  # along the diagonal of the scene
TILES, TILE_PX = len(PLACES), 32
STEP = 40  # strong noise, but few reverse steps


def draw_denoised(denoiser: Checkpoint, stack: Stack, path: Path, *, run: Run | None = None) -> None:
    """Write a picture with a row for each of three tiles: clean, noisy and denoised, spectral and SAR.

    Parameters
    ----------
    denoiser : Checkpoint
    stack : Stack
        With the denoiser's bands.
    path : Path
        PNG.
    """
    run, scaling = run or Run(), denoiser.scaling
    device = run.torch_device()
    settings, schedule = denoiser.recipe.diffusion, Schedule.linear()
    channels = Channels.of(scaling.sigma_log, scaling.bands, speckle=settings.speckle).to(device)
    bands = len(channels.spectral)
    unet = with_weights(lambda: denoiser_network(settings, bands), denoiser.part("unet.")).to(device)
    predict = noise_predictor(unet, channels, schedule, settings.target)

    def states(numbered: tuple[int, NDArray[np.float32]]) -> list[Tensor]:
        generator = generator_of(run.seed, numbered[0])
        clean = torch.from_numpy(numbered[1])[None]
        noise = torch.randn(clean.shape, generator=generator)
        noisy = add_noise(clean.to(device), torch.tensor([STEP]), noise.to(device), channels, schedule)
        return [clean, noisy.cpu(), denoise(predict, noisy, STEP, channels, schedule, generator).cpu()]

    with open_workers(run.workers(device)) as workers:
        drawn = track(workers.map(states, enumerate(_tiles(stack, denoiser))), "picture of denoised tiles", TILES)
        cubes = [torch.cat(state) for state in zip(*drawn, strict=True)]
    _figure(cubes, len(scaling.sar_mean)).savefig(path, metadata={"Software": None})


def _tiles(stack: Stack, denoiser: Checkpoint) -> list[NDArray[np.float32]]:
    """Scaled cubes at the centre and the two quarter points of the diagonal of the scene."""
    height, width = stack.grid.shape_hw
    corners = [(int(height * f) - TILE_PX // 2, int(width * f) - TILE_PX // 2) for f in PLACES]
    scaling = scaling_of(denoiser.scaling, stack)
    return [scaled_cube(stack.read_padded(r, c, TILE_PX, TILE_PX), scaling) for r, c in corners]


def _figure(cubes: list[Tensor], sar_bands: int) -> Figure:
    figure = Figure(figsize=(9, 5.2), dpi=110, layout="constrained")
    axes: Any = figure.subplots(TILES, 6, squeeze=False)
    titles = [
        f"{state}, {sensor}" for state in ("clean", f"noisy (t = {STEP})", "denoised") for sensor in ("spectral", "SAR")
    ]
    for row in range(TILES):
        for i, cube in enumerate(cubes):
            spectral, sar = cube[row, sar_bands:].numpy(), cube[row, 0].numpy()
            bands = np.linspace(0, len(spectral) - 1, 3).round().astype(int)[::-1]
            axes[row, 2 * i].imshow(np.clip(spectral[bands].transpose(1, 2, 0) / 2 + 0.5, 0, 1))
            axes[row, 2 * i + 1].imshow(sar, cmap="gray", vmin=-2.5, vmax=2.5)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=7)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure
