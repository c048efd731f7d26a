"""Presto's features of a scene survive a checkpoint, and need their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rasterio.windows import Window
from safetensors.torch import save_file

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model.networks.presto import FEATURES, Presto
from landcover_bdgf.model.presto_features import PrestoFeatures, presto_arrays
from landcover_bdgf.model.recipe import FeatureRecipe, SpectralRecipe
from landcover_bdgf.model.scaling import scaled_cube
from landcover_bdgf.model.scaling_fit import fit_scaling
from landcover_bdgf.scene.stack import Stack


def test_features_depend_on_arrays_of_a_checkpoint_alone(stack: Stack, tmp_path: Path) -> None:
    save_file(Presto().state_dict(), tmp_path / "w.safetensors")
    scaling = fit_scaling([stack], SpectralRecipe(), exclude=None, seed=0)
    arrays = presto_arrays(stack, scaling, FeatureRecipe(weights=str(tmp_path / "w.safetensors")))
    (tmp_path / "w.safetensors").unlink()
    features = PrestoFeatures.of(arrays, torch.device("cpu"))
    cube = torch.from_numpy(scaled_cube(stack.read(Window(0, 0, 30, 20)), scaling))[None]
    found = features.see(cube)
    assert found.shape == (1, FEATURES, 20, 30)
    kept = features.arrays()
    assert kept.keys() == arrays.keys()
    assert all(np.array_equal(kept[name], arrays[name]) for name in arrays)
    assert torch.equal(features.see(cube[..., 5:9]), found[..., 5:9])


def test_weights_are_needed(stack: Stack) -> None:
    scaling = fit_scaling([stack], SpectralRecipe(), exclude=None, seed=0)
    with pytest.raises(SettingsError, match=r"`features\.weights`: names no file, but features of Presto need"):
        presto_arrays(stack, scaling, FeatureRecipe())
