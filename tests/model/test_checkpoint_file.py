"""A file that cannot be a checkpoint is refused before any library is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.checkpoint_file import check_file


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\x80\x02", b"\x80\x05"])
def test_a_pickle_is_refused(head: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(head)
    with pytest.raises(CheckpointError, match=r"model\.pt: is a pickle"):
        check_file(tmp_path / "model.pt")


def test_a_missing_file_is_told_and_others_are_read_later(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file"):
        check_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0")
    check_file(tmp_path / "model.safetensors")
