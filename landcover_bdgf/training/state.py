"""The state of a training on disk, so that it can be resumed exactly."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model import History
from landcover_bdgf.storage import Document, part, read_json, read_tensors, write_tensors
from landcover_bdgf.training.task import Kept, Shard, Task

_REMEDY = "Start without `resume`."
_OF_THAT_RUN = "Give the inputs and options of that run to continue with `resume`, or start over with `overwrite`."


class StateDescription(Document):
    """A state without its tensors; ``identity`` holds the values that a resumed training must have, too."""

    kind: Literal["state"]
    identity: dict[str, str]
    count: int


def save_state(path: Path, task: Task[Shard], optimizer: Optimizer, history: History, kept: Kept) -> None:
    """Write the state of a training; OutputError if it cannot be written."""
    tensors = {f"network.{k}": v for k, v in task.network.state_dict().items()}
    tensors |= {f"kept.{k}": v for k, v in kept.weights.items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
    arrays = {k: v.detach().cpu().numpy() for k, v in tensors.items()}
    arrays |= {f"history.{k}": v for k, v in history.arrays().items()}
    description = {"kind": "state", "identity": identity_of(task), "count": kept.count}
    write_tensors(path, arrays, json.dumps(description), overwrite=True)


def load_state(path: Path, task: Task[Shard], optimizer: Optimizer, kept: Kept) -> History:
    """Restore the state of a training, see :func:`~landcover_bdgf.training.loop.fit` for the errors raised."""
    if not path.is_file():
        raise CheckpointError(path, "does not exist, so there is no training to resume", _REMEDY)
    try:
        arrays, text = read_tensors(path)
        described = read_json(StateDescription, text)
        history = History.of(part(arrays, "history."))
        was, is_ = described.identity, identity_of(task)
        changed = [f"{k} was {was.get(k)}, is {is_.get(k)}" for k in sorted(was | is_) if was.get(k) != is_.get(k)]
        if changed:
            raise CheckpointError(path, f"belongs to another training: {'; '.join(changed)}", _OF_THAT_RUN)
        tensors = {k: torch.from_numpy(v) for k, v in arrays.items()}
        task.network.load_state_dict(part(tensors, "network."))
    except CheckpointError as error:
        raise CheckpointError(path, error.problem, _OF_THAT_RUN if error.remedy == _OF_THAT_RUN else _REMEDY) from None
    except (ValueError, RuntimeError) as error:  # the latter if another version had another network
        raise CheckpointError(path, f"is damaged ({error})", _REMEDY) from None
    kept.count = described.count
    kept.weights = {k: v.to(task.network.state_dict()[k].device) for k, v in part(tensors, "kept.").items()}
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in part(tensors, "optimizer.").items():
        index, name = key.split(".")
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return history


def identity_of(task: Task[Shard]) -> dict[str, str]:
    """What makes a training this one: version, data and settings."""
    return {"version": version("landcover-bdgf"), **{k: str(v) for k, v in task.identity.items()}}
