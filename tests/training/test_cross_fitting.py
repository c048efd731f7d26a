"""Every label is judged by a model that has not seen its polygon, nor windows that overlap its own."""

import numpy as np
import pytest
import torch

from landcover_bdgf.labels.joined_samples import JoinedSamples, join_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.labels.split import distances_px
from landcover_bdgf.model.checkpoint import Checkpoint, load_checkpoint
from landcover_bdgf.model.classifier import tempered
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.calibration import Judged, fitted_temperature
from landcover_bdgf.training.cross_fitting import as_mapped, cross_fit
from landcover_bdgf.training.folds import folds
from landcover_bdgf.training.training import train


def test_what_the_folds_judge_is_kept_with_each_pixel(samples: Samples) -> None:
    """Models that are right with a probability that is their fold's: 0.9 or 0.6."""
    labels = join_samples(samples.train)
    seen: list[np.ndarray] = []

    def fit(number: int, kept: np.ndarray) -> Checkpoint:
        seen.append(kept)
        return number  # type: ignore[return-value]

    def judge(model: Checkpoint, left_out: JoinedSamples) -> Judged:
        index = np.arange(len(left_out))[::-2]  # not all, in another order
        right = 0.9 if model == 0 else 0.6
        p = np.full((len(index), len(labels.legend.entries)), (1 - right) / (len(labels.legend.entries) - 1))
        p[np.arange(len(index)), left_out.codes[index] - 1] = right
        return Judged(index, np.log(p)[:, None, None, None], np.ones(len(labels.legend.entries), int))

    found = cross_fit(labels, 2, 0, ("windows",), fit=fit, judge=judge)
    assert found is not None
    left_out = found.left_out
    assert found.temperature == pytest.approx(1, abs=0.01), "right everywhere: no reason for less confidence"
    assert np.array_equal(left_out.mapped, left_out.codes)
    assert np.array_equal(left_out.unguided, left_out.mapped), "these models have nothing that guides them"
    assert left_out.folds == 2
    np.testing.assert_allclose(left_out.confidence, np.where(left_out.fold == 0, 0.9, 0.6), atol=1e-2)
    at = {tuple(place): code for place, code in zip(labels.positions.tolist(), labels.codes.tolist(), strict=True)}
    places = np.stack([left_out.rows, left_out.cols], axis=1)
    assert [at[tuple(place)] for place in places.tolist()] == left_out.codes.tolist()
    for fold, kept in enumerate(seen):
        own = left_out.fold == fold
        np.testing.assert_array_equal(left_out.distance_px[own], distances_px(places[own], labels.positions[kept]))


def test_a_trained_model_knows_how_its_labels_were_judged(
    stack: Stack, samples: Samples, denoiser: Checkpoint, tmp_path
) -> None:
    recipe = changed(denoiser.recipe, ("training.folds=3", "training.steps=1"))
    model = train(stack, samples, denoiser=denoiser, recipe=recipe)
    judged = model.left_out
    assert judged is not None
    test = {tuple(place) for place in samples.test.positions.tolist()}
    assert not test & set(zip(judged.rows.tolist(), judged.cols.tolist(), strict=True)), "test pixels are never used"
    model.save(tmp_path / "m.safetensors")
    again = load_checkpoint(tmp_path / "m.safetensors").left_out
    assert again is not None
    assert all(np.array_equal(getattr(again, name), values) for name, values in judged.arrays().items())
    none = train(stack, samples, denoiser=denoiser, recipe=changed(recipe, ("training.folds=0",)))
    assert (none.left_out, none.shares, none.similar, none.temperature) == (None, {}, None, 1)
    assert list(model.shares) == ["windows", "surroundings", "pixel"]
    assert sum(model.shares.values()) == pytest.approx(1, abs=1e-3)
    assert load_checkpoint(tmp_path / "m.safetensors").shares == model.shares
    assert model.similar in recipe.fusion.similar


def test_the_better_of_two_averages_is_chosen(samples: Samples) -> None:
    """The second choice of the two is right, the first guesses."""
    labels = join_samples(samples.train)
    classes = len(labels.legend.entries)

    def judge(model: Checkpoint, left_out: JoinedSamples) -> Judged:
        opinions = np.full((len(left_out), 1, 2, 1, classes), 1 / classes)
        opinions[np.arange(len(left_out)), 0, 1, 0, left_out.codes - 1] = 0.9
        return Judged(np.arange(len(left_out)), np.log(opinions), np.ones(classes, int))

    found = cross_fit(labels, 2, 0, ("windows",), fit=lambda number, kept: None, judge=judge)  # type: ignore[arg-type, return-value]
    assert found is not None
    assert found.similar == 1
    assert found.shares == {"windows": 1}


def test_the_same_models_without_guidance_are_judged_beside(samples: Samples) -> None:
    """Guided they are right, unguided they say the first class."""
    labels = join_samples(samples.train)
    classes = len(labels.legend.entries)

    def judge(model: Checkpoint, left_out: JoinedSamples) -> Judged:
        opinions = np.full((len(left_out), 2, 1, 1, classes), 0.1)
        opinions[np.arange(len(left_out)), 0, 0, 0, left_out.codes - 1] = 0.9
        opinions[:, 1, ..., 0] = 0.9
        return Judged(np.arange(len(left_out)), np.log(opinions), np.ones(classes, int))

    found = cross_fit(labels, 2, 0, ("windows",), fit=lambda number, kept: None, judge=judge)  # type: ignore[arg-type, return-value]
    assert found is not None
    assert np.array_equal(found.left_out.mapped, found.left_out.codes)
    assert (found.left_out.unguided == 1).all()


def test_labels_have_the_weights_of_the_map() -> None:
    """Three labels of a class that is nine tenths of the map, one of another, and a class without labels."""
    weights = as_mapped(np.array([0, 0, 0, 1]), np.array([90, 10, 0]))
    np.testing.assert_allclose(weights, [0.3, 0.3, 0.3, 0.1])
    assert (as_mapped(np.array([0, 1]), np.array([100, 0])) > 0).all(), "a class that the map lacks counts a little"
    assert (as_mapped(np.array([0, 1]), np.zeros(2)) > 0).all()


def test_the_temperature_is_that_of_the_left_out_pixels(samples: Samples) -> None:
    labels, rng = join_samples(samples.train), np.random.default_rng(0)
    p = rng.dirichlet(np.ones(len(labels.legend.entries)), len(labels))
    mapped_px = np.arange(len(labels.legend.entries))

    def judge(model: Checkpoint, left_out: JoinedSamples) -> Judged:
        return Judged(np.arange(len(left_out)), np.log(p[: len(left_out)])[:, None, None, None], mapped_px)

    found = cross_fit(labels, 2, 0, ("windows",), fit=lambda number, kept: None, judge=judge)  # type: ignore[arg-type, return-value]
    assert found is not None
    parts = [(labels.codes[fold.left_out].astype(int) - 1, p[: len(fold.left_out)]) for fold in folds(labels, 2, 0)]
    truth, probabilities = (np.concatenate(each) for each in zip(*parts, strict=True))
    assert found.temperature == fitted_temperature(probabilities, truth, as_mapped(truth, 2.0 * mapped_px), 0.5)
    best = tempered(torch.from_numpy(probabilities), found.temperature).max(dim=1)[0].numpy()
    assert sorted(found.left_out.confidence.tolist()) == pytest.approx(sorted(best.tolist()), abs=1e-6)
