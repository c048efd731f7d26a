"""Arrays and their description are read back exactly, and any damage is detected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lossy_disk import spoiled
from safetensors.numpy import save_file

from landcover_bdgf.errors import CheckpointError, OutputError
from landcover_bdgf.storage import tensors
from landcover_bdgf.storage.tensors import Arrays, digest, part, read_tensors, write_tensors

ARRAYS: Arrays = {
    "a.real": np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6).T,
    "a.whole": np.arange(5),
    "number": np.array(3.5),
    "none": np.zeros((0, 3)),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with these arrays."""
    write_tensors(tmp_path / "m.safetensors", ARRAYS, '{"kind": "model"}')
    return tmp_path / "m.safetensors"


def test_arrays_and_description_are_read_back(path: Path) -> None:
    found, description = read_tensors(path)
    assert description == '{"kind": "model"}'
    assert digest(found) == digest(ARRAYS)
    assert {key: (a.dtype, a.shape) for key, a in found.items()} == {k: (a.dtype, a.shape) for k, a in ARRAYS.items()}
    assert set(part(found, "a.")) == {"real", "whole"}


def test_the_checksum_depends_on_names_types_shapes_and_text() -> None:
    ones = np.ones((2, 3), np.float32)
    others = [{"b": ones}, {"a": ones.T}, {"a": ones.view(np.int32)}, {"a": 2 * ones}]
    assert len({digest({"a": ones}), digest({"a": ones}, "x"), *map(digest, others)}) == 6


def test_any_flipped_bit_is_detected(path: Path) -> None:
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(CheckpointError):
            read_tensors(path)


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda data: data[:-3] + bytes([data[-3] ^ 4]) + data[-2:],
     "is damaged (its checksum does not match). Copy it again, or train again."),
    (lambda data: data[:-1], "is not a safetensors file, or it is cut off ("),
    (lambda data: b"", "is not a safetensors file, or it is cut off ("),
])  # fmt: skip
def test_messages_name_the_kind_of_damage(spoil: Callable[[bytes], bytes], message: str, path: Path) -> None:
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(CheckpointError) as told:
        read_tensors(path)
    assert str(told.value).startswith(f"{path}: {message}")


def test_files_of_other_programs_are_refused(path: Path) -> None:
    save_file({"a": np.ones(3)}, path)
    with pytest.raises(CheckpointError, match="is a safetensors file, but not one written by bdgf"):
        read_tensors(path)


def test_a_disk_that_loses_bytes_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "save_file", spoiled(tensors.save_file, 1))
    with pytest.raises(OutputError, match=r"m\.safetensors: reads differently from what was written"):
        write_tensors(tmp_path / "m.safetensors", {"a": np.arange(1.0, 1000.0)})
    assert not list(tmp_path.iterdir())
