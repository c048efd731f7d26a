"""A model knows how sure it may be, and what it was trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from landcover_bdgf.checkpoint import Checkpoint
from landcover_bdgf.classifier import Classifier, tempered
from landcover_bdgf.device import Run
from landcover_bdgf.posttraining import best_temperature, fitted_temperature, with_domain
from landcover_bdgf.recipe import changed
from landcover_bdgf.samples import Samples
from landcover_bdgf.stack import Stack
from landcover_bdgf.training import train


def cross_entropy(model: Checkpoint, stack: Stack, pixels: Samples) -> float:
    """Of pixels of the first block, as a map gives them."""
    classifier = Classifier(model, Run())
    p = classifier.probabilities([classifier.viewer.read(stack, (0, 0))])[0].numpy()
    return float(-np.log(p[pixels.codes - 1, pixels.rows, pixels.cols]).mean())


@pytest.fixture
def validation(model: Checkpoint, stack: Stack, samples: Samples) -> Samples:
    """Pixels of which the model, that has hardly learned, is right on a little more than half."""
    classifier = Classifier(model, Run())
    found = classifier.probabilities([classifier.viewer.read(stack, (0, 0))])[0].argmax(0).numpy() + 1
    codes = found[samples.rows, samples.cols].astype(np.uint16)
    rng = np.random.default_rng(0)
    return replace(samples, codes=np.where(rng.random(len(codes)) < 0.5, codes, samples.codes))


def test_the_temperature_is_the_best_for_validation_pixels(
    model: Checkpoint, stack: Stack, validation: Samples
) -> None:
    fitted = replace(model, temperature=best_temperature(model, stack, validation, Run()))
    best = cross_entropy(fitted, stack, validation)
    assert 0.21 < fitted.temperature < 4.9
    for factor in (0.8, 1.25):
        other = replace(fitted, temperature=factor * fitted.temperature)
        assert cross_entropy(other, stack, validation) > best


def test_overconfidence_is_cooled() -> None:
    """Classes drawn by some probabilities, which are then sharpened: the temperature undoes it."""
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([1.0, 1.0, 1.0], 20_000)
    truth = (honest.cumsum(1) < rng.random((len(honest), 1))).sum(1)
    assert fitted_temperature(honest, truth) == pytest.approx(1, abs=0.05)
    sharp = honest**2 / (honest**2).sum(1, keepdims=True)
    assert fitted_temperature(sharp, truth) == pytest.approx(2, abs=0.1)
    p = torch.from_numpy(honest[:, :, None])
    torch.testing.assert_close(tempered(tempered(p, 0.9), 1 / 0.9), p, atol=3e-3, rtol=0)  # but for the floor


def test_no_temperature_changes_a_class(model: Checkpoint, stack: Stack) -> None:
    cold, hot = (Classifier(replace(model, temperature=t), Run()) for t in (0.5, 4.0))
    block = cold.viewer.read(stack, (0, 0))
    first, second = (classifier.classify([block])[0] for classifier in (cold, hot))
    assert np.array_equal(first.codes, second.codes)
    assert (first.layers[0] > second.layers[0]).mean() > 0.9


@pytest.mark.parametrize(("validation", "calibration"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3)])
def test_polygons_that_are_left_out_tell_the_temperature(
    validation: float, calibration: float, stack: Stack, samples: Samples, denoiser: Checkpoint
) -> None:
    sets = (f"training.validation_share={validation}", f"training.calibration_share={calibration}")
    model = train(stack, samples, denoiser=denoiser, recipe=changed(denoiser.recipe, sets))
    assert (model.temperature != 1) is (validation + calibration > 0)


def test_calibration_changes_nothing_but_the_temperature(
    stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint
) -> None:
    recipe = changed(denoiser.recipe, ("training.calibration_share=0",))
    alone = train(stack, samples, denoiser=denoiser, recipe=recipe)
    assert alone.temperature == 1 != model.temperature
    assert all(np.array_equal(alone.weights[name], weights) for name, weights in model.weights.items())


def test_a_class_of_one_polygon_keeps_it(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    single = replace(samples, groups=samples.codes.astype(np.int32))
    assert train(stack, single, denoiser=denoiser).temperature == 1


def test_what_was_trained_on_is_no_stranger(model: Checkpoint, stack: Stack, samples: Samples) -> None:
    known = with_domain(model, stack, samples.train, Run())
    classifier = Classifier(known, Run(), ood=True)
    assert classifier.domain is not None
    block = classifier.viewer.read(stack, (0, 0))
    features = classifier.features(classifier.viewer.see(block), [block])
    p = classifier.domain.p_values(features)[0].numpy()[samples.train.rows, samples.train.cols]
    assert np.median(p) > 40
    assert classifier.domain.p_values(features + 100 * torch.randn(features.shape)).max() == 0
