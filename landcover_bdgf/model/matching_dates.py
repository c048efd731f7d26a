"""Bands of several dates that a model was trained on, under the dates of another scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.checkpoint import BandName
from landcover_bdgf.progress import log
from landcover_bdgf.scene import band_and_day, dated_name, days_of
from landcover_bdgf.text import listed

MOST_DAYS_APART = 30  # in the year; in a month, crops and leaves change as they do not between years
_YEAR = 365


def with_dates_of(wanted: tuple[BandName, ...], found: Sequence[str], subject: str) -> tuple[BandName, ...]:
    """The bands of a model with the dates of a scene: its first date stands for the first of the training.

    Parameters
    ----------
    wanted : tuple of BandName
    found : sequence of str
        Names of the bands of the scene.
    subject : str
        For messages.

    Raises
    ------
    CheckpointError
        The scene has another number of dates.
    """
    trained, here = days_of([band.name for band in wanted]), days_of(found)
    if len(trained) != len(here):
        problem = f"expected {_dates_text(trained)}, the image has {_dates_text(here)}"
        raise CheckpointError(f"{subject} differ", problem, f"Use images of {_number(len(trained))}.")
    if trained != here:
        _tell(trained, here, subject)
    day_of = dict(zip(trained, here, strict=True))
    return tuple(replace(band, name=_with_day(band.name, day_of)) for band in wanted)


def _with_day(name: str, day_of: dict[date, date]) -> str:
    band, day = band_and_day(name)
    return dated_name(band, day_of[day]) if day else name


def _tell(trained: Sequence[date], here: Sequence[date], subject: str) -> None:
    """Say which date stands for which; a warning where they are of other parts of the year."""
    pairs = list(zip(trained, here, strict=True))
    far = [(one, other, apart) for one, other in pairs if (apart := days_apart(one, other)) > MOST_DAYS_APART]
    log.info("%s: dates are matched in order: %s", subject, listed([f"{one} by {other}" for one, other in pairs]))
    if far:
        texts = [f"{one} in training, {other} here ({apart} days)" for one, other, apart in far]
        log.warning(
            "%s are of dates in other parts of the year: %s. Plants look different then; use images of the same "
            "season.", subject, listed(texts),
        )  # fmt: skip


def days_apart(one: date, other: date) -> int:
    """Days between two dates as if they were of one year, at most half of it."""
    apart = abs(one.timetuple().tm_yday - other.timetuple().tm_yday)
    return min(apart, _YEAR - apart)


def _dates_text(days: Sequence[date]) -> str:
    return f"{_number(len(days))} ({listed([*map(str, days)])})" if days else _number(0)


def _number(count: int) -> str:
    return f"{count} dates" if count > 1 else "one date"
