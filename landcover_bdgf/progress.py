"""Progress of long work: a bar on a terminal or in a notebook, one plain line every few seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

log = logging.getLogger("landcover_bdgf")

PLAIN_INTERVAL_S = 5.0

T = TypeVar("T")
Advance = Callable[..., None]


@contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """Show how far a piece of work is and how long it will still take.

    Yields ``advance(steps=1, note="")``, to be called after each finished step. Silent when the
    logger ``landcover_bdgf`` is set above INFO; in a notebook a bar is shown if its level was never set, too.

    Examples
    --------
    >>> with progress("map", total=3) as advance:
    ...     for tile in range(3):
    ...         advance(note=f"tile {tile}")
    """
    if _in_notebook() and log.level <= logging.INFO:  # also where the level was never set
        yield from _bar(description, total)
    elif not log.isEnabledFor(logging.INFO):
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
    """Whether rich can draw a bar in a notebook, which takes ipywidgets."""
    return Console().is_jupyter and find_spec("ipywidgets") is not None


def _bar(description: str, total: int) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total, note="")
        yield lambda steps=1, note="": bar.update(task, advance=steps, note=note)
        bar.refresh()  # the last step, which a notebook would not show


def _plain_lines(description: str, total: int) -> Advance:
    started = last_line = time.monotonic()
    done = 0

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal done, last_line
        done += steps
        now = time.monotonic()
        if now - last_line >= PLAIN_INTERVAL_S:
            last_line = now
            left_s = (now - started) / done * (total - done)
            log.info("%s: %d of %d, about %.0f s left %s", description, done, total, left_s, note)

    return advance


@contextmanager
def hushed() -> Iterator[None]:
    """Only errors of the steps inside: for many runs in a row whose own words would drown the result."""
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
