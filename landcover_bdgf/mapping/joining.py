"""Join finished maps whose classes agree: tiles, neighbouring scenes, several UTM zones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import Grid
from landcover_bdgf.labels import LAYERS, NODATA, Legend, class_map_product, layer_nodata
from landcover_bdgf.mapping.condition_counts import condition_counts
from landcover_bdgf.mapping.finished_maps import FinishedMap, open_map, origin_of
from landcover_bdgf.mapping.map_files import MapContent, tell_edges, write_map_files
from landcover_bdgf.mapping.mosaic_grid import PlacedMap, mosaic_grid
from landcover_bdgf.mapping.overlaps import Overlap, measured_overlaps, tell_overlaps
from landcover_bdgf.mapping.settings import MosaicSettings
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, check, content_sha256, record
from landcover_bdgf.text import file_name, printable

_READ_PX = 1024
_POINTS = re.compile(r"MULTIPOINT \((.*)\)", re.DOTALL)
_NOTHING = -2  # the score of a pixel without data; one whose layer has none there has -1


def join_maps(
    paths: Sequence[PathLike], output: Path, *, settings: MosaicSettings | None = None, overwrite: bool = False
) -> Path:
    """Write one map from finished maps, strip by strip; layers are written if all maps have them.

    Where only some maps tell which sensors saw their pixels, both saw those of the others.

    Raises
    ------
    RasterError, LabelError
        A file is no map, its classes contradict those of another, or it lacks the layer that decides in overlaps.
    OutputError
        The map cannot be written.
    """
    settings = settings or MosaicSettings()
    with ExitStack() as opened:
        maps = [open_map(Path(path), opened, layers=True) for path in paths]
        legend = _legend(maps)
        _check_deciding(maps, settings)
        layers = _layers(maps, legend)
        check(class_map_product(output, layers), inputs=paths, overwrite=overwrite)
        grid = mosaic_grid(maps, settings)
        placed = [PlacedMap.of(each, grid) for each in maps]
        overlaps = measured_overlaps(placed, grid, _READ_PX)
        tell_overlaps(overlaps, [each.path for each in maps])
        tiles = {name: (_first(maps, name).dtypes[0], _tiles(placed, grid, settings, legend, name)) for name in layers}
        found = _record(maps, legend, settings, overlaps)
        if "condition" in layers:
            found |= {"conditions": condition_counts(_tiles(placed, grid, settings, legend, "condition"))}
        content = MapContent(grid, legend, _tiles(placed, grid, settings, legend), tiles, found)
        write_map_files(output, content, overwrite=overwrite)
    tell_edges(output)
    return output


def _legend(maps: Sequence[FinishedMap]) -> Legend:
    """The classes of all maps: those of the map that has most, if no code has another name in another map."""
    fullest = max(maps, key=lambda each: len(each.legend.entries))
    for each in maps:
        for own, name in zip(each.legend.entries, fullest.legend.names, strict=False):
            if printable(own.name) != printable(name):  # files may hold short names
                raise RasterError(
                    each.path,
                    f"its code {own.code} is {printable(own.name)}, and that of {fullest.path} is {printable(name)}",
                    "Map both scenes with one model.",
                )
    return fullest.legend


def _check_deciding(maps: Sequence[FinishedMap], settings: MosaicSettings) -> None:
    """RasterError if a map lacks the layer that decides in overlaps."""
    name = settings.overlap
    lacking = [each.path for each in maps if name != "first" and name not in each.layers]
    if lacking:
        problem = f"has no {name} beside it, which decides in overlaps"
        raise RasterError(lacking[0], problem, f"Map the scene with `{name}`, or let the first map win.")


def _layers(maps: Sequence[FinishedMap], legend: Legend) -> list[str]:
    """The layers of the mosaic; tells those that only some maps have."""
    found = []
    for name in (name for name in LAYERS if any(name in each.layers for each in maps)):
        bands = len(LAYERS[name].bands(legend))
        lacking = [m for m in maps if not m.has(name) or (name in m.layers and m.layers[name].count != bands)]
        if lacking:
            why = "has fewer classes" if name in lacking[0].layers else "has none"
            log.info("no %s is written, as %s %s", name, lacking[0].path, why)
            continue
        _check_type([each.layers[name] for each in maps if name in each.layers])
        found.append(name)
    return found


def _first(maps: Sequence[FinishedMap], layer: str) -> DatasetReader:
    """The first file of a layer."""
    return next(each.layers[layer] for each in maps if layer in each.layers)


def _check_type(layers: Sequence[Any]) -> None:
    for other in layers[1:]:
        if other.dtypes[0] != layers[0].dtypes[0]:
            problem = f"has pixels of {other.dtypes[0]}, and {layers[0].name} of {layers[0].dtypes[0]}"
            raise RasterError(other.name, problem, "Map both scenes with one `probability_type`.")


def _tiles(
    maps: Sequence[PlacedMap], grid: Grid, settings: MosaicSettings, legend: Legend, layer: str | None = None
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Windows with their codes (1, h, w), or with their pixels of a layer (bands, h, w)."""
    bands, nodata, dtype = 1, NODATA, legend.dtype
    if layer is not None:
        first = _first([each.found for each in maps], layer)
        bands, nodata, dtype = first.count, layer_nodata(layer, first.dtypes[0]), np.dtype(first.dtypes[0])
    for window in grid.tiles(_READ_PX):
        shape = (window.height, window.width)
        pixels, best = np.full((bands, *shape), nodata, dtype), np.full(shape, _NOTHING, np.int16)
        for each in (each for each in maps if each.touches(window)):
            codes = each.codes(window)
            score = _score(each, window, codes, settings)
            wins = score > best  # the first of equals wins
            values = codes[None] if layer is None else each.layer(window, layer)
            pixels[:, wins], best[wins] = values[:, wins], score[wins]
        yield window, pixels


def _score(each: PlacedMap, window: Window, codes: NDArray[Any], settings: MosaicSettings) -> NDArray[np.int16]:
    """What decides between maps, int16 (h, w): the highest wins."""
    values = np.zeros(codes.shape, np.int16)
    if settings.overlap != "first":
        percent = each.layer(window, settings.overlap)[0].astype(np.int16)
        values = np.where(percent == layer_nodata(settings.overlap, "uint8"), -1, percent)
    return np.where(codes == NODATA, _NOTHING, values).astype(np.int16)


def _record(
    maps: Sequence[FinishedMap], legend: Legend, settings: MosaicSettings, overlaps: Sequence[Overlap]
) -> dict[str, Any]:
    """Provenance of the mosaic: its maps in their order, how they agree, and the pixels that they were trained on."""
    inputs = {f"map {i}": content_sha256(each.path) for i, each in enumerate(maps, 1)}
    return record(
        "mosaic",
        inputs,
        maps=[origin_of(each) for each in maps],
        training=_training([each.record.get("training") for each in maps]),
        legend=json.loads(legend.to_json()),
        decides=settings.overlap,
        overlaps=[each.to_dict() for each in overlaps],
        warnings=[f"{file_name(each.path)}: {text}" for each in maps for text in _texts(each.record.get("warnings"))],
    )


def _training(found: Sequence[Any]) -> dict[str, Any]:
    """The training pixels of all maps, for an assessment; empty if those of one are not known."""
    distinct = [each for i, each in enumerate(found) if each not in found[:i]]
    if len(distinct) == 1 and isinstance(distinct[0], dict):
        return distinct[0]
    try:
        if any(each["crs"] != distinct[0]["crs"] for each in distinct):
            return {}
        points = [match[1] for each in distinct if (match := _POINTS.fullmatch(each["pixels"]))]
        return {
            "pixels": f"MULTIPOINT ({', '.join(points)})",
            "count": sum(each["count"] for each in distinct),
            "crs": distinct[0]["crs"],
            "clear_px": max(each["clear_px"] for each in distinct),
            "apart_px": max(each["apart_px"] for each in distinct),
            "split": ", ".join(dict.fromkeys(each["split"] for each in distinct)),
        } if len(points) == len(distinct) else {}  # fmt: skip
    except (TypeError, LookupError):  # a record is missing or damaged
        return {}


def _texts(found: Any) -> list[str]:
    """A list of texts from a record, which may be damaged."""
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
