"""A stand-in for a CUDA GPU that refuses what a GPU would refuse: computation with tensors of two devices.

PyTorch's FakeTensorMode follows devices too, but cannot run a backward pass on ``cuda`` in a build without CUDA, as
autograd asks for the streams of the device. Here tensors stay in the memory of the CPU, and a mark on their storage
says that they are on the GPU: ``x.device``, ``x.to``, ``device=…`` and ``generator=…`` act on the mark, and each
operation, forward and backward, passes it on or refuses tensors of which some are marked. Values are real.

Not covered: kernels that only a GPU runs (Triton, cuDNN), streams, pinned memory and its transfers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from landcover_bdgf.model.networks import scan
from landcover_bdgf.model.workers import Workers

GPU = torch.device("cuda:0")
MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu"
INDEXED = {"index", "index_put", "index_put_", "_unsafe_index"}  # take indices on the CPU

marked: dict[int, StorageWeakRef] = {}  # by the address of the storage, which is not used again meanwhile


def on_gpu(x: Tensor) -> bool:
    return x.untyped_storage()._cdata in marked


def mark(x: Tensor) -> Tensor:
    marked[x.untyped_storage()._cdata] = StorageWeakRef(x.untyped_storage())
    return x


def tensors(values: Any) -> list[Tensor]:
    """All tensors in nested lists; written out, as PyTorch's own function takes most of the time of a test."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        return tensors([*values.values()])
    return [x for value in values for x in tensors(value)] if isinstance(values, (list, tuple)) else []


class Marks(TorchDispatchMode):
    """Below autograd: results are where their arguments are."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        given = tensors(args[:1] if name in INDEXED else [*args, *kwargs.values()])
        anywhere = any(map(on_gpu, given))
        if name != "copy_" and anywhere and any(not on_gpu(x) and x.dim() for x in given):
            raise RuntimeError(f"{MIXED} ({func})")
        result = func(*args, **kwargs)
        if anywhere and name != "copy_":
            for x in tensors(result):
                mark(x)
        return result


class Device(TorchFunctionMode):
    """Above autograd: what Python says of devices."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if (found := LOOKED_UP.get(func)) is not None:
            return found(*args)
        if func in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return moved(func, *args, **kwargs)
        if func in (Tensor.numpy, Tensor.__array__) and on_gpu(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        device = kwargs.get("device")
        to_gpu = device is not None and torch.device(device).type == "cuda"
        if to_gpu:
            kwargs["device"] = "cpu"
        if (generator := kwargs.get("generator")) is not None:
            where = "cuda" if to_gpu or (device is None and any(map(on_gpu, tensors(args)))) else "cpu"
            if generator.device.type != where:
                raise RuntimeError(f"Expected a {where} generator, found {generator.device} ({func})")
        result = func(*args, **kwargs)
        return mark(result) if to_gpu else result


LOOKED_UP: dict[Any, Callable[[Tensor], Any]] = {
    Tensor.device.__get__: lambda x: GPU if on_gpu(x) else torch.device("cpu"),  # type: ignore[attr-defined]
    Tensor.is_cuda.__get__: on_gpu,  # type: ignore[attr-defined]
    Tensor.is_cpu.__get__: lambda x: not on_gpu(x),  # type: ignore[attr-defined]
}


def moved(func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``x.to(…)``, ``x.cpu()`` or ``x.cuda()``: a copy on the other device, or ``x`` itself."""
    wanted, options = on_gpu(x) if func is Tensor.to else func is Tensor.cuda, {}
    for word in (*args, *kwargs.values()):
        if isinstance(word, Tensor):
            wanted, options["dtype"] = on_gpu(word), word.dtype
        elif isinstance(word, (torch.device, str)):
            wanted = torch.device(word).type == "cuda"
        elif isinstance(word, torch.dtype):
            options["dtype"] = word
        elif isinstance(word, torch.memory_format):
            options["memory_format"] = word
    changed = Tensor.to(x, **options) if options else x
    if on_gpu(changed) == wanted:
        return changed
    copy = changed.detach().clone()
    marked.pop(copy.untyped_storage()._cdata, None)
    return mark(copy) if wanted else copy


class Generator(torch.Generator):
    """Of the CPU, on the device that it is made for."""

    def __new__(cls, device: Any = "cpu") -> Generator:
        made = super().__new__(cls, "cpu")
        made.__dict__["named"] = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.__dict__["named"]


@contextmanager
def pretended() -> Iterator[None]:
    """A block in which ``Run(device="cuda")`` computes on the stand-in, in one thread."""

    def one_by_one(self: Workers, function: Callable[[Any], Any], pieces: Iterable[Any]) -> Iterator[Any]:
        return map(function, pieces)  # modes belong to a thread

    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(
            "landcover_bdgf.model.device.choose_device", lambda name: GPU if name == "cuda" else torch.device(name)
        )
        patch.setattr(Workers, "map", one_by_one)
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(Tensor, "pin_memory", lambda x: x)
        patch.setattr(torch.cuda, "mem_get_info", lambda device: (2**34, 2**35))
        scan.kernel.cache_clear()
        stack.callback(scan.kernel.cache_clear)
        stack.callback(marked.clear)
        stack.enter_context(Marks())
        stack.enter_context(Device())
        yield
