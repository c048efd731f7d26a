"""Seed, device and threads of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from landcover_bdgf.settings import Setting, changed_settings, check

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Run:
    """Seed, device and threads; on the CPU of one machine, the result depends on the seed only."""

    seed: Annotated[int, Setting("random seed", least=0)] = 0
    device: Annotated[str, Setting("auto (a CUDA GPU if there is one), cpu, cuda or cuda:1")] = "auto"
    threads: Annotated[
        int, Setting("CPU threads; 0 uses all cores, or OMP_NUM_THREADS; the result is the same", least=0)
    ] = 0

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        check(self)

    def torch_device(self) -> torch.device:
        """The device; ResourceError if it is not available."""
        from landcover_bdgf.model.device import choose_device

        return choose_device(self.device)

    def workers(self, device: torch.device) -> int:
        """Threads to use on the device: a GPU has one queue."""
        return (self.threads or available_threads()) if device.type == "cpu" else 1


def available_threads() -> int:
    """Cores this process may use, or ``OMP_NUM_THREADS`` if set."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit():
        return max(1, int(wanted))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
