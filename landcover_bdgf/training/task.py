"""What a training loop optimises, and which weights it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

Shard = TypeVar("Shard")


@dataclass(frozen=True)
class Task(Generic[Shard]):
    """What is optimised.

    Attributes
    ----------
    name : str
        For progress lines.
    network : nn.Module
        Trained in place.
    batch : callable
        step -> the shards of that step's batch.
    loss : callable
        (copy of the network, shard) -> loss and values worth logging.
    steps : int
    learning_rate, weight_decay : float
    averaged_share : float
        The weights that are kept are the mean over this last part of the steps; 0 keeps the last ones.
    evaluate : callable, optional
        network -> score; asked about twenty times, and the weights with the highest score are kept instead.
    shards : int
        Parts of a batch at most; fixed by the task, as the result depends on it and the number of threads may not.
    identity : dict
        All that must agree when an interrupted training is resumed.
    """

    name: str
    network: nn.Module
    batch: Callable[[int], Sequence[Shard]]
    loss: Callable[[nn.Module, Shard], tuple[Tensor, dict[str, Tensor]]]
    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    averaged_share: float = 0.0
    evaluate: Callable[[nn.Module], float] | None = None
    shards: int = 4
    identity: dict[str, Any] = field(default_factory=dict)


@dataclass
class Kept:
    """Weights and running statistics to keep in the end, if not the last ones: a mean, or the best."""

    score: float = -1.0
    count: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, score: float, network: nn.Module) -> None:
        """Keep the network's weights if they score higher than any before."""
        if score > self.score:
            self.score = score
            self.weights = {k: v.clone() for k, v in network.state_dict().items()}

    def average(self, network: nn.Module) -> None:
        """Take the network's weights into the mean."""
        self.count += 1
        for key, value in network.state_dict().items():
            mean = self.weights.setdefault(key, value.clone())
            if value.dtype.is_floating_point:
                mean += (value - mean) / self.count
