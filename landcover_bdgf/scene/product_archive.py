"""A zip archive with the rasters of one image, unpacked into a temporary folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import extract, members, opened
from landcover_bdgf.progress import log
from landcover_bdgf.scene.product_files import RASTER_SUFFIXES
from landcover_bdgf.text import FILE_NAMES, listed

_BESIDE = (".hdr", ".xml", ".prj")  # headers of ENVI images, metadata of products
_BANDS = ("GRANULE", "IMG_DATA", "measurement")  # folders of Sentinel products that hold the bands


def unpack_rasters(path: Path) -> tuple[Path, Path]:
    """Unpack the rasters of an archive; returns a temporary folder, which the caller removes, and the product in it.

    RasterError if the archive is damaged, holds no rasters, or those of several folders.
    """
    temporary = Path(tempfile.mkdtemp(prefix="bdgf-"))
    folder = temporary / path.stem  # a date in its name is that of the image
    folder.mkdir()
    FILE_NAMES[str(folder)] = str(path)
    try:
        with opened(path, RasterError) as archive:
            files = members(archive)
            rasters = [member for member in files if _suffix(member.filename) in RASTER_SUFFIXES]
            if not rasters:
                problem = "is a zip archive without rasters"
                raise RasterError(path, problem, f"Expected {', '.join(RASTER_SUFFIXES)} files in it.")
            log.info("%s: unpacking %.2g GB.", path, sum(member.file_size for member in rasters) / 1e9)
            taken = [member for member in files if member in rasters or _suffix(member.filename) in _BESIDE]
            extract(path, archive, taken, folder, RasterError)
        return temporary, _product(path, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _product(path: Path, folder: Path) -> Path:
    """The folder with the rasters, which may lie a few folders deep."""
    while True:
        entries = list(folder.iterdir())
        if any(file.is_file() and file.suffix.lower() in RASTER_SUFFIXES for file in entries):
            return folder
        within = [e for e in entries if e.is_dir() and any(_suffix(f.name) in RASTER_SUFFIXES for f in e.rglob("*"))]
        if any(entry.name in _BANDS for entry in within):
            return folder
        if len(within) > 1:
            names = listed(sorted(entry.name for entry in within))
            raise RasterError(path, f"holds {len(within)} folders of rasters, {names}", "Unpack it and give one.")
        folder = within[0]


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
