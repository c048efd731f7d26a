"""The device of a run, and networks and arrays on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from landcover_bdgf.errors import CheckpointError, ResourceError, SettingsError
from landcover_bdgf.processes import launched, local_number, process_count

Network = TypeVar("Network", bound=nn.Module)


def with_weights(make: Callable[[], Network], weights: Mapping[str, NDArray[Any]]) -> Network:
    """Load weights into a network, in evaluation mode; CheckpointError if they do not fit."""
    network = make()
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: value.shape for name, value in weights.items()}
    if wanted != found:
        name = min(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise CheckpointError(
            None,
            f"the model's weights do not fit its recipe: {name} is {found.get(name, 'missing')}, "
            f"expected {wanted.get(name, 'nothing')}",
            "Train the model again.",
        )
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return network.eval()


def choose_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is a CUDA GPU if available, else the CPU.

    Under torchrun, the GPU of each process is that of its number on its machine.

    Raises
    ------
    SettingsError
        The name is unknown, of a kind of device whose results have not been compared with those of the CPU, or that of
        one GPU for several processes.
    ResourceError
        The device is not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(f'`device="{name}"`', "is unknown", "Use auto, cpu, cuda or cuda:0.") from None
    if device.type not in ("cpu", "cuda"):  # no float64 on mps; and nobody has compared a map
        problem = "is not supported: models and maps have not been compared with those of the CPU"
        raise SettingsError(f'`device="{name}"`', problem, 'Use `device="cpu"`.')
    if device.type == "cuda" and launched():
        if device.index is not None and process_count() > 1:
            raise SettingsError(f'`device="{name}"`', "is one GPU for several processes", 'Use `device="cuda"`.')
        device = torch.device("cuda", device.index or local_number())
        if torch.cuda.is_available() and local_number() >= torch.cuda.device_count():
            remedy = 'Start as many processes as it has GPUs, or use `device="cpu"`.'
            raise ResourceError(f'`device="{name}"`', "this machine has fewer GPUs than processes", remedy)
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        raise ResourceError(f'`device="{name}"`', "is not available on this machine", 'Use `device="cpu"`.')
    return device


def pieces_of_batch(count: int, device: torch.device) -> int:
    """Number of shards of a training batch: ``count`` on a CPU or under torchrun, else one. The result depends on it.

    So it does not depend on the number of processes, only on whether there may be several (decision 32).
    """
    return count if device.type == "cpu" or launched() else 1


def sent(array: NDArray[np.float32], device: torch.device) -> Tensor:
    """Copy the array to a device; to a GPU from pinned memory, without blocking other threads."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
