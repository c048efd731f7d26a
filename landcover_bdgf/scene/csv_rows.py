"""Rows of a CSV file that names images: cells by column, with the numbers of lines for messages."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.progress import log
from landcover_bdgf.storage import is_remote
from landcover_bdgf.text import listed

NAMED = 5  # of the missing files, in a message


@dataclass(frozen=True)
class Columns:
    """The columns of a table that have a meaning, and those of them that it must have."""

    needed: tuple[str, ...]
    known: tuple[str, ...]


def csv_rows(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, str]]]:
    """Number of the line, and its cells by column, of each row.

    Cells are separated by commas, semicolons or tabs. The first row names the columns, in any order and case; others
    than the known ones are ignored with a warning. Empty lines and lines that start with ``#`` are skipped.
    SettingsError for a file that is no such table.
    """
    lines, delimiter = _with_delimiter(_lines(path))
    names: list[str] = []
    for number, line in lines:
        cells = _cells(path, number, line, delimiter)
        if not names:
            names = _names(path, cells, columns)
            continue
        if any(cells[len(names) :]):
            problem = f"line {number}: has more cells than the first row"
            raise SettingsError(path, problem, f'Quote cells that contain {delimiter}, "a.tif{delimiter}b.tif".')
        yield number, dict(zip(names, cells, strict=False))


def has_column(path: Path, name: str) -> bool:
    """Whether a file is a CSV table with a column of this name."""
    try:
        lines, delimiter = _with_delimiter(_lines(path))
        return bool(lines) and name in [cell.casefold() for cell in _cells(path, *lines[0], delimiter)]
    except (SettingsError, OSError):
        return False


def placed_files(folder: Path, cell: str) -> tuple[str, ...]:
    """The files of an image; a cell that is the name of a file is one, whatever characters it contains."""
    whole = placed(folder, cell)
    if os.path.exists(whole):
        return (whole,)
    separator = ";" if ";" in cell else ","
    return tuple(placed(folder, part.strip()) for part in cell.split(separator) if part.strip())


def placed(folder: Path, text: str) -> str:
    """A file that a table names, its accents written as in the name of the file: spreadsheets change them.

    Relative to the folder of the table, or to the home folder after ``~``; an address as it is.
    """
    if is_remote(text):
        return text
    path = os.path.join(folder, text)
    if text.startswith("~") and not os.path.lexists(path):
        path = os.path.expanduser(text)
    ways = (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))
    return next(filter(os.path.lexists, ways), path)


def day_of(text: str) -> date:
    """A day; spreadsheets rewrite 2020-06-04 as 04.06.2020 in many languages. ValueError for what is none."""
    return datetime.strptime(text, "%d.%m.%Y").date() if "." in text else date.fromisoformat(text)


def check_files(path: Path, files: Sequence[tuple[int, str]]) -> None:
    """SettingsError that tells the files, with the numbers of their lines, that do not exist at once."""
    missing = [
        f"{os.path.normpath(file)} (line {line})"
        for line, file in files
        if not is_remote(file) and not os.path.lexists(file)
    ]
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        verb = "does" if len(missing) == 1 else "do"
        problem = f"{', '.join(missing[:NAMED])}{more} {verb} not exist"
        raise SettingsError(path, problem, "Paths are relative to the folder of the table.")


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


def _with_delimiter(lines: list[tuple[int, str]]) -> tuple[list[tuple[int, str]], str]:
    """The lines, and what separates their cells."""
    if lines and lines[0][1].lower().startswith("sep="):  # Excel's own
        lines = lines[1:]
    return lines, max(",;\t", key=lines[0][1].count) if lines else ","


def _cells(path: Path, number: int, line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise SettingsError(path, f"line {number}: is not CSV ({error})", "Check its quotes.") from error


def _names(path: Path, cells: Sequence[str], columns: Columns) -> list[str]:
    """Names of the columns; SettingsError if a needed one is missing or one is there twice."""
    names = [cell.casefold() for cell in cells]
    if missing := [name for name in columns.needed if name not in names]:
        problem = f"its first row has no column {' and no column '.join(missing)}"
        raise SettingsError(path, problem, f"Name the columns there: {', '.join(columns.known)}.")
    if twice := [name for name in columns.known if names.count(name) > 1]:
        raise SettingsError(path, f"has two columns {twice[0]}", "Remove or rename one.")
    if others := [cell for cell in cells if cell and cell.casefold() not in columns.known]:
        known = ", ".join(columns.known)
        log.warning("%s: ignored columns %s; those with a meaning are %s.", path, listed(others), known)
    return names
