"""Images of one sensor and place at several dates: a table of their files, or a mapping of dates to images.

::

    date,image,mask
    2023-06-04,june/S2.SAFE,
    2023-07-19,july/B02.tif;july/B03.tif,july/clouds.tif:1

A date may be left out where names or tags of the image tell it. A mask is written as for ``--mask``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.scene.csv_rows import Columns, check_files, csv_rows, day_of, has_column, placed, placed_files
from landcover_bdgf.scene.settings import NO_MASK
from landcover_bdgf.storage import PathLike, is_remote
from landcover_bdgf.text import printable

if TYPE_CHECKING:
    from xarray import DataArray

    from landcover_bdgf.scene.product_files import Source

NEEDED = ("image",)
COLUMNS = ("date", *NEEDED, "mask")
WRITE_DAYS = "Write it like 2023-06-04."

# An image of one date or, as a table or a mapping, of several.
AnySource: TypeAlias = (
    "PathLike | DataArray | Sequence[PathLike | DataArray] | Mapping[str, Source] | Mapping[date, Source]"
)


@dataclass(frozen=True)
class DatedSource:
    """An image of one date: its day, if that is given, its files, and rasters that mask it at this date."""

    source: Source
    day: date | None
    masks: tuple[str, ...]
    named: str  # in messages


def is_date_table(text: str) -> bool:
    """Whether what a user typed for an image is a table of dates, which has a column ``image``."""
    return _is_csv(text) and has_column(Path(text), "image")


def dated_sources(source: AnySource) -> list[DatedSource] | None:
    """The images of several dates, in the order given; None for an image of one date.

    Raises
    ------
    SettingsError
        A table has no column ``image``, a date is not one, files do not exist, or there are fewer than two dates.
    """
    if isinstance(source, Mapping):
        found = [DatedSource(own, _day(None, str(day)), (), str(day)) for day, own in source.items()]
        return _two_or_more(found, "the mapping of dates")
    given = source[0] if isinstance(source, Sequence) and not isinstance(source, str) and len(source) == 1 else source
    path = os.fspath(given) if isinstance(given, str | os.PathLike) else ""
    return _two_or_more(read_date_table(Path(path)), path) if _is_csv(path) else None


def read_date_table(path: Path) -> list[DatedSource]:
    """The rows of a table of dates; SettingsError as :func:`dated_sources`."""
    rows = list(csv_rows(path, Columns(NEEDED, COLUMNS)))
    found, files = [], []
    for line, cells in rows:
        if not cells["image"]:
            raise SettingsError(path, f"line {line}: has no image", "Name an image there.")
        images = placed_files(path.parent, cells["image"])
        names = [each.strip() for each in cells.get("mask", "").split(";") if each.strip()]
        masks = tuple(each if each == NO_MASK else placed(path.parent, each) for each in names)
        found.append(DatedSource(images, _day(path, cells.get("date", ""), line), masks, f"{path}: line {line}"))
        files += [(line, file) for file in images]
    check_files(path, files)
    return found


def _is_csv(text: str) -> bool:
    return text.lower().endswith(".csv") and not is_remote(text)


def _day(path: Path | None, text: str, line: int = 0) -> date | None:
    if not text:
        return None
    try:
        return day_of(text)
    except ValueError:
        where = f"line {line}: " if line else ""
        raise SettingsError(path, f"{where}{printable(text)!r} is not a date", WRITE_DAYS) from None


def _two_or_more(found: list[DatedSource], named: str) -> list[DatedSource]:
    if len(found) < 2:
        problem = "names no image" if not found else "names an image of one date only"
        raise SettingsError(named, problem, "Name two or more; an image of one date is given itself.")
    return found
