"""The confidence of a model is calibrated on polygons that were left out; training pixels are not novel."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classifier, tempered
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training import training
from landcover_bdgf.training.calibration import fitted_temperature, folds_of, left_out_probabilities
from landcover_bdgf.training.training import train


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


def test_probabilities_are_those_of_the_given_pixels(model: Checkpoint, stack: Stack, samples: Samples) -> None:
    p, truth = left_out_probabilities(model, stack, samples.test, Run())
    classifier = Classifier(replace(model, temperature=1.0), Run())
    whole = classifier.probabilities([classifier.viewer.read(stack, (0, 0))])[0].numpy()
    np.testing.assert_allclose(p, whole[:, samples.test.rows, samples.test.cols].T, atol=1e-6)
    assert np.array_equal(truth + 1, samples.test.codes)


def test_every_polygon_is_left_out_once_except_the_only_one_of_its_class(samples: Samples) -> None:
    train = samples.train
    folds = folds_of(train, 2, seed=0)
    for code in np.unique(train.codes):
        of_class = train.codes == code
        for group in np.unique(train.groups[of_class]):
            assert len(np.unique(folds[of_class & (train.groups == group)])) == 1
        assert set(folds[of_class]) == {0, 1}
    single = replace(train, groups=np.where(train.codes == 1, 999, train.groups).astype(np.int32))
    assert set(folds_of(single, 2, seed=0)[train.codes == 1]) == {-1}
    assert set(folds_of(single, 2, seed=0)[train.codes != 1]) == {0, 1}


@pytest.mark.parametrize(("validation", "folds"), [(0.3, 2), (0, 3)])
def test_calibration_uses_polygons_that_were_left_out(
    validation: float, folds: int, stack: Stack, samples: Samples, denoiser: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Samples] = []
    answers = []

    def ask(model: Checkpoint, stack: Stack, left_out: Samples, run: Run) -> tuple[object, object]:
        seen.append(left_out)
        answers.append(left_out_probabilities(model, stack, left_out, run))
        return answers[-1]

    monkeypatch.setattr(training, "left_out_probabilities", ask)
    sets = (f"training.validation_share={validation}", f"training.calibration_folds={folds}", "training.steps=1")
    model = train(stack, samples, denoiser=denoiser, recipe=changed(denoiser.recipe, sets))
    assert all(not part.parts.any() for part in seen), "test pixels are never used"
    asked = sum(map(len, seen)) / len(samples.train)
    assert 0 < asked < 0.6 if validation else asked == 1
    p, truth = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    assert model.temperature == fitted_temperature(p, truth, 1 if validation else 1 - 1 / folds)


def test_training_pixels_are_not_novel(model: Checkpoint, stack: Stack, samples: Samples) -> None:
    classifier = Classifier(model, Run(), novelty=True)
    assert classifier.novelty is not None
    block = classifier.viewer.read(stack, (0, 0))
    features = classifier.features(classifier.viewer.see(block), [block])
    p = classifier.novelty.p_values(features)[0].numpy()[samples.train.rows, samples.train.cols]
    assert np.median(p) > 40
    assert classifier.novelty.p_values(features + 100 * torch.randn(features.shape)).max() == 0
