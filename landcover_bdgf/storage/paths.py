"""Paths as a user types them: files, folders and addresses."""

from __future__ import annotations

import os
import re
from pathlib import Path

from landcover_bdgf.errors import BdgfError

PathLike = str | os.PathLike[str]

_BUCKETS = {"s3": "/vsis3", "gs": "/vsigs", "az": "/vsiaz"}


def is_remote(path: str) -> bool:
    """Whether a path is an address or a path of GDAL's virtual file systems."""
    return "://" in path or path.startswith("/vsi")


def absolute_path(path: PathLike) -> str:
    """A path from the root of the file system; an address as it is."""
    text = os.fspath(path)
    return text if is_remote(text) else os.path.join(os.getcwd(), text)


def typed_path(text: str | os.PathLike[str]) -> Path:
    """A path as typed; an address as the path of GDAL's virtual file system, with one slash less."""
    address = re.fullmatch(r"([a-z0-9]+)://(.+)", os.fspath(text))
    if address is None:
        return Path(text)
    scheme, rest = address.groups()
    return Path(_BUCKETS[scheme]) / rest if scheme in _BUCKETS else Path("/vsicurl") / f"{scheme}:" / rest


def check_exists(path: Path, kind: type[BdgfError]) -> None:
    """``kind`` is raised for a file that does not exist."""
    if not path.exists():
        what = "is a broken link" if path.is_symlink() else "does not exist"
        raise kind(path, what, "Check its name and the folder you are in.")
