"""Outputs that appear under their final name whole, or not at all."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from landcover_bdgf.errors import OutputError

PathLike = str | os.PathLike[str]


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
        If the file exists, its folder is missing or read-only, or it is one of the inputs.
    """
    path = Path(path)
    folder = path.parent
    if path.is_dir():
        raise OutputError(f"{path}: is a folder. Give the name of a file.")
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} does not exist. Make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: the folder {folder} is read-only. Choose another.")
    if path.exists() and any(path.samefile(file) for file in _files(inputs)):
        raise OutputError(f"{path}: is one of the inputs. Choose another name.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already. Choose another name, or allow it with --overwrite.")


@contextmanager
def atomic_output(path: PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """Write to a temporary file in the same folder, and give it its name when all is done.

    Yields the temporary path, which keeps the suffix because drivers go by it. If the block fails, the
    temporary file and all files whose names begin with its name are removed, and an older file under the
    final name is untouched.

    Raises
    ------
    OutputError
        As :func:`check_output`; also when the disk is full.

    Examples
    --------
    >>> with atomic_output("notes.txt") as temporary:
    ...     temporary.write_text("whole or not at all")
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    temporary = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # some libraries keep their files to their owner
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise _unwritten(path, error) from error
    finally:
        for leftover in path.parent.glob(f"{glob.escape(temporary.name)}*"):
            leftover.unlink(missing_ok=True)


@contextmanager
def published_together(path: PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """Files that belong together: written in a temporary folder, and put in their places when all are whole.

    Yields ``path`` in that folder. What is written beside it there comes to lie beside ``path``, and replaces what is
    there; ``path`` comes last, so that where it is, all are.

    Raises
    ------
    OutputError
        As :func:`atomic_output`, for any of them.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    folder = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}.part")
    try:
        folder.mkdir()
        yield folder / path.name
        for file in sorted(folder.iterdir(), key=lambda file: file.name == path.name):
            os.replace(file, path.with_name(file.name))
        _sync(path.parent)
    except OutputError as error:
        raise OutputError(str(error).replace(str(folder), str(path.parent)).removeprefix("./")) from error
    except OSError as error:
        raise _unwritten(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_tensors(
    path: PathLike, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str], *, overwrite: bool = False
) -> None:
    """Write a safetensors file, whole or not at all; OutputError as by :func:`atomic_output`."""
    with atomic_output(path, overwrite=overwrite) as temporary:
        try:
            save_file({key: np.asarray(value, order="C") for key, value in tensors.items()}, temporary, metadata)
        except SafetensorError as error:  # what the system says, as text
            raise OutputError(f"{path}: cannot be written, {error}. Free some space.") from error


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
            f"{path}: needs {needed_bytes / 1e9:.2g} GB of disk while it is written, "
            f"{free_bytes / 1e9:.2g} GB are free. Free some space or write elsewhere."
        )


def _unwritten(path: Path, error: OSError) -> OutputError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "Free some space" if full else "Look at its folder and its disk"
    return OutputError(f"{path}: cannot be written, {error.strerror or error}. {what}.")


def _files(inputs: Sequence[PathLike]) -> Iterator[Path]:
    for path in map(Path, inputs):
        yield from (child for child in path.iterdir() if child.is_file()) if path.is_dir() else ()
        if path.is_file():
            yield path


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
