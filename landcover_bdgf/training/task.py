"""The task of a training loop, and the mean weights that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Shard = TypeVar("Shard")
MILESTONES = (0.5, 0.75, 0.9)  # shares of all steps at which the learning rate halves (MultiStepLR, section 4.1)


def halving(learning_rate: float) -> Callable[[float], float]:
    """A learning rate that halves at the milestones."""
    return lambda done: learning_rate * 0.5 ** sum(done >= share for share in MILESTONES)


def adam(parameters: Sequence[nn.Parameter], weight_decay: float = 0.0) -> Optimizer:
    """Adam with the usual momenta."""
    return torch.optim.Adam(parameters, weight_decay=weight_decay, foreach=True)


class Shards(Sequence[Shard]):
    """The shards of a batch, each made when it is asked for: of several processes, each needs only some."""

    def __init__(self, count: int, make: Callable[[int], Shard]) -> None:
        self._numbers, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> Shard: ...
    @overload
    def __getitem__(self, number: slice) -> list[Shard]: ...
    def __getitem__(self, number: int | slice) -> Shard | list[Shard]:
        if isinstance(number, slice):
            return [self._make(each) for each in self._numbers[number]]
        return self._make(self._numbers[number])


@dataclass(frozen=True)
class Task(Generic[Shard]):
    """An optimisation task.

    Attributes
    ----------
    name : str
        Name in progress lines and messages.
    network : nn.Module
        Trained in place.
    batch : callable
        step -> the shards of that step's batch.
    loss : callable
        (copy of the network, shard) -> loss and values to log.
    steps : int
    rate : callable
        Share of the steps that are done -> learning rate.
    optimizer : callable
        parameters -> optimizer; by default Adam.
    clip : float
        Greatest norm of the gradients; longer ones are shortened to it.
    averaged_share : float
        The final weights are the mean over this last share of the steps; 0 for the weights of the last step.
    shards : int
        Greatest number of shards of a batch. The result depends on it, so it is independent of the number of threads
        and processes.
    settings : str
        Group of the recipe that holds its batch size and learning rate, for messages; empty if a recipe has none.
    identity : dict
        Values that must be the same when an interrupted training is resumed.
    """

    name: str
    network: nn.Module
    batch: Callable[[int], Sequence[Shard]]
    loss: Callable[[nn.Module, Shard], tuple[Tensor, dict[str, Tensor]]]
    steps: int
    rate: Callable[[float], float]
    optimizer: Callable[[Sequence[nn.Parameter]], Optimizer] = adam
    clip: float = 5.0
    averaged_share: float = 0.0
    shards: int = 4
    settings: str = ""
    identity: dict[str, Any] = field(default_factory=dict)


@dataclass
class Kept:
    """Means of weights and running statistics over the last steps."""

    count: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def average(self, network: nn.Module) -> None:
        """Add the weights of the network to the mean."""
        self.count += 1
        for key, value in network.state_dict().items():
            mean = self.weights.setdefault(key, value.clone())
            if value.dtype.is_floating_point:
                mean += (value - mean) / self.count
