"""Where an output comes from: inputs with hashes, settings, versions, seed, device; a JSON file beside it.

No dates and no machine names: the same inputs give the same record.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from landcover_bdgf.raster import atomic_output

PACKAGES = ("landcover-bdgf", "torch", "numpy", "rasterio", "scikit-learn")


def record(step: str, inputs: dict[str, str], **settings: Any) -> dict[str, Any]:
    """The record of one step; ``inputs`` maps what an input is to its path and hash as text."""
    versions = {package: version(package) for package in PACKAGES} | {"python": platform.python_version()}
    return {"step": step, "inputs": inputs, **settings, "versions": versions}


def record_path(output: str | Path) -> Path:
    """``landcover.tif`` -> ``landcover.tif.json``."""
    return Path(f"{output}.json")


def write_record(output: str | Path, values: dict[str, Any]) -> None:
    """Write the record beside an output that was just written."""
    with atomic_output(record_path(output), overwrite=True) as temporary:
        temporary.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_record(output: str | Path) -> dict[str, Any]:
    """The record beside an output; empty where there is none or it cannot be read."""
    try:
        values = json.loads(record_path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def digest(arrays: Mapping[str, NDArray[Any]], description: str = "") -> str:
    """sha256 of named arrays, with their types and shapes, and of a text."""
    total = hashlib.sha256(description.encode())
    for key in sorted(arrays):
        total.update(f"{key}{arrays[key].dtype}{arrays[key].shape}".encode())
        total.update(arrays[key].tobytes())
    return total.hexdigest()
