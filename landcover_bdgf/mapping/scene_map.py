"""Map a scene: classify every pixel that has data, tile by tile."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, overload

import numpy as np
from rasterio.windows import Window

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import (
    ClassMap,
    changed_map_files,
    read_class_map,
    regrouped,
)
from landcover_bdgf.mapping.map_checks import check_known, check_map, compares_all, tell_novel
from landcover_bdgf.mapping.map_outputs import map_product, part_path
from landcover_bdgf.mapping.map_record import layer_plan, map_record, to_map
from landcover_bdgf.mapping.mosaicking import write_map
from landcover_bdgf.mapping.partial_map import PartialMap, Plan, begin_partial
from landcover_bdgf.mapping.patches import Sieve
from landcover_bdgf.mapping.polygonizing import polygons
from landcover_bdgf.mapping.settings import MapSettings, PolygonSettings
from landcover_bdgf.mapping.stac_item import write_stac_item
from landcover_bdgf.model import (
    BLOCK_PX,
    Block,
    BlockStream,
    Checkpoint,
    Classified,
    Classifier,
    Run,
    empty_result,
    fit_stack,
    load_checkpoint,
    open_mappers,
    warn_of_novel_scene,
)
from landcover_bdgf.progress import Advance, kept_warnings, log, progress, stop_between_steps
from landcover_bdgf.scene import ReadCounts, Stack, warn_of_zeros
from landcover_bdgf.storage import (
    PathLike,
    changed_files,
    check,
    content_sha256,
    read_record,
)
from landcover_bdgf.text import FILE_NAMES


@overload
def map_scene(
    model: Checkpoint | PathLike, stack: Stack, output: None = None, *,
    settings: MapSettings | None = None, run: Run | None = None, overwrite: bool = False, resume: bool = False,
) -> ClassMap:  # fmt: skip
    """Map in memory."""


@overload
def map_scene(
    model: Checkpoint | PathLike, stack: Stack, output: PathLike, *,
    settings: MapSettings | None = None, run: Run | None = None, overwrite: bool = False, resume: bool = False,
) -> Path:  # fmt: skip
    """Map into a file."""


def map_scene(
    model: Checkpoint | PathLike, stack: Stack, output: PathLike | None = None, *,
    settings: MapSettings | None = None, run: Run | None = None, overwrite: bool = False, resume: bool = False,
) -> Path | ClassMap:  # fmt: skip
    """Map the land cover of a scene, in the grid of the spectral image: codes from 1, 0 = no data.

    Without an output, the map is returned in memory. Otherwise it is written as a COG, with class names for GDAL
    (``.aux.xml``), a style for QGIS (``.qml``), its provenance (``.json``) and, on request, layers with styles of their
    own (``_confidence.tif``, ``_novelty.tif``, ``_probabilities.tif``, ``_sets.tif``, ``_entropy.tif``), polygons and a
    STAC item (``.stac.json``). Finished windows are kept in a ``.partial`` folder until the map is written, so that an
    interrupted run can be resumed.

    Parameters
    ----------
    model : Checkpoint or path
        The STAC item of a map links to that of the model, if there is one next to its file.
    stack : Stack
    output : path, optional
    settings : MapSettings, optional
    run : Run, optional
    overwrite, resume : bool
        Replace the output; continue an interrupted run.

    Returns
    -------
    ClassMap, or Path
        The map; for a shard its folder, ``OUTPUT.2-of-4.partial``.

    Raises
    ------
    SettingsError
        Shards, ``resume``, polygons or a STAC item without an output; a class to merge, rename or keep is unknown.
    CheckpointError
        The model was trained on other bands, or without the folds that prediction sets need.
    RasterError
        Most pixels are unlike the training data, and ``force`` is not set.
    OutputError
        An output exists and ``overwrite`` is not given, or cannot be written; the run to resume is another one.
    KeyboardInterrupt
        After Ctrl-C, once the current tile is saved.
    """
    settings, run = settings or MapSettings(), run or Run()
    model = model if isinstance(model, Checkpoint) else load_checkpoint(Path(model), "model")
    if output is None:
        return _in_memory(model, stack, settings, run, resume=resume)
    return _to_file(model, stack, Path(output), Wanted(settings, run, overwrite, resume, model_file=model.file))


@dataclass(frozen=True)
class Wanted:
    """How a map is written: the arguments of :func:`map_scene`, whether it can be resumed, and the model's file."""

    settings: MapSettings
    run: Run
    overwrite: bool = False
    resume: bool = False
    resumable: bool = True
    model_file: Path | None = None


def _to_file(model: Checkpoint, stack: Stack, output: Path, wanted: Wanted) -> Path:
    """Write the map, or the part of a shard."""
    settings, run, overwrite, resume = wanted.settings, wanted.run, wanted.overwrite, wanted.resume
    product = map_product(output, settings)
    if resume and not overwrite and not product.begun and is_complete(output, model, stack, settings, run):
        log.info("%s: already complete, skipped", output)
        _write_others(output, wanted)
        return output
    check(product, inputs=stack.files, overwrite=overwrite, resume=resume)
    begun = resume and product.begun
    with kept_warnings() as said:
        stack = fit_stack(model, stack, name="the model")
        layers = layer_plan(model, settings)
        legend = regrouped(model.classes, settings).legend
        chosen = Sieve.of(settings.sieve, legend, stack.grid) if settings.sieve else None
        classes = len(legend.entries)
        settings, run = check_map(output, stack, model.recipe, settings=settings, run=run, classes=classes)
        warn_of_novel_scene(model, stack, run.seed, force=settings.force)
    if settings.max_ram:
        tiles = settings.tile_px, run.workers(run.torch_device()), settings.max_ram
        log.info("using tiles of %d px and %d threads to stay below %s", *tiles)
    tile_px = -(-settings.tile_px // BLOCK_PX) * BLOCK_PX
    counts = ReadCounts()
    stream = BlockStream(to_map(stack, settings).counting(counts), model.scaling, model.recipe.halo_px, tile_px)
    number, count = settings.shard_of
    strips = [int(strip) for strip in np.array_split(np.arange(stream.strips), count)[number - 1]]
    record = map_record(model, stack, settings, run, sets=layers.sets)
    plan = _plan(model, stream, strips, settings, run, record)
    path = part_path(output, settings)
    every_block = compares_all(stack, settings)
    classifier = Classifier(model, run, layers, every_block=every_block)
    with kept_warnings() as later, begin_partial(path, plan, resume=resume, overwrite=overwrite) as partial:
        _compute(classifier, stream, strips, partial, run, resumable=wanted.resumable)
        warn_of_zeros(stack, counts)
        novel_px, compared_px = partial.compared()
        tell_novel(novel_px, compared_px, settings, sampled=not every_block)
        partial.keep_warnings([*stack.warnings, *said, *later])
        if count == 1 and not settings.force:
            check_known(output, novel_px, compared_px)
        if count > 1:
            log.info("join the %d parts with bdgf mosaic", count)
            return path
        stack.check_unchanged()
        write_map([partial], output, overwrite=overwrite, begun=begun, sieve=chosen)
    shutil.rmtree(path)
    _write_others(output, wanted)
    return output


def _write_others(output: Path, wanted: Wanted) -> None:
    """Write what is made from a finished map: polygons and STAC item, unless an interrupted run has written them."""
    settings, overwrite, resume = wanted.settings, wanted.overwrite, wanted.resume
    if settings.polygons:
        path = Path(settings.polygons)
        ours = read_record(path).get("inputs") == {"map": content_sha256(output)}
        if resume and not overwrite and ours and changed_files(path) == []:
            log.info("%s: already complete, skipped", path)
        else:
            left = resume and ours and not path.exists()  # a killed run publishes the record first
            polygons(output, path, settings=PolygonSettings(settings.simplify), overwrite=overwrite or left)
    if settings.stac:
        write_stac_item(output, settings.stac, model=wanted.model_file, overwrite=overwrite or resume)


def _in_memory(model: Checkpoint, stack: Stack, settings: MapSettings, run: Run, *, resume: bool) -> ClassMap:
    """Map into a temporary file and read it, so that both ways give the same pixels."""
    if resume or settings.shard_of[1] > 1 or settings.polygons or settings.stac:
        raise SettingsError("`output`", "is needed for `resume`, `shard`, `polygons` and `stac`", "Name a file.")
    with tempfile.TemporaryDirectory(prefix="bdgf-") as folder:
        path = Path(folder) / "map.tif"
        FILE_NAMES[str(path)] = "map in memory"
        return read_class_map(_to_file(model, stack, path, Wanted(settings, run, resumable=False)))


def is_map_of(output: Path, model: Checkpoint, stack: Stack, *, settings: MapSettings, run: Run) -> bool:
    """Whether a file is the whole map of this scene by a model that was trained on it, with its layers, unchanged."""
    expected = json.loads(json.dumps(map_record(model, stack, settings, run) | {"layers": list(settings.layers)}))
    found = read_record(output)
    keys = expected.keys() | {"sets", "probability_type", "sieve", "merge"}
    return all(found.get(key) == expected.get(key) for key in keys) and changed_map_files(output) == []


def is_complete(output: Path, model: Checkpoint, stack: Stack, settings: MapSettings, run: Run) -> bool:
    """Whether the map to resume is there already, as a job that is repeated for many scenes finds it."""
    if settings.shard_of[1] > 1 or not output.is_file():
        return False
    return is_map_of(output, model, fit_stack(model, stack, name="the model"), settings=settings, run=run)


def _compute(
    classifier: Classifier, stream: BlockStream, strips: list[int], partial: PartialMap, run: Run, *, resumable: bool
) -> None:
    """Classify the windows that the partial map lacks, strip by strip.

    Tiles are read, but blocks of a fixed lattice are computed, so the tile size does not change the map.
    """
    missing = [i for i in strips if not all(partial.has(w) for w in stream.windows([i]) if _corners(w))]
    windows = [window for window in stream.windows(missing) if _corners(window)]
    with (
        open_mappers(run, classifier.viewer.device) as workers,
        progress("map", sum(len(_corners(window)) for window in windows)) as advance,
        stop_between_steps() as stopped,
    ):
        batches = _batches(stream.blocks(missing), classifier)
        blocks = chain.from_iterable(workers.map(classifier.classify, batches))
        for window in windows:
            part = _assembled(window, blocks, advance)
            stream.stack.check_unchanged()  # keep nothing of a changed image
            partial.add(window, part)
            if stopped():
                log.warning("map stopped; continue with `resume`" if resumable else "map stopped")
                raise KeyboardInterrupt


def _batches(blocks: Iterator[Block], classifier: Classifier) -> Iterator[list[Block]]:
    """Batches of equal blocks, in order; blocks at the border are smaller."""
    for _, alike in groupby(blocks, key=lambda block: block.seen.valid.shape):
        while batch := list(islice(alike, classifier.batch)):
            yield batch


def _plan(
    model: Checkpoint, stream: BlockStream, strips: list[int], settings: MapSettings, run: Run, record: dict[str, Any]
) -> Plan:
    identity = {
        "scene": record["inputs"]["scene"],
        "model": model.digest(),
        "tile": stream.tile_px,
        "device": run.torch_device().type,
        "version": version("landcover-bdgf"),
        "layers": settings.layers,
        "sets": settings.sets,
        "classes": record["legend"],
    }
    return Plan(
        identity=identity,
        shard=settings.shard_of,
        windows=[(w.row_off, w.col_off, w.height, w.width) for w in stream.windows(strips) if _corners(w)],
        grid=stream.stack.grid.to_dict(),
        legend=regrouped(model.classes, settings).legend,
        layers=settings.layers,
        record=record | {"images": stream.stack.to_dict()},
    )


def _corners(window: Window) -> list[tuple[int, int]]:
    """First row and column of each block in a window."""
    rows = range(window.row_off, window.row_off + window.height, BLOCK_PX)
    cols = range(window.col_off, window.col_off + window.width, BLOCK_PX)
    return [(r, c) for r in rows for c in cols]


def _assembled(window: Window, blocks: Iterator[Classified], advance: Advance) -> Classified:
    """Join the blocks of a window."""
    whole, novel_px, compared_px = None, 0, 0
    for row, col in _corners(window):
        block = next(blocks)
        if whole is None:
            kinds = {name: (str(own.dtype), len(own)) for name, own in block.layers.items()}
            whole = empty_result((window.height, window.width), kinds)
        r, c = row - window.row_off, col - window.col_off
        height, width = min(BLOCK_PX, window.height - r), min(BLOCK_PX, window.width - c)
        whole.codes[r : r + height, c : c + width] = block.codes[:height, :width]
        for name, own in block.layers.items():
            whole.layers[name][:, r : r + height, c : c + width] = own[:, :height, :width]
        novel_px, compared_px = novel_px + block.novel_px, compared_px + block.compared_px
        advance()
    assert whole is not None  # windows without blocks are left out
    return replace(whole, novel_px=novel_px, compared_px=compared_px)
