"""Results cached on disk between runs, named by a hash of everything they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from landcover_bdgf.errors import CheckpointError, OutputError
from landcover_bdgf.processes import is_first
from landcover_bdgf.progress import log
from landcover_bdgf.storage.atomic import remove_matching
from landcover_bdgf.storage.tensors import Arrays, read_tensors, write_tensors

MAX_BYTES = 2 * 10**9  # the least recently used are removed first
VARIABLE = "BDGF_CACHE"  # environment variable: another folder; empty for no cache


def cached(what: str, depends_on: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """The result of ``make``, or the cached result of an earlier call with the same ``depends_on``.

    The code of this package is part of every key. If a file is damaged or cannot be written, ``make`` is called.
    """
    if (folder := cache_folder()) is None or not _may_be_trusted(folder):
        return make()
    key = hashlib.sha256(json.dumps({**depends_on, "code": _code_sha256()}, sort_keys=True).encode()).hexdigest()
    path = folder / f"{key}.safetensors"
    kept = _read(path)
    if kept is not None:
        log.info("%s: kept from an earlier run in %s", what, folder)
        return kept
    arrays = make()
    if is_first():
        _write(path, arrays)
    return arrays


def cache_folder() -> Path | None:
    """The cache folder: ``$BDGF_CACHE``, else that of the system; None for no cache."""
    chosen = os.environ.get(VARIABLE)
    if chosen is None:
        try:
            return user_cache_path("landcover_bdgf", appauthor=False)
        except RuntimeError:  # no home folder
            return None
    return Path(chosen) if chosen else None


def _may_be_trusted(folder: Path) -> bool:
    """Whether a folder belongs to this user or root, or does not exist yet: others could change what models learn."""
    try:
        owner = folder.stat().st_uid
    except OSError:
        return True
    if os.name != "posix" or owner in (0, os.geteuid()):
        return True
    log.warning("%s: belongs to another user; nothing is kept in it. Choose a folder of your own: %s", folder, VARIABLE)
    return False


@cache
def _code_sha256() -> str:
    package = Path(__file__).parents[1]
    return hashlib.sha256(b"".join(f.read_bytes() for f in sorted(package.rglob("*.py")))).hexdigest()


def _read(path: Path) -> Arrays | None:
    try:
        arrays, _ = read_tensors(path)
    except CheckpointError:
        return None
    with suppress(OSError):  # a read-only cache can still be read
        os.utime(path)
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    size = sum(a.nbytes for a in arrays.values())
    if size > MAX_BYTES // 2:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_room(path.parent, MAX_BYTES - size)
        write_tensors(path, arrays, overwrite=True)
    except (OSError, OutputError) as error:
        log.debug("nothing kept for the next run: %s", error)


def _make_room(folder: Path, max_bytes: int) -> None:
    """Remove drafts of killed runs, and the least recently used files until the rest fits."""
    remove_matching(folder, f"{64 * '[0-9a-f]'}.safetensors")
    ours = (file for file in folder.glob("*.safetensors") if re.fullmatch("[0-9a-f]{64}", file.stem))
    files = sorted(ours, key=lambda f: f.stat().st_mtime_ns, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > max_bytes:
            file.unlink(missing_ok=True)
