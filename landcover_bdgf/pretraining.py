"""Step: fit the denoiser to a stack, without labels (section 3.1 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from landcover_bdgf.checkpoint import BandName, Checkpoint
from landcover_bdgf.device import Run, open_workers
from landcover_bdgf.errors import RasterError
from landcover_bdgf.features import scaled_cube
from landcover_bdgf.fit import SHARDS, Task, fit, generator_of
from landcover_bdgf.history import History
from landcover_bdgf.networks.diffusion import Channels, Schedule, add_noise, mask_spectral, noise_loss
from landcover_bdgf.networks.unet import UNet
from landcover_bdgf.progress import log
from landcover_bdgf.provenance import record
from landcover_bdgf.recipe import RECIPES, Recipe
from landcover_bdgf.samples import Samples
from landcover_bdgf.scaling import Scaling, fit_scaling, hide_test_pixels
from landcover_bdgf.stack import Stack

REGION_PX = 512  # a scene larger than this is represented by random regions of this size
REGIONS = 16  # about 260 MB with 16 channels
ENOUGH_VALID = 0.25  # of a training tile; a few draws are made to find one


@dataclass(frozen=True)
class Region:
    """A piece of a scene held in memory: scaled cube (R + K, h, w), 0 where invalid, and its valid mask."""

    cube: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class NoisyTiles:
    """A shard of tiles: x_t and the noise in it (B, S, H, W), steps (B,), valid (B, H, W)."""

    xt: Tensor
    t: Tensor
    noise: Tensor
    valid: Tensor


def pretrain(
    stacks: Stack | Sequence[Stack],
    recipe: Recipe | None = None,
    *,
    samples: Samples | None = None,
    run: Run | None = None,
    partial: Path | None = None,
    resume: bool = False,
) -> Checkpoint:
    """Train the denoiser on one or more scenes of the same sensors.

    Parameters
    ----------
    stacks : Stack or sequence of Stack
    recipe : Recipe
        Default ``laptop``.
    samples : Samples, optional
        Of the first scene; its test pixels are hidden from scaling, PCA and training.
    run : Run
        Seed, device, threads.
    partial : Path, optional
        Where to keep the state of an interrupted training, to ``resume`` it.

    Returns
    -------
    Checkpoint of kind "denoiser", with its losses
    """
    stacks, recipe, run = _listed(stacks), recipe or RECIPES["laptop"], run or Run()
    scaling = fit_scaling(stacks, recipe.spectral, exclude=samples, seed=run.seed)
    regions = [
        r for i, stack in enumerate(stacks) for r in _regions(stack, scaling, samples if i == 0 else None, recipe, run)
    ]
    torch.manual_seed(run.seed)  # initial weights
    unet = UNet(recipe.diffusion.width)
    provenance = record(
        "pretrain",
        {f"scene {i + 1}": stack.fingerprint() for i, stack in enumerate(stacks)},
        seed=run.seed,
        hidden_test_pixels=samples.test_digest() if samples is not None else None,
    )
    history = _fit(unet, regions, scaling, recipe, run, partial, resume, provenance)
    weights = {f"unet.{k}": v.cpu().numpy() for k, v in unet.state_dict().items()}
    first = stacks[0]
    bands, sar_bands = (
        tuple(BandName(b.name, b.wavelength_nm) for b in image.bands) for image in (first.spectral, first.sar)
    )
    unit = "signed" if first.sar_unit == "signed" else "power"
    return Checkpoint("denoiser", weights, recipe, bands, sar_bands, unit, scaling, None, history, provenance)


def _listed(stacks: Stack | Sequence[Stack]) -> list[Stack]:
    listed = [stacks] if isinstance(stacks, Stack) else list(stacks)
    counts = {(len(s.spectral.bands), len(s.sar.bands)) for s in listed}
    if len(counts) > 1:
        raise RasterError(
            f"scenes differ in their numbers of spectral and SAR bands: {sorted(counts)}. "
            "Give scenes of the same sensors."
        )
    return listed


def _regions(stack: Stack, scaling: Scaling, samples: Samples | None, recipe: Recipe, run: Run) -> list[Region]:
    windows = list(stack.grid.tiles(REGION_PX))
    if len(windows) > REGIONS:
        chosen = np.random.default_rng(run.seed).permutation(len(windows))[:REGIONS]
        windows = [windows[i] for i in sorted(chosen)]
    regions = []
    for window in windows:
        least = recipe.diffusion.tile_px
        height, width = max(window.height, least), max(window.width, least)
        tile = stack.read_padded(window.row_off, window.col_off, height, width)
        tile = hide_test_pixels(tile, samples, window)
        if tile.valid.any():
            regions.append(Region(scaled_cube(tile, scaling), tile.valid))
    return regions


def _fit(
    unet: UNet, regions: list[Region], scaling: Scaling, recipe: Recipe, run: Run,
    partial: Path | None, resume: bool, identity: dict[str, object],
) -> History:  # fmt: skip
    device = run.torch_device()
    settings, schedule = recipe.diffusion, Schedule.linear()
    channels = Channels.of(scaling.sigma_log, scaling.bands)
    unet.to(device)

    def batch(step: int) -> list[NoisyTiles]:
        count = min(SHARDS, settings.batch)
        sizes = [len(part) for part in np.array_split(np.arange(settings.batch), count)]
        return [shard(size, step, generator_of(run.seed, step, i)) for i, size in enumerate(sizes)]

    def shard(size: int, step: int, generator: Generator) -> NoisyTiles:
        x0, valid = draw_tiles(regions, size, settings.tile_px, generator)
        if settings.mask == "adaptive":
            x0 = mask_spectral(x0, channels, step / settings.steps, generator)
        t = torch.randint(len(schedule.alpha), (size,), generator=generator)
        noise = torch.randn(x0.shape, generator=generator)
        xt = add_noise(x0, t, noise, channels, schedule)
        return NoisyTiles(*(a.to(device) for a in (xt, t, noise, valid)))

    def loss(network: nn.Module, tiles: NoisyTiles) -> tuple[Tensor, dict[str, Tensor]]:
        return noise_loss(network, tiles.xt, tiles.t, tiles.noise, tiles.valid), {}

    log.info("pre-training the denoiser on %s, without labels", device)
    task = Task(
        "pretrain", unet, batch, loss, settings.steps, settings.learning_rate,
        identity={**identity, "recipe": recipe.diffusion.model_dump_json()},
    )  # fmt: skip
    with open_workers(run.workers(device)) as workers:
        return fit(task, workers, partial=partial, resume=resume)


def draw_tiles(regions: list[Region], count: int, tile_px: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Random tiles, flipped and turned at random: cube (B, S, H, W) and valid (B, H, W)."""
    pixels = torch.tensor([float(r.valid.sum()) for r in regions])
    drawn = []
    for _ in range(count):
        for _attempt in range(10):
            region = regions[int(torch.multinomial(pixels, 1, generator=generator))]
            height, width = region.valid.shape
            row = int(torch.randint(height - tile_px + 1, (1,), generator=generator))
            col = int(torch.randint(width - tile_px + 1, (1,), generator=generator))
            valid = region.valid[row : row + tile_px, col : col + tile_px]
            if valid.mean() >= ENOUGH_VALID:
                break
        turns, flip = (
            int(torch.randint(4, (1,), generator=generator)),
            bool(torch.randint(2, (1,), generator=generator)),
        )
        pair = [region.cube[:, row : row + tile_px, col : col + tile_px], valid[None]]
        pair = [np.rot90(a[..., ::-1] if flip else a, turns, axes=(1, 2)).copy() for a in pair]
        drawn.append([torch.from_numpy(a) for a in pair])
    return torch.stack([d[0] for d in drawn]), torch.stack([d[1][0] for d in drawn])
