"""Drafts in hidden folders, moved into place whole."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from landcover_bdgf.errors import OutputError, unwritten
from landcover_bdgf.storage.paths import PathLike

DRAFT = ".part"  # how the names of hidden folders of drafts end
LOCK = ".lock"  # in such a folder, of the run that fills it
LONGEST_NAME = 100  # bytes; locks and drafts add 15, and some file systems take no more than 143


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A hidden folder next to ``path`` for as long as the block lasts.

    Raises
    ------
    OutputError
        What the system says of files that cannot be written.
    """
    try:
        remove_abandoned(path)
        folder, lock = _held_folder(path)
        try:
            yield folder
        except OutputError as error:  # of one of the drafts, whose place nobody knows
            if error.path is None or folder not in Path(error.path).parents:
                raise
            place = path.parent / Path(error.path).relative_to(folder)
            raise OutputError(place, error.problem, error.remedy) from error
        finally:
            lock.release()  # first, because Windows removes no open file
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise unwritten(path, error) from error


def _held_folder(path: Path) -> tuple[Path, FileLock]:
    """A new folder, locked so that no other run takes it for abandoned."""
    while True:
        folder = path.with_name(f".{short_name(path)}.{secrets.token_hex(4)}{DRAFT}")
        folder.mkdir()
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except (Timeout, FileNotFoundError):  # another run came between, and removes it
            continue
        except (OSError, NotImplementedError):  # no locks here, so nothing is taken for abandoned either
            pass
        return folder, lock


def drafts(folder: Path) -> list[Path]:
    """The files in a folder of drafts."""
    return sorted(file for file in folder.iterdir() if file.name != LOCK)


def remove_abandoned(path: Path) -> None:
    """Remove drafts of an output that killed runs left."""
    remove_matching(path.parent, glob.escape(short_name(path)))


def remove_matching(place: Path, names: str) -> None:
    """Remove drafts in a folder that killed runs left; ``names`` is a pattern of outputs."""
    for folder in place.glob(f".{names}.{8 * '[0-9a-f]'}{DRAFT}"):
        with suppress(OSError, NotImplementedError):  # a run that is alive holds it, or there are no locks
            with FileLock(folder / LOCK, timeout=0):
                pass
            shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, to: Path, *, last: str) -> None:
    """Move the files of a folder into another; each is whole and on the disk before any of them moves."""
    files = sorted(drafts(folder), key=lambda file: file.name == last)
    if not files or files[-1].name != last:
        raise FileNotFoundError(errno.ENOENT, "its draft has vanished")
    for file in files:
        file.chmod(0o666 & ~_umask())  # some libraries keep their files to their owner
        _sync(file)
    with _signals_held_back():
        for file in files:
            os.replace(file, to / file.name)
    _sync(to)


def short_name(path: Path) -> str:
    """The name of a file, short enough for more to be added, and no other file's."""
    name = path.name
    code = os.fsencode(name)
    return name if len(code) <= LONGEST_NAME else f"{name[:20]}.{zlib.crc32(code):08x}"


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


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Heed Ctrl-C and SIGTERM after the block, which must be short, and not within.

    To block them in this thread alone would not do, as Python handles here what another one receives.
    """
    if threading.current_thread() is not threading.main_thread():  # only there signals are handled
        yield
        return
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heeded = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    try:
        for number in heeded:
            signal.signal(number, lambda told, frame: received.append(told))
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(max(received))  # SIGTERM is greater
