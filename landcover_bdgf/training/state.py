"""The state of a training on disk, so that it can be resumed exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model import History
from landcover_bdgf.storage import Document, part, read_json, read_tensors, write_tensors
from landcover_bdgf.training.task import Kept, Shard, Task

_REMEDY = "Start without `resume`."


class StateDescription(Document):
    """A state without its tensors; ``identity`` holds all that two trainings must share to be one."""

    kind: Literal["state"]
    identity: dict[str, str]
    score: float
    count: int


def save_state(path: Path, task: Task[Shard], optimizer: torch.optim.Adam, history: History, kept: Kept) -> None:
    tensors = {f"network.{k}": v for k, v in task.network.state_dict().items()}
    tensors |= {f"kept.{k}": v for k, v in kept.weights.items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
    arrays = {k: v.detach().cpu().numpy() for k, v in tensors.items()}
    arrays |= {f"history.{k}": v for k, v in history.arrays().items()}
    description = {"kind": "state", "identity": _identity(task), "score": kept.score, "count": kept.count}
    write_tensors(path, arrays, json.dumps(description), overwrite=True)


def load_state(path: Path, task: Task[Shard], optimizer: torch.optim.Adam, kept: Kept) -> tuple[int, History]:
    if not path.is_file():
        raise CheckpointError(path, "no training to resume here", _REMEDY)
    try:
        arrays, text = read_tensors(path)
        described = read_json(StateDescription, text)
        history = History.of(part(arrays, "history."))
        tensors = {k: torch.from_numpy(v) for k, v in arrays.items()}
        _check_same(path, described.identity, _identity(task))
        _check_state(tensors, task)
        if len(history) > task.steps:
            raise ValueError(f"it has {len(history)} steps of {task.steps}")
    except CheckpointError as error:
        raise CheckpointError(path, error.problem, _REMEDY) from None
    except (ValueError, TypeError) as error:  # the latter of types that PyTorch lacks
        raise CheckpointError(path, f"is damaged ({error})", _REMEDY) from None
    kept.score, kept.count = described.score, described.count
    task.network.load_state_dict(part(tensors, "network."))
    kept.weights = {k: v.to(task.network.state_dict()[k].device) for k, v in part(tensors, "kept.").items()}
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in part(tensors, "adam.").items():
        index, name = key.split(".")
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return len(history), history


def _identity(task: Task[Shard]) -> dict[str, str]:
    return {k: str(v) for k, v in task.identity.items()}


def _check_same(path: Path, before: dict[str, str], now: dict[str, str]) -> None:
    changed = [f"{k} was {before.get(k)}, is {now.get(k)}" for k in sorted(before | now) if before.get(k) != now.get(k)]
    if changed:
        raise CheckpointError(path, f"belongs to another training: {'; '.join(changed)}")


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
        found = part(tensors, prefix)
        if not found and prefix == "kept.":
            continue
        if {k: (v.shape, v.dtype) for k, v in found.items()} != {k: (v.shape, v.dtype) for k, v in wanted.items()}:
            raise ValueError(f"its {prefix.rstrip('.')} is another one")
