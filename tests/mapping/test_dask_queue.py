"""A queue hands over few tasks at a time, tries those that fail again, and ends with the scheduler."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import pytest
import torch
from distributed import Client, KilledWorker

from landcover_bdgf.errors import BdgfError, OutputError, ResourceError
from landcover_bdgf.mapping import dask_queue
from landcover_bdgf.mapping.dask_cluster import Cluster
from landcover_bdgf.mapping.dask_queue import run_tasks
from landcover_bdgf.model.run import Run

begun = Counter[int]()
goes_on = threading.Event()


@pytest.fixture
def cluster(near_client: Client) -> Cluster:
    begun.clear()
    goes_on.clear()
    return Cluster(near_client, Run(), torch.device("cpu"))


def doubled(number: int) -> int:
    begun[number] += 1
    return 2 * number


def failing(number: int) -> int:
    begun[number] += 1
    if number == 1 and begun[1] < 3:
        raise OSError("stale handle")
    if number == 2:
        raise OutputError(Path("a.tif"), "is damaged")
    if number == 3:
        raise MemoryError
    return number


def waiting(number: int) -> int:
    goes_on.wait(30)
    return number


def outcomes(
    cluster: Cluster, function: Callable[[int], int], numbers: Iterator[int], check: Callable[[int, int], None] = min
) -> dict[int, int | BdgfError]:
    return dict(run_tasks(cluster, function, numbers, check=check, stopped=lambda: False))


def test_all_tasks_are_done_and_few_are_taken_at_a_time(cluster: Cluster) -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield number

    found = {}
    for number, result in run_tasks(cluster, doubled, numbers(), check=min, stopped=lambda: False):
        found[number] = result
        assert taken - len(found) <= cluster.waiting_parts
    assert found == {number: 2 * number for number in range(30)}
    assert set(begun.values()) == {1}


def test_a_task_that_fails_is_tried_three_times(cluster: Cluster) -> None:
    found = outcomes(cluster, failing, iter(range(4)))
    assert (found[0], found[1]) == (0, 1)
    assert begun == {0: 1, 1: 3, 2: 3, 3: 3}
    assert isinstance(found[2], OutputError)
    assert str(found[2]) == "a.tif: is damaged."
    assert str(found[3]) == "a worker is out of memory. Try `max_ram`, or fewer workers."


def test_a_result_that_must_not_be_used_is_asked_for_again(cluster: Cluster) -> None:
    def check(number: int, result: int) -> None:
        if begun[number] < 2:
            raise OutputError(None, f"{result} is not seen")

    assert outcomes(cluster, doubled, iter([5]), check) == {5: 10}
    assert begun[5] == 2


def test_other_errors_and_dead_workers_are_told_in_one_line(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_queue, "TRIES", 1)
    assert "internal error of a worker (OSError: stale handle)" in str(outcomes(cluster, failing, iter([1]))[1])

    class Future:
        status = "error"

        def exception(self) -> Exception:
            return KilledWorker("part", None, 3)

    assert str(dask_queue._outcome(Future(), min)).startswith("several workers died while they computed the same part.")


def test_no_task_is_taken_after_a_stop_but_those_with_workers_are_waited_for(cluster: Cluster) -> None:
    stopped, left = threading.Event(), iter(range(100))
    found = []
    for number, _ in run_tasks(cluster, doubled, left, check=min, stopped=stopped.is_set):
        found.append(number)
        stopped.set()
    assert sorted(found) == list(range(cluster.waiting_parts))
    assert next(left) == len(found)


def test_the_end_of_the_scheduler_is_told(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tasks are cancelled then; or there are none, and the client tries to connect again."""
    says = r"the scheduler of dask is lost\. Start it again, and continue with `resume`"
    futures = []
    submit = cluster.client.submit
    monkeypatch.setattr(cluster.client, "submit", lambda *a, **b: futures.append(submit(*a, **b)) or futures[-1])
    threading.Timer(0.3, lambda: cluster.client.cancel(futures)).start()
    with pytest.raises(ResourceError, match=says):
        next(run_tasks(cluster, waiting, iter(range(3)), check=min, stopped=lambda: False))
    goes_on.set()
    monkeypatch.setattr(dask_queue, "LOST_AFTER_S", 0)
    monkeypatch.setattr(dask_queue, "POLLED_S", 0)
    for status in ("connecting", "closed"):
        with pytest.raises(ResourceError, match=says):
            dask_queue._next(SimpleQueue(), SimpleNamespace(status=status))
    assert dask_queue._next(SimpleQueue(), SimpleNamespace(status="running")) is None
