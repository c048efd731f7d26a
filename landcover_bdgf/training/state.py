"""The state of a training on disk, so that it can be resumed exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model import History
from landcover_bdgf.storage import digest, write_tensors
from landcover_bdgf.training.task import Kept, Shard, Task

DIGEST = "sha256"  # in the metadata of a state


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
        raise CheckpointError(path, f"belongs to another training: {'; '.join(changed)}", "Start without --resume.")
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
    return CheckpointError(path, f"is damaged ({why})", "Start without --resume.")


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
        raise CheckpointError(path, f"no training to resume here ({error})", "Start without --resume.") from None


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
