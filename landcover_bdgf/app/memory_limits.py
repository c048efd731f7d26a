"""Limits on the memory of a process, checked before libraries that they would end are loaded."""

from __future__ import annotations

import sys
from pathlib import Path

from landcover_bdgf.errors import ResourceError
from landcover_bdgf.model import available_threads

# What a command takes on the smallest scene, its libraries among it, in MiB: with the networks and without. Measured
# on Linux with torch 2.13 for CPUs. And where /proc/self/statm says how much of it is taken.
NEEDED_MIB = {"RLIMIT_AS": ("ulimit -v", 1800, 800, 0), "RLIMIT_DATA": ("ulimit -d", 650, 250, 5)}
THREAD_MIB = 160  # a stack, an arena of the allocator, and a buffer in each of two copies of OpenBLAS
LEAST_MIB = 64  # what is needed where all libraries are there already, as when Python code calls the command
WITHOUT_NETWORKS = ("align", "assess", "info", "mosaic")


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
