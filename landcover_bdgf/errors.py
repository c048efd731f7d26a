"""What can go wrong, as a tree; the exit code of the command line is an attribute of each branch.

::

    BdgfError                 exit code 1
    ├── SettingsError         2   a command-line option or a key of a settings file
    ├── RasterError           3   an image: geometry, content, damage
    ├── LabelError            4   polygons or points: geometry, classes, samples
    ├── CheckpointError       5   a model or denoiser file
    ├── OutputError           6   a place to write to
    └── ResourceError         7   memory, device

A message is one line for the person who typed the command: ``FILE: problem. Remedy.`` Settings stand in it under the
names they have in Python, in backticks (```overwrite```); the command line shows them as its options. Anything else
that reaches the command line is a bug of ours and exits with 1. Things worth a word that do not stop the work go
through the logger ``landcover_bdgf``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from landcover_bdgf.text import with_names

# What a file system says of names and permissions, not of a file that is damaged; and what to do then.
_REFUSED = {
    errno.EACCES: "Change its permissions, or those of its folder.",
    errno.EPERM: "Change its permissions, or those of its folder.",
    errno.ENAMETOOLONG: "Choose a shorter one.",
    errno.ELOOP: "Remove links that lead to themselves.",
    errno.ENOTDIR: "Check its name and the folder you are in.",
}


class BdgfError(Exception):
    """The root of all errors that a user can cause and mend.

    Attributes
    ----------
    path : path or str, optional
        The file, or the setting, that the error is about.
    problem : str
        What is wrong with it, without a full stop.
    remedy : str
        What to do, as sentences; may be empty.
    """

    exit_code = 1

    def __init__(self, path: str | os.PathLike[str] | None, problem: str, remedy: str = "") -> None:
        super().__init__(path, problem, remedy)
        self.path, self.problem, self.remedy = path, problem, remedy

    def __str__(self) -> str:
        subject = "" if self.path is None else f"{os.fspath(self.path)}: "
        stop = "" if self.problem.endswith(("?", "…")) else "."
        return with_names(f"{subject}{self.problem}{stop} {self.remedy}".rstrip())


class SettingsError(BdgfError):
    """An option or setting that cannot be used as given."""

    exit_code = 2


class RasterError(BdgfError):
    """An image that cannot be read, placed on the ground, or trusted."""

    exit_code = 3


class LabelError(BdgfError):
    """Labels that cannot be read or cannot make samples."""

    exit_code = 4


class CheckpointError(BdgfError):
    """A checkpoint that is damaged, of another kind, or made for other bands."""

    exit_code = 5


class OutputError(BdgfError):
    """An output that cannot be written, or must not be replaced."""

    exit_code = 6


class ResourceError(BdgfError):
    """Too little memory, or a device that is not there."""

    exit_code = 7


@contextmanager
def opening(kind: type[BdgfError]) -> Iterator[None]:
    """While files are opened: one that may not be, or whose name cannot be used, is an error of this kind.

    Also a decorator.

    Raises
    ------
    BdgfError
        Of the kind.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        if not any("\udc80" <= letter <= "\udcff" for letter in error.object):  # bytes that are no UTF-8, in Python
            raise
        if _in_utf8(error.object):
            raise kind(error.object, "has a name that this locale cannot read", "Set LC_ALL=C.UTF-8.") from error
        raise kind(error.object, "has a name that is not in UTF-8", "Rename it.") from error
    except OSError as error:
        if not is_refusal(error):
            raise
        raise refused(error, kind) from error


def _in_utf8(name: str) -> bool:
    """Whether the bytes behind a name are UTF-8, however Python took them."""
    try:
        os.fsencode(name).decode()
    except UnicodeError:
        return False
    return True


def is_refusal(error: OSError) -> bool:
    """Whether a file cannot be opened for its name or its permissions."""
    return error.errno in _REFUSED and error.filename is not None


def refused(error: OSError, kind: type[BdgfError]) -> BdgfError:
    """Why a file cannot be opened, see :func:`is_refusal`, as an error for the user."""
    return kind(error.filename, f"cannot be opened, {str(error.strerror).lower()}", _REFUSED[error.errno or 0])


def unwritten(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """What the system says of a file that cannot be written, as an error for the user."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "Free some space" if full else "Look at its folder and its disk"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        what = "Close other programs, or allow more open files with ulimit -n"
    return OutputError(path, f"cannot be written, {error.strerror or error}", f"{what}.")
