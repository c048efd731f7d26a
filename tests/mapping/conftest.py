"""A model that does not know the scene; workers of dask."""

import gc
from collections.abc import Iterator
from dataclasses import replace

import pytest
from distributed import Client
from near_workers import workers_here

from landcover_bdgf.mapping.dask_cluster import opened_client
from landcover_bdgf.model.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def stranger(model: Checkpoint) -> Checkpoint:
    """A model to which every pixel is novel."""
    return replace(model, weights=model.weights | {"domain.distances": 0 * model.weights["domain.distances"]})


@pytest.fixture
def near_client() -> Iterator[Client]:
    """A client of a scheduler and two workers in this process, which start at once."""
    with workers_here() as client:
        yield client


@pytest.fixture(scope="module")
def far_client() -> Iterator[Client]:
    """A client of two workers in processes of their own, as ``--dask local:2`` starts them."""
    with opened_client("local:2") as client:
        assert client is not None
        yield client
    gc.collect()  # sockets of killed workers
