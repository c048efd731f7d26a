"""Join finished maps of one legend and one pixel grid, such as those of neighbouring scenes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import MAX_SIDE_PX, Grid, grid_of, open_raster, read_band, read_bands
from landcover_bdgf.labels import (
    HUNDREDTHS,
    LAYERS,
    Legend,
    class_map_product,
    layer_nodata,
    layer_path,
    legend_of_raster,
)
from landcover_bdgf.mapping.map_files import MapContent, write_map_files
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, check, content_sha256, read_record, record
from landcover_bdgf.text import file_name, printable

_READ_PX = 1024
_OF_FILES = ("sha256", "sha256 of this record", "training")  # keys of a record that do not describe how a map was made
_POINTS = re.compile(r"MULTIPOINT \((.*)\)", re.DOTALL)


@dataclass(frozen=True)
class FinishedMap:
    """An open map: its pixels, those of its layers, and its place in the joined map."""

    path: Path
    classes: DatasetReader
    layers: dict[str, DatasetReader]
    grid: Grid
    legend: Legend
    record: dict[str, Any]
    corner: tuple[int, int] = (0, 0)  # row and column of its first pixel in the joined map

    def codes(self, window: Window) -> NDArray[Any]:
        """The codes of a window, 0 where there is no data."""
        codes = read_band(self.classes, window)
        nodata = self.classes.nodata  # gdalwarp may have chosen another
        codes = np.where(codes == nodata, 0, codes) if nodata else codes
        if (highest := int(codes.max(initial=0))) > len(self.legend.entries):
            problem = f"contains code {highest}, which is not in its legend"
            raise RasterError(self.path, problem, "If it means no data, declare it: gdal_edit.py -a_nodata.")
        return codes

    def inside(self, window: Window) -> tuple[Window, tuple[slice, slice]] | None:
        """The part of a window of the joined map that lies in this map: its window here, and its place there."""
        ends = []
        for corner, start, size, own in zip(
            self.corner,
            (window.row_off, window.col_off),
            (window.height, window.width),
            self.grid.shape_hw,
            strict=True,
        ):
            first, last = max(start, corner), min(start + size, corner + own)
            if first >= last:
                return None
            ends.append((first, last, corner, start))
        (top, bottom, row, row_off), (left, right, col, col_off) = ends
        there = slice(top - row_off, bottom - row_off), slice(left - col_off, right - col_off)
        return Window(left - col, top - row, right - left, bottom - top), there


def join_maps(paths: Sequence[PathLike], output: Path, *, overwrite: bool = False) -> Path:
    """Write one map from finished maps; where they overlap, the first one with data wins.

    A layer is written if all maps have it.

    Raises
    ------
    RasterError, LabelError
        A file is no map, or its grid or legend differs from that of the first.
    OutputError
        The map cannot be written.
    """
    with ExitStack() as opened:
        maps = [_open(Path(path), opened, layers=True) for path in paths]
        for other in maps[1:]:
            _check_alike(maps[0], other)
        grid, maps = _joined(maps)
        layers = [name for name in LAYERS if all(name in each.layers for each in maps)]
        for name in sorted({name for each in maps for name in each.layers} - {*layers}):
            lacking = next(each.path for each in maps if name not in each.layers)
            log.info("no %s is written, as %s has none", name, lacking)
        check(class_map_product(output, layers), inputs=paths, overwrite=overwrite)
        tiles = {name: (maps[0].layers[name].dtypes[0], _tiles(maps, grid, name)) for name in layers}
        content = MapContent(grid, maps[0].legend, _tiles(maps, grid), tiles, _record(maps))
        write_map_files(output, content, overwrite=overwrite)
    return output


@contextmanager
def opened_map(path: PathLike, *, layers: bool = False) -> Iterator[FinishedMap]:
    """A finished map, on request with its layers; RasterError or LabelError if it is none."""
    with ExitStack() as opened:
        yield _open(Path(path), opened, layers=layers)


def origin_of(found: FinishedMap) -> dict[str, Any]:
    """How a map was made, by its record, for the record of a map that is made from it."""
    return {key: value for key, value in found.record.items() if key not in _OF_FILES}


def _open(path: Path, opened: ExitStack, *, layers: bool) -> FinishedMap:
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


def _check_alike(first: FinishedMap, other: FinishedMap) -> None:
    if other.grid.offset_in(first.grid) is None:
        raise RasterError(
            other.path,
            f"does not have the pixels of {first.path}: {other.grid.describe()}, from {_corner(other.grid)}, and "
            f"{first.grid.describe()}, from {_corner(first.grid)}",
            "Warp it to pixels of the other: gdalwarp -r near with -t_srs, -tr and -te.",
        )
    ours, theirs = (list(map(printable, each.legend.names)) for each in (first, other))  # files may hold short names
    if ours != theirs:
        raise RasterError(
            other.path,
            f"has other classes than {first.path}: {other.legend!r} and {first.legend!r}",
            "Map both scenes with one model.",
        )
    for name in first.layers.keys() & other.layers.keys():
        one, two = (each.layers[name] for each in (first, other))
        if one.dtypes[0] != two.dtypes[0]:
            problem = f"has pixels of {two.dtypes[0]}, and {one.name} of {one.dtypes[0]}"
            raise RasterError(two.name, problem, "Map both scenes with one `probability_type`.")


def _corner(grid: Grid) -> str:
    return f"{grid.transform.c:.10g} {grid.transform.f:.10g}"


def _joined(maps: Sequence[FinishedMap]) -> tuple[Grid, list[FinishedMap]]:
    """The grid that holds all maps, and the maps with their corners in it."""
    first = maps[0].grid
    corners = np.array([each.grid.offset_in(first) for each in maps])
    least, ends = corners.min(axis=0), (corners + [each.grid.shape_hw for each in maps]).max(axis=0)
    height, width = (int(side) for side in ends - least)
    if max(height, width) > MAX_SIDE_PX:
        raise RasterError(None, f"the joined map would have {width} × {height} px", "Join maps of one region.")
    grid = first.window_grid(Window(int(least[1]), int(least[0]), width, height))
    places = [(int(row), int(col)) for row, col in corners - least]
    return grid, [replace(each, corner=place) for each, place in zip(maps, places, strict=True)]


def _tiles(maps: Sequence[FinishedMap], grid: Grid, layer: str | None = None) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Windows with their codes (1, h, w), or with their pixels of a layer (bands, h, w)."""
    bands, nodata, dtype = 1, 0, maps[0].legend.dtype
    if layer is not None:
        first = maps[0].layers[layer]
        bands, nodata, dtype = first.count, layer_nodata(first.dtypes[0]), np.dtype(first.dtypes[0])
    for window in grid.tiles(_READ_PX):
        pixels = np.full((bands, window.height, window.width), nodata, dtype)
        free = np.ones(pixels.shape[1:], bool)
        for each in maps:
            if (place := each.inside(window)) is None:
                continue
            own, there = place
            codes = each.codes(own)
            values = codes[None] if layer is None else read_bands(each.layers[layer], own)
            wins = free[there] & (codes != 0)
            pixels[:, *there][:, wins] = values[:, wins]
            free[there] &= ~wins
        yield window, pixels


def _record(maps: Sequence[FinishedMap]) -> dict[str, Any]:
    """Provenance of the joined map: its maps in their order, and the pixels that they were trained on."""
    inputs = {f"map {i}": content_sha256(each.path) for i, each in enumerate(maps, 1)}
    made = [origin_of(each) for each in maps]
    training = _training([each.record.get("training") for each in maps])
    warnings = [f"{file_name(each.path)}: {text}" for each in maps for text in _texts(each.record.get("warnings"))]
    legend = json.loads(maps[0].legend.to_json())
    return record("mosaic", inputs, maps=made, training=training, legend=legend, warnings=warnings)


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
