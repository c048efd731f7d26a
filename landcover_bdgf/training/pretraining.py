"""Step: train the denoiser on scenes, without labels (section 3.1 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from landcover_bdgf.geo import ground_pixel_side_m
from landcover_bdgf.labels import JoinedSamples, Samples, join_samples
from landcover_bdgf.model import (
    RECIPES,
    Channels,
    Checkpoint,
    History,
    Piece,
    Recipe,
    Run,
    Scaling,
    Schedule,
    add_noise,
    adjacent_difference,
    band_names,
    denoiser_network,
    denoising_loss,
    extra_layers,
    fit_scaling,
    fit_training_values,
    mask_spectral,
    match_stack,
    open_workers,
    pieces_of_batch,
    presto_arrays,
    random_tiles,
    scaled_cube,
    scaling_of,
    velocity,
)
from landcover_bdgf.progress import kept_warnings, log
from landcover_bdgf.scene import Stack, as_list
from landcover_bdgf.storage import record
from landcover_bdgf.training.loop import fit, generator_of
from landcover_bdgf.training.task import Shards, Task, halving

REGION_PX = 512  # larger scenes are represented by random regions of this size
REGIONS = 16  # about 260 MB with 16 channels
SHARDS = 4  # per batch, on a CPU
LEAST_VALID = 0.25  # share of a training tile; drawn again up to 10 times if less is valid


@dataclass(frozen=True)
class NoisyTiles:
    """A shard of training tiles: x_t and what is to be predicted (B, S, H, W), steps (B,), valid (B, H, W)."""

    xt: Tensor
    t: Tensor
    target: Tensor
    valid: Tensor


def pretrain(
    stacks: Stack | Sequence[Stack], recipe: Recipe | None = None, *,
    samples: Samples | Sequence[Samples] | JoinedSamples | None = None,
    run: Run | None = None, partial: Path | None = None, resume: bool = False,
) -> Checkpoint:  # fmt: skip
    """Train the denoiser on one or more scenes of the same sensors.

    Parameters
    ----------
    stacks : Stack or sequence of Stack
    recipe : Recipe, optional
        By default ``laptop``.
    samples : Samples, sequence of Samples or JoinedSamples, optional
        Samples of some of the scenes; their test pixels are hidden from scaling and training, also in scenes that
        overlap theirs.
    run : Run, optional
    partial : Path, optional
        File for the state of an interrupted training; ``resume`` continues from it.

    Returns
    -------
    Checkpoint of kind "denoiser", with its loss history

    Raises
    ------
    LabelError
        Samples belong to none of the scenes.
    CheckpointError
        The scenes differ in their bands, or ``partial`` belongs to another training.
    RasterError
        A scene has no valid pixels outside the test samples.
    SettingsError
        The settings do not fit the scene, or the loss is not finite.
    ResourceError
        A batch does not fit into the GPU memory.
    """
    scenes = as_list(stacks)
    with kept_warnings() as said:
        hidden = None if samples is None else _hidden(join_samples(samples), scenes)
        denoiser = _pretrained(
            scenes, recipe or RECIPES["laptop"], samples=hidden, run=run or Run(), partial=partial, resume=resume
        )
    return denoiser.warned([*(text for scene in scenes for text in scene.warnings), *said])


def _hidden(samples: JoinedSamples, stacks: Sequence[Stack]) -> JoinedSamples:
    """Samples whose test pixels are hidden; LabelError if they belong to none of the scenes."""
    for each in samples.scenes:
        if not any(each.grid.same_as(stack.grid) for stack in stacks):
            each.check_grid(stacks[0].grid)
    return samples


def _pretrained(
    scenes: Sequence[Stack], recipe: Recipe, *,
    samples: JoinedSamples | None, run: Run, partial: Path | None, resume: bool,
) -> Checkpoint:  # fmt: skip
    first, *others = scenes
    bands, sar_bands, extra = band_names(first.spectral), band_names(first.sar), extra_layers(first)
    fitted = (
        match_stack(s, bands, sar_bands, extra, name=f"scene {i}, the first scene") for i, s in enumerate(others, 2)
    )
    stacks = [first, *fitted]
    by_scene, regions = recipe.scaling.fit == "scene", []
    scaling = fit_scaling(stacks, recipe.spectral, exclude=samples, seed=run.seed, by_scene=by_scene)
    for stack in stacks:
        own = scaling_of(scaling, stack)
        tiles = random_tiles(stack, REGION_PX, REGIONS, exclude=samples, seed=run.seed)
        regions += [_region(scaled_cube(tile, own), tile.valid, recipe.diffusion.tile_px) for tile in tiles]
    spectra = ((region.cube[len(scaling.sar_mean) :], region.valid) for region in regions)
    scaling = replace(scaling, adjacent=np.array([adjacent_difference(spectra)], np.float32))
    weights = {}
    if recipe.features.presto:
        weights = {f"presto.{k}": v for k, v in presto_arrays(first, scaling, recipe.features).items()}
    values = fit_training_values(stacks, scaling, exclude=samples, seed=run.seed)
    provenance, history = pretraining_record(stacks, samples, run), History()
    if recipe.features.diffusion:
        torch.manual_seed(run.seed)  # initial weights
        unet = denoiser_network(recipe.diffusion, scaling.bands + len(scaling.sar_mean)).to(run.torch_device())
        task = _task(unet, regions, scaling, recipe, run)
        log.info("pre-training the denoiser on %s, without labels", run.torch_device())
        with open_workers(run.workers(run.torch_device())) as workers:
            history = fit(replace(task, identity=task.identity | provenance), workers, partial=partial, resume=resume)
        weights |= {f"unet.{k}": v.cpu().numpy() for k, v in unet.state_dict().items()}
    for stack in stacks:
        stack.check_unchanged()
    unit = "signed" if first.plain_names else "power"
    return Checkpoint(
        "denoiser", weights, recipe, bands, sar_bands, unit, scaling, values, extra,
        history=history, provenance=provenance,
    )  # fmt: skip


def pretraining_record(stacks: Sequence[Stack], samples: JoinedSamples | None, run: Run) -> dict[str, Any]:
    """Provenance of a denoiser."""
    return record(
        "pretrain",
        {f"scene {i + 1}": stack.fingerprint() for i, stack in enumerate(stacks)},
        seed=run.seed,
        pixels_m=[ground_pixel_side_m(stack.grid) for stack in stacks],
        hidden_test_pixels=samples.test_digest() if samples is not None else None,
    )


def _region(cube: NDArray[np.float32], valid: NDArray[np.bool_], least_px: int) -> Piece:
    """A region held in memory; one smaller than a training tile is extended by its mirror image."""
    pad = [(0, max(0, least_px - n)) for n in valid.shape]
    return Piece(np.pad(cube, [(0, 0), *pad], mode="reflect"), np.pad(valid, pad, mode="reflect"))


def _task(unet: nn.Module, regions: list[Piece], scaling: Scaling, recipe: Recipe, run: Run) -> Task[NoisyTiles]:
    device = run.torch_device()
    settings, schedule = recipe.diffusion, Schedule.linear()
    channels = Channels.of(scaling.sigma_log, scaling.bands, speckle=settings.speckle).to(device)
    shards = min(pieces_of_batch(SHARDS, device), settings.batch)

    def batch(step: int) -> Shards[NoisyTiles]:
        parts = np.array_split(np.arange(settings.batch), shards)
        return Shards(len(parts), lambda i: shard(i, len(parts[i]), step))

    def shard(number: int, size: int, step: int) -> NoisyTiles:
        generator = generator_of(run.seed, step, number, device=device)
        # places are drawn on the CPU: a GPU waits for each number that Python reads
        places = generator if device.type == "cpu" else generator_of(run.seed, step, number)
        x0, valid = (a.to(device) for a in draw_tiles(regions, size, settings.tile_px, places))
        seen = x0
        if settings.mask == "adaptive":
            seen = mask_spectral(x0, channels, step / settings.steps, generator)
        t = torch.randint(len(schedule.alpha), (size,), generator=generator, device=device)
        noise = torch.randn(x0.shape, generator=generator, device=device)
        target = noise if settings.target == "noise" else velocity(x0, t, noise, channels, schedule)
        return NoisyTiles(add_noise(seen, t, noise, channels, schedule), t, target, valid)

    def loss(network: nn.Module, tiles: NoisyTiles) -> tuple[Tensor, dict[str, Tensor]]:
        return denoising_loss(network, tiles.xt, tiles.t, tiles.target, tiles.valid), {}

    identity = {"recipe": settings.model_dump_json(), "scaling": scaling.digest()}
    return Task(
        "pretrain", unet, batch, loss, settings.steps, halving(settings.learning_rate), shards=shards,
        settings="diffusion", identity=identity,
    )  # fmt: skip


def draw_tiles(regions: list[Piece], count: int, tile_px: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Random tiles, randomly flipped and rotated, by a generator of the CPU: cube (B, S, H, W) and valid (B, H, W)."""
    pixels = torch.tensor([float(r.valid.sum()) for r in regions])

    def below(n: int) -> int:
        return int(torch.randint(n, (1,), generator=generator))

    drawn = []
    for _ in range(count):
        for _attempt in range(10):
            region = regions[int(torch.multinomial(pixels, 1, generator=generator))]
            height, width = region.valid.shape
            row, col = below(height - tile_px + 1), below(width - tile_px + 1)
            valid = region.valid[row : row + tile_px, col : col + tile_px]
            if valid.mean() >= LEAST_VALID:
                break
        turns, flip = below(4), bool(below(2))
        pair = [region.cube[:, row : row + tile_px, col : col + tile_px], valid[None]]
        pair = [np.rot90(a[..., ::-1] if flip else a, turns, axes=(1, 2)).copy() for a in pair]
        drawn.append([torch.from_numpy(a) for a in pair])
    return torch.stack([d[0] for d in drawn]), torch.stack([d[1][0] for d in drawn])
