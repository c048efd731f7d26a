"""Names of bands at one of several dates: ``B04@2023-06-04``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date


def dated_name(name: str, day: date) -> str:
    """The name of a band at one of several dates: ``B04@2023-06-04``."""
    return f"{name}@{day.isoformat()}"


def band_and_day(name: str) -> tuple[str, date | None]:
    """The band and the date that :func:`dated_name` joined; a name without a date as it is."""
    band, _, day = name.rpartition("@")
    try:
        return (band, date.fromisoformat(day)) if band and len(day) == len("2023-06-04") else (name, None)
    except ValueError:
        return name, None


def days_of(names: Sequence[str]) -> tuple[date, ...]:
    """The dates in names of bands, in order; none of an image of one date."""
    return tuple(sorted({day for _, day in map(band_and_day, names) if day is not None}))
