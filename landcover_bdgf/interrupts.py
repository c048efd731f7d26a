"""Ctrl-C and SIGTERM while something must not be cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_between_steps() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C instead of breaking a step in two; a second one stops at once.

    Yields a function that says whether it was pressed.
    """
    pressed = threading.Event()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as a shell tells its background jobs to
    if ignored or threading.current_thread() is not threading.main_thread():  # only there signals are handled
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


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Heed Ctrl-C and SIGTERM after the block, which must be short, and not within.

    To block them in this thread alone would not do, as Python handles here what another one receives.
    """
    if threading.current_thread() is not threading.main_thread():  # only there signals are handled
        yield
        return
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heeded = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    try:
        for number in heeded:
            signal.signal(number, lambda told, frame: received.append(told))
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(max(received))  # SIGTERM is greater
