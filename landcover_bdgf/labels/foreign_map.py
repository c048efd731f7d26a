"""A class raster of another program, or a map of bdgf with other class names, as a map for steps that read one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from landcover_bdgf.geo import RasterProfile, write_raster
from landcover_bdgf.labels.class_map import NODATA
from landcover_bdgf.labels.class_raster import ClassRaster, open_classes
from landcover_bdgf.labels.layers import LAYERS, layer_path
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.storage import PathLike, read_record, write_record
from landcover_bdgf.text import FILE_NAMES


@dataclass(frozen=True)
class MapOfClasses:
    """A class raster with codes from 1 and its class names.

    Attributes
    ----------
    path : Path
        The raster itself if it is such a map, else a copy.
    values : tuple of int
        The pixel values of its classes in the raster, in the order of their codes.
    nodata : int
        The pixel value without data in the raster; if it has none, one that is free.
    """

    path: Path
    values: tuple[int, ...]
    nodata: int

    @classmethod
    def of(cls, map_: ClassRaster, path: Path) -> MapOfClasses:
        """A raster whose codes are those of the map at ``path``."""
        free = (value for value in (0, 255, 65_535) if value not in map_.values)
        declared = map_.nodata is not None and 0 <= map_.nodata <= 65_535
        return cls(path, map_.values, int(map_.nodata) if declared else next(free))  # type: ignore[arg-type]

    @property
    def foreign(self) -> bool:
        """Whether the raster has other codes than its map."""
        return self.values != tuple(range(1, len(self.values) + 1))


@contextmanager
def as_map(path: PathLike, legend_file: PathLike | None = None) -> Iterator[MapOfClasses]:
    """A class raster of any program as a map; if it is not one, a temporary copy is made.

    The copy has the record and the layers of the raster, except those with a band for each class. Messages about it
    name the raster.
    """
    path = Path(path)
    with open_classes(path, legend_file) as map_, TemporaryDirectory(prefix="bdgf-") as folder:
        named = legend_file is None and map_.named
        as_written = map_.values == map_.legend.codes and map_.nodata in (None, NODATA)
        if named and as_written and map_.dataset.dtypes[0] in ("uint8", "uint16"):
            yield MapOfClasses.of(map_, path)
            return
        copy = Path(folder) / f"{path.stem}.tif"
        FILE_NAMES[str(copy)] = str(path)
        profile = RasterProfile(str(map_.legend.dtype), nodata=NODATA, colormap=map_.legend.colors)
        write_raster(copy, map_.grid, ((window, codes[None]) for window, codes in map_.strips()), profile=profile)
        write_companions(copy, map_.legend)
        _copy_rest(path, copy, map_.legend)
        yield MapOfClasses.of(map_, copy)


def _copy_rest(path: Path, copy: Path, legend: Legend) -> None:
    """Copy the record, with the new class names, and the layers without a band for each class."""
    if found := read_record(path):
        write_record(copy, found | {"legend": json.loads(legend.to_json())})
    for name in (name for name, kind in LAYERS.items() if not kind.by_class):
        if (layer := layer_path(path, name)).is_file():
            FILE_NAMES[str(layer_path(copy, name))] = str(layer)
            shutil.copyfile(layer, layer_path(copy, name))
