"""Presto's weights are read from either kind of file; files of other networks are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.networks.presto import Presto
from landcover_bdgf.model.presto_weights import REMEDY, presto_weights

Weights = dict[str, torch.Tensor]


@pytest.fixture
def weights() -> Weights:
    """Random ones."""
    torch.manual_seed(0)
    return dict(Presto().state_dict())


def test_the_published_file_and_its_encoder_are_the_same(weights: Weights, tmp_path: Path) -> None:
    published = {f"encoder.{k}": v for k, v in weights.items()} | {"decoder.weight": torch.zeros(3)}
    torch.save(published, tmp_path / "default_model.pt")
    save_file(weights, tmp_path / "encoder.safetensors")
    for name in ("default_model.pt", "encoder.safetensors"):
        found = presto_weights(tmp_path / name)
        assert found.keys() == weights.keys()
        assert all(np.array_equal(found[key], value.numpy()) for key, value in weights.items())


@pytest.mark.parametrize(("changed", "problem"), [
    ({"norm.weight": torch.zeros(64)},
     "does not hold Presto's encoder: norm.weight is (64,), expected (128,)"),
    ({"norm.weight": torch.full((128,), torch.nan)}, "norm.weight holds values that are not finite"),
])  # fmt: skip
def test_other_weights_are_refused(changed: Weights, problem: str, weights: Weights, tmp_path: Path) -> None:
    save_file(weights | changed, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError) as told:
        presto_weights(tmp_path / "w.safetensors")
    assert str(told.value) == f"{tmp_path / 'w.safetensors'}: {problem}. {REMEDY}"


def test_a_missing_file_or_tensor(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file of Presto's weights"):
        presto_weights(tmp_path / "w.safetensors")
    del weights["norm.bias"]
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=r"norm\.bias is missing, expected \(128,\)"):
        presto_weights(tmp_path / "w.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="is not a safetensors file, or it is cut off"):
        presto_weights(tmp_path / "cut.safetensors")
