"""Arrays of a file of ``torch.save``, without unpickling it.

Such a file is a zip archive: a pickle describes the tensors, and further members hold their numbers. A pickle is a
program, which may call anything. Here its instructions are read, not run: those that describe a dictionary of tensors
have a meaning, everything else is refused.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.storage.paths import PathLike
from landcover_bdgf.storage.tensors import Arrays

MOST_PICKLE_BYTES = 4 << 20  # thousands of tensors take less
MOST_BYTES = 256 << 20  # of numbers; Presto has 3 MB
_ENCRYPTED = 1  # flag of a member of a zip archive
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
_DICTIONARY, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_STORAGES = {f"torch {name}": dtype for name, dtype in _DTYPES.items()}
_ALLOWED = {_DICTIONARY, _TENSOR, *_STORAGES}
REMEDY = "Give a file of weights alone, as torch.save(model.state_dict(), FILE) writes it, or a safetensors file."


class _NoTensorsError(Exception):
    """The file does something else than describe tensors."""


@dataclass(frozen=True)
class _Name:
    """A function or class that the pickle names; it is not imported."""

    text: str


@dataclass(frozen=True)
class _Storage:
    """Numbers of a member of the archive."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of numbers; offset and strides count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_file(path: PathLike) -> Arrays:
    """Arrays by name.

    Raises
    ------
    CheckpointError
        The file is no zip archive of ``torch.save``, is cut off, or its pickle does more than describe tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            folder, pickle = _pickle(archive)
            tensors = _described(pickle)
            if sum(prod(t.shape) * np.dtype(t.storage.dtype).itemsize for t in tensors.values()) > MOST_BYTES:
                raise _NoTensorsError(f"its tensors take more than {MOST_BYTES >> 20} MB")
            return {name: _values(archive, folder, tensor) for name, tensor in tensors.items()}
    except _NoTensorsError as refused:
        raise CheckpointError(path, f"is a PyTorch file that is not read: {refused}", REMEDY) from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, KeyError, EOFError) as error:
        problem = f"is not a file of PyTorch 1.6 or later, or it is cut off ({error})"
        raise CheckpointError(path, problem, "Download it again.") from None


def _pickle(archive: zipfile.ZipFile) -> tuple[str, bytes]:
    """The folder of the archive, and its pickle."""
    found = [info for info in archive.infolist() if info.filename.split("/")[1:] == ["data.pkl"]]
    if len(found) != 1:
        raise _NoTensorsError("it has no data.pkl")
    folder = found[0].filename.split("/")[0]
    order = f"{folder}/byteorder"
    if order in archive.namelist() and _member(archive, order, 6) != b"little":
        raise _NoTensorsError("its numbers are big-endian")
    return folder, _member(archive, found[0].filename, MOST_PICKLE_BYTES)


def _member(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes:
    info = archive.getinfo(name)
    plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & _ENCRYPTED  # as torch.save writes it
    if not plain or info.file_size > most_bytes:
        raise _NoTensorsError(f"its member {name} is compressed, encrypted or too large")
    return archive.read(info)


def _values(archive: zipfile.ZipFile, folder: str, tensor: _Tensor) -> NDArray[Any]:
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    dtype = np.dtype(storage.dtype)
    stored = _member(archive, f"{folder}/data/{storage.key}", storage.count * dtype.itemsize)
    if len(stored) != storage.count * dtype.itemsize:
        raise _NoTensorsError(f"its member {storage.key} is cut off")
    numbers = np.frombuffer(stored, dtype)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if not prod(shape):
        return np.empty(shape, dtype)
    if last >= len(numbers):
        raise _NoTensorsError("a tensor reaches beyond its numbers")
    if prod(shape) > len(numbers):
        raise _NoTensorsError("a tensor repeats its numbers")
    steps = tuple(step * dtype.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], shape, steps, writeable=False).copy()


def _described(pickle: bytes) -> dict[str, _Tensor]:
    """The tensors that a pickle describes, by name."""
    reader = _Reader()
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name == "STOP":
                break
            reader.step(opcode.name, argument)
        found = reader.pop()
    except (ValueError, IndexError, KeyError, TypeError, StopIteration) as error:  # also of a stack that is too short
        raise _NoTensorsError(f"its pickle is damaged ({error})") from None
    if not isinstance(found, dict) or not found:
        raise _NoTensorsError("it holds no dictionary of tensors")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise _NoTensorsError("it holds more than tensors by name")
    return found


_MARK = object()


@dataclass
class _Reader:
    """The stack of a pickle, with descriptions in the place of objects."""

    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise _NoTensorsError(f"its pickle has the instruction {name}, which is not needed for tensors")

    def pop(self) -> Any:
        return self.stack.pop()

    def named(self, argument: str) -> None:
        """Put a name on the stack, if tensors need it."""
        if argument not in _ALLOWED:
            raise _NoTensorsError(f"its pickle asks for {argument.replace(' ', '.')}, which is not run")
        self.stack.append(_Name(argument))

    def store(self, argument: int | None) -> None:
        self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]

    def load(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    def since_mark(self) -> list[Any]:
        at = next(i for i in reversed(range(len(self.stack))) if self.stack[i] is _MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def join(self, count: int | None) -> None:
        """A tuple of the last values, or of those since the mark."""
        values = self.since_mark() if count is None else [self.pop() for _ in range(count)][::-1]
        self.stack.append(tuple(values))

    def fill(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise _NoTensorsError("its pickle fills something else than a dictionary")
        target.update(zip(pairs[::2], pairs[1::2], strict=True))

    def fetch(self) -> None:
        """A storage: ("storage", type, key, device, count)."""
        kind, dtype, key, _, count = self.pop()
        if kind != "storage" or not isinstance(dtype, _Name) or dtype.text not in _STORAGES:
            raise _NoTensorsError("its numbers have an unknown type")
        if not isinstance(key, str) or not key.isalnum() or not _whole((count,)):
            raise _NoTensorsError("its numbers have no name or count")
        self.stack.append(_Storage(key, _STORAGES[dtype.text], count))

    def call(self) -> None:
        """Describe what the pickle would make: an empty dictionary or a tensor."""
        arguments, name = self.pop(), self.pop()
        if name == _Name(_DICTIONARY) and arguments == ():
            self.stack.append({})
            return
        if name != _Name(_TENSOR):
            raise _NoTensorsError("its pickle calls something else than tensors need")
        storage, offset, shape, strides, *_ = arguments
        if not isinstance(storage, _Storage) or not _whole((offset, *shape, *strides)) or len(shape) != len(strides):
            raise _NoTensorsError("a tensor has no shape")
        self.stack.append(_Tensor(storage, offset, shape, strides))


def _whole(numbers: tuple[Any, ...]) -> bool:
    return all(type(number) is int and number >= 0 for number in numbers)


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}  # fmt: skip
_LITERALS = ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1")
_ACTIONS: dict[str, Callable[[_Reader, Any], None]] = {
    "GLOBAL": _Reader.named,
    "BINPUT": _Reader.store, "LONG_BINPUT": _Reader.store, "MEMOIZE": _Reader.store,
    "BINGET": _Reader.load, "LONG_BINGET": _Reader.load,
    "TUPLE": lambda reader, _: reader.join(None),
    "TUPLE1": lambda reader, _: reader.join(1),
    "TUPLE2": lambda reader, _: reader.join(2),
    "TUPLE3": lambda reader, _: reader.join(3),
    "SETITEM": lambda reader, _: reader.fill([reader.pop(), reader.pop()][::-1]),
    "SETITEMS": lambda reader, _: reader.fill(reader.since_mark()),
    "BINPERSID": lambda reader, _: reader.fetch(),
    "REDUCE": lambda reader, _: reader.call(),
    "BUILD": lambda reader, _: reader.pop(),  # versions of the modules, which torch keeps beside a state_dict
}  # fmt: skip
