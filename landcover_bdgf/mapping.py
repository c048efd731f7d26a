"""Step: a class for every pixel that has data, tile by tile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rasterio.windows import Window
from torch import Tensor

from landcover_bdgf.blocks import BLOCK_PX, Block, BlockStream
from landcover_bdgf.checkpoint import Checkpoint, fit_stack
from landcover_bdgf.device import Run, open_mappers, sent
from landcover_bdgf.errors import CheckpointError, ResourceError, SettingsError
from landcover_bdgf.features import Viewer
from landcover_bdgf.fit import stop_between_steps
from landcover_bdgf.journal import Classified, Journal, begin_journal
from landcover_bdgf.legend import Legend
from landcover_bdgf.memory import Appetite, fitting, parse_size
from landcover_bdgf.networks.fusion import FusionNetwork, Inputs, apply_dense
from landcover_bdgf.networks.layers import window_mean
from landcover_bdgf.parts import CONFIDENCE_NODATA, NODATA, confidence_path, write_map
from landcover_bdgf.progress import Advance, log, progress
from landcover_bdgf.provenance import record
from landcover_bdgf.raster import PathLike, check_output
from landcover_bdgf.scaling import Scaling, random_tiles
from landcover_bdgf.stack import Stack

SAR_USUAL = 2.5  # standard deviations of log intensity
FOREIGN_SHARE = 0.5  # of values outside the training scene's percentiles; the scene itself has 0.02
FOREIGN_TILE_PX, FOREIGN_TILES = 128, 64  # looked at to find that out
NO_DATA_WEIGHT = 1e-6  # of a window round a pixel without data, among those that are averaged
GPU_BLOCKS = 16  # at once, to begin with: a quarter of a million windows

_SHARD = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")


@dataclass(frozen=True)
class MapSettings:
    """How to map; no bit of the map depends on it.

    Attributes
    ----------
    tile_px : int
        Side of the tiles that are read.
    confidence : bool
        Also write the probability of the class in percent.
    max_ram : str, optional
        Such as ``"4GB"``: tiles and threads are chosen so that the process stays below it.
    shard : str
        ``"2/4"`` for the second of four parts of the scene, which may be computed on other machines;
        :func:`~landcover_bdgf.parts.mosaic` puts them together.
    """

    tile_px: int = 512
    confidence: bool = False
    max_ram: str | None = None
    shard: str = "1/1"

    @property
    def shard_of(self) -> tuple[int, int]:
        """Number of the shard, from 1, and of shards; SettingsError if there is no such shard."""
        match = _SHARD.fullmatch(self.shard)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count:
            raise SettingsError(f"--shard {self.shard}: write it like 2/4, the second of four.")
        return number, count


class Classifier:
    """A model ready to classify blocks of a stack; :meth:`classify` may run in several threads.

    ``batch`` is how many blocks it is good at classifying at once.
    """

    def __init__(self, model: Checkpoint, run: Run) -> None:
        legend = _legend(model)
        seed = model.provenance.get("seed", run.seed)  # keyed noise, if any, must be that of the training
        self.viewer = Viewer.of(model.part("unet."), model.scaling, model.recipe, run.torch_device(), seed)
        scaling = model.scaling
        sizes = Inputs(scaling.bands, len(scaling.sar_mean), self.viewer.features, len(legend.entries))
        network = FusionNetwork(sizes, model.recipe.fusion)
        network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in model.part("fusion.").items()})
        self.network = network.eval().to(self.viewer.device)
        self.batch = GPU_BLOCKS if self.viewer.device.type == "cuda" else 1  # blocks at once
        self.codes = np.array([entry.code for entry in legend.entries], np.uint16)

    def classify(self, blocks: Sequence[Block]) -> list[Classified]:
        """Classes of some blocks of one size, without their halos; in halves where a GPU's memory does not hold all.

        Raises
        ------
        ResourceError
            It does not hold one.
        """
        try:
            return self._classified(blocks)
        except torch.cuda.OutOfMemoryError:
            if len(blocks) == 1:
                raise ResourceError(
                    f"the memory of {self.viewer.device} does not hold one block of {BLOCK_PX} × {BLOCK_PX} pixels. "
                    "Close what else uses it, or map with --device cpu."
                ) from None
        half = len(blocks) // 2  # outside of except, which holds on to what failed
        self.batch = min(self.batch, half)
        log.info("%s is short of memory: going on with %d blocks at once", self.viewer.device, half)
        torch.cuda.empty_cache()
        return self.classify(blocks[:half]) + self.classify(blocks[half:])

    @torch.no_grad()
    def probabilities(self, blocks: Sequence[Block]) -> Tensor:
        """Of some blocks of one size, without their halos: (B, C, h, w), 128 × 128 inside the scene.

        Each is the mean over the windows round its pixel that the recipe averages. Those whose own pixel has no data
        count only where no other is near.
        """
        seen, recipe = self.viewer.see(*blocks), self.viewer.recipe
        size, row_step = recipe.fusion.average_px, recipe.fusion.row_step
        p = torch.softmax(apply_dense(self.network, seen.spec, seen.sar, seen.dif, row_step), dim=1)
        if size == 1:
            return p
        inset = recipe.halo_px - size // 2
        valid = np.stack([block.seen.valid[None, inset:-inset, inset:-inset] for block in blocks])
        weight = sent(valid.astype(np.float32), p.device).clamp(min=NO_DATA_WEIGHT)
        rows = torch.arange(weight.shape[2], device=p.device)
        weight = weight * (rows % row_step == 0)[:, None]  # rows of windows that were left out have none
        p = p.repeat_interleave(row_step, dim=2)[:, :, : len(rows)]
        return window_mean(p * weight, size) / window_mean(weight, size)

    @torch.no_grad()
    def _classified(self, blocks: Sequence[Block]) -> list[Classified]:
        halo = self.viewer.recipe.halo_px
        valid = [block.seen.valid[halo:-halo, halo:-halo] for block in blocks]
        results = [
            Classified(np.zeros(v.shape, np.uint16), np.full(v.shape, CONFIDENCE_NODATA, np.uint8)) for v in valid
        ]
        some = [i for i in range(len(blocks)) if valid[i].any()]
        if not some:
            return results
        probability, index = self.probabilities([blocks[i] for i in some]).max(dim=1)
        percent = (probability * 100).round().to(torch.uint8).cpu().numpy()
        for i, own_index, own_percent in zip(some, index.cpu().numpy(), percent, strict=True):
            codes = np.where(valid[i], self.codes[own_index], NODATA).astype(np.uint16)
            results[i] = Classified(codes, np.where(valid[i], own_percent, CONFIDENCE_NODATA).astype(np.uint8))
        return results


def map_scene(
    model: Checkpoint,
    stack: Stack,
    output: PathLike,
    *,
    settings: MapSettings | None = None,
    run: Run | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> Path:
    """Write the land-cover map of a scene: a COG in the grid of the spectral image, codes from 1, 0 = no data.

    Beside it: class names for GDAL (``.aux.xml``) and a style for QGIS (``.qml``), its provenance
    (``.json``) and, on request, the confidence in percent (``…_confidence.tif``). What is finished is kept in
    ``….partial`` until the map is written, so that an interrupted run can go on with ``resume``.

    Returns
    -------
    Path
        The map; of a shard its part, ``….2-of-4.partial``.

    Raises
    ------
    CheckpointError
        The scene's bands are not the model's.
    OutputError
        An output exists and ``overwrite`` is not given, or cannot be written; ``resume`` of another run.
    KeyboardInterrupt
        After Ctrl-C, when the tile that was computed is kept.
    """
    settings, run, output = settings or MapSettings(), run or Run(), Path(output)
    _check_tile(settings, model)
    check_map_outputs(output, stack, settings, overwrite=overwrite)
    stack = fit_stack(model, stack, name="the model")
    settings, run = _within_memory(settings, run, model, stack)
    tile_px = -(-settings.tile_px // BLOCK_PX) * BLOCK_PX
    stream = BlockStream(stack, model.scaling, model.recipe.halo_px, tile_px)
    warn_of_foreign_scene(model.scaling, stack, run)
    number, count = settings.shard_of
    strips = [int(strip) for strip in np.array_split(np.arange(stream.strips), count)[number - 1]]
    header = _header(model, stream, strips, settings, run)
    path = part_path(output, settings)
    with begin_journal(path, header, resume=resume, overwrite=overwrite) as journal:
        _compute(model, stream, strips, journal, run)
        if count > 1:
            log.info("put the %d parts together with bdgf mosaic", count)
            return path
        write_map([journal], output, overwrite=overwrite)
    path.unlink()
    return output


def part_path(output: Path, settings: MapSettings) -> Path:
    """Where the finished part is kept: ``landcover.tif.partial``, of a shard ``landcover.tif.2-of-4.partial``."""
    number, count = settings.shard_of
    return output.with_name(f"{output.name}.{f'{number}-of-{count}.' if count > 1 else ''}partial")


def check_map_outputs(output: Path, stack: Stack, settings: MapSettings, *, overwrite: bool) -> None:
    """Before any work: may the map, and what comes with it, be written? OutputError if not."""
    inputs = [*stack.spectral.paths, *stack.sar.paths]
    for path in [output, *([confidence_path(output)] if settings.confidence else [])]:
        check_output(path, overwrite=overwrite, inputs=inputs)


def _compute(model: Checkpoint, stream: BlockStream, strips: list[int], journal: Journal, run: Run) -> None:
    """Classify what the journal lacks, strip by strip.

    What is read at once is a tile, what is computed at once always a block of one fixed lattice, so the size of
    the tiles changes no bit of the map.
    """
    missing = [i for i in strips if not all(journal.has(w) for w in stream.windows([i]) if _corners(w))]
    windows = [window for window in stream.windows(missing) if _corners(window)]
    classifier = Classifier(model, run)
    with (
        open_mappers(run, classifier.viewer.device) as workers,
        progress("map", sum(len(_corners(window)) for window in windows)) as advance,
        stop_between_steps() as stopped,
    ):
        batches = _batches(stream.blocks(missing), classifier)
        blocks = chain.from_iterable(workers.map(classifier.classify, batches))
        for window in windows:
            journal.add(window, _assembled(window, blocks, advance))
            if stopped():
                log.warning("map stopped; go on with --resume")
                raise KeyboardInterrupt


def _batches(blocks: Iterator[Block], classifier: Classifier) -> Iterator[list[Block]]:
    """Blocks of one size, in their order; those at the border are smaller."""
    for _, alike in groupby(blocks, key=lambda block: block.seen.valid.shape):
        while batch := list(islice(alike, classifier.batch)):
            yield batch


def _header(
    model: Checkpoint, stream: BlockStream, strips: list[int], settings: MapSettings, run: Run
) -> dict[str, Any]:
    """What the journal of a run begins with; see :mod:`journal`."""
    legend = json.loads(_legend(model).to_json())
    scene = stream.stack.fingerprint()
    return {
        "identity": {
            "scene": scene,
            "model": model.digest(),
            "tile": stream.tile_px,
            "device": run.torch_device().type,
            "version": version("landcover-bdgf"),
        },
        "shard": settings.shard_of,
        "pixels": sum(window.height * window.width for window in stream.windows(strips)),
        "grid": stream.stack.grid.to_dict(),
        "legend": legend,
        "confidence": settings.confidence,
        "record": record(
            "map",
            {"scene": scene},
            training=model.provenance.get("training", {}),
            model={k: v for k, v in model.provenance.items() if k != "training"},
            recipe=model.recipe.model_dump(mode="json"),
            legend=legend,
            seed=run.seed,
        ),
    }


def _legend(model: Checkpoint) -> Legend:
    if model.kind != "model" or model.legend is None:
        raise CheckpointError(f"a {model.kind} was given, a map needs a model: bdgf train makes one.")
    return model.legend


def _check_tile(settings: MapSettings, model: Checkpoint) -> None:
    """Refuse tiles smaller than the halo."""
    tile_px, halo_px = settings.tile_px, model.recipe.halo_px
    if tile_px < halo_px:
        raise SettingsError(
            f"--tile {tile_px}: is smaller than the {halo_px} px that a window reaches. Use {BLOCK_PX} or more."
        )


def _within_memory(settings: MapSettings, run: Run, model: Checkpoint, stack: Stack) -> tuple[MapSettings, Run]:
    if settings.max_ram is None:
        return settings, run
    threads = run.workers(run.torch_device())
    batch = GPU_BLOCKS if run.torch_device().type == "cuda" else 1
    appetite, max_bytes = Appetite.of(stack, model.scaling, model.recipe, batch), parse_size(settings.max_ram)
    tile_px, threads = fitting(appetite, max_bytes, tile_px=settings.tile_px, threads=threads)
    log.info("tiles of %d px and %d threads, to stay below %s", tile_px, threads, settings.max_ram)
    return replace(settings, tile_px=tile_px), replace(run, threads=threads)


def _corners(window: Window) -> list[tuple[int, int]]:
    rows = range(window.row_off, window.row_off + window.height, BLOCK_PX)
    cols = range(window.col_off, window.col_off + window.width, BLOCK_PX)
    return [(r, c) for r in rows for c in cols]


def _assembled(window: Window, blocks: Iterator[Classified], advance: Advance) -> Classified:
    codes = np.zeros((window.height, window.width), np.uint16)
    confidence = np.zeros((window.height, window.width), np.uint8)
    for row, col in _corners(window):
        block = next(blocks)
        r, c = row - window.row_off, col - window.col_off
        height, width = min(BLOCK_PX, window.height - r), min(BLOCK_PX, window.width - c)
        codes[r : r + height, c : c + width] = block.codes[:height, :width]
        confidence[r : r + height, c : c + width] = block.confidence[:height, :width]
        advance()
    return Classified(codes, confidence)


def warn_of_foreign_scene(scaling: Scaling, stack: Stack, run: Run) -> None:
    """Say so when a scene's values lie outside what the model was trained on: its map may be worthless."""
    centre, half = (scaling.low + scaling.high) / 2, (scaling.high - scaling.low) / 2
    foreign = np.zeros((2, 2))  # per sensor: how many values, and of how many
    for tile in random_tiles(stack, FOREIGN_TILE_PX, FOREIGN_TILES, exclude=None, seed=run.seed):
        for band, middle, reach in zip(tile.spectral, centre, half, strict=True):
            foreign[0] += int((np.abs(band[tile.valid] - middle) > reach).sum()), int(tile.valid.sum())
        unusual = np.abs(scaling.sar(tile.sar[:, tile.valid])) > SAR_USUAL
        foreign[1] += int(unusual.sum()), unusual.size
    shares = dict(zip(("spectral", "SAR"), foreign[:, 0] / foreign[:, 1], strict=True))
    for sensor, share in shares.items():
        if share > FOREIGN_SHARE:
            log.warning(
                "%.0f %% of the %s values lie outside what the model was trained on (another unit, offset or "
                "landscape). Do not trust this map before you have checked it; better train on this scene",
                100 * share, sensor,
            )  # fmt: skip
