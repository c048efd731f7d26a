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

DRAFT = ".part"  # suffix of hidden draft folders
LOCK = ".lock"  # file in a draft folder, locked by the run that fills it
LONGEST_NAME = 100  # bytes; locks and drafts add 15, and some file systems allow only 143


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A hidden folder next to ``path`` for as long as the block lasts; OutputError if a file cannot be written."""
    try:
        remove_abandoned(path)
        folder, lock = _held_folder(path)
        try:
            yield folder
        except OutputError as error:  # names a draft: name the output instead
            if error.path is None or folder not in Path(error.path).parents:
                raise
            place = path.parent / Path(error.path).relative_to(folder)
            raise OutputError(place, error.problem, error.remedy) from error
        finally:
            lock.release()  # first: Windows cannot remove an open file
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise unwritten(path, error) from error


def _held_folder(path: Path) -> tuple[Path, FileLock]:
    """A new folder, locked so that no other run considers it abandoned."""
    while True:
        folder = path.with_name(f".{short_name(path)}.{secrets.token_hex(4)}{DRAFT}")
        folder.mkdir()
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except (Timeout, FileNotFoundError):  # another run has just removed it as abandoned
            continue
        except (OSError, NotImplementedError):  # no locks on this file system: no run removes anything
            pass
        return folder, lock


def drafts(folder: Path) -> list[Path]:
    """The files in a folder of drafts."""
    return sorted(file for file in folder.iterdir() if file.name != LOCK)


def remove_abandoned(path: Path) -> None:
    """Remove drafts of an output left by killed runs."""
    remove_matching(path.parent, glob.escape(short_name(path)))


def remove_matching(place: Path, names: str) -> None:
    """Remove drafts in a folder left by killed runs; ``names`` is a glob pattern of output names."""
    for folder in place.glob(f".{names}.{8 * '[0-9a-f]'}{DRAFT}"):
        with suppress(OSError, NotImplementedError):  # a running command holds the lock, or there are no locks
            with FileLock(folder / LOCK, timeout=0):
                pass
            shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, to: Path, *, last: str) -> None:
    """Move the files of a folder into another, ``last`` at the end, after all are synced to the disk."""
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
    """The name of a file, shortened with a checksum if drafts and locks could not append to it."""
    name = path.name
    code = os.fsencode(name)
    return name if len(code) <= LONGEST_NAME else f"{name[:20]}.{zlib.crc32(code):08x}"


def check_free_space(path: PathLike, needed_bytes: int) -> None:
    """OutputError if less than ``needed_bytes`` are free on the disk of ``path``."""
    free_bytes = shutil.disk_usage(Path(path).parent).free
    if free_bytes < needed_bytes:
        raise OutputError(
            path,
            f"needs {needed_bytes / 1e9:.2g} GB of disk while it is written, {free_bytes / 1e9:.2g} GB are free",
            "Free some space or write elsewhere.",
        )


def _umask() -> int:
    """The user's umask; it can be read only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    """Wait until a file, or the list of files of a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM until the end of the block, which must be short.

    A signal mask of this thread is not enough: the main thread also handles signals that other threads receive.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are handled in the main thread only
        yield
        return
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = {n: handler for n in numbers if (handler := signal.getsignal(n)) not in (None, signal.SIG_IGN)}
    try:
        for number in handlers:
            signal.signal(number, lambda number, frame: received.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(max(received))  # SIGTERM is greater
