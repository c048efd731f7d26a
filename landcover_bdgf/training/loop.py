"""The training loop of denoiser and fusion network: reproducible for any number of threads and processes, resumable.

A batch is divided into a fixed number of shards. One thread of one process computes the gradient of each shard on its
own copy of the network, or on the network itself if there is one shard. Every process then has the gradients (and the
running statistics of batch norm) of all shards, and averages them in the order of the shards. A step depends on the
seed and its number only, so that a resumed training equals an uninterrupted one.
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
from landcover_bdgf.processes import Processes, is_first, joined
from landcover_bdgf.progress import log, progress, stop_between_steps
from landcover_bdgf.storage import digest
from landcover_bdgf.training.state import identity_of, load_state, save_state
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

    Under torchrun, all processes call it for the same task; the first one saves the state.

    Raises
    ------
    BdgfError
        Another process has ended.
    CheckpointError
        ``resume`` with a state of different data or settings (lists the differences), or without a state.
    SettingsError
        The loss is not finite; the processes do not train the same.
    ResourceError
        A batch does not fit into the GPU's memory.
    KeyboardInterrupt
        After Ctrl-C, once the current step is finished and saved.
    """
    network = task.network.train()
    parameters, kept = list(network.parameters()), Kept()
    optimizer = task.optimizer(parameters)
    history = load_state(partial, task, optimizer, kept) if resume and partial is not None else History()
    first, processes = len(history), joined()
    if processes.store:
        processes.check_same(task.name, f"{first} of {task.steps}, {identity_of(task)}, {_digest(network)}")
    several = len(processes.shares(task.shards)) if task.shards > 1 else 0
    replicas = [Replica.of(network) for _ in range(several)] or [Replica.itself(network)]
    saved_at = time.monotonic()
    with stop_between_steps() as stopped, progress(task.name, task.steps - first) as advance:
        for step in range(first, task.steps):
            try:
                values = _step(task, step, optimizer, replicas, workers, processes)
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
            stop = processes.any(stopped())
            if partial is not None and is_first() and (stop or time.monotonic() - saved_at > SAVE_INTERVAL_S):
                save_state(partial, task, optimizer, history, kept)
                saved_at = time.monotonic()
            if stop:
                processes.meet()  # a launcher ends all processes with the first one, also one that saves the state
                log.warning("%s stopped; continue with `resume`" if partial else "%s stopped", task.name)
                raise KeyboardInterrupt
    if partial is not None and is_first():  # the calibration that follows may be interrupted, too
        save_state(partial, task, optimizer, history, kept)
    if kept.weights:
        network.load_state_dict(kept.weights)
    return history


def _digest(network: nn.Module) -> str:
    return digest({name: value.cpu().numpy() for name, value in network.state_dict().items()})


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


@dataclass(frozen=True)
class Result:
    """What a shard gives: gradients, running statistics, and values to log."""

    gradients: list[Tensor]
    statistics: list[Tensor]
    values: dict[str, Tensor]

    @property
    def tensors(self) -> list[Tensor]:
        """All of it."""
        return [*self.gradients, *self.statistics, *self.values.values()]

    def of(self, row: Tensor) -> Result:
        """Another result of this form from its values one after the other.

        With the strides of this form, as norms of gradients are summed in the order of the memory.
        """
        forms = self.tensors
        parts = row.split([form.numel() for form in forms])
        tensors = [torch.empty_like(form).copy_(part.view_as(form)) for part, form in zip(parts, forms, strict=True)]
        statistics, values = len(self.gradients), len(self.gradients) + len(self.statistics)
        named = dict(zip(self.values, tensors[values:], strict=True))
        return Result(tensors[:statistics], tensors[statistics:values], named)


def _of_all(own: list[Result], processes: Processes, count: int) -> list[Result]:
    """The results of all ``count`` shards in their order."""
    if processes.store is None:
        return own
    rows = torch.stack([torch.cat([x.detach().reshape(-1) for x in each.tensors]) for each in own])
    return [own[0].of(row) for row in processes.gathered(rows)[:count]]


def _step(
    task: Task[Shard], step: int, optimizer: Optimizer, replicas: list[Replica], workers: Workers, processes: Processes
) -> dict[str, float]:
    rate = task.rate(step / task.steps)
    for group in optimizer.param_groups:
        group["lr"] = rate
    shards = task.batch(step)

    def result(pair: tuple[Replica, Shard]) -> Result:
        replica, shard = pair
        replica.update()
        loss, values = task.loss(replica.network, shard)
        grads = torch.autograd.grad(loss, replica.parameters, allow_unused=True, materialize_grads=True)
        return Result(list(grads), [own for own, _ in replica.statistics], {"loss": loss.detach(), **values})

    numbers = processes.shares(len(shards))
    own = workers.map(result, zip(replicas[: len(numbers)], (shards[number] for number in numbers), strict=True))
    results = _of_all(list(own), processes, len(shards))
    first, *others = results
    sums = torch.stack([sum((each.values[name] for each in others), first.values[name]) for name in first.values])
    # read at once, as a GPU waits for each reading
    values = {name: total / len(results) for name, total in zip(first.values, sums.tolist(), strict=True)}
    if not np.isfinite(values["loss"]):
        slower = f"Lower `{task.settings}.learning_rate`, and check" if task.settings else "Check"
        problem = f"the loss is not finite at step {step} (learning rate {rate:g})"
        raise SettingsError(task.name, problem, f"{slower} the images for extreme values.")
    for i, parameter in enumerate(task.network.parameters()):
        parameter.grad = sum((each.gradients[i] for each in others), first.gradients[i]) / len(results)
    nn.utils.clip_grad_norm_(task.network.parameters(), task.clip)
    optimizer.step()
    for i, (_, original) in enumerate(replicas[0].statistics):
        original.copy_(torch.stack([each.statistics[i] for each in results]).mean(0))
    return values | {"rate": rate}
