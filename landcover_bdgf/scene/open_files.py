"""The open files of an image, and whether they stay the same while they are read."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path

from rasterio.io import DatasetReader

from landcover_bdgf.geo import is_zip, open_raster
from landcover_bdgf.scene.product_archive import unpack_rasters
from landcover_bdgf.storage import is_remote, typed_path

State = tuple[int, int, int] | None


class OpenFiles(dict[Path, DatasetReader]):
    """Open rasters by path, opened on first access with the options of :func:`open_raster`."""

    def __init__(self, **options: bool) -> None:
        super().__init__()
        self._options = options
        self._archives: dict[Path, Path] = {}

    def __missing__(self, path: Path) -> DatasetReader:
        self[path] = open_raster(path, **self._options)
        return self[path]

    def unpacked(self, path: Path) -> Path:
        """The folder with the rasters of a zip archive, removed with this object; any other path as it is."""
        if not is_zip(path):
            return path
        temporary, folder = unpack_rasters(path)
        weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
        self._archives[temporary] = path
        return folder

    def _delivered(self, path: Path) -> Path:
        """The archive that a file was unpacked from; any other path as it is."""
        return next((archive for folder, archive in self._archives.items() if path.is_relative_to(folder)), path)

    def states(self) -> dict[Path, State]:
        """The state of all files that are read: rasters, the other files that GDAL reads for them, and archives."""
        names = (name for path, dataset in self.items() for name in (path, *map(typed_path, dataset.files)))
        return {file: state_of(file) for file in map(self._delivered, names)}

    def close(self) -> None:
        """Close all files."""
        while self:
            self.popitem()[1].close()


def state_of(path: Path) -> State:
    """Size, modification time and inode of a file; None for a remote file."""
    if is_remote(str(path)):
        return None
    try:
        found = path.stat()
    except OSError:  # deleted in the meantime
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ino
