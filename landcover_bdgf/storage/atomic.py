"""Outputs that appear under their final name whole, or not at all."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from landcover_bdgf.errors import OutputError, opening, unwritten
from landcover_bdgf.process import signals_held_back
from landcover_bdgf.storage.locks import check_not_input, hold, open_held, short_name
from landcover_bdgf.storage.paths import PathLike
from landcover_bdgf.text import printable

DRAFT = ".part"  # how the names of hidden folders end, of what is being written
# A folder and nothing else: what a link leads to is not removed, and a pipe not waited for.
_FOLDER = sum(getattr(os, flag, 0) for flag in ("O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK"))


@opening(OutputError)
def check_output(path: PathLike, *, overwrite: bool = False, inputs: Sequence[PathLike] = ()) -> None:
    """Refuse a place that cannot be written to, before any work is done.

    Parameters
    ----------
    path : path of the file to be written
    overwrite : bool
        Whether an existing file may be replaced.
    inputs : sequence of paths
        Files, or folders of files, that are read meanwhile: none may be the output, not even by a link.

    Raises
    ------
    OutputError
        If the file exists, its folder is missing or read-only, it is one of the inputs, or its name is not in UTF-8.
    """
    path = Path(path)
    os.fspath(path).encode()  # GDAL takes no other names, and would say so when all is done
    folder = path.parent
    if path.is_dir():
        raise OutputError(path, "is a folder", "Give the name of a file.")
    if not folder.is_dir():
        raise OutputError(path, f"the folder {folder} does not exist", "Make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(path, f"the folder {folder} is read-only", "Choose another.")
    check_name(path)
    check_not_input(path, inputs)
    if (path.exists() or path.is_symlink()) and not overwrite:  # also a link to nowhere
        raise OutputError(path, "exists already", "Choose another name, or allow it with --overwrite.")


def check_name(path: Path) -> None:
    """Refuse a name that the file system does not take, of the file or of the folder it is drafted in; OutputError."""
    longest = -1
    with suppress(OSError, AttributeError, ValueError):  # where nobody can tell, what writes there will
        longest = os.pathconf(path.parent, "PC_NAME_MAX")
    for name in (path.name, _draft_name(path)):
        length = len(os.fsencode(name))
        if 0 < longest < length:
            what = "has a name" if name == path.name else "is drafted in a folder with a name"
            raise OutputError(path, f"{what} of {length} bytes, {longest} fit here", "Choose a shorter one.")


def check_beside(path: Path, beside: Sequence[Path]) -> None:
    """Refuse an output that would be replaced by what is written beside it; OutputError."""
    if path in beside:
        raise OutputError(path, "is the name of what is written beside it, too", "Choose another ending.")


@contextmanager
def atomic_output(path: PathLike, *, overwrite: bool = False, begun: bool = False) -> Iterator[Path]:
    """Write into a folder beside the place, and put what is in it into place when all is done and on the disk.

    Yields ``path`` in that folder. What is written beside it there comes to lie beside ``path``, in place of what is
    there only with ``overwrite``, or with ``begun``: an interrupted run of the same output may have put it there.
    ``path`` comes last, so that where it is new, all are. If the block fails, older files are untouched; a crash
    while several are replaced can leave some of both, of which a record of checksums tells. The folder is hidden; one
    that a killed run left is removed by the next run that writes the same output.

    Raises
    ------
    OutputError
        As :func:`check_output`; also when the disk is full.

    Examples
    --------
    >>> with atomic_output("notes.txt") as draft:
    ...     draft.write_text("whole or not at all")
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    with draft_folder(path) as folder:
        yield folder / path.name
        for name in sorted(file.name for file in folder.iterdir()):  # any may have appeared meanwhile
            check_output(path.with_name(name), overwrite=overwrite or (begun and name != path.name))
        publish(folder, path.parent, last=path.name)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path`` for as long as the block lasts.

    Raises
    ------
    OutputError
        Whatever the system says of files that cannot be written.
    """
    try:
        remove_abandoned(path.parent, glob.escape(short_name(path)))
        with _held_folder(path) as folder:
            try:
                yield folder
            except OutputError as error:  # of one of the drafts, whose place nobody knows
                if error.path is None or folder not in Path(error.path).parents:
                    raise
                place = path.parent / Path(error.path).relative_to(folder)
                raise OutputError(place, error.problem, error.remedy) from error
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise unwritten(path, error) from error


def publish(folder: Path, to: Path, *, last: str) -> None:
    """Move the files of a folder into another; each is whole and on the disk before any of them moves."""
    files = sorted(folder.iterdir(), key=lambda file: file.name == last)
    if not files or files[-1].name != last:
        raise FileNotFoundError(errno.ENOENT, "its draft has vanished")
    for file in files:
        file.chmod(0o666 & ~_umask())  # some libraries keep their files to their owner
        _sync(file)
    with signals_held_back():
        for file in files:
            os.replace(file, to / file.name)
    _sync(to)


def check_free_space(path: PathLike, needed_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises
    ------
    OutputError
        If less than ``needed_bytes`` are free where ``path`` is to be written.
    """
    free_bytes = shutil.disk_usage(Path(path).parent).free
    if free_bytes < needed_bytes:
        raise OutputError(
            path,
            f"needs {needed_bytes / 1000000000.0:.2g} GB of disk while it is written, "
            f"{free_bytes / 1000000000.0:.2g} GB are free",
            "Free some space or write elsewhere.",
        )


def _draft_name(path: Path) -> str:
    return f".{short_name(path)}.{secrets.token_hex(4)}{DRAFT}"


@contextmanager
def _held_folder(path: Path) -> Iterator[Path]:
    """A new folder that this process holds, so that no other takes it for abandoned."""
    while True:
        folder = path.with_name(_draft_name(path))
        folder.mkdir()
        try:
            held = open_held(folder, os.O_RDONLY)
            break
        except (BlockingIOError, FileNotFoundError):  # another run came between, and removes it
            continue
    try:
        yield folder
    finally:
        os.close(held)


def remove_abandoned(place: Path, names: str) -> None:
    """Remove what killed runs left in a folder of their drafts of outputs, whose names are given as for glob."""
    for folder in place.glob(f".{names}.{8 * '[0-9a-f]'}{DRAFT}"):
        with suppress(OSError):  # a run that is alive holds it, or it is another user's
            held = os.open(folder, _FOLDER)
            try:
                if hold(held):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(held)


def _umask() -> int:
    """The user's mask; the only way to ask is to set it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


REPORT_FILES = ("report.html", "accuracy.json", "accuracy.csv", "confusion.csv")
_DRAFT = re.compile(rf"\.{re.escape(REPORT_FILES[0])}\.[0-9a-f]{{8}}{re.escape(DRAFT)}")  # of a report in its folder


@opening(OutputError)
def check_folder(path: PathLike, *, overwrite: bool = False) -> None:
    """Refuse a place for a report before any work is done.

    Raises
    ------
    OutputError
        If it exists (unless empty, or a report that may be replaced), or cannot be made.
    """
    path = Path(path).absolute()
    home = path if path.is_dir() else path.parent
    if os.path.lexists(path) and not path.is_dir():
        raise OutputError(path, "is a file, a report is a folder", "Choose another name.")
    if not path.parent.is_dir():
        raise OutputError(path, f"the folder {path.parent} does not exist", "Make it first.")
    if not os.access(home, os.W_OK | os.X_OK):
        raise OutputError(path, f"the folder {home} is read-only", "Choose another.")
    names = sorted(child.name for child in path.iterdir()) if path.is_dir() else []
    names = [name for name in names if not _DRAFT.fullmatch(name)]
    foreign = [name for name in names if name not in REPORT_FILES]
    if foreign:
        raise OutputError(path, f"holds other files ({printable(foreign[0])})", "Choose a folder for the report alone.")
    if names and not overwrite:
        raise OutputError(path, "holds a report already", "Choose another name, or allow it with --overwrite.")


@contextmanager
def atomic_folder(path: PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a hidden folder; what is in it takes its place in the final one when all is done, the page last.

    It lies beside the final one; in it where that is there, and may be a disk of its own.

    Raises
    ------
    OutputError
        As :func:`check_folder`; also when the disk is full.
    """
    check_folder(path, overwrite=overwrite)
    path = Path(path).absolute()
    # Of a run that was killed when the folder had just been made:
    remove_abandoned(path.parent, glob.escape(short_name(path)))
    with draft_folder(path / REPORT_FILES[0] if path.is_dir() else path) as folder:
        yield folder
        check_folder(path, overwrite=overwrite)  # something may have appeared meanwhile
        path.mkdir(exist_ok=True)
        publish(folder, path, last=REPORT_FILES[0])
