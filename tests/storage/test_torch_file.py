"""Files of torch.save are read exactly, and nothing in them is run."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.storage.torch_file import REMEDY, read_torch_file


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], compression: int = zipfile.ZIP_STORED) -> Path:
    """The archive with changed members; a member of None is left out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The weights of two layers."""
    torch.manual_seed(0)
    torch.save(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).state_dict(), tmp_path / "w.pt")
    return tmp_path / "w.pt"


def test_arrays_are_those_that_torch_loads(path: Path) -> None:
    expected, found = torch.load(path, weights_only=True), read_torch_file(path)
    assert [*found] == [*expected]
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert found[name].dtype == tensor.numpy().dtype


@pytest.mark.parametrize("tensor", [
    torch.arange(24.0).view(4, 6)[1:3, ::2], torch.arange(24.0).view(4, 6).T, torch.tensor(3.5),
    torch.zeros(0, 3), torch.ones(2, dtype=torch.float16), torch.ones(2, dtype=torch.float64), torch.arange(5),
])  # fmt: skip
def test_views_and_types(tensor: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"a": tensor, "b": tensor}, tmp_path / "v.pt")
    np.testing.assert_array_equal(read_torch_file(tmp_path / "v.pt")["b"], tensor.numpy())


class Harmful:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path, call: Callable[..., Any] = Path.touch) -> None:
        self.target, self.call = target, call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, (self.target,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_something_is_refused_and_not_run(path: Path, protocol: int, tmp_path: Path) -> None:
    harmful = pickle.dumps({"a": Harmful(tmp_path / "ran")}, protocol)
    rewritten(path, lambda name, content: harmful if name.endswith(".pkl") else content)
    with pytest.raises(CheckpointError, match="is a PyTorch file that is not read: its pickle "):
        read_torch_file(path)
    assert not (tmp_path / "ran").exists()


def _ordered(changed: bytes) -> Callable[[str, bytes], bytes]:
    return lambda name, content: changed if name.endswith(".pkl") else content


@pytest.mark.parametrize(("content", "problem"), [
    (pickle.dumps({"a": print}, 2), "its pickle asks for __builtin__.print, which is not run"),
    (pickle.dumps({"a": 1}, 2), "it holds more than tensors by name"),
    (pickle.dumps(OrderedDict(), 2), "it holds no dictionary of tensors"),
    (pickle.dumps([1], 2), "its pickle has the instruction EMPTY_LIST, which is not needed for tensors"),
    (pickle.dumps({"a": None}, 2)[:-3], "its pickle is damaged (pickle exhausted before seeing STOP)"),
    (b"\x80\x02u.", "its pickle is damaged ()"),
    (b"\x80\x02ccollections\nOrderedDict\n)R(K\x01u.", "its pickle is damaged (zip() argument 2 is shorter than "
     "argument 1)"),
])  # fmt: skip
def test_messages(content: bytes, problem: str, path: Path) -> None:
    rewritten(path, _ordered(content))
    with pytest.raises(CheckpointError) as told:
        read_torch_file(path)
    assert str(told.value) == f"{path}: is a PyTorch file that is not read: {problem}. {REMEDY}"


@pytest.mark.parametrize(("change", "problem"), [
    (lambda name, content: content[:-4] if name.endswith("/data/0") else content, "its member 0 is cut off"),
    (lambda name, content: b"big" if name.endswith("byteorder") else content, "its numbers are big-endian"),
    (lambda name, content: None if name.endswith("data.pkl") else content, "it has no data.pkl"),
])  # fmt: skip
def test_damaged_members(change: Callable[[str, bytes], bytes | None], problem: str, path: Path) -> None:
    with pytest.raises(CheckpointError, match=problem):
        read_torch_file(rewritten(path, change))


def test_compressed_members_are_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match="is compressed, encrypted or too large"):
        read_torch_file(rewritten(path, lambda _, content: content, zipfile.ZIP_DEFLATED))


def test_tensors_cannot_reach_beyond_their_numbers_or_repeat_them(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(1000)}, tmp_path / "r.pt")
    with pytest.raises(CheckpointError, match="a tensor repeats its numbers"):
        read_torch_file(tmp_path / "r.pt")
    torch.save({"a": torch.zeros(100)}, tmp_path / "b.pt")
    beyond = rewritten(tmp_path / "b.pt", lambda name, c: c.replace(b"K\x00Kd\x85", b"K\x01Kd\x85"))
    with pytest.raises(CheckpointError, match="a tensor reaches beyond its numbers"):
        read_torch_file(beyond)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x02}."])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is not a file of PyTorch 1\.6 or later, or it is cut off"):
        read_torch_file(tmp_path / "x.pt")
