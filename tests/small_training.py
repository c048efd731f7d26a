"""A training of 12 steps, of a network of linear layers."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from landcover_bdgf.model.history import History
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.training.loop import fit, generator_of
from landcover_bdgf.training.task import Task, halving

STEPS = 12
Pair = tuple[Tensor, Tensor]


def net() -> nn.Module:
    """Linear layers, and batch norm with running statistics."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def batch_of(step: int) -> list[Pair]:
    inputs = [torch.randn((10, 6), generator=generator_of(1, step, i)) for i in range(4)]
    return [(x, x.sum(1, keepdim=True)) for x in inputs]


def task(**changes: object) -> Task[Pair]:
    def loss(network: nn.Module, shard: Pair) -> tuple[Tensor, dict[str, Tensor]]:
        x, y = shard
        return (network(x) - y).square().mean(), {"x": x.mean()}

    made = Task("train", net(), batch_of, loss, STEPS, rate=halving(0.01), identity={"seed": 1})
    return replace(made, **changes)  # type: ignore[arg-type]


def run(made: Task[Pair], threads: int = 2, **options: object) -> tuple[dict[str, Tensor], History]:
    with open_workers(threads) as workers:
        history = fit(made, workers, **options)  # type: ignore[arg-type]
    return made.network.state_dict(), history


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert all(torch.equal(a[key], b[key]) for key in a)
