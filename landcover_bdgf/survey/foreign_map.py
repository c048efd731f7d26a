"""A class raster of another program, or a map of bdgf with other class names, as a map for steps that read one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from landcover_bdgf.geo import RasterProfile, write_raster
from landcover_bdgf.labels import LAYERS, NODATA, Legend, layer_path, write_companions
from landcover_bdgf.storage import PathLike, read_record, write_record
from landcover_bdgf.survey.class_raster import open_classes
from landcover_bdgf.text import FILE_NAMES


@contextmanager
def as_map(path: PathLike, legend_file: PathLike | None = None) -> Iterator[tuple[Path, tuple[int, ...]]]:
    """A map with codes from 1 and its class names, and the codes of its classes in the raster.

    It is the raster itself if that is such a map, else a temporary copy.

    The copy has the record and the layers of the raster, but for those by class. Messages about it name the raster.
    """
    path = Path(path)
    with open_classes(path, legend_file) as map_, TemporaryDirectory(prefix="bdgf-") as folder:
        named = legend_file is None and map_.named
        as_written = map_.values == map_.legend.codes and map_.nodata in (None, NODATA)
        if named and as_written and map_.dataset.dtypes[0] in ("uint8", "uint16"):
            yield path, map_.values
            return
        copy = Path(folder) / f"{path.stem}.tif"
        FILE_NAMES[str(copy)] = str(path)
        profile = RasterProfile(str(map_.legend.dtype), nodata=NODATA, colormap=map_.legend.colors)
        write_raster(copy, map_.grid, ((window, codes[None]) for window, codes in map_.strips()), profile=profile)
        write_companions(copy, map_.legend)
        _copy_rest(path, copy, map_.legend)
        yield copy, map_.values


def _copy_rest(path: Path, copy: Path, legend: Legend) -> None:
    """Copy the record, with the new class names, and the layers without a band for each class."""
    if found := read_record(path):
        write_record(copy, found | {"legend": json.loads(legend.to_json())})
    for name in (name for name, kind in LAYERS.items() if not kind.by_class):
        if (layer := layer_path(path, name)).is_file():
            FILE_NAMES[str(layer_path(copy, name))] = str(layer)
            shutil.copyfile(layer, layer_path(copy, name))
