"""Join the parts of a map, which one run or several shards have finished, or finished maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError, SettingsError
from landcover_bdgf.labels import class_map_product
from landcover_bdgf.mapping.condition_counts import condition_counts
from landcover_bdgf.mapping.joining import join_maps
from landcover_bdgf.mapping.map_files import MapContent, tell_edges, write_map_files
from landcover_bdgf.mapping.partial_map import PLAN, SUFFIX, PartialMap, read_partial
from landcover_bdgf.mapping.patches import Sieve, Tiles
from landcover_bdgf.mapping.settings import MosaicSettings
from landcover_bdgf.storage import PathLike, check, read_record


def mosaic(
    parts: Sequence[PathLike], output: PathLike, *, settings: MosaicSettings | None = None, overwrite: bool = False
) -> Path:
    """Write one map from the parts of all its shards, or from finished maps whose classes agree.

    The map of shards is byte-identical to one made without shards. Finished maps may overlap and have different grids;
    those that do not have the pixels of the mosaic are resampled to the nearest pixel. A layer is written if all have
    it. How well maps agree where they overlap is logged and recorded.

    Parameters
    ----------
    parts : sequence of paths
        The ``.partial`` folders of all shards, or maps. Another folder stands for its maps, in the order
        of their names.
    output : path
    settings : MosaicSettings, optional
        For finished maps: what decides in overlaps; CRS and resolution.
    overwrite : bool

    Raises
    ------
    SettingsError
        Settings are given for shards, or the CRS is unknown.
    OutputError
        A part is missing, unfinished, duplicated, damaged, or of another map; or the map cannot be written.
    RasterError, LabelError
        A file is no map, its classes contradict those of another, or it lacks the layer that decides in overlaps.
    """
    output, paths = Path(output), [path for part in parts for path in _maps_in(Path(part))]
    check(class_map_product(output), inputs=paths, overwrite=overwrite)
    partial = [path for path in paths if _is_part(path)]
    if not partial:
        return join_maps(paths, output, settings=settings, overwrite=overwrite)
    if settings not in (None, MosaicSettings()):
        problem = f"{settings} is for finished maps, and {partial[0]} is a part of one"
        raise SettingsError(None, problem, "Leave it out.")
    if len(partial) < len(paths):
        problem = f"is a part of a map, and {next(path for path in paths if path not in partial)} is not"
        raise OutputError(partial[0], problem, "Join the parts first, then the finished maps.")
    shards = [read_partial(path) for path in paths]
    _check_parts(shards)
    shards.sort(key=lambda part: part.plan.shard)  # the record comes from the first, in any order of the arguments
    check(class_map_product(output, shards[0].plan.layers), inputs=paths, overwrite=overwrite)
    return write_map(shards, output, overwrite=overwrite)


def _is_part(path: Path) -> bool:
    return path.suffix == SUFFIX or (path / PLAN).is_file()


def _maps_in(path: Path) -> list[Path]:
    """The maps of a folder, such as that of a table of scenes; a file or a part of a map stands for itself."""
    if _is_part(path) or not path.is_dir():
        return [path]
    maps = [file for file in sorted(path.glob("*.tif")) if read_record(file).get("step") == "map"]
    if not maps:
        raise OutputError(path, "is a folder without maps", "Give maps, or .partial folders of bdgf map --shard.")
    return maps


def write_map(
    parts: Sequence[PartialMap], output: Path, *, overwrite: bool, begun: bool = False, sieve: Sieve | None = None
) -> Path:
    """Write the map of finished parts; ``begun`` as in :func:`write_map_files`."""
    plan, novel = parts[0].plan, np.sum([part.compared() for part in parts], axis=0).tolist()
    warnings = list(dict.fromkeys(text for part in parts for text in part.warnings()))
    found = {"warnings": warnings, "novelty": {"novel_px": novel[0], "compared_px": novel[1]}}
    if "condition" in plan.layers:
        found |= {"conditions": condition_counts(_tiles(parts, "condition"))}
    layers: dict[str, tuple[str, Tiles]] = {name: (dtype, _tiles(parts, name)) for name, dtype in plan.layers.items()}
    content = MapContent(plan.map_grid(), plan.legend, _tiles(parts), layers, plan.record | found, sieve)
    write_map_files(output, content, overwrite=overwrite, begun=begun)
    tell_edges(output)
    return output


def _tiles(parts: Sequence[PartialMap], layer: str | None = None) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Windows with their pixels of a layer (bands, h, w), or with their codes (1, h, w)."""
    for part in parts:
        for window in part.windows():
            if layer is None:
                yield window, part.read(window).codes[None]
            else:
                yield window, part.read(window, layer).layers[layer]


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
