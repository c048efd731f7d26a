"""A model knows how sure it may be, and what it was trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from landcover_bdgf.checkpoint import Checkpoint
from landcover_bdgf.classifier import Classifier
from landcover_bdgf.device import Run
from landcover_bdgf.posttraining import with_domain, with_temperature
from landcover_bdgf.recipe import Recipe
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
    fitted = with_temperature(model, stack, validation, Run())
    best = cross_entropy(fitted, stack, validation)
    assert 0.21 < fitted.temperature < 4.9
    for factor in (0.8, 1.25):
        other = replace(fitted, temperature=factor * fitted.temperature)
        assert cross_entropy(other, stack, validation) > best


def test_overconfidence_is_cooled(model: Checkpoint, stack: Stack, validation: Samples) -> None:
    fitted = with_temperature(model, stack, validation, Run())
    hotter = {k: 1.5 * v if k.startswith("fusion.head.") else v for k, v in model.weights.items()}
    again = with_temperature(replace(model, weights=hotter), stack, validation, Run())
    assert again.temperature == pytest.approx(1.5 * fitted.temperature, rel=0.03)


def test_only_validation_polygons_change_the_temperature(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    for share in (0.0, 0.3):
        settings = denoiser.recipe.training.model_copy(update={"validation_share": share, "steps": 4})
        recipe: Recipe = denoiser.recipe.model_copy(update={"training": settings})
        assert (train(stack, samples, denoiser=denoiser, recipe=recipe).temperature != 1) is (share > 0)


def test_what_was_trained_on_is_no_stranger(model: Checkpoint, stack: Stack, samples: Samples) -> None:
    known = with_domain(model, stack, samples.train, Run())
    classifier = Classifier(known, Run(), ood=True)
    assert classifier.domain is not None
    block = classifier.viewer.read(stack, (0, 0))
    features = classifier.features(classifier.viewer.see(block), [block])
    p = classifier.domain.p_values(features)[0].numpy()[samples.train.rows, samples.train.cols]
    assert np.median(p) > 40
    assert classifier.domain.p_values(features + 100 * torch.randn(features.shape)).max() == 0
