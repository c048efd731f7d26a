"""Who writes what: locks that the system lets go of, however a process ends."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from landcover_bdgf.errors import OutputError, unwritten

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

LONGEST_NAME = 200  # bytes; file systems take 255
# Neither what a link leads to is opened, nor is a pipe waited for.
_AS_IT_IS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP)


def hold(descriptor: int) -> bool:
    """Hold the lock of an open file or folder; False where there are no locks.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return False
    return True


def open_held(path: Path, flags: int) -> int:
    """A descriptor of a file or folder, not of a link, that this process holds until it closes it, if there are locks.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    OSError
        It cannot be opened.
    """
    while True:
        descriptor = os.open(path, flags | _AS_IT_IS, 0o666)
        try:
            hold(descriptor)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.lstat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was removed, and perhaps made anew, between opening and holding


@contextmanager
def reserved(*paths: Path) -> Iterator[None]:
    """Keep outputs to this run for as long as the block lasts.

    Raises
    ------
    OutputError
        Another run is writing one of them.
    """
    with ExitStack() as stack:
        for path in dict.fromkeys(paths):  # what bears the name of what comes beside it is told so later
            stack.enter_context(_reserved(path))
        yield


@contextmanager
def _reserved(path: Path) -> Iterator[None]:
    held = None
    lock = path.absolute().with_name(f".{short_name(path.absolute())}.lock") if path.absolute().name else None
    try:
        held = _held_file(lock) if lock else None
    except BlockingIOError:
        raise OutputError(path, "another run is writing it", "Wait for it, or choose another name.") from None
    except OSError as error:
        assert lock is not None
        if os.path.islink(lock):
            raise OutputError(path, f"its lock {lock.name} is a link", "Remove it.") from error
        if isinstance(error, PermissionError) and os.path.lexists(lock):
            raise OutputError(
                path, f"another run is writing it, as another user's {lock.name} says", "Choose another name."
            ) from error
        if error.errno not in _NO_PLACE:  # no folder that can be written to: what writes there says so
            raise unwritten(lock, error) from error
    try:
        yield
    finally:
        if lock and held is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(held)


def short_name(path: Path) -> str:
    """The name of a file, short enough for more to be added, and no other file's."""
    name = path.name
    code = os.fsencode(name)
    return name if len(code) <= LONGEST_NAME else f"{name[:40]}.{zlib.crc32(code):08x}"


def check_not_input(path: Path, inputs: Iterable[str | os.PathLike[str]], *, folders: bool = True) -> None:
    """Refuse an output that is one of the files, or in one of the folders, that are read meanwhile; links are followed.

    Without ``folders`` only files count: of a folder of images not every file is read, and some may be outputs.

    Raises
    ------
    OutputError
    """
    with suppress(OSError):  # a file that may not be looked at: what opens it says so
        if path.exists() and any(path.samefile(file) for file in _files(inputs, folders)):
            raise OutputError(path, "is one of the inputs", "Choose another name.")


def _held_file(lock: Path) -> int:
    try:
        descriptor = open_held(lock, os.O_RDWR | os.O_CREAT)
    except PermissionError:  # another user's
        return open_held(lock, os.O_RDONLY)
    found = os.fstat(descriptor)
    if fcntl is not None and found.st_nlink == 1 and found.st_size == 0:  # not another file that bears the name, too
        with suppress(OSError):  # another user must be able to open it, whatever the mask
            os.fchmod(descriptor, 0o666)
    return descriptor


def _files(inputs: Iterable[str | os.PathLike[str]], folders: bool) -> Iterator[Path]:
    for path in map(Path, inputs):
        yield from (child for child in path.iterdir() if child.is_file()) if folders and path.is_dir() else ()
        if path.is_file():
            yield path
