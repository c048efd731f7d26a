"""CSV tables that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from landcover_bdgf.text import printable


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file in UTF-8 with a byte order mark, by which spreadsheets recognise the encoding.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([[_cell(value) for value in row] for row in rows])


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    text = printable(value) if value else value
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
