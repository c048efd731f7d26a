"""Features of baselines have known values; classifiers recognise separate classes, and choose C by whole blocks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rasterio.windows import Window
from safetensors.torch import save_file

from landcover_bdgf.bench import baselines
from landcover_bdgf.bench.baselines import component_layers, fit_and_classify, presto_layers, scene_features
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.networks.presto import Presto
from landcover_bdgf.model.recipe import RECIPES, FeatureRecipe, changed
from landcover_bdgf.model.scaling_fit import fit_scaling
from landcover_bdgf.scene.stack import Stack


def test_features_of_baselines_by_hand(stack: Stack) -> None:
    tile = stack.read(Window(0, 0, 120, 104))
    plain, windows = scene_features(stack, ()), scene_features(stack, (9,))
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


@pytest.mark.parametrize("classifier", ["rf", "et", "svm", "svm-cv", "lda"])
def test_baselines_recognise_separate_classes(
    classifier: str, samples: Samples, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landcover_bdgf.bench.baselines.TREES", 10)
    truth = np.random.default_rng(0).random(stack.grid.shape_hw, np.float32)
    truth[samples.rows, samples.cols] += 10 * samples.codes
    codes, probability = fit_and_classify(classifier, truth[None], samples.train, 0)
    assert (codes[samples.test.rows, samples.test.cols] == samples.test.codes).all()
    assert (probability is None) is classifier.startswith("svm")


def test_components_take_the_place_of_bands(stack: Stack) -> None:
    recipe = changed(RECIPES["laptop"], ("spectral.max_bands=4", "spectral.max_components=3"))
    scaling = fit_scaling([stack], recipe.spectral, exclude=None, seed=0)
    tile, found = stack.read(Window(0, 0, 120, 104)), scene_features(stack, (9,), component_layers(stack, recipe))
    assert len(found) == 3 * (2 + 3)
    np.testing.assert_allclose(found[2:5, 50, 60], scaling.spectral(tile.spectral[:, 50, 60]), rtol=1e-5)
    np.testing.assert_allclose(found[7:10, 50, 60], found[2:5, 46:55, 56:65].mean((1, 2)), atol=1e-4)
    assert not found[:5, ~tile.valid].any()


def test_features_of_presto_take_the_place_of_bands(stack: Stack, tmp_path: Path) -> None:
    save_file(Presto().state_dict(), tmp_path / "w.safetensors")
    settings = FeatureRecipe(weights=str(tmp_path / "w.safetensors"))
    found = scene_features(stack, (9,), presto_layers(stack, settings))
    tile = stack.read(Window(0, 0, 120, 104))
    assert len(found) == 3 * 128
    assert not found[:128, ~tile.valid].any()
    assert found[:128, tile.valid].std(1).min() > 0


def test_the_cost_is_chosen_by_whole_blocks(samples: Samples, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    folds = []

    class Recorded(baselines.StratifiedGroupKFold):
        def split(self, X: object, y: object = None, groups: object = None) -> Iterator[tuple[object, object]]:
            for kept, left_out in super().split(X, y, groups):
                folds.append((set(groups[kept]), set(groups[left_out])))
                yield kept, left_out

    monkeypatch.setattr(baselines, "StratifiedGroupKFold", Recorded)
    train = samples.train
    features = np.zeros((1, *stack.grid.shape_hw), np.float32)
    features[0, train.rows, train.cols] = train.codes
    fit_and_classify("svm-cv", features, train, 0)
    assert len(folds) >= 3
    assert all(not kept & left_out for kept, left_out in folds)
