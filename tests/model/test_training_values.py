"""Values of the training scenes are those of valid pixels outside the test samples, and tell which pixels are new."""

from __future__ import annotations

import numpy as np
import pytest

from landcover_bdgf.labels.joined_samples import join_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.learning_tiles import random_pixels
from landcover_bdgf.model.training_values import SensorValues, TrainingValues, fit_training_values, most_frequent
from landcover_bdgf.scene.stack import Stack

CLUSTERS = np.float32([[0, 4], [0, 4]])  # columns of (0, 0) and (4, 4): each band alone spans 0 to 4


def pixels(seed: int, count: int = 5000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (CLUSTERS[:, rng.integers(0, 2, count)] + 0.3 * rng.standard_normal((2, count))).astype(np.float32)


def test_other_pixels_of_the_same_kind_are_not_far_and_new_combinations_are() -> None:
    values = SensorValues.fit(pixels(0), pixels(0), seed=0)
    assert values.far(pixels(1)).mean() < 0.02
    assert values.far(pixels(1)[:, pixels(1)[0] > 2]).mean() < 0.02, "a part of the landscape"
    assert values.far(np.float32([[0, 4], [4, 0]])).all(), "each value is usual, together they are not"
    assert values.far(np.full((2, 1), 2, np.float32)).all(), "between the clusters"


def test_statistics_are_those_of_the_bands() -> None:
    drawn = pixels(0)
    values = SensorValues.fit(drawn, drawn, seed=0)
    np.testing.assert_allclose(values.mean, drawn.mean(1), rtol=1e-4)
    np.testing.assert_allclose(values.std, drawn.std(1), rtol=1e-4)
    np.testing.assert_allclose(values.quantiles[:, 2], np.median(drawn, axis=1), rtol=1e-4)
    assert most_frequent(np.float32([[1, 2, 2, 3], [0, 0, 0, 7]])) == [(2.0, 0.5), (0.0, 0.75)]


def test_a_scene_of_one_pixel_has_values() -> None:
    one = np.ones((3, 1), np.float32)
    assert not SensorValues.fit(one, one, seed=0).far(one).any()


def test_test_pixels_are_left_out(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    values = fit_training_values([stack], denoiser.scaling, exclude=join_samples(samples), seed=0)
    spectral, _ = random_pixels([stack], exclude=join_samples(samples), seed=0)
    assert spectral.shape[1] == random_pixels([stack], exclude=None, seed=0)[0].shape[1] - len(samples.test)
    np.testing.assert_allclose(values.spectral.mean, spectral.mean(1), rtol=1e-4)


@pytest.mark.parametrize("spoil", [
    lambda arrays: arrays.pop("sar.reach"),
    lambda arrays: arrays.pop("spectral.pixels"),
    lambda arrays: arrays.update({"sar.more": np.zeros(1, np.float32)}),
    lambda arrays: arrays.update({"spectral.mean": np.zeros(3, np.float32)}),
])  # fmt: skip
def test_arrays_come_back_or_are_refused(spoil, denoiser: Checkpoint) -> None:
    arrays = denoiser.values.arrays()
    back = TrainingValues.of(arrays, denoiser.scaling, ()).arrays()
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], array) for name, array in arrays.items())
    spoil(arrays)
    with pytest.raises(ValueError, match="values of the training scenes are incomplete"):
        TrainingValues.of(arrays, denoiser.scaling, ())
