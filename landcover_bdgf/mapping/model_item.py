"""A STAC item of the model of a map, by the machine learning model extension (MLM 1.4).

It is an item of its own, next to the model: the extension describes the bands that a model reads in the properties of
an item, where those of a map have no place, and one model makes many maps. Places and dates are those of the scenes
that the model was trained on. Maps made by the model link to it (``derived_from``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from landcover_bdgf.geo import Grid
from landcover_bdgf.mapping.stac_item import ItemPlace, class_values, model_item_path, write_item
from landcover_bdgf.model import BandName, Checkpoint
from landcover_bdgf.text import printable

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
_VERSION = re.compile(r"\d+\.\d+\.\d+(\+[0-9A-Za-z.-]+)?")
_UNITS = {"power": "linear power; decibels are converted", "signed": "signed values as they are"}


def write_model_item(
    model: Checkpoint, path: Path, grids: Sequence[Grid], *, dates: str, overwrite: bool = False
) -> Path:
    """Write the item of a model, ``landcover.model.stac.json`` for ``landcover.model.safetensors``.

    Parameters
    ----------
    model : Checkpoint
    path : Path
        Its file.
    grids : sequence of Grid
        Of the scenes that it was trained on.
    dates : str
        Of the images of those scenes, as for :func:`~landcover_bdgf.mapping.stac_item.write_stac_item`.
    overwrite : bool

    Raises
    ------
    SettingsError
        pystac is not installed, or a date is not understood.
    """
    import pystac

    weights = pystac.Asset(
        f"./{path.name}",
        title="Weights",
        media_type="application/octet-stream",
        roles=["mlm:model", "mlm:weights"],
        extra_fields={"mlm:artifact_type": "safetensors.numpy.save_file"},
    )
    place = ItemPlace(path.stem, tuple(grids), dates)
    return write_item(
        model_item_path(path), place, model_properties(model, path), extensions=[MLM], assets={"model": weights},
        overwrite=overwrite,
    )  # fmt: skip


def model_properties(model: Checkpoint, path: Path) -> dict[str, Any]:
    """The fields of a model by MLM 1.4, and the bands that it reads."""
    inputs = [
        _input("spectral image", model.bands, "values of the image, without an offset of +1000"),
        _input("SAR image", model.sar_bands, _UNITS[model.sar_unit]),
        *(_input(f"extra layers: {printable(group.name)}", group.bands, "values as they are") for group in model.extra),
    ]
    framework = str((model.provenance.get("versions") or {}).get("torch"))
    return {
        "title": f"Land-cover model {path.stem}",
        "bands": [{"name": band} for each in inputs for band in each["bands"]],
        "mlm:name": _name(path),
        "mlm:architecture": "BDGF",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "PyTorch",
        **({"mlm:framework_version": framework} if _VERSION.fullmatch(framework) else {}),
        "mlm:total_parameters": sum(int(array.size) for array in model.weights.values()),
        "mlm:input": inputs,
        "mlm:output": [_output(model)],
        "mlm:hyperparameters": model.recipe.model_dump(mode="json"),
    }


def _input(name: str, bands: tuple[BandName, ...], description: str) -> dict[str, Any]:
    """A Model Input Object; scenes of any size are read."""
    structure = {"shape": [len(bands), -1, -1], "dim_order": ["bands", "height", "width"], "data_type": "float32"}
    names = [printable(band.name) or f"band {number}" for number, band in enumerate(bands, 1)]
    return {"name": name, "bands": names, "input": structure, "description": description}


def _output(model: Checkpoint) -> dict[str, Any]:
    """The Model Output Object: the codes of a map."""
    legend = model.classes
    structure = {"shape": [-1, -1], "dim_order": ["height", "width"], "data_type": str(legend.dtype)}
    return {
        "name": "land cover",
        "tasks": ["semantic-segmentation"],
        "result": structure,
        "classification:classes": [each | {"description": each["title"]} for each in class_values(legend)],
    }


def _name(path: Path) -> str:
    """A name that MLM allows: letters, digits, ``_``, ``.`` and ``-``, the last three not at either end."""
    stem = re.sub("[^0-9A-Za-z_.-]+", "_", path.stem).strip("_.-")
    return f"bdgf-{stem}" if stem else "bdgf-model"
