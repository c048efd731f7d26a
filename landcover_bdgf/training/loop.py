"""The training loop of denoiser and fusion network: reproducible for any number of threads, exactly resumable.

A batch is divided into a fixed number of shards. One thread computes the gradient of each shard on its own copy of the
network, or on the network itself if there is one shard; gradients (and the running statistics of batch norm) are
averaged in the order of the shards. A step depends on the seed and its number only, so that a resumed training equals
an uninterrupted one.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from landcover_bdgf.errors import ResourceError, SettingsError
from landcover_bdgf.model import History, Workers, is_out_of_memory
from landcover_bdgf.progress import log, progress, stop_between_steps
from landcover_bdgf.training.state import load_state, save_state
from landcover_bdgf.training.task import Kept, Shard, Task

SAVE_INTERVAL_S = 30.0


def generator_of(seed: int, *keys: int, device: torch.device | None = None) -> torch.Generator:
    """A generator seeded by (seed, keys), such as the step; CPU and GPU generators draw different numbers."""
    state = np.random.SeedSequence([seed, *keys]).generate_state(2, np.uint32)
    return torch.Generator(device or "cpu").manual_seed(int(state[0]) << 32 | int(state[1]))


def epoch_batch(count: int, batch: int, step: int, seed: int) -> Tensor:
    """Indices of the batch of a step: each epoch is a new permutation; an incomplete last batch is skipped."""
    per_epoch = max(1, count // batch)
    order = torch.randperm(count, generator=generator_of(seed, 1, step // per_epoch))
    start = step % per_epoch * batch
    return order[start : start + batch]


def fit(task: Task[Shard], workers: Workers, *, partial: Path | None = None, resume: bool = False) -> History:
    """Train ``task.network``; the state is saved to ``partial`` every 30 s, on Ctrl-C and at the end.

    Raises
    ------
    CheckpointError
        ``resume`` with a state of different data or settings (lists the differences), or without a state.
    SettingsError
        The loss is not finite.
    ResourceError
        A batch does not fit into the GPU's memory.
    KeyboardInterrupt
        After Ctrl-C, once the current step is finished and saved.
    """
    network = task.network.train()
    parameters, kept = list(network.parameters()), Kept()
    optimizer = task.optimizer(parameters)
    history = load_state(partial, task, optimizer, kept) if resume and partial is not None else History()
    first = len(history)
    replicas = [Replica.of(network) for _ in range(task.shards)] if task.shards > 1 else [Replica.itself(network)]
    saved_at = time.monotonic()
    with stop_between_steps() as stopped, progress(task.name, task.steps - first) as advance:
        for step in range(first, task.steps):
            try:
                values = _step(task, step, optimizer, replicas, workers)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                smaller = f"Halve `{task.settings}.batch`, or use" if task.settings else "Use"
                remedy = f'{smaller} `device="cpu"`.'
                raise ResourceError(task.name, "a batch does not fit into the GPU memory", remedy) from None
            history.add(values)
            if step >= (1 - task.averaged_share) * task.steps:
                kept.average(task.network)
            advance(note=f"loss {values['loss']:.3f}")
            if partial is not None and (stopped() or time.monotonic() - saved_at > SAVE_INTERVAL_S):
                save_state(partial, task, optimizer, history, kept)
                saved_at = time.monotonic()
            if stopped():
                log.warning("%s stopped; continue with `resume`" if partial else "%s stopped", task.name)
                raise KeyboardInterrupt
    if partial is not None:  # the calibration that follows may be interrupted, too
        save_state(partial, task, optimizer, history, kept)
    if kept.weights:
        network.load_state_dict(kept.weights)
    return history


@dataclass(frozen=True)
class Replica:
    """A copy of the network for one shard; tensors are listed once, as looking them up is slower than copying them."""

    network: nn.Module
    parameters: list[Tensor]
    tensors: list[Tensor]  # parameters and buffers
    sources: list[Tensor]  # those of the original, in the same order
    statistics: list[tuple[Tensor, Tensor]]  # running statistics: own and original

    @classmethod
    def of(cls, original: nn.Module) -> Replica:
        """A deep copy; call :meth:`update` before use."""
        network = copy.deepcopy(original)
        own, sources = ([*m.parameters(), *m.buffers()] for m in (network, original))
        buffers = zip(network.buffers(), original.buffers(), strict=True)
        statistics = [(mine, first) for mine, first in buffers if first.dtype.is_floating_point]
        return cls(network, list(network.parameters()), own, sources, statistics)

    @classmethod
    def itself(cls, network: nn.Module) -> Replica:
        """The original, where there is one shard: nothing to copy."""
        return cls(network, list(network.parameters()), [], [], [])

    @torch.no_grad()
    def update(self) -> None:
        """Copy the current tensors of the original."""
        for target, source in zip(self.tensors, self.sources, strict=True):
            target.copy_(source)


def _step(
    task: Task[Shard], step: int, optimizer: Optimizer, replicas: list[Replica], workers: Workers
) -> dict[str, float]:
    rate = task.rate(step / task.steps)
    for group in optimizer.param_groups:
        group["lr"] = rate
    shards = task.batch(step)
    used = replicas[: len(shards)]

    def gradients(pair: tuple[Replica, Shard]) -> tuple[list[Tensor], dict[str, Tensor]]:
        replica, shard = pair
        replica.update()
        loss, values = task.loss(replica.network, shard)
        grads = torch.autograd.grad(loss, replica.parameters, allow_unused=True, materialize_grads=True)
        return list(grads), {"loss": loss.detach(), **values}

    results = list(workers.map(gradients, zip(used, shards, strict=True)))
    names = list(results[0][1])
    sums = torch.stack([sum((v[name] for _, v in results[1:]), results[0][1][name]) for name in names])
    # read at once, as a GPU waits for each reading
    values = {name: total / len(results) for name, total in zip(names, sums.tolist(), strict=True)}
    if not np.isfinite(values["loss"]):
        slower = f"Lower `{task.settings}.learning_rate`, and check" if task.settings else "Check"
        problem = f"the loss is not finite at step {step} (learning rate {rate:g})"
        raise SettingsError(task.name, problem, f"{slower} the images for extreme values.")
    for i, parameter in enumerate(task.network.parameters()):
        parameter.grad = sum((g[i] for g, _ in results[1:]), results[0][0][i]) / len(results)
    nn.utils.clip_grad_norm_(task.network.parameters(), task.clip)
    optimizer.step()
    for same in zip(*(replica.statistics for replica in used), strict=True):
        same[0][1].copy_(torch.stack([own for own, _ in same]).mean(0))
    return values | {"rate": rate}
