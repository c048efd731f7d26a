"""Step: sieve. A finished map without its small patches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import class_map_product
from landcover_bdgf.mapping.finished_maps import FinishedMap, opened_map, origin_of
from landcover_bdgf.mapping.map_files import MapContent, write_map_files
from landcover_bdgf.mapping.patches import Sieve
from landcover_bdgf.mapping.settings import SieveSettings
from landcover_bdgf.storage import PathLike, check, content_sha256, record

_READ_PX = 1024


def sieve(map_path: PathLike, output: PathLike, *, settings: SieveSettings, overwrite: bool = False) -> Path:
    """Write a finished map without its small patches; the map itself and its layers stay as they are.

    Parameters
    ----------
    map_path : path
        A map of bdgf.
    output : path
        The sieved map, with its companions and its record, but without layers.
    settings : SieveSettings
        ``min_area`` is needed.
    overwrite : bool

    Raises
    ------
    SettingsError
        The least area or a class to keep is unknown.
    RasterError, LabelError, OutputError
        The map cannot be read, or the output cannot be written.
    """
    path, output = Path(map_path), Path(output)
    if settings.min_area is None:
        raise SettingsError("`min_area`", "is needed", "Write it like 0.5ha or 20px.")
    check(class_map_product(output), inputs=[path], overwrite=overwrite)
    with opened_map(path) as found:
        chosen = Sieve.of(settings, found.legend, found.grid)
        content = MapContent(found.grid, found.legend, _tiles(found), {}, _record(found, settings), chosen)
        write_map_files(output, content, overwrite=overwrite)
    return output


def _tiles(found: FinishedMap) -> Iterator[tuple[Window, NDArray[Any]]]:
    for window in found.grid.tiles(_READ_PX):
        yield window, found.codes(window)[None]


def _record(found: FinishedMap, settings: SieveSettings) -> dict[str, Any]:
    """Provenance: the map that was sieved, and what its record says of training pixels, mask and area."""
    inputs, legend = {"map": content_sha256(found.path)}, json.loads(found.legend.to_json())
    kept = {key: found.record[key] for key in ("training", "masked", "area") if key in found.record}
    return record("sieve", inputs, maps=[origin_of(found)], legend=legend, sieve=settings.to_dict(), **kept)
