"""Provenance of an output: inputs with hashes, settings, versions, seed, device, warnings; a JSON file next to it.

It has no folders, host names or times of the run, so the same command on the same inputs gives the same record.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from landcover_bdgf.errors import RasterError
from landcover_bdgf.progress import log
from landcover_bdgf.storage.documents import read_json
from landcover_bdgf.storage.paths import PathLike, is_remote

OWN = "sha256 of this record"
LONG_TO_HASH_BYTES = 10**9  # takes a second or more
_SECRET = re.compile(r"(?<=://)[^/@\s]*@|(?<=\w)\?[^,\s]*(?=,|$)")
_NO_EFFECT = {"--resume", "--overwrite", "--json", "--quiet", "-q", "--verbose", "-v", "--debug"}
_NO_EFFECT_VALUE = {"--threads", "--tile", "--max-ram", "--dask"}  # followed by their value
PACKAGES = ("landcover-bdgf", "torch", "numpy", "rasterio", "scikit-learn")


class Record(BaseModel):
    """The key that every record has: the sha256 of the files that were written, by name."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    sha256: dict[str, str]


def record(step: str, inputs: dict[str, str], **settings: Any) -> dict[str, Any]:
    """The record of one step; ``inputs`` maps the role of an input to its path and hash as text."""
    versions = {package: version(package) for package in PACKAGES} | {"python": platform.python_version()}
    return {"step": step, "inputs": inputs, **settings, "versions": versions}


def command_line() -> str | None:
    """The bdgf command that runs, as typed; None if Python runs something else.

    Options without effect on the result are left out, as a map that was resumed or made by other threads is the same;
    and of addresses, user names, passwords and what follows ``?``.
    """
    program = Path(sys.argv[0])
    if program.stem != "bdgf" and program.parts[-2:] != ("landcover_bdgf", "__main__.py"):
        return None
    typed, given = [], iter(sys.argv[1:])
    for argument in given:
        if argument in _NO_EFFECT_VALUE:
            next(given, None)
        elif argument not in _NO_EFFECT and not argument.startswith(tuple(f"{name}=" for name in _NO_EFFECT_VALUE)):
            typed.append(_SECRET.sub("", argument))
    return shlex.join(["bdgf", *typed])


def without_warnings(found: dict[str, Any]) -> dict[str, Any]:
    """A record without the warnings of its step and of earlier ones, which a resumed run may not repeat."""
    return {
        key: without_warnings(value) if isinstance(value, dict) else value
        for key, value in found.items()
        if key != "warnings"
    }


def record_path(output: PathLike) -> Path:
    """``landcover.tif`` -> ``landcover.tif.json``."""
    return Path(f"{os.fspath(output)}.json")


def write_record(output: PathLike, values: dict[str, Any], *, beside: Sequence[Path] = ()) -> None:
    """Write the record next to a new draft, with the sha256 of the draft, of the files ``beside`` it, and its own."""
    files = (Path(output), *beside)
    record_path(output).write_bytes(record_bytes(values | {"sha256": {file.name: file_sha256(file) for file in files}}))


def record_bytes(values: dict[str, Any]) -> bytes:
    """A record as written, with its own sha256."""
    rest = {key: value for key, value in values.items() if key != OWN}
    own = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    return (json.dumps(rest | {OWN: own}, indent=2, sort_keys=True) + "\n").encode()


def read_record(output: str | Path) -> dict[str, Any]:
    """The record of an output; empty if there is none or it cannot be read."""
    try:
        return read_json(dict[str, Any], record_path(output))
    except (OSError, ValueError):
        return {}


def changed_files(output: str | Path) -> list[str] | None:
    """Names of the files of an output that changed since they were written; None without a record."""
    output, path = Path(output), record_path(output)
    try:
        text = path.read_bytes()
        found = read_json(Record, text)
        files = {output.with_name(name): sha256 for name, sha256 in found.sha256.items()}
    except OSError:
        return None
    except ValueError:  # also for a name that leads out of the folder
        return [path.name]
    if text != record_bytes(found.model_dump()):
        return [path.name]
    files.setdefault(output, "")  # a record of another file, renamed
    return [file.name for file, sha256 in files.items() if _sha256_or_none(file) != sha256]


def file_sha256(path: Path) -> str:
    """Hash of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """Hash of an image, computed once while its size and time stay the same; an address is returned as it is."""
    if is_remote(str(path)):
        log.info("%s: is identified by its address, not by its contents", path)
        return str(path)
    try:
        state = path.stat()
        return _known_sha256(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise RasterError(path, f"cannot be read, {error.strerror}", "Check the file and its disk.") from error


@lru_cache(maxsize=1024)
def _known_sha256(path: Path, size: int, time_ns: int) -> str:
    if size > LONG_TO_HASH_BYTES:
        log.info("%s: hashing %.1f GB for the provenance record", path, size / 1e9)
    return file_sha256(path)


def _sha256_or_none(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except (OSError, ValueError):  # ValueError: not a valid file name
        return None
