"""Training of a system by our loop, on training pixels alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from landcover_bdgf.bench.systems.patches import UNKNOWN, Patches, View
from landcover_bdgf.errors import LabelError
from landcover_bdgf.model import Run, Workers
from landcover_bdgf.scene import Stack
from landcover_bdgf.training import Task, adam, fit, generator_of

Loss = Callable[[nn.Module, Patches, Generator], Tensor]


@dataclass(frozen=True)
class Sizes:
    """Numbers of spectral channels (S), SAR channels (R) and classes (C)."""

    bands: int
    sar_bands: int
    classes: int


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes
    ----------
    epochs, batch : int
    learning_rate : float
    decay : callable
        Epoch, from 0 -> factor of the learning rate.
    optimizer : callable
        Parameters -> optimizer.
    clip : float
        Greatest norm of the gradients; longer ones are shortened to it.
    """

    epochs: int = 100
    batch: int = 64
    learning_rate: float = 1e-3
    decay: Callable[[int], float] = lambda _: 1.0
    optimizer: Callable[[Sequence[nn.Parameter]], Optimizer] = adam
    clip: float = float("inf")


@dataclass(frozen=True)
class Batch:
    """Windows of a step, and the generator for its random numbers."""

    patches: Patches
    generator: Generator


@dataclass(frozen=True)
class Epoch:
    """How an epoch divides ``count`` windows into batches of ``size``: the last may have fewer, but two at least."""

    count: int
    size: int

    @property
    def steps(self) -> int:
        """Number of batches; a last one of a single window, for which there is no batch norm, is left out."""
        whole, rest = divmod(self.count, self.size)
        return whole + (rest > 1)

    def batch(self, step: int, seed: int) -> Tensor:
        """Indices of the windows of a step, (n,) int64; each epoch is a new permutation."""
        number, place = divmod(step, self.steps)
        order = torch.randperm(self.count, generator=generator_of(seed, 1, number))
        return order[place * self.size : (place + 1) * self.size]


@dataclass(frozen=True)
class Learner:
    """What a system may learn from: windows of the training pixels with their classes, and pixels without a label.

    ``known`` (n, 2) are the rows and columns of training and test pixels. The classes of test pixels are not here.
    """

    name: str
    sizes: Sizes
    patches: Patches
    view: View
    stack: Stack
    known: NDArray[np.int32]
    run: Run
    workers: Workers

    def fit(
        self,
        network: nn.Module,
        loss: Loss,
        schedule: Schedule,
        patches: Patches | None = None,
        steps: int | None = None,
    ) -> None:
        """Train a network, in place, on the training pixels or others: for the epochs of the schedule, or ``steps``.

        Raises
        ------
        LabelError
            There is a single window.
        """
        windows, seed = self.patches if patches is None else patches, self.run.seed
        if len(windows) < 2:
            raise LabelError(self.name, "has one training pixel, and batch norm needs two", "Add labels.")
        epoch = Epoch(len(windows), min(schedule.batch, len(windows)))
        total = schedule.epochs * epoch.steps if steps is None else steps

        def batch(step: int) -> list[Batch]:
            drawn = windows.where(epoch.batch(step, seed)).channels_last()
            return [Batch(drawn, generator_of(seed, 2, step))]

        def of_batch(network: nn.Module, drawn: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            return loss(network, drawn.patches, drawn.generator), {}

        def rate(done: float) -> float:
            return schedule.learning_rate * schedule.decay(round(done * total) // epoch.steps)

        # one shard: batch norm, and losses between windows, are those of whole batches
        task = Task(
            self.name, network, batch, of_batch, total, rate, schedule.optimizer, clip=schedule.clip, shards=1
        )  # fmt: skip
        fit(task, self.workers)
        network.eval()

    def unlabelled(self, count: int) -> Patches:
        """Windows around at most ``count`` random pixels with data that are neither training nor test pixels."""
        height, width = self.stack.grid.shape_hw
        free = np.ones((height, width), bool)
        free[self.known[:, 0], self.known[:, 1]] = False
        for window in self.stack.grid.tiles(512):
            free[window.toslices()] &= self.stack.read_valid(window)
        rows, cols = np.nonzero(free)
        chosen = np.random.default_rng(self.run.seed).permutation(len(rows))[:count]
        return self.view.patches_at(self.stack, rows[chosen], cols[chosen], np.full(len(chosen), UNKNOWN))
