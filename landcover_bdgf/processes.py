"""Processes that train together, as torchrun starts them: which of them this is, and what they tell one another.

Each process runs the same command on the same files. In the training loop each computes some shards of a step; all
else is computed by every process alike. The first process writes files, logs, and shows progress. A process that no
launcher started is the first and only one, and nothing here changes what it does (decision 32).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from landcover_bdgf.errors import BdgfError, ResourceError, SettingsError

if TYPE_CHECKING:
    from torch import Tensor

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # set by torchrun and by other launchers
MEETING = timedelta(minutes=10)  # machines of a queue do not start at the same moment
WAITING = timedelta(hours=12)  # one process may find features in its cache that another computes; the dead are noticed
TELLING_S = 3.0  # a launcher ends all processes after the first failure, also one that has yet to tell why


def launched() -> bool:
    """Whether torchrun or another launcher started this process, be it as the only one."""
    return all(os.environ.get(name) for name in VARIABLES)


def process_count() -> int:
    """Number of processes that train together."""
    return int(os.environ["WORLD_SIZE"]) if launched() else 1


def is_first() -> bool:
    """Whether this process writes files, logs, and shows progress."""
    return not launched() or int(os.environ["RANK"]) == 0


def local_number() -> int:
    """Number of this process on its machine, from 0: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", 0)) if launched() else 0


@dataclass(frozen=True)
class Processes:
    """All processes of a run, which share a ``store``; by default one alone. ``number`` is that of this one, from 0."""

    number: int = 0
    count: int = 1
    store: Any = None

    def shares(self, shards: int) -> list[int]:
        """Which of the shards this process computes: as many in each process, so some may be computed twice."""
        rounds = -(-shards // self.count)
        return [(i * self.count + self.number) % shards for i in range(rounds)]

    def gathered(self, own: Tensor) -> Tensor:
        """Rows (n, L) of each process, in the order of their shards: (n · count, L), bit for bit as they were sent."""
        import torch
        from torch import distributed

        parts = [torch.empty_like(own) for _ in range(self.count)]
        with _noticing_the_dead():
            distributed.all_gather(parts, own)
        return torch.stack(parts, dim=1).flatten(0, 1)

    def any(self, mine: bool) -> bool:
        """Whether something is true in any process; all wait for one another."""
        if self.store is None:
            return mine
        import torch

        return bool(self.gathered(torch.tensor([[float(mine)]])).any())

    def meet(self) -> None:
        """Wait for all processes."""
        self.any(False)

    def check_same(self, name: str, text: str) -> None:
        """SettingsError unless all processes give the same text."""
        if self.store is None:
            return
        import torch

        digest = torch.tensor([[*hashlib.sha256(text.encode()).digest()]], dtype=torch.uint8)
        found = self.gathered(digest)
        if not (found == found[0]).all():
            problem = "the processes have different images, labels, settings or versions, or compute differently"
            remedy = "Start all of them with the same files and options, on machines of one kind."
            raise SettingsError(name, problem, remedy)


def joined() -> Processes:
    """The processes of this run; the first call waits until all are there.

    Raises
    ------
    ResourceError
        They do not find one another.
    """
    return _meeting() if launched() else Processes()


@cache
def _meeting() -> Processes:
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    gpus = torch.cuda.is_available() and distributed.is_nccl_available()
    try:
        store, number, count = next(rendezvous("env://", timeout=MEETING))
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if gpus else "gloo", store=store, rank=number, world_size=count, timeout=WAITING
        )
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        remedy = "Check that all machines reach it, and that no other run uses it (torchrun --master-port)."
        raise ResourceError(place, f"the processes do not meet there ({first})", remedy) from error
    if gpus and local_number() < torch.cuda.device_count():
        torch.cuda.set_device(local_number())
    return Processes(number, count, store)


def leave() -> None:
    """End the connections to other processes, if there are any."""
    if launched() and _meeting.cache_info().currsize:
        from torch import distributed

        distributed.destroy_process_group()
        _meeting.cache_clear()


def tells_error() -> bool:
    """Whether this process is to tell its error: the first one that fails does, as others may fail of the same."""
    if process_count() == 1:
        return True
    if not _meeting.cache_info().currsize:  # not in touch with the others, which have the same error
        if not is_first():
            time.sleep(TELLING_S)
        return is_first()
    store = joined().store
    try:
        return bool(store.add("bdgf: failed", 1) == 1)
    except RuntimeError:  # it ended with the first process, which has told its error if it could
        return False


@contextmanager
def _noticing_the_dead() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "out of memory" in str(error):
            raise
        remedy = "Its own message, or that of the launcher, tells why."
        raise BdgfError(None, "another process of this training has ended", remedy) from error
