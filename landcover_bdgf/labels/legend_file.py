"""Names and colours of classes in a file of the user: a CSV, a QGIS style or an SLD.

::

    value,name,color          or  code;label;red;green;blue
    111,Broad-leaved forest,#146428
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from landcover_bdgf.errors import LabelError, opening
from landcover_bdgf.labels.attribute_table import NAME_COLUMNS
from landcover_bdgf.labels.colors import Color
from landcover_bdgf.storage import PathLike

_HEX = re.compile("#?([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?")
# Names of columns by what they hold; the first ones if a file has no such names.
_KEYS, _COLORS = ("value", "code", "class", "key", "id"), ("color", "colour", "hex")
_NAMES = ("name", "label")  # and for codes, further ones
_RGB = (("red", "r"), ("green", "g"), ("blue", "b"))


@dataclass(frozen=True)
class LegendRow:
    """One class: its value or code as text, its name, and its colour if the file has one."""

    key: str
    name: str
    color: Color | None


@opening(LabelError)
def read_legend_file(path: PathLike) -> list[LegendRow]:
    """Rows of a legend file, by its extension: ``.qml``, ``.sld``, else CSV.

    Raises
    ------
    LabelError
        If it cannot be read, or has no classes.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        read = {".qml": _style_rows, ".sld": _sld_rows}.get(path.suffix.lower(), _csv_rows)
        rows = read(text)
    except FileNotFoundError:
        raise LabelError(path, "does not exist", "Check its name and the folder you are in.") from None
    except (ValueError, ElementTree.ParseError) as error:  # also a UnicodeDecodeError
        remedy = "Give a CSV with the columns value,name,color, a QGIS style (.qml) or an .sld."
        raise LabelError(path, f"is not a legend ({error})", remedy) from error
    if not rows:
        raise LabelError(path, "holds no classes", "Give a paletted style, or a CSV with value,name,color.")
    return rows


def _csv_rows(text: str) -> list[LegendRow]:
    head = next(iter(text.splitlines()), "")
    delimiter = max(",;\t", key=head.count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=delimiter)]
    rows = [row for row in rows if any(row)]
    if long := [row for row in rows if any(row[len(rows[0]) :])]:
        raise ValueError(f"the row of {long[0][0]!r} has more cells than the first row; quote names with {delimiter!r}")
    columns = {name.casefold(): index for index, name in enumerate(rows[0] if rows else [])}
    key, color = (_column(columns, names) for names in (_KEYS, _COLORS))
    of_codes = key is not None and rows[0][key].casefold() != "class"  # a class has its name in itself
    others = {word: at for word, at in columns.items() if at != key}
    name = _column(others, (*_NAMES, *NAME_COLUMNS) if of_codes else _NAMES)
    if key is None and name is None:  # no names of columns
        key, name, color = 0, 1, 2
    else:
        rows = rows[1:]
    rgb = [_column(columns, names) for names in _RGB]
    found = []
    for row in rows:
        own_key, own_name, hex_color, *parts = (
            row[at] if at is not None and at < len(row) else "" for at in (key, name, color, *rgb)
        )
        own_color = _bytes([int(part) for part in parts]) if all(parts) else _color(hex_color)
        found.append(LegendRow(own_key or own_name, own_name or own_key, own_color))
    return found


def _column(columns: dict[str, int], names: tuple[str, ...]) -> int | None:
    return next((columns[name] for name in names if name in columns), None)


def _style_rows(text: str) -> list[LegendRow]:
    return [_entry(entry, "value") for entry in ElementTree.fromstring(text).iter("paletteEntry")]


def _sld_rows(text: str) -> list[LegendRow]:
    entries = (each for each in ElementTree.fromstring(text).iter() if each.tag.rpartition("}")[2] == "ColorMapEntry")
    return [_entry(entry, "quantity") for entry in entries]


def _entry(entry: Element, key: str) -> LegendRow:
    number = entry.get(key, "")
    key = f"{float(number):.15g}"
    return LegendRow(key, entry.get("label") or key, _color(entry.get("color", "")))


def _color(text: str) -> Color | None:
    """``#rrggbb``; None for an empty text, ValueError for another."""
    if not text:
        return None
    match = _HEX.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a colour like #1f77b4")
    return _bytes(list(bytes.fromhex(match[1])))


def _bytes(parts: list[int]) -> Color:
    if not all(0 <= part <= 255 for part in parts):
        raise ValueError(f"{parts} is not a colour")
    return parts[0], parts[1], parts[2]
