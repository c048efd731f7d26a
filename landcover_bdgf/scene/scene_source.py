"""How a scene was opened, as paths and numbers, for another process to open it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from landcover_bdgf.scene.extra import extra_with_absolute_paths
from landcover_bdgf.scene.mask import NO_MASK
from landcover_bdgf.scene.product_files import Source, arrays_and_paths
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.storage import absolute_path, content_sha256


@dataclass(frozen=True)
class SceneSource:
    """The arguments of :func:`align`, with absolute paths.

    Attributes
    ----------
    hsi, sar : tuple of str
        Files, folders or addresses.
    settings : AlignSettings
    """

    hsi: tuple[str, ...]
    sar: tuple[str, ...]
    settings: AlignSettings


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


def source_of(hsi: Source, sar: Source, settings: AlignSettings) -> SceneSource | None:
    """The arguments of :func:`align` for another process; None for arrays in memory."""
    given = [arrays_and_paths(source) for source in (hsi, sar)]
    if any(arrays for arrays, _ in given):
        return None
    spectral, radar = (tuple(map(absolute_path, paths)) for _, paths in given)
    return SceneSource(spectral, radar, _with_absolute_paths(settings))


def sha256_by_path(known: tuple[KnownFile, ...]) -> Mapping[Path, str]:
    """The contents of the files that this machine has, unchanged."""
    return {Path(file.path): file.sha256 for file in known if file.is_here}


def _with_absolute_paths(settings: AlignSettings) -> AlignSettings:
    return replace(
        settings,
        extra=tuple(map(extra_with_absolute_paths, settings.extra)),
        mask=tuple(text if text == NO_MASK else absolute_path(text) for text in settings.mask),
        aoi=settings.aoi and absolute_path(settings.aoi),
    )
