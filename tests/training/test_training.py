"""Training uses training pixels alone, and gives the same model each time, resumed or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import CheckpointError, LabelError
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint, alone_partials
from landcover_bdgf.model.classifier import Classifier
from landcover_bdgf.model.map_layers import LayerPlan
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training import loop as fitting
from landcover_bdgf.training.pretraining import pretrain
from landcover_bdgf.training.training import train

UNCALIBRATED = ("training.folds=0",)


def assert_same_weights(a: Checkpoint, b: Checkpoint) -> None:
    assert a.weights.keys() == b.weights.keys()
    assert all(np.array_equal(a.weights[k], b.weights[k]) for k in a.weights)


def test_neither_labels_of_test_pixels_nor_calibration_change_a_weight(
    stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint
) -> None:
    test = samples.parts == 1
    lies = np.where(test, samples.codes % len(samples.legend.entries) + 1, samples.codes).astype(samples.codes.dtype)
    recipe = changed(denoiser.recipe, UNCALIBRATED)
    uncalibrated = train(stack, replace(samples, codes=lies), denoiser=denoiser, recipe=recipe)
    assert_same_weights(uncalibrated, model)
    assert model.temperature >= uncalibrated.temperature == 1


@contextmanager
def stopped(
    monkeypatch: pytest.MonkeyPatch, ctrl_c: Callable[[], None], *, after: int, name: str = ""
) -> Iterator[None]:
    """Stop a training, the first or the one of that name, by Ctrl-C after some steps."""
    step = fitting._step

    def stopping(task, number, *rest):  # type: ignore[no-untyped-def]
        if number == after - 1 and name in ("", task.name):
            ctrl_c()
        return step(task, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_resumed_on_other_threads_equals_uninterrupted(
    stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, ctrl_c: Callable[[], None],
) -> None:  # fmt: skip
    """A training stopped in its steps and in a fold; a pre-training, which does not go on as another."""
    partial, run = tmp_path / "partial.safetensors", Run(threads=3)
    with stopped(monkeypatch, ctrl_c, after=2):
        train(stack, samples, denoiser=denoiser, partial=partial)
    with stopped(monkeypatch, ctrl_c, after=1, name="fold 2"):
        train(stack, samples, denoiser=denoiser, run=run, partial=partial, resume=True)
    resumed = train(stack, samples, denoiser=denoiser, run=run, partial=partial, resume=True)
    assert_same_weights(resumed, model)
    assert resumed.temperature == model.temperature
    with stopped(monkeypatch, ctrl_c, after=1):
        pretrain(stack, denoiser.recipe, samples=samples, partial=partial)
    other = changed(denoiser.recipe, ("diffusion.learning_rate=0.5",))
    with pytest.raises(CheckpointError, match=r"another training: recipe was .*, is"):
        pretrain(stack, other, samples=samples, partial=partial, resume=True)
    resumed = pretrain(stack, denoiser.recipe, samples=samples, run=run, partial=partial, resume=True)
    assert_same_weights(resumed, denoiser)


def test_seed_masks_and_mutual_learning_change_what_is_learned(
    stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint
) -> None:
    unmasked = pretrain(stack, changed(denoiser.recipe, ("diffusion.mask=none",)), samples=samples)
    assert not np.array_equal(unmasked.weights["unet.first.weight"], denoiser.weights["unet.first.weight"])
    recipe = changed(denoiser.recipe, (*UNCALIBRATED, "training.steps=1"))
    seeded = train(stack, samples, denoiser=denoiser, recipe=recipe, run=Run(seed=1))
    alone = train(stack, samples, denoiser=denoiser, recipe=changed(recipe, ("mutual.enabled=false",)))
    assert len({made.history.series("loss")[0] for made in (model, seeded, alone)}) == 3
    assert not any(name.startswith("T_") for name in alone.history.columns)
    assert any(name.startswith("T_") for name in model.history.columns)


def test_one_class_is_refused_and_a_novel_scene_is_reported(
    stack: Stack, samples: Samples, denoiser: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    one, novel = replace(samples, codes=np.ones_like(samples.codes)), replace(stack, spectral_offset=20_000.0)
    with pytest.raises(LabelError, match="fewer than two classes"):
        train(novel, one, denoiser=denoiser)
    assert "values unlike all that the denoiser was pre-trained on" in caplog.text


def test_a_handful_of_pixels_is_enough_and_the_only_polygon_of_a_class_is_not_left_out(
    stack: Stack, samples: Samples, denoiser: Checkpoint
) -> None:
    first = np.zeros(len(samples), bool)
    first[[np.flatnonzero((samples.codes == code) & (samples.parts == 0))[0] for code in (1, 2, 3)]] = True
    made = train(stack, samples.where(first), denoiser=denoiser)
    assert (len(made.history), made.temperature) == (4, 1)


def test_resumed_trainings_of_one_sensor_equal_uninterrupted_ones(
    stack: Stack, samples: Samples, denoiser: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    ctrl_c: Callable[[], None],
) -> None:  # fmt: skip
    """Stopped in the steps of each sensor; what another training has left is not taken up."""
    recipe, partial = changed(denoiser.recipe, ("training.one_sensor=true", *UNCALIBRATED)), tmp_path / "m.safetensors"
    for state in alone_partials(partial).values():
        state.write_text("of another training")
    with stopped(monkeypatch, ctrl_c, after=2, name="train, spectral"):
        train(stack, samples, denoiser=denoiser, recipe=recipe, partial=partial)
    with stopped(monkeypatch, ctrl_c, after=3, name="train, sar"):
        train(stack, samples, denoiser=denoiser, recipe=recipe, partial=partial, resume=True)
    assert len(list(tmp_path.iterdir())) == 3
    run = Run(threads=3)
    resumed = train(stack, samples, denoiser=denoiser, recipe=recipe, run=run, partial=partial, resume=True)
    whole = train(stack, samples, denoiser=denoiser, recipe=recipe)
    assert_same_weights(resumed, whole)
    assert resumed.alone.keys() == whole.alone.keys() == {"spectral", "sar"}
    for sensor, own in whole.alone.items():
        assert_same_weights(resumed.alone[sensor], own)


def test_samples_of_another_scene_are_refused(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    elsewhere = replace(samples, grid=samples.grid.shifted((5.0, 0.0)))
    with pytest.raises(LabelError, match="belong to another image"):
        train(stack, elsewhere, denoiser=denoiser)
    with pytest.raises(LabelError, match="belong to another image"):
        pretrain(stack, denoiser.recipe, samples=elsewhere)


def test_pixels_without_data_are_not_learned(
    stack: Stack, samples: Samples, denoiser: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """As of images of another date, with clouds on some of the samples."""
    height, width = stack.grid.shape_hw
    empty = np.argwhere(~stack.read_valid(Window(0, 0, width, height))).astype(np.int32)

    def hidden(chosen: NDArray[np.bool_]) -> Samples:
        rows, cols = (np.where(chosen, np.resize(at, len(samples)), usual)
                      for at, usual in zip(empty.T, (samples.rows, samples.cols), strict=True))  # fmt: skip
        return replace(samples, rows=rows, cols=cols)

    recipe = changed(denoiser.recipe, (*UNCALIBRATED, "training.steps=2"))
    learned = samples.parts == 0
    some = learned & (np.arange(len(samples)) % 9 == 0)
    one, other = (
        train(stack, given, denoiser=denoiser, recipe=recipe) for given in (hidden(some), samples.where(~some))
    )
    assert_same_weights(one, other)
    assert f"{some.sum()} of {learned.sum()} training pixels have no data in these images" in caplog.text
    with pytest.raises(LabelError, match=r"no training pixel of .* has data in these images"):
        train(stack, hidden(learned), denoiser=denoiser)


def test_without_features_a_model_is_that_without_guidance(
    stack: Stack, samples: Samples, denoiser: Checkpoint
) -> None:
    none, unguided = (
        changed(denoiser.recipe, (*UNCALIBRATED, *sets)) for sets in (["features.source=none"], ["fusion.guidance="])
    )
    without = train(stack, samples, denoiser=pretrain(stack, none, samples=samples), recipe=none)
    other = train(stack, samples, denoiser=denoiser, recipe=unguided)
    of_unet = {name: value for name, value in other.weights.items() if name.startswith("unet.")}
    assert_same_weights(replace(without, weights=without.weights | of_unet), other)
    layers = LayerPlan({"probabilities": "uint16"})
    classifiers = [Classifier(model, Run(), layers) for model in (without, other)]
    maps = [c.classify([c.viewer.read(stack, (0, 0))])[0] for c in classifiers]
    assert np.array_equal(maps[0].codes, maps[1].codes)
    assert np.array_equal(*(found.layers["probabilities"] for found in maps))
