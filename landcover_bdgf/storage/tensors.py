"""Safetensors files: named arrays and a description, under one checksum.

The metadata have one entry, because the order of several entries, and so the bytes of the file, would vary between
runs: the sha256 of arrays and description as 64 digits, followed by the description.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from landcover_bdgf.errors import CheckpointError, OutputError
from landcover_bdgf.storage.paths import PathLike
from landcover_bdgf.storage.products import atomic_output

ENTRY, DIGEST_LENGTH = "bdgf", 64

Arrays = dict[str, NDArray[Any]]
V = TypeVar("V")


def write_tensors(
    path: PathLike, tensors: Mapping[str, NDArray[Any]], description: str = "", *, overwrite: bool = False
) -> None:
    """Write a safetensors file atomically and read it back; OutputError as in :func:`atomic_output`."""
    with atomic_output(path, overwrite=overwrite) as draft:
        metadata = {ENTRY: digest(tensors, description) + description}
        try:
            save_file({key: np.asarray(value, order="C") for key, value in tensors.items()}, draft, metadata)
        except SafetensorError as error:  # the system's message, as text
            raise OutputError(path, f"cannot be written, {error}", "Free some space.") from error
        try:
            read_tensors(draft)
        except CheckpointError as error:
            problem = "reads differently from what was written"
            raise OutputError(path, problem, "Is the disk full, or damaged?") from error


def read_tensors(path: PathLike) -> tuple[Arrays, str]:
    """The arrays and the description of a file of :func:`write_tensors`.

    Raises CheckpointError if it is not a safetensors file, is truncated, of another program, or its checksum is wrong.
    """
    with _opened(path) as file:
        entry = (file.metadata() or {}).get(ENTRY)
        if entry is None:
            raise CheckpointError(path, "is a safetensors file, but not one written by bdgf")
        tensors = _arrays(file)
    expected, description = entry[:DIGEST_LENGTH], entry[DIGEST_LENGTH:]
    if expected != digest(tensors, description):
        raise CheckpointError(path, "is damaged (its checksum does not match)", "Copy it again, or train again.")
    return tensors, description


def read_foreign_tensors(path: PathLike) -> Arrays:
    """The arrays of a safetensors file of another program, without a checksum; CheckpointError if it is truncated."""
    with _opened(path) as file:
        return _arrays(file)


@contextmanager
def _opened(path: PathLike) -> Iterator[Any]:
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, TypeError, AttributeError, ValueError) as error:  # the last three come from NumPy
        raise CheckpointError(path, f"is not a safetensors file, or it is cut off ({error})") from None


def _arrays(file: Any) -> Arrays:
    return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def part(values: Mapping[str, V], prefix: str) -> dict[str, V]:
    """The values whose keys start with a prefix; their keys without it."""
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def digest(arrays: Mapping[str, NDArray[Any]], description: str = "") -> str:
    """sha256 of named arrays (names, dtypes, shapes, values) and a text."""
    total = hashlib.sha256(description.encode())
    for key in sorted(arrays):
        total.update(f"{key}{arrays[key].dtype}{arrays[key].shape}".encode())
        total.update(np.ascontiguousarray(arrays[key]).data)
    return total.hexdigest()
