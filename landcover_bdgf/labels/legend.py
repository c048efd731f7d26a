"""The classes of a map: their codes, names and colours."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.colors import Color, default_colors
from landcover_bdgf.storage import STRICT, read_json
from landcover_bdgf.text import listed, printable

MAX_CLASSES = 65_535  # codes of uint16 without 0, which is no data
_WHOLE = re.compile(r"-?\d{1,30}", re.ASCII)


def code_dtype(classes: int) -> np.dtype[Any]:
    """Of a map: uint8 for up to 254 classes (255 is often no data elsewhere), else uint16."""
    return np.dtype("uint8" if classes <= 254 else "uint16")


@dataclass(frozen=True)
class LegendEntry:
    """One class."""

    code: int  # value in maps and samples, from 1
    name: str  # from the labels: pass it through printable() before showing it
    color: Color
    value: str  # value in the class field of the labels, as text

    __pydantic_config__ = STRICT

    @property
    def hex(self) -> str:
        """The colour as ``#rrggbb``."""
        return f"#{bytes(self.color).hex()}"


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
            Names to show by value as text; other values are their own names.

        Raises
        ------
        LabelError
            If there are more classes than uint16 holds.
        """
        distinct = sorted({str(value) for value in values}, key=_sort_key)
        if len(distinct) > MAX_CLASSES:
            problem = f"{len(distinct)} classes were found, at most {MAX_CLASSES} are allowed"
            raise LabelError(None, problem, "Is it the right field?")
        shown = [(names or {}).get(value, value) for value in distinct]
        return cls(tuple(map(LegendEntry, range(1, len(distinct) + 1), shown, default_colors(shown), distinct)))

    def __repr__(self) -> str:
        return f"Legend({listed([f'{entry.code} {printable(entry.name)}' for entry in self.entries], str)})"

    def _repr_html_(self) -> str:
        rows = (
            f'<tr><td style="background: {entry.hex}; width: 2em"></td><td>{entry.code}</td>'
            f"<td>{html.escape(printable(entry.name))}</td></tr>"
            for entry in self.entries
        )
        return f"<table>{''.join(rows)}</table>"

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
        """Whether all classes are whole numbers in the labels, and some have a different code in maps."""
        return self.whole_numbers and any(int(entry.value) != entry.code for entry in self.entries)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a map, see :func:`code_dtype`."""
        return code_dtype(len(self.entries))

    @cached_property
    def _code_of(self) -> dict[str, int]:
        by_name = {entry.name: entry.code for entry in self.entries}
        return by_name | {entry.value: entry.code for entry in self.entries}

    def code_of(self, value: object) -> int | None:
        """The code of a class by its value, else by its name; None for an unknown class."""
        return self._code_of.get(str(value))

    @classmethod
    def joined(cls, legends: Sequence[Legend]) -> Legend:
        """The classes of several legends, those of the same name once; the only one, or equal ones, unchanged.

        A class gets the value that it has in the first of the legends, and the colour, if that is not a default one.

        Raises
        ------
        LabelError
            If two classes of different names have the same value.
        """
        if all(each == legends[0] for each in legends):
            return legends[0]
        entries: dict[str, LegendEntry] = {}
        chosen: dict[str, Color] = {}
        for legend in legends:
            usual = cls.from_values([e.value for e in legend.entries], {e.value: e.name for e in legend.entries})
            for entry, default in zip(legend.entries, usual.entries, strict=True):
                entries.setdefault(entry.name, entry)
                if entry.color != default.color:
                    chosen.setdefault(entry.name, entry.color)
        names: dict[str, str] = {}
        for name, entry in entries.items():
            if names.setdefault(entry.value, name) != name:
                problem = f"value {printable(entry.value)} is {printable(names[entry.value])} in one scene"
                raise LabelError(None, f"{problem}, {printable(name)} in another", "Correct the labels of one.")
        made = cls.from_values(names, names)
        return cls(tuple(replace(e, color=chosen.get(e.name, e.color)) for e in made.entries))

    def codes_from(self, other: Legend) -> NDArray[np.uint16]:
        """The code here of each code of another legend, by the name of its class; index 0 is no data."""
        code_of = {entry.name: entry.code for entry in self.entries}
        return np.array([0, *(code_of[entry.name] for entry in other.entries)], np.uint16)

    def without(self, codes: Iterable[int]) -> Legend:
        """The legend without some classes; the others keep their colours and get codes from 1."""
        gone = set(codes)
        kept = [entry for entry in self.entries if entry.code not in gone]
        return Legend(tuple(LegendEntry(i, e.name, e.color, e.value) for i, e in enumerate(kept, 1)))

    def to_json(self) -> str:
        """The legend as text; the inverse of :meth:`from_json`."""
        return json.dumps(_rows(self), ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> Legend:
        """Read and check the text of :meth:`to_json`.

        Raises
        ------
        LabelError
            If it is not a legend: codes 1, 2, 3 …, distinct values, names, colours of three bytes.
        """
        try:
            return read_json(cls, text)
        except ValueError as error:
            raise LabelError(None, f"the legend is damaged: {error}", "Make the file again.") from error

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """In documents a legend is the list of its entries."""
        entries = handler(tuple[LegendEntry, ...])
        return core_schema.json_or_python_schema(
            core_schema.no_info_after_validator_function(cls._checked, entries),
            core_schema.is_instance_schema(cls),
            serialization=core_schema.plain_serializer_function_ser_schema(_rows),
        )

    @classmethod
    def _checked(cls, entries: tuple[LegendEntry, ...]) -> Legend:
        if [entry.code for entry in entries] != list(range(1, len(entries) + 1)):
            raise ValueError("its codes are not 1, 2, 3 and so on")
        if not 1 <= len({entry.value for entry in entries}) == len(entries) <= MAX_CLASSES:
            raise ValueError("it is empty or names a class twice")
        return cls(entries)


def _rows(legend: Legend) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in legend.entries]


def _sort_key(value: str) -> tuple[bool, int, str]:
    is_integer = _WHOLE.fullmatch(value) is not None
    return not is_integer, int(value) if is_integer else 0, value
