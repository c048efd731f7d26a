"""Every label is judged by a model that has not seen its polygon, nor windows that overlap its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.labels.split import distances_px
from landcover_bdgf.model.checkpoint import Checkpoint, load_checkpoint
from landcover_bdgf.model.classifier import tempered
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.calibration import fitted_temperature
from landcover_bdgf.training.cross_fitting import cross_fit, folds, folds_of
from landcover_bdgf.training.training import train


def test_every_polygon_is_left_out_once_except_the_only_one_of_its_class(samples: Samples) -> None:
    train = samples.train
    numbers = folds_of(train, 2, seed=0)
    for code in np.unique(train.codes):
        of_class = train.codes == code
        for group in np.unique(train.groups[of_class]):
            assert len(np.unique(numbers[of_class & (train.groups == group)])) == 1
        assert set(numbers[of_class]) == {0, 1}
    single = replace(train, groups=np.where(train.codes == 1, 999, train.groups).astype(np.int32))
    assert set(folds_of(single, 2, seed=0)[train.codes == 1]) == {-1}
    assert set(folds_of(single, 2, seed=0)[train.codes != 1]) == {0, 1}


@pytest.mark.parametrize("buffer_px", [0, 13])
def test_windows_of_judged_pixels_share_nothing_with_those_of_the_training(samples: Samples, buffer_px: int) -> None:
    labels = replace(samples.train, split=replace(samples.split, method="folds", buffer_px=buffer_px))
    made = list(folds(labels, 3, seed=0))
    assert len(made) == 3
    for fold in made:
        kept, left_out = labels.positions[fold.kept], labels.positions[fold.left_out]
        assert distances_px(left_out, kept).min() >= max(1, buffer_px)
        assert not set(labels.groups[fold.kept]) & set(labels.groups[fold.left_out])
        assert set(labels.codes[fold.kept]) == set(labels.codes)
    judged = np.concatenate([fold.left_out for fold in made])
    assert len(np.unique(judged)) == len(judged)
    assert len(judged) == len(labels) if buffer_px == 0 else len(judged) > 0.5 * len(labels), len(judged) / len(labels)


def test_what_the_folds_judge_is_kept_with_each_pixel(samples: Samples) -> None:
    """Models that are right with a probability that is their fold's: 0.9 or 0.6."""
    labels = samples.train
    seen: list[np.ndarray] = []

    def fit(number: int, kept: np.ndarray) -> Checkpoint:
        seen.append(kept)
        return number  # type: ignore[return-value]

    def judge(model: Checkpoint, left_out: Samples) -> tuple[np.ndarray, np.ndarray]:
        index = np.arange(len(left_out))[::-2]  # not all, in another order
        right = 0.9 if model == 0 else 0.6
        p = np.full((len(index), len(labels.legend.entries)), (1 - right) / (len(labels.legend.entries) - 1))
        p[np.arange(len(index)), left_out.codes[index] - 1] = right
        return index, np.log(p)[:, None]

    found = cross_fit(labels, 2, 0, fit=fit, judge=judge)
    assert found is not None
    left_out = found.left_out
    assert found.temperature == pytest.approx(1, abs=0.01), "right everywhere: no reason for less confidence"
    assert np.array_equal(left_out.mapped, left_out.codes)
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
    assert (none.left_out, none.shares, none.temperature) == (None, {}, 1)
    assert list(model.shares) == ["group", "surroundings", "pixel"]
    assert sum(model.shares.values()) == pytest.approx(1, abs=1e-3)
    assert load_checkpoint(tmp_path / "m.safetensors").shares == model.shares


def test_the_temperature_is_that_of_the_left_out_pixels(samples: Samples) -> None:
    labels, rng = samples.train, np.random.default_rng(0)
    p = rng.dirichlet(np.ones(len(labels.legend.entries)), len(labels))

    def judge(model: Checkpoint, left_out: Samples) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(len(left_out)), np.log(p[: len(left_out)])[:, None]

    found = cross_fit(labels, 2, 0, fit=lambda number, kept: None, judge=judge)  # type: ignore[arg-type, return-value]
    assert found is not None
    parts = [(labels.codes[fold.left_out].astype(int) - 1, p[: len(fold.left_out)]) for fold in folds(labels, 2, 0)]
    truth, probabilities = (np.concatenate(each) for each in zip(*parts, strict=True))
    assert found.temperature == fitted_temperature(probabilities, truth, 0.5)
    best = tempered(torch.from_numpy(probabilities), found.temperature).max(dim=1)[0].numpy()
    assert sorted(found.left_out.confidence.tolist()) == pytest.approx(sorted(best.tolist()), abs=1e-6)
