"""Files taken out of a zip archive."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from landcover_bdgf.errors import BdgfError, unwritten

MAX_RATIO, LEAST_BYTES = 100, 10**9  # of unpacking; images and tables are seldom packed by more than 20
_ZIP = b"PK\x03\x04"


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


@contextmanager
def opened(path: Path, kind: type[BdgfError]) -> Iterator[zipfile.ZipFile]:
    """An archive to list and extract; ``kind`` is raised if it is damaged or encrypted."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        remedy = "Unpack it and give what is in it, or copy it again."
        raise kind(path, f"cannot be unpacked ({error})", remedy) from error


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of an archive, without those that macOS and others add."""
    files = [member for member in archive.infolist() if not member.is_dir()]
    return [m for m in files if not m.filename.startswith("__MACOSX/") and PurePosixPath(m.filename).name[:1] != "."]


def extract(
    path: Path, archive: zipfile.ZipFile, taken: Sequence[zipfile.ZipInfo], folder: Path, kind: type[BdgfError]
) -> list[Path]:
    """Write files of an archive into a folder, below which they keep their own folders; returns their paths.

    Raises
    ------
    BdgfError
        ``kind`` if the files are much larger than the archive or do not fit on the disk, OutputError if they cannot be
        written.
    """
    size = sum(member.file_size for member in taken)
    if size > max(LEAST_BYTES, MAX_RATIO * path.stat().st_size):
        raise kind(path, f"declares {size / 1e9:.0f} GB of files", "Unpack it and give what is in it.")
    free = shutil.disk_usage(folder).free
    if size > free:
        problem = f"needs {size / 1e9:.2g} GB to be unpacked, {free / 1e9:.2g} GB are free in {tempfile.gettempdir()}"
        raise kind(path, problem, "Free some space, or set TMPDIR to a folder on another disk.")
    written = []
    for member in taken:
        target = folder.joinpath(*_parts(member.filename))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = target.open("wb")
        except OSError as error:
            raise unwritten(target, error) from error
        with file, archive.open(member) as source:
            while block := source.read(2**20):
                try:
                    file.write(block)
                except OSError as error:
                    raise unwritten(target, error) from error
        written.append(target)
    return written


def _parts(name: str) -> list[str]:
    """The folders and the name of a member; a path in an archive may lead out of it."""
    return [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
