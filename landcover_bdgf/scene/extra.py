"""Extra layers of a scene: named groups of bands beside those of the two sensors, such as terrain or embeddings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.progress import log
from landcover_bdgf.scene.dated_image import DateReading, open_dated
from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.pair_checks import check_overlap, check_resolution, covered_share
from landcover_bdgf.storage import absolute_path

LEAST_COVERED = 0.95  # of the scene; less is worth a warning

_NAMED = re.compile(r"\s*([^=/\\]*[^=/\\\s])\s*=\s*(.+)")


def extra_sources(extra: Sequence[str]) -> dict[str, list[str]]:
    """Files by name, of ``FILE`` or ``NAME=FILE``; the name of a file alone is its stem.

    SettingsError if two have one name.
    """
    found: dict[str, list[str]] = {}
    for text in extra:
        name, source = _named(text)
        name = name or Path(_files(source)[0]).stem
        if name in found:
            raise SettingsError(f"`extra={text}`", f"is a second one named {name}", "Name them: `extra=NAME=FILE`.")
        found[name] = _files(source)
    return found


def extra_with_absolute_paths(text: str) -> str:
    """``NAME=FILE`` or ``FILE`` for a process that works in another folder."""
    name, source = _named(text)
    return f"{name}{'=' if name else ''}{','.join(map(absolute_path, _files(source)))}"


def _files(source: str) -> list[str]:
    """Files joined by commas; the name of one that exists may hold commas."""
    return [source] if os.path.exists(source) else source.split(",")


def _named(text: str) -> tuple[str, str]:
    """The name, empty if there is none, and the files joined by commas."""
    found = None if Path(text).exists() else _NAMED.fullmatch(text)
    return (found[1], found[2]) if found else ("", text)


def open_extra(
    extra: Sequence[str], spectral: Image, dates: DateReading, *, force: bool, **how: bool
) -> tuple[Image, ...]:
    """Open extra layers for a scene, all their bands; ``dates`` and ``how`` are passed to :func:`open_dated`.

    RasterError if one cannot be read, does not overlap the spectral image or is its file, or has pixels of another
    order of size, unless ``force`` is set.
    """
    with ExitStack() as on_error:
        images = [on_error.enter_context(image) for image in _opened(extra, dates, how)]
        for image in images:
            _check(image, spectral, force)
        on_error.pop_all()
    return tuple(images)


def _opened(extra: Sequence[str], dates: DateReading, how: dict[str, bool]) -> Iterator[Image]:
    for name, source in extra_sources(extra).items():
        try:
            image = open_dated(source, dates, keep_water_vapour=True, wanted=None, **how)
        except RasterError as error:
            if "`hsi_crs`" not in error.remedy:  # a setting of the other images
                raise
            raise RasterError(error.path, error.problem, "Give it its CRS with gdal_edit.py -a_srs.") from error
        yield replace(image, group=name)


def _check(image: Image, spectral: Image, force: bool) -> None:
    path = image.paths[0]
    if set(image.paths) & set(spectral.paths):
        raise RasterError(path, "is given as the spectral image and as an extra layer", "Give it once.")
    check_overlap(spectral, image)
    if not force:
        check_resolution(image, spectral.grid)
    share = min(covered_share(spectral.grid, grid) for grid in dict.fromkeys(band.grid for band in image.bands))
    if share < LEAST_COVERED:
        log.warning(
            "%s: covers only %.0f %% of the scene; the rest will not be mapped. Use a layer that covers it, or none.",
            path, 100 * share,
        )  # fmt: skip
