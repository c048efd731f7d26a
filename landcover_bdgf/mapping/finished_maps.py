"""Finished maps: opened with their layers, legend and record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import Grid, grid_of, open_raster, read_band
from landcover_bdgf.labels import (
    HUNDREDTHS,
    LAYERS,
    Legend,
    layer_path,
    legend_of_raster,
)
from landcover_bdgf.storage import PathLike, read_record

_OF_FILES = ("sha256", "sha256 of this record", "training")  # keys of a record that do not describe how a map was made


@dataclass(frozen=True)
class FinishedMap:
    """An open map: its pixels, and those of its layers."""

    path: Path
    classes: DatasetReader
    layers: dict[str, DatasetReader]
    grid: Grid
    legend: Legend
    record: dict[str, Any]

    def has(self, layer: str) -> bool:
        """Whether it has a layer; a map that was made where both sensors have data needs no file to tell so."""
        recorded = self.record.get("layers")
        alike = self.record.get("step") == "map" and isinstance(recorded, list) and layer not in recorded
        return layer in self.layers or (layer == "condition" and alike)

    def codes(self, window: Window) -> NDArray[Any]:
        """The codes of a window, 0 where there is no data."""
        codes = read_band(self.classes, window)
        nodata = self.classes.nodata  # gdalwarp may have chosen another
        codes = np.where(codes == nodata, 0, codes) if nodata else codes
        if (highest := int(codes.max(initial=0))) > len(self.legend.entries):
            problem = f"contains code {highest}, which is not in its legend"
            raise RasterError(self.path, problem, "If it means no data, declare it: gdal_edit.py -a_nodata.")
        return codes


@contextmanager
def opened_map(path: PathLike, *, layers: bool = False) -> Iterator[FinishedMap]:
    """A finished map, on request with its layers; RasterError or LabelError if it is none."""
    with ExitStack() as opened:
        yield open_map(Path(path), opened, layers=layers)


def origin_of(found: FinishedMap) -> dict[str, Any]:
    """How a map was made, by its record, for the record of a map that is made from it."""
    return {key: value for key, value in found.record.items() if key not in _OF_FILES}


def open_map(path: Path, opened: ExitStack, *, layers: bool) -> FinishedMap:
    """A finished map that stays open until ``opened`` is closed."""
    dataset = opened.enter_context(open_raster(path))
    found = FinishedMap(path, dataset, {}, grid_of(dataset), legend_of_raster(dataset), read_record(path))
    return replace(found, layers=_layers(found, opened)) if layers else found


def _layers(found: FinishedMap, opened: ExitStack) -> dict[str, DatasetReader]:
    recorded, layers = found.record.get("layers"), {}
    for name in LAYERS:
        file = layer_path(found.path, name)
        if file.is_file() and (not isinstance(recorded, list) or name in recorded):
            layer = layers[name] = opened.enter_context(open_raster(file))
            whole = layer.count == len(LAYERS[name].bands(found.legend)) and layer.dtypes[0] in ("uint8", HUNDREDTHS)
            if not (whole and grid_of(layer).same_as(found.grid)):
                raise RasterError(file, f"is not the {name} of {found.path}", "Clip it like the map, or remove it.")
    return layers
