"""The optimisation loop under both trainings: fixed shards, no randomness but (seed, step), resumable.

A batch is cut into a fixed number of shards. Each shard's gradient is computed by one thread on its own copy
of the network; gradients (and the running statistics of batch norm) are averaged in the order of the shards. What
a step does depends on the seed and the step alone, so that a resumed training equals an uninterrupted one.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from landcover_bdgf.errors import CheckpointError, ResourceError, SettingsError
from landcover_bdgf.interrupts import stop_between_steps
from landcover_bdgf.model import History, Workers
from landcover_bdgf.progress import log, progress
from landcover_bdgf.storage import digest, write_tensors

Shard = TypeVar("Shard")

SAVE_INTERVAL_S = 30.0

EVALUATIONS = 20

DIGEST = "sha256"  # in the metadata of a state

MILESTONES = (0.5, 0.75, 0.9)  # of all steps, where the learning rate halves (MultiStepLR, section 4.1)


def generator_of(seed: int, *keys: int, device: torch.device | None = None) -> torch.Generator:
    """Randomness that belongs to a step, whenever the step runs; each kind of device has draws of its own."""
    state = np.random.SeedSequence([seed, *keys]).generate_state(2, np.uint32)
    return torch.Generator(device or "cpu").manual_seed(int(state[0]) << 32 | int(state[1]))


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


def fit(task: Task[Shard], workers: Workers, *, partial: Path | None = None, resume: bool = False) -> History:
    """Train ``task.network``, keeping the state in ``partial`` every half minute, on Ctrl-C and at the end.

    Raises
    ------
    CheckpointError
        ``resume`` with a state of other data or settings (lists the differences), or without a state.
    SettingsError
        The loss is not finite.
    ResourceError
        A batch does not fit into the GPU's memory.
    KeyboardInterrupt
        After Ctrl-C, when the step that was running is finished and saved.
    """
    network = task.network.train()
    optimizer = torch.optim.Adam(
        network.parameters(), lr=task.learning_rate, weight_decay=task.weight_decay, foreach=True
    )
    history, kept, first = History(), Kept(), 0
    if resume and partial is not None:
        first, history = load_state(partial, task, optimizer, kept)
    replicas = [Replica.of(network) for _ in range(task.shards)]
    saved_at = time.monotonic()
    with progress(task.name, task.steps - first) as advance, stop_between_steps() as stopped:
        for step in range(first, task.steps):
            try:
                values = _step(task, step, optimizer, replicas, workers)
            except torch.cuda.OutOfMemoryError:
                raise ResourceError(
                    f"{task.name}: the GPU's memory does not hold a batch. Halve it with --set "
                    "(training.batch, diffusion.batch), or use --device cpu."
                ) from None
            history.add(values)
            _keep(task, step, kept)
            advance(note=f"loss {values['loss']:.3f}")
            if partial is not None and (stopped() or time.monotonic() - saved_at > SAVE_INTERVAL_S):
                save_state(partial, task, optimizer, history, kept)
                saved_at = time.monotonic()
            if stopped():
                log.warning("%s stopped%s", task.name, "; go on with --resume" if partial else "")
                raise KeyboardInterrupt
    if partial is not None:  # what follows may be interrupted too
        save_state(partial, task, optimizer, history, kept)
    if kept.weights:
        network.load_state_dict(kept.weights)
    return history


@dataclass(frozen=True)
class Replica:
    """A copy of the network for one shard, its tensors listed once: looking them up takes longer than copying them."""

    network: nn.Module
    parameters: list[Tensor]
    tensors: list[Tensor]  # parameters and buffers
    sources: list[Tensor]  # of the original, in the same order
    statistics: list[tuple[Tensor, Tensor]]  # running statistics, those of the original beside them

    @classmethod
    def of(cls, original: nn.Module) -> Replica:
        """A deep copy, to be filled by :meth:`update`."""
        network = copy.deepcopy(original)
        own, theirs = ([*m.parameters(), *m.buffers()] for m in (network, original))
        buffers = zip(network.buffers(), original.buffers(), strict=True)
        statistics = [(mine, first) for mine, first in buffers if first.dtype.is_floating_point]
        return cls(network, list(network.parameters()), own, theirs, statistics)

    @torch.no_grad()
    def update(self) -> None:
        """Take over what the original has now."""
        for target, source in zip(self.tensors, self.sources, strict=True):
            target.copy_(source)


def _keep(task: Task[Shard], step: int, kept: Kept) -> None:
    if task.evaluate is not None:
        if (step + 1) % max(1, task.steps // EVALUATIONS) == 0:
            kept.offer(task.evaluate(task.network), task.network)
    elif step >= (1 - task.averaged_share) * task.steps:
        kept.average(task.network)


def _step(
    task: Task[Shard], step: int, optimizer: torch.optim.Adam, replicas: list[Replica], workers: Workers
) -> dict[str, float]:
    rate = task.learning_rate * 0.5 ** sum(step >= share * task.steps for share in MILESTONES)
    for group in optimizer.param_groups:
        group["lr"] = rate
    shards = task.batch(step)
    if len(shards) > len(replicas):
        raise ValueError(f"{len(shards)} shards, at most {len(replicas)}")
    used = replicas[: len(shards)]

    def gradients(pair: tuple[Replica, Shard]) -> tuple[list[Tensor], dict[str, Tensor]]:
        replica, shard = pair
        replica.update()
        loss, values = task.loss(replica.network, shard)
        grads = torch.autograd.grad(loss, replica.parameters, allow_unused=True, materialize_grads=True)
        return list(grads), {"loss": loss.detach(), **values}

    results = list(workers.map(gradients, zip(used, shards, strict=True)))
    values = {key: float(sum(v[key] for _, v in results)) / len(results) for key in results[0][1]}
    if not np.isfinite(values["loss"]):
        raise SettingsError(
            f"{task.name}: the loss is not finite at step {step} (learning rate {rate:g}). "
            "Lower the learning rate (--set), and look for extreme values with bdgf check."
        )
    for i, parameter in enumerate(task.network.parameters()):
        parameter.grad = sum((g[i] for g, _ in results[1:]), results[0][0][i]) / len(results)
    nn.utils.clip_grad_norm_(task.network.parameters(), 5.0)
    optimizer.step()
    for same in zip(*(replica.statistics for replica in used), strict=True):
        same[0][1].copy_(torch.stack([own for own, _ in same]).mean(0))
    return values | {"rate": rate}


def save_state(path: Path, task: Task[Shard], optimizer: torch.optim.Adam, history: History, kept: Kept) -> None:
    tensors = {f"network.{k}": v for k, v in task.network.state_dict().items()}
    tensors |= {f"kept.{k}": v for k, v in kept.weights.items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
    arrays = {k: v.detach().cpu().numpy() for k, v in tensors.items()}
    arrays |= {f"history.{k}": v for k, v in history.arrays().items()}
    metadata = {"score": repr(kept.score), "count": str(kept.count)}
    metadata |= {f"identity.{k}": str(v) for k, v in task.identity.items()}
    write_tensors(path, arrays, metadata | {DIGEST: state_digest(arrays, metadata)}, overwrite=True)


def state_digest(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """sha256 of all that a state holds, but itself."""
    return digest(arrays, json.dumps({k: v for k, v in metadata.items() if k != DIGEST}, sort_keys=True))


def load_state(path: Path, task: Task[Shard], optimizer: torch.optim.Adam, kept: Kept) -> tuple[int, History]:
    metadata, tensors = _read_state(path)
    try:
        if metadata.get(DIGEST) != state_digest({k: v.numpy() for k, v in tensors.items()}, metadata):
            raise ValueError("its checksum does not match")
    except (ValueError, TypeError) as error:  # the latter of numbers that NumPy lacks
        raise _damaged(path, error) from None
    before = {k.removeprefix("identity."): v for k, v in metadata.items() if k.startswith("identity.")}
    now = {k: str(v) for k, v in task.identity.items()}
    changed = [f"{k} was {before.get(k)}, is {now.get(k)}" for k in sorted(before | now) if before.get(k) != now.get(k)]
    if changed:
        raise CheckpointError(f"{path}: belongs to another training: {'; '.join(changed)}. Start without --resume.")
    try:
        _check_state(tensors, task)
        kept.score, kept.count = float(metadata["score"]), int(metadata["count"])
        history = History.of({k: v.numpy() for k, v in _part(tensors, "history.").items()})
        if len(history) > task.steps:
            raise ValueError(f"it has {len(history)} steps of {task.steps}")
    except (LookupError, ValueError, TypeError) as error:
        raise _damaged(path, error) from None
    task.network.load_state_dict(_part(tensors, "network."))
    kept.weights = {k: v.to(task.network.state_dict()[k].device) for k, v in _part(tensors, "kept.").items()}
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in _part(tensors, "adam.").items():
        index, name = key.split(".")
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return len(history), history


def _damaged(path: Path, why: Exception) -> CheckpointError:
    return CheckpointError(f"{path}: is damaged ({why}). Start without --resume.")


def _check_state(tensors: dict[str, Tensor], task: Task[Shard]) -> None:
    """Refuse tensors of another network, or that are not finite; ValueError."""
    bad = next((k for k, v in tensors.items() if not torch.isfinite(v).all()), None)
    if bad is not None:
        raise ValueError(f"{bad} holds values that are not finite")
    own, parameters = task.network.state_dict(), list(task.network.parameters())
    moments: dict[str, Tensor] = {
        f"{i}.{name}": p for i, p in enumerate(parameters) for name in ("exp_avg", "exp_avg_sq")
    }
    moments |= {f"{i}.step": torch.zeros(()) for i in range(len(parameters))}
    for prefix, wanted in (("network.", own), ("kept.", own), ("adam.", moments)):
        found = _part(tensors, prefix)
        if not found and prefix == "kept.":
            continue
        if {k: (v.shape, v.dtype) for k, v in found.items()} != {k: (v.shape, v.dtype) for k, v in wanted.items()}:
            raise ValueError(f"its {prefix.rstrip('.')} is another one")


def _read_state(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: no training to resume here ({error}). Start without --resume.") from None


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
