"""Step: one map out of the parts that its runs or shards have finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo import RasterProfile, write_raster
from landcover_bdgf.labels import (
    LAYER_NODATA,
    LAYERS,
    NODATA,
    class_map_product,
    companion_paths,
    layer_path,
    write_companions,
)
from landcover_bdgf.mapping.partial_map import PartialMap, read_partial
from landcover_bdgf.model import Classified
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, atomic_output, check, write_record

Tiles = Iterator[tuple[Window, NDArray[Any]]]


def mosaic(parts: Sequence[PathLike], output: PathLike, *, overwrite: bool = False) -> Path:
    """Write the map of which shards have finished the parts: the same bytes as without shards.

    Parameters
    ----------
    parts : sequence of paths
        The folders ``….partial`` of all shards.
    output : path
    overwrite : bool

    Raises
    ------
    OutputError
        A part is missing, unfinished, double, damaged, or belongs to another map; or the map cannot be written.
    """
    output = Path(output)
    check(class_map_product(output), inputs=parts, overwrite=overwrite)
    shards = [read_partial(Path(part)) for part in parts]
    _check_parts(shards)
    shards.sort(key=lambda part: part.plan.shard)  # the record is that of the first, however named
    check(class_map_product(output, shards[0].plan.layers), inputs=parts, overwrite=overwrite)
    return write_map(shards, output, overwrite=overwrite)


def write_map(parts: Sequence[PartialMap], output: Path, *, overwrite: bool, begun: bool = False) -> Path:
    """Class raster, its companions and record, and the layers that were asked for, from complete parts.

    With ``begun`` all but the class raster may be there already, from an interrupted run.
    """
    plan = parts[0].plan
    grid, legend = plan.map_grid(), plan.legend
    log.info("writing %s", output)
    classes = RasterProfile(
        str(legend.dtype), nodata=NODATA, band_names=("land cover",), colormap=legend.colors, overviews="mode"
    )
    with atomic_output(output, overwrite=overwrite, begun=begun) as draft:
        write_raster(draft, grid, _tiles(parts, lambda piece: piece.codes), profile=classes)
        for name in plan.layers:
            percent = RasterProfile("uint8", nodata=LAYER_NODATA, band_names=(LAYERS[name],), overviews="average")
            tiles = _tiles(parts, partial(_layer, list(LAYERS).index(name)))
            write_raster(layer_path(draft, name), grid, tiles, profile=percent)
        write_companions(draft, legend)
        beside = [*companion_paths(draft), *(layer_path(draft, name) for name in plan.layers)]
        write_record(draft, plan.record | {"layers": plan.layers}, beside=beside)
    return output


def _layer(number: int, piece: Classified) -> NDArray[np.uint8]:
    return piece.layers[number]


def _tiles(parts: Sequence[PartialMap], layer: Callable[[Classified], NDArray[Any]]) -> Tiles:
    for part in parts:
        for window in part.windows():
            yield window, layer(part.read(window))[None]


def _check_parts(parts: Sequence[PartialMap]) -> None:
    first = parts[0]
    count = first.plan.shard[1]
    found: dict[int, PartialMap] = {}
    for part in parts:
        number = part.plan.shard[0]
        if (part.plan.identity, part.plan.shard[1]) != (first.plan.identity, count):
            raise OutputError(part.path, f"is part of another map than {first.path}", "Leave one of them out.")
        if number in found:
            raise OutputError(part.path, f"is shard {number} of {count}, as {found[number].path} is")
        if part.finished_px != part.plan.pixels:
            raise OutputError(part.path, "is not finished", "Run its shard again with --resume.")
        found[number] = part
    missing = [str(number) for number in range(1, count + 1) if number not in found]
    if missing:
        raise OutputError(first.path, f"is one of {count} shards; missing: {', '.join(missing)}", "Name all parts.")
