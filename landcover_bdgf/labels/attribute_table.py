"""Attribute tables of class rasters: GDAL's, in an ``.aux.xml``, and ArcGIS's, in a ``.vat.dbf``.

Columns are found by their usage, which GDAL records, else by their names, as each program has its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landcover_bdgf.errors import BdgfError
from landcover_bdgf.geo import read_table
from landcover_bdgf.labels.colors import Color, default_colors
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike

_CODES = ("value", "code", "gridcode")
NAME_COLUMNS = (
    "class", "class_name", "classname", "class name", "name", "category", "landcover", "land_cover", "lc_name",
    "label", "description", "descriptio",  # .dbf cuts names at ten letters
)  # fmt: skip
_COLORS = ("red", "green", "blue")
_USAGES = {"code": "5", "name": "2", "red": "6", "green": "7", "blue": "8"}  # GDAL's numbers


@dataclass(frozen=True)
class Column:
    """The name of a column, and GDAL's number of its usage if it is known."""

    name: str
    usage: str = ""


def read_vat(raster: PathLike) -> list[dict[str, Any]]:
    """The classes in ``RASTER.vat.dbf``, as fields of legend entries; empty if there is none, or it has no names.

    A table that cannot be read is left out, with a warning.
    """
    path = Path(f"{raster}.vat.dbf")
    if not path.is_file():
        return []
    try:
        table = read_table(path)
    except BdgfError as error:
        log.warning("%s: its class names are not used. %s", path, error)
        return []
    rows = [["" if value is None or value != value else str(value) for value in row] for row in table.to_numpy(object)]
    return table_rows([Column(str(name)) for name in table.columns], rows)


def table_rows(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The classes of a table with cells of text; empty if it has no codes or no names, or a code is no number."""
    code, name = _column(columns, "code", _CODES), _column(columns, "name", NAME_COLUMNS)
    if code is None or name is None:
        return []
    names = [column.name.casefold() for column in columns]
    label = names.index("label") if "label" in names else name  # of bdgf: the value of the class in the labels
    parts = [each for each in (_column(columns, color, (color,)) for color in _COLORS) if each is not None]
    try:
        colors = _colors([[row[part] for part in parts] for row in rows]) if len(parts) == 3 else None
        return class_rows(
            (row[code], row[name], row[label], colors[number] if colors else None) for number, row in enumerate(rows)
        )
    except (LookupError, ValueError, OverflowError):
        return []


def class_rows(classes: Iterable[tuple[str, str, str, list[int] | None]]) -> list[dict[str, Any]]:
    """Fields of legend entries from codes, names, values and colours; ValueError if a code is not a whole number."""
    rows = []
    for text, name, value, color in classes:
        if not float(text).is_integer():
            raise ValueError(text)
        rows.append({"code": int(float(text)), "name": name, "color": color, "value": value})
    return rows


def with_colors(rows: Iterable[dict[str, Any]], table: Mapping[int, Color]) -> list[dict[str, Any]]:
    """The rows in the order of their codes; those without a colour get that of a colour table, else the usual one."""
    kept = sorted(rows, key=lambda row: (row["code"] == 0, row["code"]))  # 0 is often no data: it changes no colour
    usual = default_colors([row["name"] for row in kept])
    colored = [
        row | {"color": list(row["color"] or table.get(row["code"]) or own)}
        for row, own in zip(kept, usual, strict=True)
    ]
    return sorted(colored, key=lambda row: row["code"])


def _column(columns: Sequence[Column], usage: str, names: Sequence[str]) -> int | None:
    """The column of a usage, else the one with the first of these names."""
    by_usage = [index for index, column in enumerate(columns) if column.usage == _USAGES[usage]]
    return next(iter([*by_usage, *_named(columns, names)]), None)


def _named(columns: Sequence[Column], names: Sequence[str]) -> Iterator[int]:
    for name in names:
        yield from (index for index, column in enumerate(columns) if column.name.casefold() == name)


def _colors(cells: list[list[str]]) -> list[list[int]]:
    """Colours from 0 to 255; ArcGIS also writes them as real numbers from 0 to 1."""
    shares = [[float(part) for part in color] for color in cells]
    one = 255 if any("." in part for color in cells for part in color) and np.max(shares, initial=0) <= 1 else 1
    return np.clip(np.rint(np.multiply(shares, one)), 0, 255).astype(int).tolist()
