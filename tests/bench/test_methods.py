"""Methods are parsed from their names; features of baselines have known values."""

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.bench.methods import fit_and_classify, parse_method, scene_features
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.recipe import RECIPES, changed
from landcover_bdgf.scene.stack import Stack


def test_methods_by_name() -> None:
    assert parse_method("et+9+33").windows_px == (9, 33)
    variant = parse_method("plain=fusion:training.augment=false;fusion.branches=cnn,mamba")
    recipe = changed(RECIPES["laptop"], variant.overrides)
    assert (variant.name, recipe.fusion.guidance, recipe.training.augment) == ("plain", (), False)
    assert recipe.fusion.branches == ("cnn", "mamba")
    with pytest.raises(SettingsError, match=r'`method="et\+8"`: is unknown. Did you mean et\+9\?'):
        parse_method("et+8")


def test_methods_with_the_same_settings_share_results() -> None:
    one, other = parse_method("a=bdgf:fusion.guidance="), parse_method("fusion")
    assert one.settings(RECIPES["laptop"]) == other.settings(RECIPES["laptop"])
    assert parse_method("bdgf").settings(RECIPES["laptop"]) != other.settings(RECIPES["laptop"])
    assert parse_method("et").settings(RECIPES["laptop"]) != parse_method("et+9").settings(RECIPES["laptop"])


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


@pytest.mark.parametrize("classifier", ["rf", "et", "svm"])
def test_baselines_recognise_separate_classes(
    classifier: str, samples: Samples, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landcover_bdgf.bench.methods.TREES", 10)
    truth = np.zeros(stack.grid.shape_hw, np.float32)
    truth[samples.rows, samples.cols] = 10 * samples.codes
    codes, probability = fit_and_classify(classifier, truth[None], samples.train, 0)
    assert (codes[samples.test.rows, samples.test.cols] == samples.test.codes).all()
    assert (probability is None) is (classifier == "svm")
