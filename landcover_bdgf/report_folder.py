"""A folder that appears whole or not at all, and tables that a spreadsheet can open without harm."""

from __future__ import annotations

import csv
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from landcover_bdgf.errors import OutputError, opening
from landcover_bdgf.locks import short_name
from landcover_bdgf.output import DRAFT, PathLike, draft_folder, publish, remove_abandoned
from landcover_bdgf.text import printable

REPORT_FILES = ("report.html", "accuracy.json", "accuracy.csv", "confusion.csv")
_DRAFT = re.compile(rf"\.{re.escape(REPORT_FILES[0])}\.[0-9a-f]{{8}}{re.escape(DRAFT)}")  # of a report in its folder


@opening(OutputError)
def check_folder(path: PathLike, *, overwrite: bool = False) -> None:
    """Refuse a place for a report before any work is done.

    Raises
    ------
    OutputError
        If it exists (unless empty, or a report that may be replaced), or cannot be made.
    """
    path = Path(path).absolute()
    home = path if path.is_dir() else path.parent
    if os.path.lexists(path) and not path.is_dir():
        raise OutputError(f"{path}: is a file, a report is a folder. Choose another name.")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist. Make it first.")
    if not os.access(home, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: the folder {home} is read-only. Choose another.")
    names = sorted(child.name for child in path.iterdir()) if path.is_dir() else []
    names = [name for name in names if not _DRAFT.fullmatch(name)]
    foreign = [name for name in names if name not in REPORT_FILES]
    if foreign:
        raise OutputError(f"{path}: holds other files ({printable(foreign[0])}). Choose a folder for the report alone.")
    if names and not overwrite:
        raise OutputError(f"{path}: holds a report already. Choose another name, or allow it with --overwrite.")


@contextmanager
def atomic_folder(path: PathLike, *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a hidden folder; what is in it takes its place in the final one when all is done, the page last.

    It lies beside the final one; in it where that is there, and may be a disk of its own.

    Raises
    ------
    OutputError
        As :func:`check_folder`; also when the disk is full.
    """
    check_folder(path, overwrite=overwrite)
    path = Path(path).absolute()
    # Of a run that was killed when the folder had just been made:
    remove_abandoned(path.parent, glob.escape(short_name(path)))
    with draft_folder(path / REPORT_FILES[0] if path.is_dir() else path) as folder:
        yield folder
        check_folder(path, overwrite=overwrite)  # something may have appeared meanwhile
        path.mkdir(exist_ok=True)
        publish(folder, path, last=REPORT_FILES[0])


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV (UTF-8 with a mark, which spreadsheets need to recognise it).

    Texts that a spreadsheet would run as a formula get an apostrophe in front.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([[_cell(value) for value in row] for row in rows])


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    text = printable(value) if value else value
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
