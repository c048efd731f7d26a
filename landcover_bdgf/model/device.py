"""Where the work runs, and how it is spread over the threads of a CPU without changing a bit of the result.

Work is cut into pieces whose size is fixed by the recipe, each piece is computed by one thread with one-threaded
operations, and the results are combined in the order of the pieces. So the same seed gives the same bytes
for any number of threads (the operations of a piece never split a sum over threads).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from landcover_bdgf.errors import CheckpointError, ResourceError, SettingsError

Network = TypeVar("Network", bound=nn.Module)


def with_weights(make: Callable[[], Network], weights: Mapping[str, NDArray[Any]]) -> Network:
    """A network with weights out of a file, in evaluation mode.

    Its shapes are compared without memory for it: a description may ask for more than any machine has.

    Raises
    ------
    CheckpointError
        The weights are not those of such a network.
    """
    try:
        with torch.device("meta"):
            wanted = {name: tuple(value.shape) for name, value in make().state_dict().items()}
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:  # torch's own, of sizes that are none
        raise CheckpointError(None, f"the model's recipe makes no network ({error})", "Train again.") from None
    found = {name: value.shape for name, value in weights.items()}
    if wanted != found:
        name = min(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise CheckpointError(
            None,
            f"the model's weights do not fit its recipe: {name} is {found.get(name, 'missing')}, "
            f"{wanted.get(name, 'nothing')} is needed",
            "Train again.",
        )
    network = make()
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return network.eval()


def choose_device(name: str) -> torch.device:
    """The device of that name, ``auto`` being a CUDA GPU where there is one, else the CPU.

    Raises
    ------
    SettingsError
        It is unknown.
    ResourceError
        It is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(f"--device {name}", "is unknown", "Use auto, cpu, cuda, cuda:0 or mps.") from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise ResourceError(f"--device {name}", "there is no such device here", "Use --device cpu.")
    return device


def pieces_of_batch(count: int, device: torch.device) -> int:
    """Into how many pieces a training cuts a batch, on which its result depends: ``count`` on a CPU, one on a GPU."""
    return count if device.type == "cpu" else 1


def sent(array: NDArray[np.float32], device: torch.device) -> Tensor:
    """The array on a device; to a GPU from pinned memory, while it goes on computing for other threads."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
