"""Check outputs, images, labels and the device within seconds, before PyTorch is loaded or an image is read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover_bdgf.app.resuming import check_not_begun
from landcover_bdgf.errors import RasterError, SettingsError, opening
from landcover_bdgf.labels import ReadSettings
from landcover_bdgf.model import Run, check_file, model_path
from landcover_bdgf.progress import errors_only
from landcover_bdgf.scene import NO_IMAGE, SceneRow, is_scene_table, read_scene_table
from landcover_bdgf.storage import Product, check, check_exists, is_remote, typed_path

if TYPE_CHECKING:
    from landcover_bdgf.mapping import MapSettings

MADE_OF_ONE_FILE = ("align", "sample", "pretrain", "train", "map", "mosaic")


def first_checks(command: str, values: Mapping[str, Any], mapping: MapSettings | None = None) -> None:
    """Check the outputs, images, labels and the device of a command as far as it has them.

    Each mistake gets the error that the step concerned would raise later.

    Parameters
    ----------
    command : str
        Its name.
    values : mapping
        The values of its options and arguments by name.
    mapping : MapSettings, optional
        Those among them that a map is made with.

    Raises
    ------
    BdgfError
        Of the class of the step that would fail.
    """
    table = is_scene_table(values.get("hsi", ""))
    if not table or command != "map":
        _check_outputs(command, values)
    if table:
        with errors_only():  # the step that uses the table warns
            rows = read_scene_table(values["hsi"])
            if mapping is not None and values["output"].exists():
                _check_maps(rows, values, mapping)
            if command == "train" or (command == "map" and values["model"] is None):
                _check_labels_of(rows, values)
    sar = values.get("sar")
    for text in [values.get("hsi"), "" if sar == NO_IMAGE else sar, *(values.get("more") or [])]:
        _check_found(text or "")
    if command == "map" and values["labels"] is None and (values["model"] is not None if table else sar is not None):
        check_file(model_path(values["model"]))
    labels = values.get("labels") or []
    for path in labels if isinstance(labels, list) else [labels]:
        with errors_only() if values["field"] else nullcontext():  # the step that uses the labels warns
            _check_field(path, values["field"], values)
    if values.get("dask"):
        _check_dask(values)
    elif values.get("device", "auto") not in ("auto", "cpu"):
        Run(device=values["device"]).torch_device()


def _check_dask(values: Mapping[str, Any]) -> None:
    """SettingsError for a part of a map; ResourceError or OutputError for workers that cannot make the map."""
    from landcover_bdgf.mapping import check_workers

    if values["shard"] != "1/1":
        raise SettingsError("--dask", "computes the whole map, and --shard a part of it", "Leave one of them out.")
    check_workers(values["dask"], values["output"].absolute().parent)


def _check_maps(rows: Sequence[SceneRow], values: Mapping[str, Any], mapping: MapSettings) -> None:
    """OutputError if a folder has maps of these scenes that must stay."""
    from landcover_bdgf.mapping import check_scene_maps  # loads GDAL

    check_scene_maps(rows, values["output"], mapping, overwrite=values["overwrite"], resume=values["resume"])


def _check_labels_of(rows: Sequence[SceneRow], values: Mapping[str, Any]) -> None:
    """LabelError if the labels of a row lack their field, SettingsError if none is named."""
    given = [(row.labels, row.field or values["field"]) for row in rows if row.labels]
    for labels, field in dict.fromkeys(given):  # scenes often share a file
        _check_field(labels, field, values)


def _check_field(labels: Path, field: str | None, values: Mapping[str, Any]) -> None:
    from landcover_bdgf.labels import check_field  # loads GDAL

    check_field(labels, field, settings=ReadSettings(layer=values["layer"], encoding=values["encoding"]))


def _check_outputs(command: str, values: Mapping[str, Any]) -> None:
    if command not in MADE_OF_ONE_FILE:
        return
    overwrite, resume = values.get("overwrite", False), values.get("resume", False)
    if command == "map" and values["labels"] is not None:
        check_not_begun(values["output"], overwrite=overwrite, resume=resume)
        model = values["model"]
        if model is not None and model.exists() and not (overwrite or resume):
            problem = f"--model {model} already exists and --labels would replace it"
            raise SettingsError(None, problem, "Drop --labels to use it, or choose another name.")
    # files beside it, and what was left by another run, are checked when the packages that write them are loaded
    check(Product(values["output"]), overwrite=overwrite or resume)


@opening(RasterError)
def _check_found(text: str) -> None:
    """RasterError for a file that does not exist; ``text`` as for the arguments HSI and SAR."""
    for path in map(typed_path, () if os.path.exists(text) else filter(None, text.split(","))):
        if not is_remote(str(path)):
            check_exists(path, RasterError)
