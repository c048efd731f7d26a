"""The files that the maps of a table are written to, checked before PyTorch is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from landcover_bdgf.errors import OutputError, opening
from landcover_bdgf.mapping.map_outputs import map_product
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.stac_item import check_stac
from landcover_bdgf.scene import SceneRow
from landcover_bdgf.storage import Product, check


@dataclass(frozen=True)
class SceneTask:
    """One scene of a table and its map."""

    row: SceneRow
    output: Path
    settings: MapSettings

    @property
    def product(self) -> Product:
        """The files of the map."""
        return map_product(self.output, self.settings)


def check_scene_maps(
    rows: Sequence[SceneRow], folder: Path, settings: MapSettings, *, overwrite: bool, resume: bool
) -> None:
    """Make the folder of the maps; refuse what :func:`map_scenes` would refuse before the first map."""
    tasks, summary = scene_tasks(rows, folder, settings), summary_path(folder, settings)
    check_outputs(tasks, summary, overwrite=overwrite, resume=resume)


def scene_tasks(rows: Sequence[SceneRow], folder: Path, settings: MapSettings) -> list[SceneTask]:
    """The scenes of a table that its shard maps, in their order."""
    number, count = settings.shard_of
    return [_task(row, folder, settings) for row in rows[number - 1 :: count]]


def summary_path(folder: Path, settings: MapSettings) -> Path:
    """The file that tells what became of them."""
    number, count = settings.shard_of
    return folder / (f"summary.{number}-of-{count}.csv" if count > 1 else "summary.csv")


def _task(row: SceneRow, folder: Path, settings: MapSettings) -> SceneTask:
    settings = settings if row.sar else settings.without_sar()
    polygons = settings.polygons and str(folder / f"{row.name}_{Path(settings.polygons).name}")
    stac = settings.stac and (row.date or settings.stac)
    return SceneTask(row, folder / f"{row.name}.tif", replace(settings, shard="1/1", polygons=polygons, stac=stac))


@opening(OutputError)
def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(folder, "is a file, the maps of a table go into a folder", "Choose another name.")
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise OutputError(folder, f"the folder {folder.parent} does not exist", "Create it first.") from None


def check_outputs(tasks: Sequence[SceneTask], summary: Path, *, overwrite: bool, resume: bool) -> None:
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
