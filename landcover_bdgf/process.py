"""This process: the threads and memory that the system allows it, Ctrl-C and SIGTERM at a moment that does no harm."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from landcover_bdgf.errors import ResourceError

# What a command takes on the smallest scene, its libraries among it, in MiB: with the networks and without. Measured
# on Linux with torch 2.13 for CPUs. And where /proc/self/statm says how much of it is taken.
NEEDED_MIB = {"RLIMIT_AS": ("ulimit -v", 1800, 800, 0), "RLIMIT_DATA": ("ulimit -d", 650, 250, 5)}
THREAD_MIB = 160  # a stack, an arena of the allocator, and a buffer in each of two copies of OpenBLAS
LEAST_MIB = 64  # what is needed where all libraries are there already, as when Python code calls the command
WITHOUT_NETWORKS = ("align", "assess", "info", "mosaic")


def available_threads() -> int:
    """Cores this process may use, or ``OMP_NUM_THREADS`` where that is set."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit():
        return max(1, int(wanted))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_memory_limits(command: str, threads: int) -> None:
    """Make sure that limits on memory leave room for the libraries, before they are loaded.

    Where there is none, OpenBLAS, LLVM, ITK and Python's own threads end the process, with exit codes of theirs.

    Raises
    ------
    ResourceError
        Says what is needed.
    """
    if sys.platform != "linux":
        return
    import resource

    threads = max(threads, available_threads())  # OpenBLAS starts as many as there are cores
    taken = Path("/proc/self/statm").read_text(encoding="ascii").split()
    for name, (typed, with_networks, without, column) in NEEDED_MIB.items():
        limit = resource.getrlimit(getattr(resource, name))[0]
        usual = ((without if command in WITHOUT_NETWORKS else with_networks) + THREAD_MIB * threads) * 2**20
        needed = max(usual, int(taken[column]) * resource.getpagesize() + LEAST_MIB * 2**20)
        if limit != resource.RLIM_INFINITY and limit < needed:
            less = ", or set OMP_NUM_THREADS=1 to need less" if threads > 1 else ""
            raise ResourceError(
                f"{typed} {limit >> 10}",
                f"leaves a process {limit / 1000000000.0:.2f} GB of memory, bdgf {command} needs "
                f"{needed / 1000000000.0:.2f} GB at least, with {threads} thread{'s' * (threads > 1)}",
                f"Raise the limit{less}.",
            )


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
