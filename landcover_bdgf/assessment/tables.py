"""A folder that appears whole or not at all, and tables that a spreadsheet can open without harm."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from landcover_bdgf.text import printable


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
