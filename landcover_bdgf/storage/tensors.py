"""Safetensors files and their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from landcover_bdgf.errors import OutputError
from landcover_bdgf.storage.paths import PathLike
from landcover_bdgf.storage.products import atomic_output


def write_tensors(
    path: PathLike, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str], *, overwrite: bool = False
) -> None:
    """Write a safetensors file, whole or not at all; OutputError as by :func:`atomic_output`."""
    with atomic_output(path, overwrite=overwrite) as draft:
        try:
            save_file({key: np.asarray(value, order="C") for key, value in tensors.items()}, draft, metadata)
            with safe_open(draft, framework="numpy") as file:
                whole = all(_same(file.get_tensor(key), value) for key, value in tensors.items())
        except SafetensorError as error:  # what the system says, as text
            raise OutputError(path, f"cannot be written, {error}", "Free some space.") from error
        if not whole:
            raise OutputError(path, "reads differently from what was written", "Is the disk full, or damaged?")


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def digest(arrays: Mapping[str, NDArray[Any]], description: str = "") -> str:
    """sha256 of named arrays, with their types and shapes, and of a text."""
    total = hashlib.sha256(description.encode())
    for key in sorted(arrays):
        total.update(f"{key}{arrays[key].dtype}{arrays[key].shape}".encode())
        total.update(arrays[key].tobytes())
    return total.hexdigest()
