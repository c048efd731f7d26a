"""Join the parts of a map, which one run or several shards have finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

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
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, atomic_output, check, write_record


def mosaic(parts: Sequence[PathLike], output: PathLike, *, overwrite: bool = False) -> Path:
    """Write a map from the parts of all its shards; the file is byte-identical to a map made without shards.

    Parameters
    ----------
    parts : sequence of paths
        The ``.partial`` folders of all shards.
    output : path
    overwrite : bool

    Raises
    ------
    OutputError
        A part is missing, unfinished, duplicated, damaged, or of another map; or the map cannot be written.
    """
    output = Path(output)
    check(class_map_product(output), inputs=parts, overwrite=overwrite)
    shards = [read_partial(Path(part)) for part in parts]
    _check_parts(shards)
    shards.sort(key=lambda part: part.plan.shard)  # the record comes from the first, in any order of the arguments
    check(class_map_product(output, shards[0].plan.layers), inputs=parts, overwrite=overwrite)
    return write_map(shards, output, overwrite=overwrite)


def write_map(parts: Sequence[PartialMap], output: Path, *, overwrite: bool, begun: bool = False) -> Path:
    """Write the class raster, its companions and record, and the requested layers.

    With ``begun``, an interrupted run may already have written all but the class raster.
    """
    plan = parts[0].plan
    grid, legend = plan.map_grid(), plan.legend
    log.info("writing %s", output)
    classes = RasterProfile(
        str(legend.dtype), nodata=NODATA, band_names=("land cover",), colormap=legend.colors, overviews="mode"
    )
    with atomic_output(output, overwrite=overwrite, begun=begun) as draft:
        write_raster(draft, grid, _tiles(parts), profile=classes)
        for name in plan.layers:
            percent = RasterProfile("uint8", nodata=LAYER_NODATA, band_names=(LAYERS[name],), overviews="average")
            tiles = _tiles(parts, list(LAYERS).index(name))
            write_raster(layer_path(draft, name), grid, tiles, profile=percent)
        write_companions(draft, legend)
        companions = [*companion_paths(draft), *(layer_path(draft, name) for name in plan.layers)]
        write_record(draft, plan.record | {"layers": plan.layers}, beside=companions)
    return output


def _tiles(parts: Sequence[PartialMap], layer: int | None = None) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Windows with their pixels of a layer, or with their codes, (1, h, w)."""
    for part in parts:
        for window in part.windows():
            piece = part.read(window)
            yield window, (piece.codes if layer is None else piece.layers[layer])[None]


def _check_parts(parts: Sequence[PartialMap]) -> None:
    first = parts[0]
    count = first.plan.shard[1]
    found: dict[int, PartialMap] = {}
    for part in parts:
        number = part.plan.shard[0]
        if (part.plan.identity, part.plan.shard[1]) != (first.plan.identity, count):
            raise OutputError(part.path, f"belongs to another map than {first.path}", "Give the parts of one map.")
        if number in found:
            raise OutputError(part.path, f"is shard {number} of {count}, like {found[number].path}", "Give each once.")
        if part.finished_px != part.plan.pixels:
            raise OutputError(part.path, "is not finished", "Run this shard again with `resume`.")
        found[number] = part
    missing = [str(number) for number in range(1, count + 1) if number not in found]
    if missing:
        raise OutputError(first.path, f"is one of {count} shards; missing: {', '.join(missing)}", "Give all parts.")
