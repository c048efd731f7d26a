"""The files of a class map: the raster, its layers and companions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.legend import ENTRY_KEYS, Legend
from landcover_bdgf.labels.symbology import aux_xml_path, companion_paths, read_aux_xml, write_symbology
from landcover_bdgf.storage import PathLike, Product, read_record, record_path
from landcover_bdgf.text import printable


def write_companions(map_path: PathLike, legend: Legend) -> None:
    """Write what shows the class names beside a map: for GDAL ``<map>.aux.xml``, for QGIS ``<stem>.qml``."""
    classes = [(e.code, printable(e.name), e.color, printable(e.value)) for e in legend.entries]
    write_symbology(map_path, classes)


def legend_of_map(map_path: PathLike) -> Legend:
    """The legend of a map, from the record of its making, else from its ``.aux.xml``.

    Raises
    ------
    LabelError
        If neither lies beside the map, or they are damaged.
    """
    recorded = read_record(str(map_path)).get("legend")
    if recorded:
        return Legend.from_json(json.dumps(recorded))
    classes = read_aux_xml(aux_xml_path(map_path))
    if not classes:
        raise LabelError(
            map_path,
            f"has no class names, which {aux_xml_path(map_path).name} should hold",
            "Keep the files of a map together when you move it.",
        )
    return Legend.from_json(json.dumps([dict(zip(ENTRY_KEYS, row, strict=True)) for row in classes]))


NODATA = 0  # of the class raster
LAYER_NODATA = 255
# Further rasters beside a map, by the end of their names, in the order of Classified.layers.
LAYERS = {"confidence": "confidence in percent", "ood": "p-value in percent; low is unlike all training pixels"}


def layer_path(output: Path, layer: str) -> Path:
    """``landcover.tif``, ``confidence`` -> ``landcover_confidence.tif``."""
    return output.parent / f"{output.stem}_{layer}{output.suffix}"


def class_map_product(output: Path, layers: Sequence[str] = ()) -> Product:
    """A map with its layers, companions and record."""
    beside = [*(layer_path(output, name) for name in layers), *companion_paths(output), record_path(output)]
    return Product(output, tuple(beside))
