"""A learner offers pixels without a label, and trains by the system's own schedule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landcover_bdgf.bench.systems.learner import Epoch, Learner, Schedule, Sizes
from landcover_bdgf.bench.systems.patches import Patches, View
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.scene.stack import Stack


def loss(network: nn.Module, patches: Patches, generator: torch.Generator) -> Tensor:
    """The only weight."""
    return next(network.parameters()).sum()


def descent(parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0)


def learner(
    stack: Stack, samples: Samples, known: np.ndarray, batch: int = 30, steps: int | None = None
) -> tuple[Learner, nn.Module]:
    network, view = nn.Linear(1, 1, bias=False), View.of(stack, 1, None, 0)
    nn.init.zeros_(network.weight)
    schedule = Schedule(4, batch, 0.5, lambda epoch: float(epoch), descent)
    with open_workers(1) as workers:
        patches = view.patches(stack, samples.train)
        made = Learner("test", Sizes(12, 2, 3), patches, view, stack, known, Run(), workers)
        made.fit(network, loss, schedule, steps=steps)
    return made, network


def test_the_rate_follows_the_epochs(tiny: Stack, tiny_samples: Samples) -> None:
    """60 windows in batches of 30: two steps for each of the epochs 0 to 3."""
    _, network = learner(tiny, tiny_samples, tiny_samples.positions)
    assert next(network.parameters()).item() == -0.5 * 2 * (0 + 1 + 2 + 3)


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(250, 128, [122, 128]), (250, 64, [58, 64, 64, 64]), (60, 30, [30, 30]), (5, 5, [5]), (6, 4, [2, 4])],
)
def test_an_epoch_sees_every_window_once(count: int, size: int, sizes: list[int]) -> None:
    """The last batch has what is left; the next epoch has another order."""
    epoch = Epoch(count, size)
    first, second = (
        [epoch.batch(number * epoch.steps + step, 0) for step in range(epoch.steps)] for number in range(2)
    )
    for batches in (first, second):
        assert sorted(map(len, batches)) == sizes
        assert torch.equal(torch.cat(batches).sort().values, torch.arange(count))
    assert not torch.equal(torch.cat(first), torch.cat(second))


def test_a_last_batch_of_one_window_is_left_out() -> None:
    epoch = Epoch(129, 64)
    assert epoch.steps == 2
    assert [len(epoch.batch(step, 0)) for step in range(2)] == [64, 64]


def test_a_batch_that_is_not_full_is_a_step(tiny: Stack, tiny_samples: Samples) -> None:
    """60 windows in batches of 25: three steps for each epoch, or as many as are asked for."""
    _, network = learner(tiny, tiny_samples, tiny_samples.positions, 25)
    assert next(network.parameters()).item() == -0.5 * 3 * (0 + 1 + 2 + 3)
    _, network = learner(tiny, tiny_samples, tiny_samples.positions, 25, steps=5)
    assert next(network.parameters()).item() == -0.5 * (3 * 0 + 2 * 1)


def test_unlabelled_pixels_are_neither_training_nor_test_pixels(tiny: Stack, tiny_samples: Samples) -> None:
    known = tiny_samples.positions[tiny_samples.cols < 14]
    made, _ = learner(tiny, tiny_samples, known)
    height, _ = tiny.grid.shape_hw
    assert len(made.unlabelled(10_000)) == height * 6
    assert len(made.unlabelled(50)) == 50
    assert (made.unlabelled(50).codes == -1).all()
