"""A table of scenes: one row for each, with its images and, if it has them, its labels, date and output.

::

    hsi,sar,labels,field,date,output
    north/S2.SAFE,north/VV.tif;north/VH.tif,north/polygons.shp,class,2020-06-04,north
    south/S2.SAFE,south/s1.tif,,,2020-06-04,south
"""

from __future__ import annotations

import csv
import dataclasses
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from landcover_bdgf.errors import SettingsError, opening
from landcover_bdgf.progress import log
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage import PathLike, is_remote
from landcover_bdgf.text import listed

NEEDED = ("hsi", "sar")
COLUMNS = (*NEEDED, "labels", "field", "date", "output")
_ENDINGS = (".tif", ".tiff")  # of an output, which may be left out
_LONGEST_LIST = 5  # files that do not exist


@dataclass(frozen=True)
class SceneRow:
    """One scene of a table.

    Attributes
    ----------
    hsi, sar : tuple of str
        Files, folders or addresses of the two images; those on the disk with the folder of the table.
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

    def stack(self) -> Stack:
        """Both images on one grid, see :func:`~landcover_bdgf.scene.align`."""
        return dataclasses.replace(align(self.hsi, self.sar, settings=self.aligning), name=self.name)


def is_scene_table(text: str) -> bool:
    """Whether what a user typed for an image is a table of scenes."""
    return text.lower().endswith(".csv")


@opening(SettingsError)
def read_scene_table(path: PathLike, *, settings: AlignSettings | None = None) -> list[SceneRow]:
    """The scenes of a CSV file, in its order.

    The first row names the columns: ``hsi`` and ``sar``, and on request ``labels``, ``field``, ``date`` and
    ``output``, in any order and case; others are ignored with a warning. Cells are separated by commas, semicolons or
    tabs. Several files of an image are joined by commas or semicolons. Paths are relative to the folder of the table,
    and ``~`` is the home folder. Empty lines and lines that start with ``#`` are skipped.

    Parameters
    ----------
    path : path
    settings : AlignSettings, optional
        How the images of all scenes are read.

    Raises
    ------
    SettingsError
        The file is missing or no such table; a row lacks an image or names ``none``; a date is not one; files of some
        rows do not exist; two scenes have the same name.
    """
    path, aligning = Path(path), settings or AlignSettings()
    rows = [dataclasses.replace(row, aligning=aligning) for row in _rows(path, _lines(path))]
    if not rows:
        raise SettingsError(path, "holds no scenes", f"Its first row names columns ({', '.join(COLUMNS)}).")
    _check_names(path, rows)
    _check_files(path, rows)
    _warn_of_same(path, rows)
    return rows


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines with their numbers, without empty ones and comments."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(path, "does not exist", "Check its name and the folder you are in.") from None
    except UnicodeDecodeError as error:
        raise SettingsError(path, "is not in UTF-8", "Save it as CSV UTF-8.") from error
    numbered = enumerate(text.splitlines(), 1)
    return [(number, line) for number, line in numbered if line.strip(" ,;\t") and not line.lstrip().startswith("#")]


def _rows(path: Path, lines: Sequence[tuple[int, str]]) -> Iterator[SceneRow]:
    delimiter = ","
    if lines and lines[0][1].lower().startswith("sep="):  # Excel's own
        lines = lines[1:]
    if lines:
        delimiter = max(",;\t", key=lines[0][1].count)
    columns: list[str] = []
    for number, line in lines:
        cells = _cells(path, number, line, delimiter)
        if not columns:
            columns = _columns(path, cells)
            continue
        if any(cells[len(columns) :]):
            problem = f"line {number}: has more cells than the first row"
            raise SettingsError(path, problem, f'Quote cells that contain {delimiter}, "a.tif{delimiter}b.tif".')
        yield _row(path, number, dict(zip(columns, cells, strict=False)))


def _cells(path: Path, number: int, line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise SettingsError(path, f"line {number}: is not CSV ({error})", "Check its quotes.") from error


def _columns(path: Path, cells: Sequence[str]) -> list[str]:
    """Names of the columns; SettingsError if a needed one is missing or one is there twice."""
    names = [cell.casefold() for cell in cells]
    if missing := [name for name in NEEDED if name not in names]:
        problem = f"its first row has no column {' and no column '.join(missing)}"
        raise SettingsError(path, problem, f"Name the columns there: {', '.join(COLUMNS)}.")
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise SettingsError(path, f"has two columns {twice[0]}", "Remove or rename one.")
    if others := [cell for cell in cells if cell and cell.casefold() not in COLUMNS]:
        log.warning("%s: ignored columns %s; those with a meaning are %s.", path, listed(others), ", ".join(COLUMNS))
    return names


def _row(path: Path, number: int, cells: dict[str, str]) -> SceneRow:
    for name in NEEDED:
        if not cells.get(name):
            raise SettingsError(path, f"line {number}: has no {name}", "Name an image there.")
        if cells[name].casefold() == "none":
            problem = f"line {number}: {name} is none, but a scene needs both images"
            raise SettingsError(path, problem, "Name an image, or remove the row.")
    output = cells.get("output") or None
    if output and Path(output).name != output:
        problem = f"line {number}: output {output} is not a plain name"
        raise SettingsError(path, problem, "All maps are written into one folder; leave its name out.")
    labels = cells.get("labels")
    return SceneRow(
        hsi=_files(path.parent, cells["hsi"]),
        sar=_files(path.parent, cells["sar"]),
        labels=Path(_placed(path.parent, labels)) if labels else None,
        field=cells.get("field") or None,
        date=_date(path, number, cells.get("date", "")),
        output=output,
        line=number,
    )


def _files(folder: Path, cell: str) -> tuple[str, ...]:
    """The files of an image; a cell that is the name of a file is one, whatever characters it contains."""
    whole = _placed(folder, cell)
    if os.path.exists(whole):
        return (whole,)
    separator = ";" if ";" in cell else ","
    return tuple(_placed(folder, part.strip()) for part in cell.split(separator) if part.strip())


def _placed(folder: Path, text: str) -> str:
    """A path with the folder of the table, its accents written as in the name of the file: spreadsheets change them."""
    if is_remote(text):
        return text
    path = os.path.join(folder, text)
    if text.startswith("~") and not os.path.lexists(path):
        path = os.path.expanduser(text)
    ways = (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))
    return next(filter(os.path.lexists, ways), path)


def _date(path: Path, number: int, text: str) -> str | None:
    try:
        days = [_day(part.strip()) for part in text.split("/")] if text else []
    except ValueError:
        days = []
    if text and not 1 <= len(days) <= 2:
        raise SettingsError(path, f"line {number}: {text!r} is not a date", "Write it like 2020-06-04.")
    return "/".join(map(str, days)) or None


def _day(text: str) -> date:
    """A day; spreadsheets rewrite 2020-06-04 as 04.06.2020 in many languages. ValueError for what is none."""
    return datetime.strptime(text, "%d.%m.%Y").date() if "." in text else date.fromisoformat(text)


def _check_names(path: Path, rows: Sequence[SceneRow]) -> None:
    """Refuse names of maps that differ in case only, too: they are one file on Windows and macOS."""
    names = Counter(row.name.casefold() for row in rows)
    for name, count in names.items():
        if count > 1:
            lines = [str(row.line) for row in rows if row.name.casefold() == name]
            problem = f"the scenes in lines {', '.join(lines)} would all be named {name}"
            raise SettingsError(path, problem, "Give each a name of its own in the column output.")


def _warn_of_same(path: Path, rows: Sequence[SceneRow]) -> None:
    """Warn of scenes of the same images, which a training would count twice."""
    images: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for row in rows:
        images.setdefault((row.hsi, row.sar), []).append(str(row.line))
    for lines in (found for found in images.values() if len(found) > 1):
        log.warning("%s: lines %s name the same images, which then count %d times.", path, listed(lines), len(lines))


def _check_files(path: Path, rows: Sequence[SceneRow]) -> None:
    """Tell the files of all rows that do not exist at once."""
    missing = [
        f"line {row.line}: {file}"
        for row in rows
        for file in map(str, (*row.hsi, *row.sar, *filter(None, [row.labels])))
        if not is_remote(file) and not os.path.lexists(file)
    ]
    if missing:
        more = f"; and {len(missing) - _LONGEST_LIST} more" if len(missing) > _LONGEST_LIST else ""
        verb = "does" if len(missing) == 1 else "do"
        problem = f"{'; '.join(missing[:_LONGEST_LIST])}{more}; {verb} not exist"
        raise SettingsError(path, problem, "Paths are relative to the folder of the table.")
