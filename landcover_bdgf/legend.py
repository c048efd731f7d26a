"""The classes of a map: their codes, names and colours."""

from __future__ import annotations

import colorsys
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import chain, count
from typing import Any

import numpy as np

from landcover_bdgf.errors import LabelError
from landcover_bdgf.storage import PathLike, read_record
from landcover_bdgf.symbology import aux_xml_path, read_aux_xml, write_symbology
from landcover_bdgf.text import printable

NODATA_CODE = 0

MAX_CLASSES = 65_535  # as many as uint16 holds beside 0

Color = tuple[int, int, int]

# What readers of land-cover maps expect, after the habits of WorldCover and Corine. The first word that a
# name contains decides, so the special ones come first ("bare rock" is rock, "grassland" is grass).
KNOWN_COLORS: tuple[tuple[str, Color], ...] = (
    ("cloud", (190, 190, 200)),
    ("shadow", (70, 70, 80)),
    ("snow", (225, 240, 252)),
    ("ice", (225, 240, 252)),
    ("flooded", (122, 180, 168)),
    ("wetland", (122, 180, 168)),
    ("swamp", (122, 180, 168)),
    ("mangrove", (0, 207, 117)),
    ("water", (38, 112, 190)),
    ("river", (38, 112, 190)),
    ("lake", (38, 112, 190)),
    ("tree", (20, 98, 40)),
    ("forest", (20, 98, 40)),
    ("wood", (20, 98, 40)),
    ("crop", (238, 190, 70)),
    ("farm", (238, 190, 70)),
    ("agricult", (238, 190, 70)),
    ("low vegetation", (150, 200, 90)),
    ("built", (200, 40, 40)),
    ("urban", (200, 40, 40)),
    ("impervious", (200, 40, 40)),
    ("industrial", (145, 60, 150)),
    ("residential", (225, 95, 80)),
    ("roof", (170, 30, 60)),
    ("pavement", (120, 115, 120)),
    ("road", (120, 115, 120)),
    ("rock", (160, 150, 140)),
    ("bare", (205, 170, 125)),
    ("soil", (205, 170, 125)),
    ("sand", (240, 220, 160)),
    ("shrub", (160, 130, 50)),
    ("bush", (160, 130, 50)),
    ("scrub", (160, 130, 50)),
    ("range", (190, 205, 110)),
    ("grass", (150, 200, 90)),
    ("meadow", (150, 200, 90)),
    ("vegetation", (90, 160, 70)),
)

# Colours that stay apart for colour-blind readers: Okabe and Ito (2008), then Tol's "muted" (2021).
QUALITATIVE: tuple[Color, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (51, 34, 136), (136, 34, 85), (153, 153, 51), (17, 119, 51), (68, 170, 153),
    (170, 68, 153), (221, 204, 119), (204, 102, 119), (136, 204, 238),
)  # fmt: skip

_WHOLE = re.compile(r"-?\d{1,30}", re.ASCII)

ENTRY_KEYS = ("code", "name", "color", "value")

ALIKE = 45.0  # distance in RGB under which two colours of this list look alike


@dataclass(frozen=True)
class LegendEntry:
    """One class.

    Attributes
    ----------
    code : int
        Its value in maps and samples, from 1.
    name : str
        For people. Whatever the labels say: pass it through :func:`printable` before showing it.
    color : (int, int, int)
        Red, green, blue, 0 to 255.
    value : str
        What the class field of the labels holds for it, as text.
    """

    code: int
    name: str
    color: Color
    value: str


@dataclass(frozen=True)
class Legend:
    """The classes of a map or of samples, codes 1, 2, 3 … in order; 0 is no data."""

    entries: tuple[LegendEntry, ...]

    @classmethod
    def from_values(cls, values: Iterable[object], names: Mapping[str, str] | None = None) -> Legend:
        """A legend of the distinct ``values``: integers in their order, anything else as sorted text.

        Parameters
        ----------
        values : iterable
            Class values; integers and text of integers are the same.
        names : mapping of str to str, optional
            Value as text to a name for people; values without one are their own names.

        Raises
        ------
        LabelError
            If there are more classes than uint16 holds.
        """
        distinct = sorted({str(value) for value in values}, key=_sort_key)
        if len(distinct) > MAX_CLASSES:
            raise LabelError(f"{len(distinct)} classes were found, {MAX_CLASSES} are the most. Is it the right field?")
        shown = [(names or {}).get(value, value) for value in distinct]
        colors = default_colors(shown)
        return cls(tuple(map(LegendEntry, range(1, len(distinct) + 1), shown, colors, distinct)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of codes."""
        return tuple(entry.name for entry in self.entries)

    @property
    def codes(self) -> tuple[int, ...]:
        """Codes, ascending."""
        return tuple(entry.code for entry in self.entries)

    @property
    def colors(self) -> dict[int, Color]:
        """Code to (red, green, blue)."""
        return {entry.code: entry.color for entry in self.entries}

    @property
    def whole_numbers(self) -> bool:
        """Whether all classes are whole numbers in the labels."""
        return all(_WHOLE.fullmatch(entry.value) for entry in self.entries)

    @property
    def renumbered(self) -> bool:
        """Whether all classes are whole numbers in the labels, and some have another number in maps."""
        return self.whole_numbers and any(int(entry.value) != entry.code for entry in self.entries)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a map: uint8 up to 254 classes (255 is left to those who use it for no data), else uint16."""
        return np.dtype("uint8" if len(self.entries) <= 254 else "uint16")

    @cached_property
    def _code_of(self) -> dict[str, int]:
        by_name = {entry.name: entry.code for entry in self.entries}
        return by_name | {entry.value: entry.code for entry in self.entries}

    def code_of(self, value: object) -> int | None:
        """The code of a class by its value, else by its name; None if there is no such class."""
        return self._code_of.get(str(value))

    def without(self, codes: Iterable[int]) -> Legend:
        """The legend without some classes; the others keep their colours and are counted from 1 again."""
        gone = set(codes)
        kept = [entry for entry in self.entries if entry.code not in gone]
        return Legend(tuple(LegendEntry(i, e.name, e.color, e.value) for i, e in enumerate(kept, 1)))

    def to_json(self) -> str:
        """As text; the inverse of :meth:`from_json`."""
        return json.dumps([asdict(entry) for entry in self.entries], ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> Legend:
        """Read :meth:`to_json`, from a file that nobody vouches for.

        Raises
        ------
        LabelError
            If it is not a legend: codes 1, 2, 3 …, distinct values, names, colours of three bytes.
        """
        try:
            rows = json.loads(text)
            entries = tuple(_entry(row) for row in rows)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise LabelError(f"the legend is damaged: {printable(str(error))}. Make the file again.") from error
        if [entry.code for entry in entries] != list(range(1, len(entries) + 1)):
            raise LabelError("the legend is damaged: its codes are not 1, 2, 3 and so on. Make the file again.")
        if not 1 <= len({entry.value for entry in entries}) == len(entries) <= MAX_CLASSES:
            raise LabelError("the legend is damaged: it is empty or names a class twice. Make the file again.")
        return cls(entries)


def write_companions(map_path: PathLike, legend: Legend) -> None:
    """Write what shows the class names beside a map: for GDAL ``<map>.aux.xml``, for QGIS ``<stem>.qml``."""
    classes = [(e.code, printable(e.name), e.color, printable(e.value)) for e in legend.entries]
    write_symbology(map_path, classes)


def legend_of_map(map_path: PathLike) -> Legend:
    """The legend of a map, from the record of its making, else from its ``.aux.xml``.

    Raises
    ------
    LabelError
        If neither lies beside the map, or they are damaged.
    """
    recorded = read_record(str(map_path)).get("legend")
    if recorded:
        return Legend.from_json(json.dumps(recorded))
    classes = read_aux_xml(aux_xml_path(map_path))
    if not classes:
        raise LabelError(
            f"{map_path}: has no class names, which {aux_xml_path(map_path).name} should hold. Keep the "
            "files of a map together when you move it."
        )
    return Legend.from_json(json.dumps([dict(zip(ENTRY_KEYS, row, strict=True)) for row in classes]))


def _sort_key(value: str) -> tuple[bool, int, str]:
    is_integer = _WHOLE.fullmatch(value) is not None
    return not is_integer, int(value) if is_integer else 0, value


def _entry(row: Mapping[str, Any]) -> LegendEntry:
    if set(row) != {field.name for field in fields(LegendEntry)}:
        raise ValueError("an entry has other keys than code, name, color and value")
    red, green, blue = row["color"]
    whole = [row["code"], red, green, blue]
    if not all(type(number) is int and 0 <= number <= MAX_CLASSES for number in whole) or max(whole[1:]) > 255:
        raise ValueError("a code or colour is not a whole number in its range")
    if not isinstance(row["name"], str) or not isinstance(row["value"], str):
        raise ValueError("a name or value is not text")
    return LegendEntry(row["code"], row["name"], (red, green, blue), row["value"])


def default_colors(names: Iterable[str]) -> list[Color]:
    """A colour for each name: the conventional one, else one of a list; never the same twice."""
    names = list(names)
    taken: dict[int, Color] = {}
    # "forest" comes before "settlement in a forest" when both want the green.
    for i in sorted(range(len(names)), key=lambda i: len(names[i])):
        known = next((color for word, color in KNOWN_COLORS if word in names[i].lower()), None)
        if known and known not in taken.values():
            taken[i] = known
    used = set(taken.values())
    # Once: the distances are looked at for the list only, the endless rest must just differ.
    apart = [color for color in QUALITATIVE if all(_distance(color, other) > ALIKE for other in used)]
    rest = chain(apart, _endless_colors(used | set(apart)))
    return [taken[i] if i in taken else next(rest) for i in range(len(names))]


def _distance(one: Color, other: Color) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))


def _endless_colors(used: set[Color]) -> Iterator[Color]:
    """Distinct colours, more than any map has classes; neighbours in the list differ.

    Hue, saturation and value each advance by an irrational step (Roberts' R3 sequence), which spreads any
    number of them evenly.
    """
    seen = set(used)
    for i in count():
        hue, saturation, value = (i * step % 1 for step in (0.819_172_5, 0.671_043_6, 0.549_700_5))
        parts = colorsys.hsv_to_rgb(hue, 0.35 + 0.6 * saturation, 0.5 + 0.45 * value)
        red, green, blue = (round(255 * part) for part in parts)
        if (red, green, blue) not in seen:
            seen.add((red, green, blue))
            yield red, green, blue
