"""Map many scenes with one model, in one process: a scene that fails does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from landcover_bdgf.errors import BdgfError, ResourceError, unwritten
from landcover_bdgf.labels import Legend, regrouped
from landcover_bdgf.mapping.finished_maps import opened_map
from landcover_bdgf.mapping.map_work import MapWork
from landcover_bdgf.mapping.scene_map import BegunMap, Wanted, begin_map, compute_map, finish_map
from landcover_bdgf.mapping.scene_outputs import SceneTask, check_outputs, scene_tasks, summary_path
from landcover_bdgf.mapping.scene_results import SceneResult, write_results
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.shared_map import check_source, compute_shared
from landcover_bdgf.model import Checkpoint, Run, load_checkpoint
from landcover_bdgf.progress import kept_warnings, log
from landcover_bdgf.scene import SceneRow, Stack, read_scene_table
from landcover_bdgf.storage import PathLike, reserved

if TYPE_CHECKING:
    from distributed import Client

_READ_PX = 1024


def map_scenes(
    scenes: PathLike | Sequence[SceneRow], model: Checkpoint | PathLike, folder: PathLike, *,
    settings: MapSettings | None = None, run: Run | None = None, overwrite: bool = False, resume: bool = False,
    client: Client | None = None, tell: Callable[[BdgfError], str] = str,
) -> list[SceneResult]:  # fmt: skip
    """Map the scenes of a table, each as :func:`map_scene` does, into ``folder/NAME.tif``.

    A scene that cannot be mapped does not stop the others. The results are also written as ``folder/summary.csv``.

    Parameters
    ----------
    scenes : path, or sequence of SceneRow
        See :func:`~landcover_bdgf.scene.read_scene_table`.
    model : Checkpoint or path
    folder : path
        Made if it does not exist.
    settings : MapSettings, optional
        Of each map. A shard means every n-th scene of the table, whole. With ``polygons``, the name of the scene comes
        before that of the file; with ``stac``, the date of a row is used instead.
    run : Run, optional
    overwrite, resume : bool
        Replace existing maps; skip finished ones and continue interrupted ones.
    client : dask.distributed.Client, optional
        Its workers compute the maps, as in :func:`map_scene`; this process opens the scenes and writes the maps.
    tell : callable
        Makes a line of the error of a scene, for the summary.

    Returns
    -------
    list of SceneResult
        In the order of the table.

    Raises
    ------
    SettingsError, CheckpointError
        The table or the model cannot be used; a shard is wanted with a client.
    ResourceError
        As for :func:`map_scene` with a client.
    OutputError
        Maps exist, and neither ``overwrite`` nor ``resume`` is given.
    KeyboardInterrupt
        After Ctrl-C, once the current tile is saved.
    """
    settings, run, folder = settings or MapSettings(), run or Run(), Path(folder)
    rows = scenes if isinstance(scenes, Sequence) and not isinstance(scenes, str) else read_scene_table(scenes)
    model = model if isinstance(model, Checkpoint) else load_checkpoint(Path(model), "model")
    tasks = scene_tasks(rows, folder, settings)
    summary = summary_path(folder, settings)
    check_outputs(tasks, summary, overwrite=overwrite, resume=resume)
    try:
        how = Wanted(settings, run, overwrite, resume)
        if client is not None:
            from landcover_bdgf.mapping.dask_cluster import checked_cluster

            cluster = checked_cluster(client, folder, run, shard=settings.shard)
            how = replace(how, run=cluster.run, cluster=cluster)
        results = _results(tasks, model, how)
    except KeyboardInterrupt as stopped:
        stopped.add_note("Continue with `resume`.")
        raise
    write_results(results, summary, tell)
    return results


def _told(tasks: Sequence[SceneTask]) -> Iterator[SceneTask]:
    for position, task in enumerate(tasks, 1):
        log.info("scene %d of %d: %s", position, len(tasks), task.row.name)
        yield task


def _results(tasks: Sequence[SceneTask], model: Checkpoint, how: Wanted) -> list[SceneResult]:
    """Map the scenes one after another; on workers, their queue is filled from several."""
    results: dict[str, SceneResult] = {}
    begun: dict[MapWork, _BegunScene] = {}

    def works() -> Iterator[MapWork]:
        for task in _told(tasks):
            scene = _begin(task, model, how)
            if isinstance(scene, SceneResult):
                results[task.row.name] = scene
            else:
                begun[scene.map.work] = scene
                yield scene.map.work

    try:
        here = ((work, _computed(begun[work].map)) for work in works())
        for work, found in here if how.cluster is None else compute_shared(how.cluster, works()):
            scene = begun.pop(work)
            results[scene.task.row.name] = _finished(scene, model, found)
    finally:
        for scene in begun.values():
            scene.opened.close()
    return [results[task.row.name] for task in tasks]


@dataclass(frozen=True, eq=False)
class _BegunScene:
    """A scene whose map is being computed, and what it has warned of."""

    task: SceneTask
    map: BegunMap
    start_s: float
    warnings: list[str]
    opened: ExitStack


def _begin(task: SceneTask, model: Checkpoint, how: Wanted) -> _BegunScene | SceneResult:
    """Open a scene and begin its map; its result if it is complete or cannot be mapped."""
    start_s = time.monotonic()
    with kept_warnings() as said, ExitStack() as opened:
        try:
            opened.enter_context(reserved(task.product))
            stack = opened.enter_context(task.row.stack(task.settings.missing))
            begun = begin_map(model, stack, task.output, replace(how, settings=_settings(task, stack)))
            if begun is None:
                pixels = _pixels(task.output, regrouped(model.classes, task.settings).legend)
                seconds = time.monotonic() - start_s
                return SceneResult(task.row.name, task.row.line, "complete", task.output, seconds, pixels, tuple(said))
            opened.push(begun.opened)
            if how.cluster is not None:
                check_source(begun.work)
        except Exception as error:
            return _failed(task, error, start_s, said)
        return _BegunScene(task, begun, start_s, said, opened.pop_all())


def _computed(begun: BegunMap) -> list[str] | BdgfError:
    """What the computation of a map has warned of, or what went wrong."""
    try:
        return compute_map(begun)
    except Exception as error:
        return _as_ours(error)


def _finished(scene: _BegunScene, model: Checkpoint, found: list[str] | BdgfError) -> SceneResult:
    """Write the map of a scene whose windows are computed, or tell what went wrong."""
    task, said = scene.task, scene.warnings
    with scene.opened, kept_warnings() as later:
        try:
            if isinstance(found, BdgfError):
                raise found
            finish_map(scene.map, found)
            pixels = _pixels(task.output, regrouped(model.classes, task.settings).legend)
        except Exception as error:
            return _failed(task, error, scene.start_s, said)
    warnings = tuple(dict.fromkeys([*said, *found, *later]))
    seconds = time.monotonic() - scene.start_s
    log.info("%s is mapped", task.row.name)
    return SceneResult(task.row.name, task.row.line, "mapped", task.output, seconds, pixels, warnings)


def _failed(task: SceneTask, error: Exception, start_s: float, said: Sequence[str]) -> SceneResult:
    found = _as_ours(error)
    log.info("%s failed, the others go on", task.row.name)  # why is told at the end
    seconds = time.monotonic() - start_s
    return SceneResult(task.row.name, task.row.line, "failed", task.output, seconds, {}, tuple(said), found)


def _settings(task: SceneTask, stack: Stack) -> MapSettings:
    """Some scenes of a table may have no mask, which a single scene is refused for."""
    return replace(task.settings, map_masked=task.settings.map_masked and stack.mask is not None)


def _as_ours(error: Exception) -> BdgfError:
    """The error of one scene, as the command line would tell it."""
    if isinstance(error, BdgfError):
        return error
    if isinstance(error, MemoryError):
        return ResourceError(None, "out of memory", "Close other programs, or map it with `max_ram`.")
    if isinstance(error, OSError):
        return unwritten(error.filename or "output", error)
    log.debug("internal error", exc_info=error)
    return BdgfError(
        None, f"internal error ({type(error).__name__}: {error})", "Map it alone with --debug, and report."
    )


def _pixels(path: Path, legend: Legend) -> dict[str, int]:
    """Pixels of each class of a finished map."""
    counts = np.zeros(len(legend.entries) + 1, np.int64)
    with opened_map(path) as found:
        for window in found.grid.tiles(_READ_PX):
            counts += np.bincount(found.codes(window).ravel(), minlength=len(counts))
    return dict(zip(legend.names, counts[1:].tolist(), strict=True))
