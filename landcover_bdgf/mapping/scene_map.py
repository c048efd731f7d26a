"""Map a scene: classify every pixel that has data, tile by tile."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from landcover_bdgf.errors import BdgfError, SettingsError
from landcover_bdgf.labels import (
    ClassMap,
    changed_map_files,
    read_class_map,
    regrouped,
)
from landcover_bdgf.mapping.map_checks import check_known, check_map, compares_all, tell_novel
from landcover_bdgf.mapping.map_outputs import map_product, part_path
from landcover_bdgf.mapping.map_record import layer_plan, map_record, to_map
from landcover_bdgf.mapping.map_work import MapWork
from landcover_bdgf.mapping.memory import return_memory
from landcover_bdgf.mapping.mosaicking import write_map
from landcover_bdgf.mapping.partial_map import Plan, begin_partial
from landcover_bdgf.mapping.patches import Sieve
from landcover_bdgf.mapping.polygonizing import polygons
from landcover_bdgf.mapping.settings import MapSettings, PolygonSettings
from landcover_bdgf.mapping.shared_map import compute_shared
from landcover_bdgf.mapping.stac_item import write_stac_item
from landcover_bdgf.mapping.window_blocks import classified_windows, corners, windows_of
from landcover_bdgf.model import (
    BLOCK_PX,
    AnyClassifier,
    BlockStream,
    Checkpoint,
    Run,
    check_alone,
    classifier_of,
    fit_stack,
    load_checkpoint,
    open_mappers,
    scaling_of,
    warn_of_novel_scene,
)
from landcover_bdgf.progress import kept_warnings, log, progress, stop_between_steps
from landcover_bdgf.scene import Stack, warn_of_zeros
from landcover_bdgf.storage import (
    PathLike,
    changed_files,
    check,
    content_sha256,
    read_record,
)
from landcover_bdgf.text import FILE_NAMES

if TYPE_CHECKING:
    from distributed import Client

    from landcover_bdgf.mapping.dask_cluster import Cluster


@overload
def map_scene(
    model: Checkpoint | PathLike, stack: Stack, output: None = None, *,
    settings: MapSettings | None = None, run: Run | None = None, overwrite: bool = False, resume: bool = False,
    client: Client | None = None,
) -> ClassMap:  # fmt: skip
    """Map in memory."""


@overload
def map_scene(
    model: Checkpoint | PathLike, stack: Stack, output: PathLike, *,
    settings: MapSettings | None = None, run: Run | None = None, overwrite: bool = False, resume: bool = False,
    client: Client | None = None,
) -> Path:  # fmt: skip
    """Map into a file."""


def map_scene(
    model: Checkpoint | PathLike, stack: Stack, output: PathLike | None = None, *,
    settings: MapSettings | None = None, run: Run | None = None, overwrite: bool = False, resume: bool = False,
    client: Client | None = None,
) -> Path | ClassMap:  # fmt: skip
    """Map the land cover of a scene, in the grid of the spectral image: codes from 1, 0 = no data.

    Without an output, the map is returned in memory. Otherwise it is written as a COG, with class names for GDAL
    (``.aux.xml``), a style for QGIS (``.qml``), its provenance (``.json``) and, on request, layers with styles of their
    own (``_confidence.tif``, ``_novelty.tif``, ``_probabilities.tif``, ``_sets.tif``, ``_entropy.tif``,
    ``_condition.tif``), polygons and a STAC item (``.stac.json``). Finished windows are kept in a ``.partial`` folder
    until the map is written, so that an interrupted run can be resumed.

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
    client : dask.distributed.Client, optional
        Its workers compute the map, each a strip at a time; they read the images from the same paths and write to the
        folder of the output. The map is the same. ``run`` is that of each worker; without ``threads``, a worker uses
        as many as dask gives it.

    Returns
    -------
    ClassMap, or Path
        The map; for a shard its folder, ``OUTPUT.2-of-4.partial``.

    Raises
    ------
    SettingsError
        Shards, ``resume``, polygons, a STAC item or a client without an output; shards with a client; a class to
        merge, rename or keep is unknown.
    CheckpointError
        The model was trained on other bands, or without the folds that prediction sets need, or has no networks of the
        sensor that may be alone.
    RasterError
        Most pixels are unlike the training data, and ``force`` is not set.
    OutputError
        An output exists and ``overwrite`` is not given, or cannot be written; the run to resume is another one; its
        folder is not shared with the workers.
    ResourceError
        A worker has another version of bdgf or torch, or another kind of device; workers died; the scheduler is lost.
    KeyboardInterrupt
        After Ctrl-C, once the current tile is saved.
    """
    settings, run = settings or MapSettings(), run or Run()
    settings = settings if stack.has_sar else settings.without_sar()
    model = model if isinstance(model, Checkpoint) else load_checkpoint(Path(model), "model")
    if output is None:
        if client is not None:
            raise SettingsError("`output`", "is needed for workers, which write into its folder", "Name a file.")
        return _in_memory(model, stack, settings, run, resume=resume)
    output, cluster = Path(output), None
    if client is not None:
        from landcover_bdgf.mapping.dask_cluster import checked_cluster

        cluster = checked_cluster(client, output.parent, run, files=stack.files, shard=settings.shard)
    wanted = Wanted(settings, run if cluster is None else cluster.run, overwrite, resume, cluster=cluster)
    return _to_file(model, stack, output, wanted)


@dataclass(frozen=True)
class Wanted:
    """How a map is written: arguments of :func:`map_scene`, whether it can be resumed, and who computes it."""

    settings: MapSettings
    run: Run
    overwrite: bool = False
    resume: bool = False
    resumable: bool = True
    cluster: Cluster | None = None


@dataclass(frozen=True)
class BegunMap:
    """A map whose inputs are checked and whose folder is locked until ``opened`` is closed; and what it still needs."""

    output: Path
    wanted: Wanted
    work: MapWork
    classifier: AnyClassifier | None
    warnings: Sequence[str]
    sieve: Sieve | None
    begun: bool
    opened: ExitStack


def _to_file(model: Checkpoint, stack: Stack, output: Path, wanted: Wanted) -> Path:
    """Write the map, or the part of a shard."""
    begun = begin_map(model, stack, output, wanted)
    if begun is None:
        return output
    with begun.opened:
        if wanted.cluster is None:
            return finish_map(begun, compute_map(begun))
        blocks = sum(len(corners(window)) for window in windows_of(begun.work.stream, begun.work.missing()))
        with progress("map", blocks) as advance:
            [(_, found)] = compute_shared(wanted.cluster, [begun.work], advance)
        if isinstance(found, BdgfError):
            raise found
        return finish_map(begun, found)


def begin_map(model: Checkpoint, stack: Stack, output: Path, wanted: Wanted) -> BegunMap | None:
    """Check all inputs, and make or continue the folder of a map; None if the map to resume is complete."""
    settings, run, overwrite, resume = wanted.settings, wanted.run, wanted.overwrite, wanted.resume
    check_alone(model, settings.missing, model.file)
    product = map_product(output, settings)
    if resume and not overwrite and not product.begun and is_complete(output, model, stack, settings, run):
        log.info("%s: already complete, skipped", output)
        _write_others(output, model, wanted)
        return None
    check(product, inputs=stack.files, overwrite=overwrite, resume=resume)
    begun = resume and product.begun
    device = wanted.cluster.device if wanted.cluster else run.torch_device()
    with kept_warnings() as said:
        stack = fit_stack(model, stack, name="the model")
        layers = layer_plan(model, settings)
        legend = regrouped(model.classes, settings).legend
        chosen = Sieve.of(settings.sieve, legend, stack.grid) if settings.sieve else None
        classes = len(legend.entries)
        settings, run = check_map(
            output, stack, model.recipe, settings=settings, run=run, classes=classes, device=device
        )
        warn_of_novel_scene(model, replace(stack, missing=settings.missing), run.seed, force=settings.force)
        scaling = scaling_of(model.scaling, stack)
    if settings.max_ram:
        return_memory()
        tiles = settings.tile_px, run.workers(device), settings.max_ram
        log.info("using tiles of %d px and %d threads to stay below %s", *tiles)
    tile_px = -(-settings.tile_px // BLOCK_PX) * BLOCK_PX
    stream = BlockStream(to_map(stack, settings), scaling, model.recipe.halo_px, tile_px)
    number, count = settings.shard_of
    strips = [int(strip) for strip in np.array_split(np.arange(stream.strips), count)[number - 1]]
    record = map_record(model, stack, settings, run, sets=layers.sets)
    plan = _plan(model, stream, strips, settings, device.type, record)
    every_block = compares_all(stack, settings)
    classifier = (
        None if wanted.cluster else classifier_of(model, run, layers, settings.missing, every_block=every_block)
    )
    opened = ExitStack()
    with kept_warnings() as later:
        partial = opened.enter_context(
            begin_partial(part_path(output, settings), plan, resume=resume, overwrite=overwrite)
        )
    work = MapWork(partial, stream, strips, model, settings, run, every_block)
    return BegunMap(output, wanted, work, classifier, [*stack.warnings, *said, *later], chosen, begun, opened)


def compute_map(begun: BegunMap) -> list[str]:
    """Classify, in this process, the windows that a map lacks, strip by strip; returns what it warned of."""
    assert begun.classifier is not None  # workers have their own
    work, classifier = begun.work, begun.classifier
    stream, strips = work.counted(), work.missing()
    blocks = sum(len(corners(window)) for window in windows_of(stream, strips))
    with (
        kept_warnings() as said,
        open_mappers(work.run, classifier.viewer.device) as workers,
        progress("map", blocks) as advance,
        stop_between_steps() as stopped,
    ):
        for window, piece in classified_windows(classifier, workers, stream, strips, advance):
            stream.stack.check_unchanged()  # keep nothing of a changed image
            work.partial.add(window, piece)
            if stopped():
                log.warning("map stopped; continue with `resume`" if begun.wanted.resumable else "map stopped")
                raise KeyboardInterrupt
    return said


def finish_map(begun: BegunMap, said: Sequence[str]) -> Path:
    """Write the map whose windows are all computed; ``said`` is what their computation warned of."""
    work, output, wanted = begun.work, begun.output, begun.wanted
    partial, settings, count = work.partial, work.settings, work.settings.shard_of[1]
    with kept_warnings() as later:
        warn_of_zeros(work.stream.stack, work.counts)
        novel_px, compared_px = partial.compared()
        tell_novel(novel_px, compared_px, settings, sampled=not work.every_block)
    partial.keep_warnings([*begun.warnings, *said, *later])
    if count == 1 and not settings.force:
        check_known(output, novel_px, compared_px)
    if count > 1:
        log.info("join the %d parts with bdgf mosaic", count)
        return partial.path
    work.stream.stack.check_unchanged()
    write_map([partial], output, overwrite=wanted.overwrite, begun=begun.begun, sieve=begun.sieve)
    begun.opened.close()
    shutil.rmtree(partial.path)
    _write_others(output, work.model, wanted)
    return output


def _write_others(output: Path, model: Checkpoint, wanted: Wanted) -> None:
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
        write_stac_item(output, settings.stac, model=model.file, overwrite=overwrite or resume)


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
    keys = expected.keys() | {"sets", "probability_type", "sieve", "merge", "missing"}
    return all(found.get(key) == expected.get(key) for key in keys) and changed_map_files(output) == []


def is_complete(output: Path, model: Checkpoint, stack: Stack, settings: MapSettings, run: Run) -> bool:
    """Whether the map to resume is there already, as a job that is repeated for many scenes finds it."""
    if settings.shard_of[1] > 1 or not output.is_file():
        return False
    return is_map_of(output, model, fit_stack(model, stack, name="the model"), settings=settings, run=run)


def _plan(
    model: Checkpoint,
    stream: BlockStream,
    strips: list[int],
    settings: MapSettings,
    device: str,
    record: dict[str, Any],
) -> Plan:
    identity = {
        "scene": record["inputs"]["scene"],
        "model": model.digest(),
        "tile": stream.tile_px,
        "device": device,
        "version": version("landcover-bdgf"),
        "layers": settings.layers,
        "sets": settings.sets,
        "classes": record["legend"],
    }
    return Plan(
        identity=identity,
        shard=settings.shard_of,
        windows=[(w.row_off, w.col_off, w.height, w.width) for w in windows_of(stream, strips)],
        grid=stream.stack.grid.to_dict(),
        legend=regrouped(model.classes, settings).legend,
        layers=settings.layers,
        record=record | {"images": stream.stack.to_dict()},
    )
