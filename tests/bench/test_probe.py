"""The probe shows which sensor diffusion features depend on."""

from dataclasses import replace

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.bench.probe import probe, with_shuffled
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack


def test_shuffling_moves_one_sensor_and_keeps_its_values(stack: Stack) -> None:
    height, width = stack.grid.shape_hw
    window = Window(0, 0, width, height)
    before, after = stack.read(window), with_shuffled(stack, "sar", seed=1).read(window)
    assert np.array_equal(before.spectral, after.spectral)
    assert np.array_equal(before.valid, after.valid)
    assert not np.array_equal(before.sar, after.sar)
    pairs = {tuple(pixel) for pixel in before.sar[:, before.valid].T.tolist()}
    assert {tuple(pixel) for pixel in after.sar[:, after.valid].T.tolist()} == pairs, "channels stay together"
    assert with_shuffled(stack, "sar", seed=1).fingerprint() != stack.fingerprint()


def test_features_without_sar_do_not_change_with_it(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    """With a scaling that makes the SAR constant, only shuffling the spectra has an effect."""
    scaling = replace(denoiser.scaling, sar_std=np.full_like(denoiser.scaling.sar_std, 1e9))
    deaf, test = replace(denoiser, scaling=scaling), samples.test
    found = {sensor: probe(deaf, stack, samples.train, sensor, Run()) for sensor in ("", "sar", "spectral")}
    np.testing.assert_allclose(found[""], found["sar"], atol=1e-3)
    right = {s: (p.argmax(0)[test.rows, test.cols] + 1 == test.codes).mean() for s, p in found.items()}
    assert right["spectral"] < right[""] - 0.1


def test_without_features_there_is_nothing_to_probe(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    recipe = changed(denoiser.recipe, ("features.source=none",))
    with pytest.raises(SettingsError, match=r'`features\.source="none"`: leaves no features to probe'):
        probe(replace(denoiser, recipe=recipe), stack, samples.train, "", Run())
