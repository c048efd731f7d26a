"""A scheduler of dask with workers in this process, which start at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client, LocalCluster

from landcover_bdgf.mapping.dask_cluster import quiet_dask


@contextmanager
def workers_here(count: int = 2) -> Iterator[Client]:
    """A client of them."""
    how = {
        "threads_per_worker": 1,
        "processes": False,
        "dashboard_address": ":0",
        "memory_limit": 0,
        "silence_logs": False,
    }
    with quiet_dask(), LocalCluster(count, **how) as cluster, Client(cluster, set_as_default=False) as client:
        yield client
