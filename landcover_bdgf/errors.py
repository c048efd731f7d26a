"""The errors of this package as a tree; each branch has its exit code on the command line.

::

    BdgfError                 exit code 1
    ├── SettingsError         2   a command-line option or a key of a settings file
    ├── RasterError           3   an image: geometry, content, damage
    ├── LabelError            4   polygons or points: geometry, classes, samples
    ├── CheckpointError       5   a model or denoiser file
    ├── OutputError           6   an output file or folder
    └── ResourceError         7   memory, device

A message is one line: ``FILE: problem. Remedy.`` It names settings as in Python, in backticks (```overwrite```); the
command line shows them as its options. Any other exception that reaches the command line is an internal error and exits
with 1. Warnings go through the logger ``landcover_bdgf``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from landcover_bdgf.text import with_names

# Errors about names and permissions, not about damaged files, with their remedies.
_REFUSED = {
    errno.EACCES: "Change its permissions, or those of its folder.",
    errno.EPERM: "Change its permissions, or those of its folder.",
    errno.ENAMETOOLONG: "Choose a shorter one.",
    errno.ELOOP: "Remove links that lead to themselves.",
    errno.ENOTDIR: "Check its name and the folder you are in.",
}
# Words of CUDA, cuDNN and cuBLAS when the GPU memory is used up; each allocates for itself.
GPU_IS_FULL = ("out of memory", "_STATUS_ALLOC_FAILED", "_ALLOCATION_FAILED")


class BdgfError(Exception):
    """The root of all errors that a user can fix.

    Attributes
    ----------
    path : path or str, optional
        The file or setting at fault.
    problem : str
        Without a full stop.
    remedy : str
        What to do, in full sentences.
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
    """An invalid option or setting."""

    exit_code = 2


class RasterError(BdgfError):
    """An image that cannot be read or georeferenced, or has implausible values."""

    exit_code = 3


class LabelError(BdgfError):
    """Labels that cannot be read or sampled."""

    exit_code = 4


class CheckpointError(BdgfError):
    """A checkpoint that is damaged, of another kind, or made for other bands."""

    exit_code = 5


class OutputError(BdgfError):
    """An output that cannot be written, or must not be replaced."""

    exit_code = 6


class ResourceError(BdgfError):
    """Too little memory, or an unavailable device."""

    exit_code = 7


@contextmanager
def opening(kind: type[BdgfError]) -> Iterator[None]:
    """Context manager and decorator that turns errors about names and permissions of files into ``kind``.

    Raises
    ------
    BdgfError
        The kind given.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        if not any("\udc80" <= letter <= "\udcff" for letter in error.object):  # surrogateescape
            raise
        if _in_utf8(error.object):
            raise kind(error.object, "has a name that this locale cannot read", "Set LC_ALL=C.UTF-8.") from error
        raise kind(error.object, "has a name that is not in UTF-8", "Rename it.") from error
    except OSError as error:
        if not is_refusal(error):
            raise
        raise refused(error, kind) from error


def _in_utf8(name: str) -> bool:
    """Whether a name is valid UTF-8 on disk, whatever the locale."""
    try:
        os.fsencode(name).decode()
    except UnicodeError:
        return False
    return True


def is_refusal(error: OSError) -> bool:
    """Whether a file cannot be opened because of its name or its permissions."""
    return error.errno in _REFUSED and error.filename is not None


def refused(error: OSError, kind: type[BdgfError]) -> BdgfError:
    """The error of a file that cannot be opened, see :func:`is_refusal`."""
    return kind(error.filename, f"cannot be opened, {str(error.strerror).lower()}", _REFUSED[error.errno or 0])


def unwritten(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """The error of a file that cannot be written."""
    remedy = "Check its folder and its disk."
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        remedy = "Free some space."
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        remedy = "Close other programs, or allow more open files with ulimit -n."
    return OutputError(path, f"cannot be written, {error.strerror or error}", remedy)
