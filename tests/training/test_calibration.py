"""The temperature undoes overconfidence; training pixels are not novel."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rasterio.windows import Window

from landcover_bdgf.labels.joined_samples import join_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classifier, pooled, tempered
from landcover_bdgf.model.map_layers import LayerPlan
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.calibration import fitted_temperature, left_out_opinions


def test_the_temperature_undoes_overconfidence() -> None:
    """Classes drawn by some probabilities, which are then sharpened: the temperature undoes it."""
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([1.0, 1.0, 1.0], 20_000)
    truth = (honest.cumsum(1) < rng.random((len(honest), 1))).sum(1)
    same = np.ones(len(truth))
    assert fitted_temperature(honest, truth, same) == pytest.approx(1, abs=0.05)
    assert fitted_temperature(tempered(torch.from_numpy(honest), 2).numpy(), truth, same) == pytest.approx(1, abs=0.01)
    sharp = honest**2 / (honest**2).sum(1, keepdims=True)
    assert fitted_temperature(sharp, truth, same) == pytest.approx(2, abs=0.1)
    assert fitted_temperature(sharp, truth, same, 0.5) == pytest.approx(2**0.5, abs=0.05), (
        "models of half of the polygons"
    )


def test_labels_count_by_their_weights() -> None:
    """Of two classes, the model is right about the first and overconfident about the second."""
    truth = np.repeat([0, 1], 500)
    right = np.concatenate([np.ones(500, bool), np.arange(500) < 300])
    p = np.where((truth == 0) == right, 0.95, 0.05)
    first, both, second = (
        fitted_temperature(np.stack([p, 1 - p], axis=1), truth, np.where(truth == 0, share, 1 - share))
        for share in (0.999, 0.5, 0.001)
    )
    assert first == pytest.approx(1, abs=0.02)
    assert first < both < second


def test_opinions_are_those_of_the_given_pixels(model: Checkpoint, stack: Stack, samples: Samples) -> None:
    found = left_out_opinions(model, [stack], join_samples(samples.test), Run())
    index, opinions = found.index, found.opinions
    classifier = Classifier(replace(model, temperature=1.0), Run())
    whole = classifier.probabilities([classifier.viewer.read(stack, (0, 0))])[0].numpy()
    judged = samples.test.where(index)
    assert opinions.shape[1:3] == (2, 2), "with guidance and without, for each choice of averages"
    choice = model.recipe.fusion.similar.index(classifier.similar)
    p, unguided = (pooled(torch.from_numpy(opinions[:, way, choice]), classifier.shares).numpy() for way in (0, 1))
    np.testing.assert_allclose(p, whole[:, judged.rows, judged.cols].T, atol=1e-5)
    assert sorted(index) == [*range(len(samples.test))]
    height, width = stack.grid.shape_hw
    valid = stack.read_valid(Window(0, 0, width, height))
    assert np.array_equal(found.mapped_px, np.bincount(whole.argmax(0)[valid], minlength=len(whole)))
    assert np.abs(p - unguided).max() > 1e-4
    np.testing.assert_array_equal(opinions[:, 0, :, 1:], opinions[:, 1, :, 1:], "other experts are not guided")


def test_training_pixels_are_not_novel(model: Checkpoint, stack: Stack, samples: Samples) -> None:
    classifier = Classifier(model, Run(), LayerPlan({"novelty": "uint8"}))
    assert classifier.novelty is not None
    block = classifier.viewer.read(stack, (0, 0))
    features = classifier.features(classifier.see(block), [block])
    p = classifier.novelty.p_values(features)[0].numpy()[samples.train.rows, samples.train.cols]
    assert np.median(p) > 40
    assert classifier.novelty.p_values(features + 100 * torch.randn(features.shape)).max() == 0
