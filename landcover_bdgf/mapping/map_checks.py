"""What is checked before a scene is mapped, and before its map is written."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.labels import code_dtype
from landcover_bdgf.mapping.memory import MemoryUse, fitting, parse_size
from landcover_bdgf.mapping.patches import least_pixels
from landcover_bdgf.mapping.polygonizing import polygons_product
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.stac_item import check_stac
from landcover_bdgf.model import BLOCK_PX, FOREIGN_SHARE, GPU_BLOCKS, Recipe, Run
from landcover_bdgf.progress import log
from landcover_bdgf.scene import Stack
from landcover_bdgf.storage import check, check_free_space

if TYPE_CHECKING:
    import torch

WARNED_SHARE = 0.2  # of novel pixels; 0.01 is usual in the scene of the training, and 0.44 was found in another country
SMALL_PX = 64 * BLOCK_PX**2  # all pixels of a scene up to this size are compared with the training data
MAX_TILE_PX = 1 << 14  # codes and layers take 1 GB; reading takes 6 GB for each band


def check_map(
    output: Path, stack: Stack, recipe: Recipe, *, settings: MapSettings, run: Run, classes: int = 1,
    device: torch.device | None = None,
) -> tuple[MapSettings, Run]:  # fmt: skip
    """Check what can be known before there is a model of this recipe; returns settings within the memory limit.

    The number of ``classes`` counts for memory and disk, where it is known; ``device`` is that of workers on other
    machines.

    Raises
    ------
    SettingsError, ResourceError, OutputError
        Tiles are too small or too large, the memory limit is too low, the recipe has no novelty or no folds for
        prediction sets, the device or room on the disk is missing.
    """
    _check_tile(settings.tile_px, recipe.halo_px)
    if settings.map_masked and stack.mask is None:
        problem = "has no effect, as nothing is masked in this scene"
        remedy = "Leave it out, or name a mask with `mask`."
        if any(image.series and image.series.masks for image in stack.images):
            problem, remedy = "has no effect, as pixels that are masked at a date are filled", "Leave it out."
        raise SettingsError("`map_masked`", problem, remedy)
    if settings.novelty and not recipe.fusion.shares:
        problem = f"is not available for models of the recipe {recipe.name}, whose windows share no computation"
        raise SettingsError("`novelty`", problem, "Use another recipe, or map without `novelty`.")
    if settings.missing != "error" and not recipe.training.one_sensor:
        problem = "needs networks of one sensor alone"
        raise SettingsError("`missing`", problem, "Train with --set training.one_sensor=true.")
    if settings.stac:
        check_stac(settings.stac)
    if settings.polygons:
        check(polygons_product(settings.polygons), inputs=stack.files, overwrite=True)
    if settings.min_area:
        least_pixels(settings.min_area, stack.grid)
    if settings.sets and not recipe.training.folds:
        problem = "needs labels that models of other folds have judged, and there are no folds"
        raise SettingsError("`sets`", problem, "Train with `training.folds=3`, or map without `sets`.")
    if settings.shard_of[1] == 1:
        check_free_space(output, math.prod(stack.grid.shape_hw) * _disk_bytes(settings, classes))
    return _within_memory(settings, run, recipe, stack, classes, device or run.torch_device())


def _check_tile(tile_px: int, halo_px: int) -> None:
    if tile_px < halo_px:
        problem = f"is smaller than the {halo_px} px around a pixel that the model sees"
        raise SettingsError(f"`tile_px={tile_px}`", problem, f"Use {BLOCK_PX} or more.")
    if tile_px > MAX_TILE_PX:
        raise SettingsError(f"`tile_px={tile_px}`", "needs too much memory", f"Use {MAX_TILE_PX} or less.")


def _disk_bytes(settings: MapSettings, classes: int) -> int:
    """Bytes of a pixel on the disk: finished windows stay until the map is written, first without compression."""
    code_bytes = code_dtype(classes).itemsize
    in_sieve = code_bytes + 1 if settings.min_area else 0  # its codes, and whether there are any
    return 2 * (code_bytes + settings.layer_bytes(classes)) + in_sieve


def _within_memory(
    settings: MapSettings, run: Run, recipe: Recipe, stack: Stack, classes: int, device: torch.device
) -> tuple[MapSettings, Run]:
    if settings.max_ram is None:
        return settings, run
    threads = run.workers(device)
    use = MemoryUse.of(
        stack,
        recipe,
        batch=GPU_BLOCKS if device.type == "cuda" else 1,
        layer_bytes=settings.layer_bytes(classes),
        sieve_px_bytes=code_dtype(classes).itemsize if settings.min_area else 0,
    )
    tile_px, threads = fitting(use, parse_size(settings.max_ram), tile_px=settings.tile_px, threads=threads)
    return replace(settings, tile_px=tile_px), replace(run, threads=threads)


def compares_all(stack: Stack, settings: MapSettings) -> bool:
    """Whether all pixels are compared with the training data, or those of a sample of the blocks.

    Novel pixels come in patches, which a sample of a few blocks misses.
    """
    return settings.novelty or settings.confidence or math.prod(stack.grid.shape_hw) <= SMALL_PX


def tell_novel(novel_px: int, compared_px: int, settings: MapSettings, *, sampled: bool) -> None:
    """Say the share of novel pixels among those that were compared, if any were; warn of many."""
    if compared_px:
        share = novel_px / compared_px
        about = "about " if sampled else ""
        where = "" if settings.novelty else "; `novelty` shows where"
        told = (
            "%s%.1f %% of the pixels are novel (p < 0.01): farther from the training data than 99 %% of the training "
        )
        (log.warning if share > WARNED_SHARE else log.info)(told + "pixels" + where, about, 100 * share)


def check_known(output: Path, novel_px: int, compared_px: int) -> None:
    """Refuse to write a map of mostly novel pixels; its finished windows stay."""
    if novel_px > FOREIGN_SHARE * compared_px:
        raise RasterError(
            output,
            f"is not written, as {100 * novel_px / compared_px:.0f} % of its pixels are unlike all training data and "
            "most of it would be wrong",
            "Train on this scene. To write it all the same, repeat the command with `resume` and `force`.",
        )
