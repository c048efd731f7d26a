"""Classes as a user wants them: merged, renamed, with names and colours of a legend file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.labels.legend import Legend, LegendEntry
from landcover_bdgf.labels.legend_file import LegendRow, read_legend_file
from landcover_bdgf.labels.settings import ClassSettings
from landcover_bdgf.progress import log
from landcover_bdgf.text import listed, printable


@dataclass(frozen=True)
class Regrouped:
    """A changed legend.

    Attributes
    ----------
    legend : Legend
    of_class : uint16 (C,)
        New code of each class of the old legend, in its order.
    not_in_file : tuple of str
        Classes that a legend file lacks; they keep their names and colours.
    """

    legend: Legend
    of_class: NDArray[np.uint16]
    not_in_file: tuple[str, ...] = ()

    @property
    def merged(self) -> bool:
        """Whether classes were merged."""
        return len(self.legend.entries) < len(self.of_class)


def regrouped(legend: Legend, settings: ClassSettings) -> Regrouped:
    """Merge classes, give them the names and colours of a file, and rename them, in this order.

    Classes to merge or rename may be called as in the legend or as in the file.

    Raises
    ------
    SettingsError
        A class to merge or rename is unknown, or in two groups; a name is that of another class.
    LabelError
        The legend file cannot be read, or has none of the classes.
    """
    rows = read_legend_file(settings.legend) if settings.legend else []
    merged = _merged(legend, [_pair("merge", text) for text in settings.merge], _names_in_file(legend, rows))
    found = _as_in_file(merged, rows, settings.legend, by_code=not legend.whole_numbers) if settings.legend else merged
    names = found.legend.names
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise SettingsError(f"`legend={settings.legend}`", f"two classes are named {listed(twice)}", "Use `merge`.")
    for old, new in (_pair("rename", text) for text in settings.rename):
        code = _code(merged.legend, old) or class_code(found.legend, old, "rename")
        found = replace(
            found, legend=_renamed(found.legend, code, new=new, option=f"`rename={printable(old)}={printable(new)}`")
        )
    return found


def class_code(legend: Legend, text: str, option: str) -> int:
    """The code of a class by its value or name, ignoring case; SettingsError naming the option for an unknown one."""
    code = _code(legend, text)
    if code is None:
        remedy = f"The classes are {listed(legend.names)}."
        raise SettingsError(f"`{option}={printable(text)}`", "is not a class", remedy)
    return code


def _code(legend: Legend, text: str) -> int | None:
    folded = {name.casefold(): code for name, code in zip(legend.names, legend.codes, strict=True)}
    return legend.code_of(text) or folded.get(text.casefold())


def _names_in_file(legend: Legend, rows: Sequence[LegendRow]) -> dict[str, int]:
    """Codes by the names that the rows of a file give to classes; without rows for codes, which merging changes."""
    found = _rows_of(legend, rows, by_code=False)
    return {row.name.casefold(): code for code, row in found.items()}


def _pair(option: str, text: str) -> tuple[str, str]:
    """``"a=b"`` as two texts."""
    one, equals, other = (part.strip() for part in text.partition("="))
    if not (one and equals and other):
        example = "built area=roof,pavement" if option == "merge" else "water=open water"
        raise SettingsError(f"`{option}={printable(text)}`", "is not understood", f"Write it like {example}.")
    return one, other


def _merged(legend: Legend, groups: Sequence[tuple[str, str]], in_file: Mapping[str, int]) -> Regrouped:
    """The legend with each group as one class, at the place of its first member and in its colour."""
    group_of: dict[int, str] = {}
    for name, members in groups:
        texts = [member.strip() for member in members.split(",") if member.strip()]
        own = {in_file.get(text.casefold()) or class_code(legend, text, "merge") for text in texts}
        own |= {entry.code for entry in legend.entries if name in (entry.name, entry.value)}
        own |= {code for text, code in in_file.items() if text == name.casefold()}
        if taken := own & group_of.keys():
            names = [entry.name for entry in legend.entries if entry.code in taken]
            raise SettingsError("`merge`", f"{listed(names)} would be in two classes", "Name each class once.")
        group_of |= dict.fromkeys(own, name)
    members_of: dict[int | str, list[LegendEntry]] = {}
    for entry in legend.entries:
        members_of.setdefault(group_of.get(entry.code, entry.code), []).append(entry)
    entries: list[LegendEntry] = []
    of_class = np.zeros(len(legend.entries), np.uint16)
    for group, joined in members_of.items():
        first = joined[0]
        if isinstance(group, str):  # a member of this name keeps its value and colour
            code = in_file.get(group.casefold())
            namesake = (each for each in joined if group in (each.name, each.value) or each.code == code)
            first = next(namesake, LegendEntry(0, group, first.color, group))
        entries.append(replace(first, code=len(entries) + 1))
        of_class[[each.code - 1 for each in joined]] = len(entries)
    return Regrouped(Legend(tuple(entries)), of_class)


def _renamed(legend: Legend, code: int, *, new: str, option: str) -> Legend:
    if any(new in (entry.name, entry.value) for entry in legend.entries if entry.code != code):
        raise SettingsError(option, "is the name of another class", "To make them one, use `merge`.")
    return Legend(tuple(replace(e, name=new) if e.code == code else e for e in legend.entries))


def tell_missing(found: Regrouped, settings: ClassSettings) -> None:
    """Warn of classes that the legend file lacks."""
    if found.not_in_file:
        missing = listed(found.not_in_file)
        log.warning("%s: has no row for %s; they keep their names and colours", Path(settings.legend or ""), missing)


def _rows_of(legend: Legend, rows: Sequence[LegendRow], *, by_code: bool) -> dict[int, LegendRow]:
    """The row of each class that has one, by class value, by name, else by the code in maps."""
    by_key, by_name = ({getattr(row, field).casefold(): row for row in rows} for field in ("key", "name"))
    found: dict[int, LegendRow] = {}
    for entry in legend.entries:
        texts = (entry.value.casefold(), entry.name.casefold())
        named = [*map(by_key.get, texts), *map(by_name.get, texts)]
        named += [by_key.get(str(entry.code))] if by_code else []
        if row := next(filter(None, named), None):
            found[entry.code] = row
    return found


def _as_in_file(before: Regrouped, rows: Sequence[LegendRow], path: str, *, by_code: bool) -> Regrouped:
    """Names and colours of a file."""
    legend = before.legend
    found = _rows_of(legend, rows, by_code=by_code)
    if not found:
        in_file, ours = (listed(names) for names in ([row.key for row in rows], [e.value for e in legend.entries]))
        raise LabelError(path, f"has none of the classes. It has {in_file}; the classes are {ours}", "Check the file.")
    named_entries = [
        replace(e, name=found[e.code].name, color=found[e.code].color or e.color) if e.code in found else e
        for e in legend.entries
    ]
    missing = tuple(entry.name for entry in legend.entries if entry.code not in found)
    return replace(before, legend=Legend(tuple(named_entries)), not_in_file=missing)
