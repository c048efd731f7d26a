"""Step: sieve. A finished map without its small patches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.labels import as_map, class_map_product
from landcover_bdgf.mapping.finished_maps import FinishedMap, opened_map, origin_of
from landcover_bdgf.mapping.map_files import MapContent, write_map_files
from landcover_bdgf.mapping.patches import Sieve
from landcover_bdgf.mapping.settings import SieveSettings
from landcover_bdgf.storage import PathLike, check, content_sha256, record

_READ_PX = 1024


def sieve(
    map_path: PathLike, output: PathLike, *,
    settings: SieveSettings, legend: PathLike | None = None, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write a finished map without its small patches; the map itself and its layers stay as they are.

    Parameters
    ----------
    map_path : path
        A map, or any class raster, whose pixel values stay.
    output : path
        The sieved map, with its companions and its record, but without layers.
    settings : SieveSettings
    legend : path, optional
        Class names of the map, see :func:`~landcover_bdgf.labels.open_classes`.
    overwrite : bool

    Raises
    ------
    SettingsError
        The least area or a class to keep is unknown.
    RasterError, LabelError, OutputError
        The map cannot be read, or the output cannot be written.
    """
    path, output = Path(map_path), Path(output)
    check(class_map_product(output), inputs=[path], overwrite=overwrite)
    with as_map(path, legend) as map_, opened_map(map_.path) as found:
        chosen = Sieve.of(settings, found.legend, found.grid)
        made = _record(found, settings) | {"inputs": {"map": content_sha256(path)}}
        content = MapContent(found.grid, found.legend, _tiles(found), {}, made, chosen)
        if map_.foreign:  # its classes are read from the files next to it, with its pixel values
            content = replace(
                content, record={k: v for k, v in made.items() if k != "legend"}, values=map_.values, nodata=map_.nodata
            )
        write_map_files(output, content, overwrite=overwrite)
    return output


def _tiles(found: FinishedMap) -> Iterator[tuple[Window, NDArray[Any]]]:
    for window in found.grid.tiles(_READ_PX):
        yield window, found.codes(window)[None]


def _record(found: FinishedMap, settings: SieveSettings) -> dict[str, Any]:
    """Provenance: the map that was sieved, and what its record says of training pixels, mask and area."""
    legend = json.loads(found.legend.to_json())
    kept = {key: found.record[key] for key in ("training", "masked", "area") if key in found.record}
    return record("sieve", {}, maps=[origin_of(found)], legend=legend, sieve=settings.to_dict(), **kept)
