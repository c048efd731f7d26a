"""A queue of tasks for the workers of dask: few at a time, tried again where they fail, in the order they finish."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from landcover_bdgf.errors import BdgfError, ResourceError
from landcover_bdgf.mapping.dask_cluster import Cluster
from landcover_bdgf.progress import log

if TYPE_CHECKING:
    from distributed import Client, Future

TRIES = 3
POLLED_S = 0.5
LOST_AFTER_S = 10.0  # without the scheduler
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def run_tasks(
    cluster: Cluster, function: Callable[[_Task], _Result], tasks: Iterable[_Task], *,
    check: Callable[[_Task, _Result], None], stopped: Callable[[], bool],
) -> Iterator[tuple[_Task, _Result | BdgfError]]:  # fmt: skip
    """Run a function on workers for each task; yields tasks with their results, or with the error of the last try.

    Parameters
    ----------
    cluster : Cluster
    function : callable
    tasks : iterable
        Taken when workers are about to run out of tasks, so that the scheduler and this process hold few.
    check : callable
        Raises a BdgfError for a result that must not be used; the task is then tried again.
    stopped : callable
        Whether to take no more tasks; those with the workers are still waited for.

    Raises
    ------
    ResourceError
        The scheduler is lost.
    """
    client, left = cluster.client, iter(tasks)
    running: dict[Future[Any], tuple[_Task, int]] = {}
    finished: SimpleQueue[Future[Any]] = SimpleQueue()

    def call(packed: bytes) -> Any:  # a function in a function, of bytes: the scheduler needs no bdgf to handle it
        import pickle

        function, task = pickle.loads(packed)
        return function(task)

    def submit(task: _Task, tried: int) -> None:
        # dask itself runs a task again whose worker has died, three times
        packed = pickle.dumps((function, task))
        future = client.submit(call, packed, pure=False, key=f"bdgf_map_part-{uuid4().hex}")
        running[future] = task, tried
        future.add_done_callback(finished.put)

    alone = False
    try:
        while True:
            while not stopped() and len(running) < cluster.waiting_parts:
                task = next(left, None)
                if task is None:
                    break
                submit(task, 1)
            if not running:
                return
            future = _next(finished, client)
            if future is None:
                was_alone, alone = alone, not client.nthreads()
                if alone and not was_alone:
                    log.info("no worker is left; the map goes on when one joins")
                continue
            task, tried = running.pop(future)
            outcome = _outcome(future, partial(check, task))
            del future  # the scheduler may forget it
            if isinstance(outcome, BdgfError) and tried < TRIES and not stopped():
                log.info("trying again: %s", outcome)
                submit(task, tried + 1)
            else:
                yield task, outcome
    finally:
        if running and client.status == "running":
            client.cancel(list(running))


def _next(finished: SimpleQueue[Future[Any]], client: Client) -> Future[Any] | None:
    """A task that is finished; None after a while without one; ResourceError if the scheduler is lost."""
    try:
        return finished.get(timeout=POLLED_S)
    except Empty:
        pass
    until = time.monotonic() + LOST_AFTER_S
    while client.status != "running":
        if time.monotonic() > until or client.status == "closed":
            raise _lost()
        time.sleep(POLLED_S)
    return None


def _outcome(future: Future[Any], check: Callable[[Any], None]) -> Any:
    """The result of a task, or a BdgfError."""
    from distributed import KilledWorker

    if future.status == "cancelled":
        raise _lost()
    error = future.exception() if future.status == "error" else None
    if error is None:
        try:
            result = future.result()
            check(result)
        except BdgfError as found:
            return found
        return result
    if isinstance(error, BdgfError):
        return error
    if isinstance(error, KilledWorker):
        remedy = "They may have run out of memory: try `max_ram`, or fewer workers."
        return ResourceError(None, "several workers died while they computed the same part", remedy)
    if isinstance(error, MemoryError):
        return ResourceError(None, "a worker is out of memory", "Try `max_ram`, or fewer workers.")
    log.debug("internal error of a worker", exc_info=error)
    problem = f"internal error of a worker ({type(error).__name__}: {error})"
    return BdgfError(None, problem, "Make the map without workers, with --debug, and report.")


def _lost() -> ResourceError:
    return ResourceError(None, "the scheduler of dask is lost", "Start it again, and continue with `resume`.")
