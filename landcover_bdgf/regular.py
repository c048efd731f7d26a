"""Regular files alone: a pipe or a device in the place of one would be waited for without end."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

from landcover_bdgf.errors import BdgfError


def open_regular(path: Path, mode: str = "rb", *, follow: bool = True) -> IO[bytes]:
    """Open a file in binary.

    Raises
    ------
    OSError
        Also where it is a pipe or a device; and without ``follow`` where it is a link, which may lead to a file that
        nobody named.
    """
    unwaited = getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))

    def opener(name: str, flags: int) -> int:
        descriptor = os.open(name, flags | unwaited, 0o666)
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISREG(kind):
            return descriptor
        os.close(descriptor)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        raise OSError(errno.EINVAL, "it is no regular file", name)

    return open(path, mode, opener=opener)


def check_regular_beside(path: Path, kind: type[BdgfError]) -> None:
    """Refuse pipes and devices among the files that libraries look for beside one, by its name and other endings.

    Raises
    ------
    BdgfError
        Of that kind.
    """
    stem, name = f"{path.stem}.".casefold(), path.name.casefold()
    with suppress(PermissionError):  # a folder whose files may be opened but not listed
        for file in path.parent.iterdir():
            beside = file.name.casefold().startswith((stem, name))
            if beside and file.exists() and not (file.is_file() or file.is_dir()):
                raise kind(f"{file}: is not a regular file. Copy all files of {path.name} again.")
