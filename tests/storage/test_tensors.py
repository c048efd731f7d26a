"""Tensors are read back after they are written."""

import os
from pathlib import Path

import numpy as np
import pytest
from lossy_disk import spoiled

from landcover_bdgf.errors import OutputError
from landcover_bdgf.storage import tensors
from landcover_bdgf.storage.tensors import write_tensors


def test_a_disk_that_loses_weights_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "save_file", spoiled(tensors.save_file, 1))
    with pytest.raises(OutputError, match=r"m\.safetensors: reads differently from what was written"):
        write_tensors(tmp_path / "m.safetensors", {"a": np.arange(1.0, 1000.0)}, {})
    assert not os.listdir(tmp_path)
