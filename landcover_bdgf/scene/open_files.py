"""The open files of an image, and whether they stay the same while they are read."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

from rasterio.io import DatasetReader

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import is_zip, open_raster
from landcover_bdgf.scene.product_archive import unpack_rasters
from landcover_bdgf.storage import is_remote, typed_path

State = tuple[int, int, int] | None


class OpenFiles(dict[Path, DatasetReader]):
    """Open rasters by path, opened on first access with the options of :func:`open_raster`."""

    def __init__(self, **options: bool) -> None:
        super().__init__()
        self._options = options
        self._archives: dict[Path, Path] = {}  # by temporary folder
        self._folders: dict[Path, Path] = {}  # by archive
        self._parts: tuple[OpenFiles, ...] = ()  # of which it was joined

    @classmethod
    def joined(cls, several: Sequence[OpenFiles]) -> OpenFiles:
        """The files of several; their temporary folders are kept as long as this object."""
        joined = cls(**several[0]._options)
        joined._parts = tuple(several)
        for files in several:
            joined.update(files)
            joined._archives |= files._archives
            joined._folders |= files._folders
        return joined

    def __missing__(self, path: Path) -> DatasetReader:
        self[path] = open_raster(path, **self._options)
        return self[path]

    def unpacked(self, path: Path) -> Path:
        """The folder with the rasters of a zip archive, removed with this object; any other path as it is."""
        if not is_zip(path):
            return path
        if path not in self._folders:
            temporary, self._folders[path] = unpack_rasters(path)
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
            self._archives[temporary] = path
        return self._folders[path]

    def _delivered(self, path: Path) -> Path:
        """The archive that a file was unpacked from; any other path as it is."""
        return next((archive for folder, archive in self._archives.items() if path.is_relative_to(folder)), path)

    def states(self) -> dict[Path, State]:
        """The state of all files that are read: rasters, the other files that GDAL reads for them, and archives."""
        names = (name for path, dataset in self.items() for name in files_of(path, dataset))
        return {file: state_of(file) for file in map(self._delivered, names)}

    def close(self) -> None:
        """Close all files."""
        while self:
            self.popitem()[1].close()


def files_of(path: Path, dataset: DatasetReader) -> list[Path]:
    """A raster and the other files that GDAL reads for it."""
    return list(dict.fromkeys((path, *map(typed_path, dataset.files))))


def state_of(path: Path) -> State:
    """Size, modification time and inode of a file; None for a remote file."""
    if is_remote(str(path)):
        return None
    try:
        found = path.stat()
    except OSError:  # deleted in the meantime
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ino


def check_states(states: Mapping[Path, State]) -> None:
    """RasterError if a file was replaced or modified since its state was taken."""
    for path, state in states.items():
        if state_of(path) != state:
            remedy = "Run again when nothing else is writing to it."
            raise RasterError(path, "was modified while it was being read", remedy)
