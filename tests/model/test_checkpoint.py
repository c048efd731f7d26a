"""A checkpoint comes back as it was saved, and refuses what does not fit with the difference."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model import checkpoint
from landcover_bdgf.model.checkpoint import Checkpoint, load_checkpoint
from landcover_bdgf.storage.tensors import read_tensors, write_tensors


@pytest.fixture
def saved(model: Checkpoint, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def test_all_comes_back_and_gives_the_same_bytes_again(model: Checkpoint, saved: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(saved, "model")
    assert all(np.array_equal(loaded.weights[k], v) for k, v in model.weights.items())
    for name in ("kind", "recipe", "bands", "sar_bands", "sar_unit", "legend", "history", "provenance"):
        assert getattr(loaded, name) == getattr(model, name), name
    assert all(np.array_equal(v, loaded.scaling.arrays()[k]) for k, v in model.scaling.arrays().items())
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_a_file_of_before_scaling_was_a_setting_scales_scenes_together(model: Checkpoint, saved: Path) -> None:
    arrays, text = read_tensors(saved)
    described = json.loads(text)
    assert described["recipe"].pop("scaling") == {"fit": "together"}
    old = {key: values for key, values in arrays.items() if not key.startswith("scaling.scene")}
    assert len(old) == len(arrays) - 5
    write_tensors(saved, old, json.dumps(described), overwrite=True)
    found = load_checkpoint(saved, "model")
    assert found.recipe == model.recipe
    assert not found.scaling.by_scene
    assert found.scaling.digest() == model.scaling.digest()


def newer(path: Path) -> None:
    found = load_checkpoint(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 99)
        found.save(path, overwrite=True)


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda path: path.unlink(), "there is no such file"),
    (lambda path: path.write_bytes(path.read_bytes()[:5000]), "not a safetensors file, or it is cut off"),
    (lambda path: path.write_bytes(pickle.dumps({"weights": [1, 2]})), "is a pickle, .* is not opened"),
    (newer, "has format 99, this version reads 9"),
])  # fmt: skip
def test_an_unsuitable_file_is_refused(spoil: Callable[[Path], object], message: str, saved: Path) -> None:
    spoil(saved)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(saved)


@pytest.mark.parametrize(("change", "message"), [
    ({"bands": [{"name": 5}]}, "bands.0.name: Input should be a valid string, found 5"),
    ({"recipe": {"nam": "x"}}, "recipe.nam: Extra inputs are not permitted, found 'x'"),
    ({"provenance": {"pixels_m": [10.0, 0]}}, "provenance.pixels_m.1: Input should be greater than 0, found 0"),
    ({"more": 1}, "more: Extra inputs are not permitted, found 1"),
])  # fmt: skip
def test_a_description_of_something_else_is_refused(change: dict[str, Any], message: str, saved: Path) -> None:
    """As another version might write it."""
    arrays, text = read_tensors(saved)
    write_tensors(saved, arrays, json.dumps(json.loads(text) | change), overwrite=True)
    with pytest.raises(CheckpointError) as told:
        load_checkpoint(saved)
    assert str(told.value) == f"{saved}: its description is incomplete or wrong ({message}). Train again."


def test_weights_that_are_not_finite_are_refused(model: Checkpoint, tmp_path: Path) -> None:
    broken = np.full_like(model.weights["fusion.head.weight"], np.nan)
    replace(model, weights=model.weights | {"fusion.head.weight": broken}).save(tmp_path / "nan.safetensors")
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(tmp_path / "nan.safetensors")


def test_a_denoiser_is_no_model(denoiser: Checkpoint, tmp_path: Path) -> None:
    denoiser.save(tmp_path / "denoiser.safetensors")
    with pytest.raises(CheckpointError, match="is a denoiser, a model is needed: bdgf train makes a model"):
        load_checkpoint(tmp_path / "denoiser.safetensors", "model")
