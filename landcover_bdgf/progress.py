"""Progress of long work, shown as a bar or in plain lines; warnings kept for a record; stopping between two steps."""

from __future__ import annotations

import builtins
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import PurePath
from types import FrameType
from typing import TypeVar

from landcover_bdgf.text import file_name, placed_name

log = logging.getLogger("landcover_bdgf")

PLAIN_INTERVAL_S = 5.0
MEASURED_S = 5.0  # the remaining time is shown after this much time was measured
SMOOTHED_S = 60.0  # time constant of the average, and window of the bar's estimate
LEAST_KEPT = 0.8  # weight of earlier steps after one step, however long it took

T = TypeVar("T")
Advance = Callable[..., None]


@contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """Show progress and the remaining time.

    Yields ``advance(steps=1, note="")``, to be called after each finished step. Silent when the
    logger ``landcover_bdgf`` is set above INFO; in a notebook a bar is also shown if its level was never set.

    Examples
    --------
    >>> with progress("map", total=3) as advance:
    ...     for tile in range(3):
    ...         advance(note=f"tile {tile}")
    """
    if _in_notebook() and log.level <= logging.INFO:  # also where the level was never set
        yield from _bar(description, total)
    elif not log.isEnabledFor(logging.INFO) or not total:
        yield lambda steps=1, note="": None
    elif sys.stderr.isatty():
        yield from _bar(description, total)
    else:
        yield _plain_lines(description, total)


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Iterate over ``items`` with :func:`progress`."""
    with progress(description, total) as advance:
        for item in items:
            yield item
            advance()


def _in_notebook() -> bool:
    """Whether rich can draw a bar in a notebook, for which it needs ipywidgets."""
    if not hasattr(builtins, "get_ipython") or find_spec("ipywidgets") is None:
        return False
    from rich.console import Console

    return Console().is_jupyter


def _bar(description: str, total: int) -> Iterator[Advance]:
    from rich.console import Console  # imported here because it takes a tenth of a second
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=SMOOTHED_S) as bar:
        task = bar.add_task(description, total=total, note="")
        yield lambda steps=1, note="": bar.update(task, advance=steps, note=note)
        bar.refresh()  # the last step, which a notebook would not show


def _plain_lines(description: str, total: int) -> Advance:
    pace = Pace(time.monotonic())
    last_line, done = time.monotonic(), 0
    log.info("%s: 0 of %d", description, total)

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal done, last_line
        done += steps
        now = time.monotonic()
        pace.add(steps, now)
        if now - last_line >= PLAIN_INTERVAL_S:
            last_line = now
            left_s = pace.left_s(total - done)
            left = "" if left_s is None else f", about {duration(left_s)} left"
            log.info("%s", f"{description}: {done} of {total}{left} {note}".rstrip())

    return advance


class Pace:
    """The average time per step, with exponentially decreasing weights of earlier steps.

    The first step is not counted: kernels are compiled and files opened during it.
    """

    def __init__(self, now_s: float) -> None:
        self._last_s, self._begun = now_s, False
        self._steps = self._seconds = 0.0  # weighted sums
        self._measured_s = 0.0

    def add(self, steps: int, now_s: float) -> None:
        """Record steps that have just finished."""
        took_s, self._last_s = now_s - self._last_s, now_s
        if not self._begun:
            self._begun = True
            return
        kept = max(LEAST_KEPT, math.exp(-took_s / SMOOTHED_S))
        self._steps = kept * self._steps + steps
        self._seconds = kept * self._seconds + took_s
        self._measured_s += took_s

    def left_s(self, steps: int) -> float | None:
        """Estimated seconds for this number of steps; None until enough time was measured."""
        if self._measured_s < MEASURED_S:
            return None
        return self._seconds / self._steps * steps


def duration(seconds: float) -> str:
    """A duration as text: ``40 s``, ``5 min``, ``3.2 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class _Warnings(logging.Handler):
    """Keeps the text of each warning once, with files named without their folders.

    Of several files of one name, such as the labels of each scene, all are named with their last folder.
    """

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept
        self._placed: dict[str, dict[str, str]] = {}  # by text: of each message with whole paths, that with a folder

    def emit(self, record: logging.LogRecord) -> None:
        text, whole = _told(record, file_name), _told(record, os.path.realpath)
        same = self._placed.setdefault(text, {})
        if whole in same:
            return
        same[whole] = _told(record, placed_name)
        if len(same) > 1 and text in self._kept:
            self._kept[self._kept.index(text)] = next(iter(same.values()))
        found = text if len(same) == 1 else same[whole]
        if found not in self._kept:
            self._kept.append(found)


def _told(record: logging.LogRecord, name: Callable[[PurePath], str]) -> str:
    """The text of a message with its files named in some way."""
    args = record.args if isinstance(record.args, tuple) else ()
    named = tuple(name(each) if isinstance(each, PurePath) else each for each in args)
    return str(record.msg) % named if named else record.getMessage()


@contextmanager
def kept_warnings() -> Iterator[list[str]]:
    """Keep what is logged as a warning in the block, in a list that grows; it is shown as well.

    Steps put it into what they return, so that the record of a map has the warnings of all steps before it. Nothing is
    kept while the logger is set above WARNING.

    Examples
    --------
    >>> with kept_warnings() as said:
    ...     log.warning("%s: is an 8-bit RGB picture", Path("scenes/a.tif"))
    >>> said
    ['a.tif: is an 8-bit RGB picture']
    """
    kept: list[str] = []
    handler = _Warnings(kept)
    log.addHandler(handler)
    try:
        yield kept
    finally:
        log.removeHandler(handler)


@contextmanager
def errors_only() -> Iterator[None]:
    """Log only errors, for many runs in a row whose messages would hide the result."""
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def stop_between_steps() -> Iterator[Callable[[], bool]]:
    """Remember Ctrl-C instead of interrupting a step; a second one stops at once.

    Yields a function that returns whether it was pressed.
    """
    pressed = threading.Event()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as in background jobs of a shell
    if ignored or threading.current_thread() is not threading.main_thread():  # signals are handled only there
        yield pressed.is_set
        return

    def note(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
