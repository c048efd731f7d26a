"""A class raster of another program as a map of bdgf, for steps that read one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from landcover_bdgf.geo import RasterProfile, write_raster
from landcover_bdgf.labels import NODATA, write_companions
from landcover_bdgf.storage import PathLike
from landcover_bdgf.survey.class_raster import open_classes
from landcover_bdgf.text import FILE_NAMES


@contextmanager
def as_map(path: PathLike, legend_file: PathLike | None = None) -> Iterator[Path]:
    """The path of a map with codes from 1 and its class names: the raster itself if it is one, else a temporary copy.

    Messages about the copy name the raster.
    """
    path = Path(path)
    with open_classes(path, legend_file) as map_, TemporaryDirectory(prefix="bdgf-") as folder:
        named = legend_file is None and map_.named
        as_written = map_.values == map_.legend.codes and map_.nodata in (None, NODATA)
        if named and as_written and map_.dataset.dtypes[0] in ("uint8", "uint16"):
            yield path
            return
        copy = Path(folder) / f"{path.stem}.tif"
        FILE_NAMES[str(copy)] = str(path)
        profile = RasterProfile(str(map_.legend.dtype), nodata=NODATA, colormap=map_.legend.colors)
        write_raster(copy, map_.grid, ((window, codes[None]) for window, codes in map_.strips()), profile=profile)
        write_companions(copy, map_.legend)
        yield copy
