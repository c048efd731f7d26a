"""Step: one map out of the parts that its runs or shards have finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import CRSError
from rasterio.windows import Window

from landcover_bdgf.errors import LabelError, OutputError
from landcover_bdgf.geo import Grid, RasterProfile, write_raster
from landcover_bdgf.labels import (
    LAYER_NODATA,
    LAYERS,
    NODATA,
    Legend,
    class_map_product,
    companion_paths,
    layer_path,
    write_companions,
)
from landcover_bdgf.mapping.journal import Journal, damaged, read_journal
from landcover_bdgf.model import Classified
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, atomic_output, check, write_record

Tiles = Iterator[tuple[Window, NDArray[Any]]]


def mosaic(parts: Sequence[PathLike], output: PathLike, *, overwrite: bool = False) -> Path:
    """Write the map of which shards have finished the parts: the same bytes as without shards.

    Raises
    ------
    OutputError
        A part is missing, unfinished, double, damaged, or belongs to another map; or the map cannot be written.
    """
    output = Path(output)
    check(class_map_product(output), inputs=parts, overwrite=overwrite)
    with ExitStack() as stack:
        journals = [stack.enter_context(read_journal(Path(part))) for part in parts]
        _check_parts(journals)
        journals.sort(key=lambda journal: _shard(journal.header))  # the record is that of the first, however named
        check(class_map_product(output, described(journals[0])[3]), inputs=parts, overwrite=overwrite)
        return write_map(journals, output, overwrite=overwrite)


def write_map(journals: Sequence[Journal], output: Path, *, overwrite: bool, begun: bool = False) -> Path:
    """Class raster, its companions and record, and the layers that were asked for, from complete journals.

    With ``begun`` all but the class raster may be there already, from an interrupted run.
    """
    grid, legend, record, layers = described(journals[0])
    _check_cover(journals, grid)
    log.info("writing %s", output)
    classes = RasterProfile(
        str(legend.dtype), nodata=NODATA, band_names=("land cover",), colormap=legend.colors, overviews="mode"
    )
    with atomic_output(output, overwrite=overwrite, begun=begun) as draft:
        write_raster(draft, grid, _tiles(journals, legend, lambda piece: piece.codes), profile=classes)
        for name in layers:
            percent = RasterProfile("uint8", nodata=LAYER_NODATA, band_names=(LAYERS[name],), overviews="average")
            tiles = _tiles(journals, legend, partial(_layer, list(LAYERS).index(name)))
            write_raster(layer_path(draft, name), grid, tiles, profile=percent)
        write_companions(draft, legend)
        beside = [*companion_paths(draft), *(layer_path(draft, name) for name in layers)]
        write_record(draft, record | {"layers": layers}, beside=beside)
    return output


def described(journal: Journal) -> tuple[Grid, Legend, dict[str, Any], list[str]]:
    """Grid, legend and record of the map that a journal is part of, and the layers that were asked for.

    Raises
    ------
    OutputError
        Its header is damaged.
    """
    header = journal.header
    try:
        grid, legend = Grid.from_dict(header["grid"]), Legend.from_json(json.dumps(header["legend"]))
        return grid, legend, dict(header["record"]), [name for name in LAYERS if name in header["layers"]]
    except (LabelError, CRSError, ValueError, TypeError, LookupError) as error:
        raise damaged(journal.path, error) from error


def _layer(number: int, piece: Classified) -> NDArray[np.uint8]:
    return piece.layers[number]


def _tiles(journals: Sequence[Journal], legend: Legend, layer: Callable[[Classified], NDArray[Any]]) -> Tiles:
    for journal in journals:
        for window, piece in journal.pieces():
            if piece.codes.max() > len(legend.entries):
                raise damaged(journal.path, f"it holds class {piece.codes.max()} of {len(legend.entries)}")
            try:
                pixels = layer(piece)
            except IndexError as error:
                raise damaged(journal.path, "it lacks a layer of the map") from error
            yield window, pixels[None]


def _check_parts(journals: Sequence[Journal]) -> None:
    first = journals[0]
    found: dict[int, Journal] = {}
    for journal in journals:
        number, count = _shard(journal.header)
        if (journal.header["identity"], count) != (first.header["identity"], _shard(first.header)[1]):
            raise OutputError(journal.path, f"is part of another map than {first.path}", "Leave one of them out.")
        if number in found:
            raise OutputError(journal.path, f"is shard {number} of {count}, as {found[number].path} is")
        if sum(height * width for _, _, height, width in journal.places) != journal.header.get("pixels"):
            raise OutputError(journal.path, "is not finished", "Run its shard again with --resume.")
        found[number] = journal
    count = _shard(first.header)[1]
    missing = [str(number) for number in range(1, count + 1) if number not in found]
    if missing:
        raise OutputError(first.path, f"is one of {count} shards; missing: {', '.join(missing)}", "Name all parts.")


def _check_cover(journals: Sequence[Journal], grid: Grid) -> None:
    """Refuse windows that lie beside the map or on one another, or leave some of it out."""
    height, width = grid.shape_hw
    places = sorted((place, journal.path) for journal in journals for place in journal.places)
    total = 0
    for (row, col, rows, cols), path in places:
        total += rows * cols
        if row + rows > height or col + cols > width:
            raise damaged(path, "a window lies outside the map")
    if total != height * width:
        raise damaged(journals[0].path, f"its windows hold {total} of {height * width} pixels")
    ends = np.zeros(width, np.int32)  # of each column: the first row that no window has taken yet, from the top
    for (row, col, rows, cols), path in places:
        if ends[col : col + cols].max() > row:
            raise damaged(path, "two windows hold the same pixels")
        ends[col : col + cols] = row + rows


def _shard(header: Mapping[str, Any]) -> tuple[int, int]:
    number, count = header.get("shard", (1, 1))
    return number, count
