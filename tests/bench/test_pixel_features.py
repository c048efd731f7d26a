"""Features of baselines have known values, whatever the strips in which they are computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.windows import Window
from safetensors.torch import save_file

from landcover_bdgf.bench import pixel_features
from landcover_bdgf.bench.pixel_features import PixelFeatures, component_layers, physical_layers, presto_layers
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.networks.presto import Presto
from landcover_bdgf.model.recipe import RECIPES, FeatureRecipe, changed
from landcover_bdgf.model.scaling_fit import fit_scaling
from landcover_bdgf.scene.stack import Stack


def features(stack: Stack, windows_px: tuple[int, ...]) -> NDArray[np.float32]:
    """Of bands, SAR and indices."""
    return PixelFeatures(stack, windows_px, physical_layers(stack)).whole()


def test_features_of_baselines_by_hand(stack: Stack) -> None:
    tile = stack.read(Window(0, 0, 120, 104))
    plain, windows = features(stack, ()), features(stack, (9,))
    names = stack.spectral.names
    red, infrared = (tile.spectral[names.index(band), 50, 60] for band in ("B04", "B08"))
    np.testing.assert_allclose(plain[: len(names), 50, 60], tile.spectral[:, 50, 60])
    ndvi = (infrared - red) / (infrared + red)
    expected = [*(10 * np.log10(tile.sar[:, 50, 60])), ndvi]
    np.testing.assert_allclose(plain[len(names) : len(names) + 3, 50, 60], expected, rtol=1e-5)
    assert tile.valid[46:55, 56:65].all()
    part = plain[:, 46:55, 56:65].reshape(len(plain), -1).astype(np.float64)
    expected = np.concatenate([plain[:, 50, 60], part.mean(1), part.std(1)])
    np.testing.assert_allclose(windows[:, 50, 60], expected, rtol=1e-4, atol=1e-3)
    assert not plain[:, ~tile.valid].any()


def test_signed_sar_channels_are_kept_as_they_are(stack: Stack) -> None:
    """As the real and imaginary parts of a covariance: their negative values are no powers."""
    signed = replace(stack, plain_names=stack.sar.names[1:])
    tile = signed.read(Window(0, 0, 120, 104))
    sar = features(signed, ())[len(stack.spectral.bands) :]
    np.testing.assert_allclose(sar[1, tile.valid], tile.sar[1, tile.valid], rtol=1e-6)
    np.testing.assert_allclose(sar[0, tile.valid], 10 * np.log10(tile.sar[0, tile.valid]), rtol=1e-5)


def test_strips_change_nothing(stack: Stack, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, train = features(stack, (9, 17)), samples.train
    monkeypatch.setattr(pixel_features, "STRIP_VALUES", 1)
    found = PixelFeatures(stack, (9, 17), physical_layers(stack))
    strips = list(found.strips())
    assert len(strips) == -(-104 // pixel_features.FEWEST_ROWS)
    np.testing.assert_allclose(np.concatenate([part for _, part in strips], axis=1), whole, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(
        found.at(train.rows, train.cols), whole[:, train.rows, train.cols].T, rtol=1e-5, atol=1e-4
    )


def test_components_take_the_place_of_bands(stack: Stack) -> None:
    recipe = changed(RECIPES["laptop"], ("spectral.max_bands=4", "spectral.max_components=3"))
    scaling = fit_scaling([stack], recipe.spectral, exclude=None, seed=0)
    tile, found = (
        stack.read(Window(0, 0, 120, 104)),
        PixelFeatures(stack, (9,), component_layers(stack, recipe)).whole(),
    )
    assert len(found) == 3 * (2 + 3)
    np.testing.assert_allclose(found[2:5, 50, 60], scaling.spectral(tile.spectral[:, 50, 60]), rtol=1e-5)
    np.testing.assert_allclose(found[7:10, 50, 60], found[2:5, 46:55, 56:65].mean((1, 2)), atol=1e-4)
    assert not found[:5, ~tile.valid].any()


def test_features_of_presto_take_the_place_of_bands(stack: Stack, tmp_path: Path) -> None:
    save_file(Presto().state_dict(), tmp_path / "w.safetensors")
    settings = FeatureRecipe(weights=str(tmp_path / "w.safetensors"))
    found = PixelFeatures(stack, (9,), presto_layers(stack, settings)).whole()
    tile = stack.read(Window(0, 0, 120, 104))
    assert len(found) == 3 * 128
    assert not found[:128, ~tile.valid].any()
    assert found[:128, tile.valid].std(1).min() > 0
