"""The lock of an open file, which the system lets go of however a process ends."""

from __future__ import annotations

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


def hold(descriptor: int) -> None:
    """Hold the lock of an open file, if there are locks.

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
        pass
