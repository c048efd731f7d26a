"""Experts get shares by what they know; the temperature undoes overconfidence; training pixels are not novel."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classifier, pooled, tempered
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.calibration import fitted_shares, fitted_temperature, left_out_opinions


def test_the_temperature_undoes_overconfidence() -> None:
    """Classes drawn by some probabilities, which are then sharpened: the temperature undoes it."""
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([1.0, 1.0, 1.0], 20_000)
    truth = (honest.cumsum(1) < rng.random((len(honest), 1))).sum(1)
    assert fitted_temperature(honest, truth) == pytest.approx(1, abs=0.05)
    assert fitted_temperature(tempered(torch.from_numpy(honest), 2).numpy(), truth) == pytest.approx(1, abs=0.01)
    sharp = honest**2 / (honest**2).sum(1, keepdims=True)
    assert fitted_temperature(sharp, truth) == pytest.approx(2, abs=0.1)
    assert fitted_temperature(sharp, truth, 0.5) == pytest.approx(2**0.5, abs=0.05), "models of half of the polygons"


def opinions_of(right: list[np.ndarray], confidence: float) -> np.ndarray:
    """Log probabilities (n, E, 2) of experts that are right, or not, on class 0 with one confidence."""
    p = np.stack([np.where(own, confidence, 1 - confidence) for own in right], axis=1)
    return np.log(np.stack([p, 1 - p], axis=2))


def test_experts_get_shares_by_what_they_know() -> None:
    """One that is mostly right gets nearly all, beside one that guesses; two of a kind share alike."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 4000)
    good, other, guess = ((rng.random(4000) < share) == (truth == 0) for share in (0.9, 0.9, 0.5))
    shares = fitted_shares(opinions_of([good, guess], 0.9), truth)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] > 0.95
    assert fitted_shares(opinions_of([good, other], 0.9), truth) == pytest.approx([0.5, 0.5], abs=0.05)
    assert fitted_shares(opinions_of([good], 0.9), truth) == pytest.approx([1])
    assert fitted_shares(opinions_of([~good, ~good], 0.9), truth) == pytest.approx([0.5, 0.5]), "none knows anything"


def test_a_rare_class_counts_as_much_as_a_common_one() -> None:
    """An expert for each: the common class must not silence the expert of the rare one."""
    rng = np.random.default_rng(0)
    truth = (rng.random(5000) < 0.02).astype(int)
    common, rare = (np.where(truth == code, rng.random(5000) < 0.95, rng.random(5000) < 0.5) for code in (0, 1))
    p = np.stack([np.where((truth == 0) == own, 0.9, 0.1) for own in (common, rare)], axis=1)
    shares = fitted_shares(np.log(np.stack([p, 1 - p], axis=2)), truth)
    assert shares == pytest.approx([0.5, 0.5], abs=0.1)


def test_opinions_are_those_of_the_given_pixels(model: Checkpoint, stack: Stack, samples: Samples) -> None:
    index, opinions = left_out_opinions(model, stack, samples.test, Run())
    classifier = Classifier(replace(model, temperature=1.0), Run())
    whole = classifier.probabilities([classifier.viewer.read(stack, (0, 0))])[0].numpy()
    judged = samples.test.where(index)
    p = pooled(torch.from_numpy(opinions), classifier.shares).numpy()
    np.testing.assert_allclose(p, whole[:, judged.rows, judged.cols].T, atol=1e-5)
    assert sorted(index) == [*range(len(samples.test))]


def test_training_pixels_are_not_novel(model: Checkpoint, stack: Stack, samples: Samples) -> None:
    classifier = Classifier(model, Run(), novelty=True)
    assert classifier.novelty is not None
    block = classifier.viewer.read(stack, (0, 0))
    features = classifier.features(classifier.see(block), [block])
    p = classifier.novelty.p_values(features)[0].numpy()[samples.train.rows, samples.train.cols]
    assert np.median(p) > 40
    assert classifier.novelty.p_values(features + 100 * torch.randn(features.shape)).max() == 0
