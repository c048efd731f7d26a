"""A pool of threads that returns results in order.

Work is divided into pieces whose size is fixed by the recipe. One thread computes each piece with one-threaded
operations, and results are combined in the order of the pieces. No sum is split over threads, so the same seed gives
the same bytes for any number of threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import torch

from landcover_bdgf.model.gpu_memory import GPU_THREADS
from landcover_bdgf.model.run import Run

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Workers:
    """A pool of threads that returns results in order."""

    def __init__(self, pool: ThreadPoolExecutor, count: int) -> None:
        self._pool, self.count = pool, count

    def map(self, function: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[Result]:
        """Results in the order of the pieces; at most two pieces per thread wait, which bounds the memory."""
        waiting: deque[Future[Result]] = deque()
        for piece in pieces:
            waiting.append(self._pool.submit(function, piece))
            if len(waiting) > 2 * self.count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def open_mappers(run: Run, device: torch.device) -> AbstractContextManager[Workers]:
    """Threads for classification; on a GPU two, each with a CUDA stream."""
    if device.type == "cuda":
        return open_workers(GPU_THREADS, streams_on=device)
    return open_workers(run.workers(device))


@contextmanager
def full_precision() -> Iterator[None]:
    """Convolutions on a GPU in full float32 and deterministic, so that a map equals that of the CPU."""
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic
    cudnn.allow_tf32, cudnn.deterministic = False, True
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic = before


@contextmanager
def open_workers(count: int, *, streams_on: torch.device | None = None) -> Iterator[Workers]:
    """A pool of threads with one-threaded torch operations; with ``streams_on``, each has a CUDA stream there."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def initialise() -> None:
        torch.set_num_threads(1)
        if streams_on is not None:
            torch.cuda.set_stream(torch.cuda.Stream(streams_on))

    pool = ThreadPoolExecutor(count, initializer=initialise)
    try:
        with full_precision():
            yield Workers(pool, count)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)
