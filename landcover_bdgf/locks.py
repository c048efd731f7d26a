"""Who writes what: locks that the system lets go of, however a process ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from landcover_bdgf.errors import OutputError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


def hold(descriptor: int) -> None:
    """Hold the lock of an open file or folder; nothing happens where there are no locks.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return


def open_held(path: Path, flags: int) -> int:
    """A descriptor of a file or folder that this process holds until it closes it.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    OSError
        It cannot be opened.
    """
    while True:
        descriptor = os.open(path, flags, 0o666)
        try:
            hold(descriptor)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was removed, and perhaps made anew, between opening and holding


@contextmanager
def reserved(path: Path | None) -> Iterator[None]:
    """Keep an output, if there is one, to this run for as long as the block lasts.

    Raises
    ------
    OutputError
        Another run is writing it.
    """
    lock = path and path.with_name(f".{path.name[:80]}.lock")
    held = None
    try:
        held = open_held(lock, os.O_RDWR | os.O_CREAT) if lock else None
    except BlockingIOError:
        raise OutputError(f"{path}: another run is writing it. Wait for it, or choose another name.") from None
    except OSError:
        pass  # no such folder, or one that is read-only: what writes there says so
    try:
        yield
    finally:
        if lock and held is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(held)
