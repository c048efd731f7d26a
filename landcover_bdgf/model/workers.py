"""Threads that compute pieces of the work in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import torch

from landcover_bdgf.model.run import Run

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Workers:
    """A few threads that compute pieces and give their results back in order."""

    def __init__(self, pool: ThreadPoolExecutor, count: int) -> None:
        self._pool, self.count = pool, count

    def map(self, function: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[Result]:
        """Results in the order of the pieces; at most two pieces per thread are waiting, so memory is bounded."""
        waiting: deque[Future[Result]] = deque()
        for piece in pieces:
            waiting.append(self._pool.submit(function, piece))
            if len(waiting) > 2 * self.count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def open_mappers(run: Run, device: torch.device) -> AbstractContextManager[Workers]:
    """Threads that classify; on a GPU two, with a queue each, so that one's transfers overlap the other's work."""
    if device.type == "cuda":
        return open_workers(2, queues_on=device)
    return open_workers(run.workers(device))


@contextmanager
def full_precision() -> Iterator[None]:
    """Convolutions on a GPU in all of float32, and the same each time, so that a map equals the CPU's."""
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic
    cudnn.allow_tf32, cudnn.deterministic = False, True
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic = before


@contextmanager
def open_workers(count: int, *, queues_on: torch.device | None = None) -> Iterator[Workers]:
    """Threads whose torch operations are one-threaded each, and where asked for go to a GPU's queue of their own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def initialise() -> None:
        torch.set_num_threads(1)
        if queues_on is not None:
            torch.cuda.set_stream(torch.cuda.Stream(queues_on))

    pool = ThreadPoolExecutor(count, initializer=initialise)
    try:
        with full_precision():
            yield Workers(pool, count)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)
