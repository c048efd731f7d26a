"""Check limits on the memory of the process before libraries are loaded that would crash at them."""

from __future__ import annotations

import sys
from pathlib import Path

from landcover_bdgf.errors import ResourceError
from landcover_bdgf.model import available_threads

# Name of the limit; MiB that a command with and without networks needs on the smallest scene, with its libraries,
# measured on Linux with torch 2.13 for CPUs; column of /proc/self/statm with the memory in use.
NEEDED_MIB = {"RLIMIT_AS": ("ulimit -v", 1800, 800, 0), "RLIMIT_DATA": ("ulimit -d", 650, 250, 5)}
THREAD_MIB = 160  # a stack, an arena of the allocator, and a buffer in each of two copies of OpenBLAS
LEAST_MIB = 64  # needed on top of the memory in use, if libraries are already loaded
WITHOUT_NETWORKS = "align", "areas", "assess", "design", "info", "mosaic", "polygons", "qgis", "sieve", "where"


def check_memory_limits(command: str, threads: int) -> None:
    """Check that limits on memory leave room for the libraries.

    Without it, OpenBLAS, LLVM, ITK and Python's threads end the process with their own exit codes.

    Raises
    ------
    ResourceError
        A limit is too low.
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
                f"allows {limit / 1e9:.2f} GB of memory, bdgf {command} needs at least {needed / 1e9:.2f} GB "
                f"with {threads} thread{'s' * (threads > 1)}",
                f"Raise the limit{less}.",
            )
