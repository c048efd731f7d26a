"""A table of scenes: one row for each, with its images and, if it has them, its labels, date and output.

::

    hsi,sar,labels,field,date,output
    north/S2.SAFE,north/VV.tif;north/VH.tif,north/polygons.shp,class,2020-06-04,north
    south/S2.SAFE,south/s1.tif,,,2020-06-04,south
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from landcover_bdgf.errors import SettingsError, opening
from landcover_bdgf.progress import log
from landcover_bdgf.scene.csv_rows import Columns, check_files, csv_rows, day_of, placed, placed_files
from landcover_bdgf.scene.date_table import is_date_table
from landcover_bdgf.scene.settings import NO_IMAGE, AlignSettings, Missing
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import listed

if TYPE_CHECKING:
    from landcover_bdgf.scene.stack import Stack

NEEDED = ("hsi", "sar")
COLUMNS = (*NEEDED, "labels", "field", "date", "output")
_ENDINGS = (".tif", ".tiff")  # of an output, which may be left out


@dataclass(frozen=True)
class SceneRow:
    """One scene of a table.

    Attributes
    ----------
    hsi, sar : tuple of str
        Files, folders or addresses of the two images; those on the disk with the folder of the table. No SAR if it is
        ``none`` in the table.
    labels : Path, optional
        Polygons or points.
    field : str, optional
        Field of the labels that holds the class.
    date : str, optional
        Of the images: ``2020-06-04``, or the first and the last joined by ``/``. A table may have 04.06.2020.
    output : str, optional
        Name of the map, with or without ``.tif``.
    line : int
        Line of the table, from 1, for messages.
    aligning : AlignSettings
        How its images are read.
    """

    hsi: tuple[str, ...]
    sar: tuple[str, ...]
    labels: Path | None = None
    field: str | None = None
    date: str | None = None
    output: str | None = None
    line: int = 0
    aligning: AlignSettings = dataclasses.field(default_factory=AlignSettings)

    @property
    def name(self) -> str:
        """Name of the scene: its output, else its spectral image, without the ending."""
        if self.output:
            stem, ending = os.path.splitext(self.output)
            return stem if ending.lower() in _ENDINGS else self.output
        first = self.hsi[0].rstrip("/")
        return Path(first).name if os.path.isdir(first) and not first.endswith(".SAFE") else Path(first).stem

    def stack(self, missing: Missing = "error") -> Stack:
        """Both images on one grid, see :func:`~landcover_bdgf.scene.align`."""
        from landcover_bdgf.scene.alignment import align  # a table is told from an image before libraries are loaded

        stack = align(self.hsi, self.sar or None, settings=self.aligning, missing=missing)
        return dataclasses.replace(stack, name=self.name)


def check_pairs(rows: Sequence[SceneRow], path: PathLike) -> None:
    """SettingsError for a row of a table without a SAR image, which a model cannot learn from."""
    if row := next((row for row in rows if not row.sar), None):
        problem = f"line {row.line}: sar is none, but a model learns from both images"
        raise SettingsError(path, problem, "Name an image, or map the scene with a `model` that exists.")


def is_scene_table(text: str) -> bool:
    """Whether what a user typed for an image is a table of scenes, and not one of the dates of an image."""
    return text.lower().endswith(".csv") and not is_date_table(text)


@opening(SettingsError)
def read_scene_table(path: PathLike, *, settings: AlignSettings | None = None) -> list[SceneRow]:
    """The scenes of a CSV file, in its order.

    The first row names the columns: ``hsi`` and ``sar``, and on request ``labels``, ``field``, ``date`` and
    ``output``, in any order and case; others are ignored with a warning. Cells are separated by commas, semicolons or
    tabs. Several files of an image are joined by commas or semicolons. Paths are relative to the folder of the table,
    and ``~`` is the home folder. Empty lines and lines that start with ``#`` are skipped. A scene whose ``sar`` is
    ``none`` can be mapped, by a model that has networks of the spectral image alone.

    Parameters
    ----------
    path : path
    settings : AlignSettings, optional
        How the images of all scenes are read.

    Raises
    ------
    SettingsError
        The file is missing or no such table; a row lacks an image; a date is not one; files of some
        rows do not exist; two scenes have the same name.
    """
    path, aligning = Path(path), settings or AlignSettings()
    cells = csv_rows(path, Columns(NEEDED, COLUMNS))
    rows = [dataclasses.replace(_row(path, line, row), aligning=aligning) for line, row in cells]
    if not rows:
        raise SettingsError(path, "holds no scenes", f"Its first row names columns ({', '.join(COLUMNS)}).")
    _check_names(path, rows)
    check_files(path, [(row.line, str(f)) for row in rows for f in (*row.hsi, *row.sar, row.labels) if f is not None])
    _warn_of_same(path, rows)
    return rows


def _row(path: Path, number: int, cells: dict[str, str]) -> SceneRow:
    for name in NEEDED:
        if not cells.get(name):
            raise SettingsError(path, f"line {number}: has no {name}", "Name an image there.")
    if cells["hsi"].casefold() == NO_IMAGE:
        problem = f"line {number}: hsi is none, but a scene needs a spectral image"
        raise SettingsError(path, problem, "Name an image, or remove the row.")
    output = cells.get("output") or None
    if output and Path(output).name != output:
        problem = f"line {number}: output {output} is not a plain name"
        raise SettingsError(path, problem, "All maps are written into one folder; leave its name out.")
    labels = cells.get("labels")
    return SceneRow(
        hsi=placed_files(path.parent, cells["hsi"]),
        sar=() if cells["sar"].casefold() == NO_IMAGE else placed_files(path.parent, cells["sar"]),
        labels=Path(placed(path.parent, labels)) if labels else None,
        field=cells.get("field") or None,
        date=_date(path, number, cells.get("date", "")),
        output=output,
        line=number,
    )


def _date(path: Path, number: int, text: str) -> str | None:
    try:
        days = [day_of(part.strip()) for part in text.split("/")] if text else []
    except ValueError:
        days = []
    if text and not 1 <= len(days) <= 2:
        raise SettingsError(path, f"line {number}: {text!r} is not a date", "Write it like 2020-06-04.")
    return "/".join(map(str, days)) or None


def _check_names(path: Path, rows: Sequence[SceneRow]) -> None:
    """Refuse names of maps that differ in case only, too: they are one file on Windows and macOS."""
    names = Counter(row.name.casefold() for row in rows)
    for name, count in names.items():
        if count > 1:
            lines = [str(row.line) for row in rows if row.name.casefold() == name]
            problem = f"the scenes in lines {listed(lines)} would all be named {name}"
            raise SettingsError(path, problem, "Give each a name of its own in the column output.")


def _warn_of_same(path: Path, rows: Sequence[SceneRow]) -> None:
    """Warn of scenes of the same images, which a training would count twice."""
    images: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for row in rows:
        images.setdefault((row.hsi, row.sar), []).append(str(row.line))
    for lines in (found for found in images.values() if len(found) > 1):
        log.warning("%s: lines %s name the same images, which then count %d times.", path, listed(lines), len(lines))
