"""How a scene was opened, as paths and numbers, for another process to open it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from landcover_bdgf.scene.settings import AlignSettings, Missing
from landcover_bdgf.storage import content_sha256


@dataclass(frozen=True)
class SceneSource:
    """The arguments of :func:`align`, with absolute paths.

    Attributes
    ----------
    hsi, sar : tuple of str
        Files, folders or addresses; no SAR for a scene without.
    settings : AlignSettings
    missing : "error", "spectral", "sar" or "any"
    """

    hsi: tuple[str, ...]
    sar: tuple[str, ...]
    settings: AlignSettings
    missing: Missing


@dataclass(frozen=True)
class KnownFile:
    """A file whose contents are known: its absolute path, size in bytes, time of change in ns, and sha256."""

    path: str
    size: int
    time_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> KnownFile:
        """A file that exists on this machine."""
        found = path.stat()
        return cls(str(path.absolute()), found.st_size, found.st_mtime_ns, content_sha256(path))

    @property
    def is_here(self) -> bool:
        """Whether this machine has a file of that path, size and time."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.time_ns)


def sha256_by_path(known: tuple[KnownFile, ...]) -> Mapping[Path, str]:
    """The contents of the files that this machine has, unchanged."""
    return {Path(file.path): file.sha256 for file in known if file.is_here}
