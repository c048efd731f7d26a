"""A zip archive with one vector file, unpacked into a temporary folder."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from landcover_bdgf.errors import LabelError, unwritten
from landcover_bdgf.text import listed

_VECTORS = (".shp", ".gpkg", ".geojson", ".geojsonl", ".fgb", ".kml", ".sqlite")
_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_MOST_BYTES = 4 * 10**9  # a .shp and a .dbf of the largest size that the formats allow


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The one vector file in a zip archive, with the other files of a Shapefile; removed at the end of the block.

    Raises
    ------
    LabelError
        If the archive is damaged, or holds no vector file or several. Errors within the block about the unpacked file
        are raised as errors of the archive.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                file = _unpack(path, archive, Path(folder))
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
            remedy = "Unpack it and give the file in it, or copy it again."
            raise LabelError(path, f"cannot be unpacked ({error})", remedy) from error
        except OSError as error:
            raise unwritten(folder, error) from error
        try:
            yield file
        except LabelError as error:
            if error.path is None or not Path(error.path).is_relative_to(folder):
                raise
            raise LabelError(path, f"{Path(error.path).name} in it: {error.problem}", error.remedy) from error


def _unpack(path: Path, archive: zipfile.ZipFile, folder: Path) -> Path:
    members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    vectors = [m for m in members if _suffix(m.filename) in _VECTORS]
    vectors = vectors or [m for m in members if _suffix(m.filename) == ".json"]  # otherwise a description of the others
    if any(_suffix(m.filename) == ".gdbtable" for m in members):
        raise LabelError(path, "holds a File Geodatabase", "Unpack it and give its .gdb folder.")
    if not vectors:
        raise LabelError(path, "is an archive without a vector file", "Give a file of labels.")
    if len(vectors) > 1:
        found = listed(sorted(m.filename for m in vectors))
        raise LabelError(path, f"is an archive of {len(vectors)} vector files, {found}", "Unpack it and give one.")
    chosen = PurePosixPath(vectors[0].filename)
    taken = [vectors[0]]
    if chosen.suffix.lower() == ".shp":
        stem = vectors[0].filename[:-4]
        taken = [m for m in members if m.filename[:-4] == stem and _suffix(m.filename) in _PARTS]
    if sum(m.file_size for m in taken) > _MOST_BYTES:
        raise LabelError(path, f"holds more than {_MOST_BYTES // 10**9} GB", "Unpack it and give the file in it.")
    for member in taken:  # only names, never folders: a path in an archive may lead out of it
        with archive.open(member) as source, (folder / PurePosixPath(member.filename).name).open("wb") as target:
            while block := source.read(2**20):
                target.write(block)
    return folder / chosen.name


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
