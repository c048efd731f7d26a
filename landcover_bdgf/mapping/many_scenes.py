"""Map many scenes with one model, in one process: a scene that fails does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from landcover_bdgf.errors import BdgfError, OutputError, ResourceError, opening, unwritten
from landcover_bdgf.labels import Legend, regrouped
from landcover_bdgf.mapping.finished_maps import opened_map
from landcover_bdgf.mapping.map_outputs import map_product
from landcover_bdgf.mapping.scene_map import is_complete, map_scene
from landcover_bdgf.mapping.scene_results import SceneResult, write_results
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.stac_item import check_stac
from landcover_bdgf.model import Checkpoint, Run, load_checkpoint
from landcover_bdgf.progress import kept_warnings, log
from landcover_bdgf.scene import SceneRow, read_scene_table
from landcover_bdgf.storage import PathLike, Product, check, reserved

_READ_PX = 1024


@dataclass(frozen=True)
class _Task:
    """One scene and its map."""

    row: SceneRow
    output: Path
    settings: MapSettings

    @property
    def product(self) -> Product:
        return map_product(self.output, self.settings)


def map_scenes(
    scenes: PathLike | Sequence[SceneRow], model: Checkpoint | PathLike, folder: PathLike, *,
    settings: MapSettings | None = None, run: Run | None = None, overwrite: bool = False, resume: bool = False,
    tell: Callable[[BdgfError], str] = str,
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
    tell : callable
        Makes a line of the error of a scene, for the summary.

    Returns
    -------
    list of SceneResult
        In the order of the table.

    Raises
    ------
    SettingsError, CheckpointError
        The table or the model cannot be used.
    OutputError
        Maps exist, and neither ``overwrite`` nor ``resume`` is given.
    KeyboardInterrupt
        After Ctrl-C, once the current tile is saved.
    """
    settings, run, folder = settings or MapSettings(), run or Run(), Path(folder)
    rows = scenes if isinstance(scenes, Sequence) and not isinstance(scenes, str) else read_scene_table(scenes)
    model = model if isinstance(model, Checkpoint) else load_checkpoint(Path(model), "model")
    tasks = _tasks(rows, folder, settings)
    summary = _summary(folder, settings)
    _check_outputs(tasks, summary, overwrite=overwrite, resume=resume)
    results = []
    try:
        for position, task in enumerate(tasks, 1):
            log.info("scene %d of %d: %s", position, len(tasks), task.row.name)
            results.append(_result(task, model, run, overwrite=overwrite, resume=resume))
    except KeyboardInterrupt as stopped:
        stopped.add_note("Continue with `resume`.")
        raise
    write_results(results, summary, tell)
    return results


def check_scene_maps(
    rows: Sequence[SceneRow], folder: Path, settings: MapSettings, *, overwrite: bool, resume: bool
) -> None:
    """Make the folder of the maps; refuse what :func:`map_scenes` would refuse before the first map."""
    _check_outputs(_tasks(rows, folder, settings), _summary(folder, settings), overwrite=overwrite, resume=resume)


def _tasks(rows: Sequence[SceneRow], folder: Path, settings: MapSettings) -> list[_Task]:
    number, count = settings.shard_of
    return [_task(row, folder, settings) for row in rows[number - 1 :: count]]


def _summary(folder: Path, settings: MapSettings) -> Path:
    number, count = settings.shard_of
    return folder / (f"summary.{number}-of-{count}.csv" if count > 1 else "summary.csv")


def _task(row: SceneRow, folder: Path, settings: MapSettings) -> _Task:
    polygons = settings.polygons and str(folder / f"{row.name}_{Path(settings.polygons).name}")
    stac = settings.stac and (row.date or settings.stac)
    return _Task(row, folder / f"{row.name}.tif", replace(settings, shard="1/1", polygons=polygons, stac=stac))


@opening(OutputError)
def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(folder, "is a file, the maps of a table go into a folder", "Choose another name.")
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise OutputError(folder, f"the folder {folder.parent} does not exist", "Create it first.") from None


def _check_outputs(tasks: Sequence[_Task], summary: Path, *, overwrite: bool, resume: bool) -> None:
    """Make the folder; refuse, before the first map, outputs that cannot be written or would replace others."""
    _make_folder(summary.parent)
    for stac in {task.settings.stac for task in tasks}:
        if stac:
            check_stac(stac)  # else every scene would fail with it
    products = [task.product for task in tasks]
    inputs = [file for task in tasks for file in (*task.row.hsi, *task.row.sar)]
    check(*products, inputs=inputs, overwrite=True)
    existing = [file for product in products for file in (product.path, *product.scratch) if file.exists()]
    if existing and not (overwrite or resume):
        more = f", like {len(existing) - 1} more" if len(existing) > 1 else ""
        remedy = "Skip finished maps with `resume`, replace them with `overwrite`, or choose another folder."
        raise OutputError(existing[0], f"exists already{more}", remedy)
    check(Product(summary, extension=".csv"), overwrite=overwrite or resume)


def _result(task: _Task, model: Checkpoint, run: Run, *, overwrite: bool, resume: bool) -> SceneResult:
    """Map a scene, or tell why it could not be mapped."""
    start, name, line = time.monotonic(), task.row.name, task.row.line
    with kept_warnings() as said:
        try:
            done = _map(task, model, run, overwrite=overwrite, resume=resume)
            pixels = _pixels(task.output, regrouped(model.classes, task.settings).legend)
        except Exception as error:
            found = _as_ours(error)
            seconds = time.monotonic() - start
            log.info("%s failed, the others go on", name)  # why is told at the end
            return SceneResult(name, line, "failed", task.output, seconds, {}, tuple(said), found)
    seconds = time.monotonic() - start
    return SceneResult(name, line, "complete" if done else "mapped", task.output, seconds, pixels, tuple(said))


def _map(task: _Task, model: Checkpoint, run: Run, *, overwrite: bool, resume: bool) -> bool:
    """Whether the map was there already."""
    with reserved(task.product), task.row.stack() as stack:
        # some scenes of a table may have no mask, which a single scene is refused for
        settings = replace(task.settings, map_masked=task.settings.map_masked and stack.mask is not None)
        done = resume and not overwrite and is_complete(task.output, model, stack, settings, run)
        map_scene(model, stack, task.output, settings=settings, run=run, overwrite=overwrite, resume=resume)
    return done


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
