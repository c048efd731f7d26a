"""Training uses training pixels alone, and gives the same model each time, resumed or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import CheckpointError, LabelError
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.networks.fusion import LossSettings, Outputs, total_loss
from landcover_bdgf.model.recipe import changed, load_recipe
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack, Tile
from landcover_bdgf.training import loop as fitting
from landcover_bdgf.training.pretraining import pretrain
from landcover_bdgf.training.training import train

UNCALIBRATED = ("training.calibration_folds=0",)


def assert_same_weights(a: Checkpoint, b: Checkpoint) -> None:
    assert a.weights.keys() == b.weights.keys()
    assert all(np.array_equal(a.weights[k], b.weights[k]) for k in a.weights)


def test_labels_of_test_pixels_change_nothing(
    stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint
) -> None:
    test = samples.parts == 1
    lies = np.where(test, samples.codes % len(samples.legend.entries) + 1, samples.codes).astype(samples.codes.dtype)
    assert_same_weights(train(stack, replace(samples, codes=lies), denoiser=denoiser), model)


def test_threads_change_nothing(stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint) -> None:
    assert_same_weights(train(stack, samples, denoiser=denoiser, run=Run(threads=1)), model)
    again = pretrain(stack, denoiser.recipe, samples=samples, run=Run(threads=3))
    assert_same_weights(again, denoiser)


def test_another_seed_gives_another_model(
    stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint
) -> None:
    other = train(stack, samples, denoiser=denoiser, recipe=changed(denoiser.recipe, UNCALIBRATED), run=Run(seed=1))
    assert not np.array_equal(other.weights["fusion.head.weight"], model.weights["fusion.head.weight"])


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


def test_resumed_equals_uninterrupted(
    stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, ctrl_c: Callable[[], None],
) -> None:  # fmt: skip
    partial, recipe = tmp_path / "partial.safetensors", changed(denoiser.recipe, UNCALIBRATED)
    with stopped(monkeypatch, ctrl_c, after=2):
        train(stack, samples, denoiser=denoiser, recipe=recipe, partial=partial)
    resumed = train(stack, samples, denoiser=denoiser, recipe=recipe, partial=partial, resume=True)
    assert_same_weights(resumed, model)
    partial.unlink()
    with stopped(monkeypatch, ctrl_c, after=1, name="calibrate 2"):
        train(stack, samples, denoiser=denoiser, partial=partial)
    resumed = train(stack, samples, denoiser=denoiser, partial=partial, resume=True)
    assert_same_weights(resumed, model)
    assert resumed.temperature == model.temperature
    with stopped(monkeypatch, ctrl_c, after=1):
        pretrain(stack, denoiser.recipe, samples=samples, partial=partial)
    other = load_recipe("laptop", ("diffusion.steps=3", "diffusion.batch=4", "diffusion.learning_rate=0.5"))
    with pytest.raises(CheckpointError, match=r"another training: recipe was .*, is"):
        pretrain(stack, other, samples=samples, partial=partial, resume=True)
    assert_same_weights(pretrain(stack, denoiser.recipe, samples=samples, partial=partial, resume=True), denoiser)


def test_validation_polygons_come_from_the_training_part(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    recipe = changed(denoiser.recipe, ("training.validation_share=0.3", "training.steps=3"))
    assert len(train(stack, samples, denoiser=denoiser, recipe=recipe).history) == 3


def test_masks_and_mutual_learning_change_what_is_learned(
    stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint
) -> None:
    unmasked = denoiser.recipe.diffusion.model_copy(update={"mask": "none"})
    other = pretrain(stack, denoiser.recipe.model_copy(update={"diffusion": unmasked}), samples=samples)
    assert not np.array_equal(other.weights["unet.first.weight"], denoiser.weights["unet.first.weight"])
    alone = changed(denoiser.recipe, (*UNCALIBRATED, "mutual.enabled=false"))
    found = train(stack, samples, denoiser=denoiser, recipe=alone)
    assert not np.array_equal(found.weights["fusion.head.weight"], model.weights["fusion.head.weight"])
    assert not any(name.startswith("T_") for name in found.history.columns)
    assert any(name.startswith("T_") for name in model.history.columns)


def test_a_denoiser_of_a_different_unit_is_reported(
    stack: Stack, samples: Samples, denoiser: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = changed(denoiser.recipe, (*UNCALIBRATED, "training.steps=1"))

    def told(stack: Stack) -> list[str]:
        caplog.clear()
        train(stack, samples, denoiser=denoiser, recipe=recipe)
        return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]

    assert told(stack) == []
    bands = tuple(replace(band, scale=1e-4) for band in stack.spectral.bands)
    assert told(replace(stack, spectral=replace(stack.spectral, bands=bands))) == [
        "novel scene: 100 % of the spectral values are outside the range that the denoiser was pre-trained on "
        "(different unit, offset or landscape?). Use an image with the same unit and offset, or pre-train on this scene"
    ]


def test_one_class_is_refused(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    one = replace(samples, codes=np.ones_like(samples.codes))
    with pytest.raises(LabelError, match="fewer than two classes"):
        train(stack, one, denoiser=denoiser)


def test_a_handful_of_pixels_is_enough_to_run(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    first = np.zeros(len(samples), bool)
    first[[np.flatnonzero((samples.codes == code) & (samples.parts == 0))[0] for code in (1, 2, 3)]] = True
    assert len(train(stack, samples.where(first), denoiser=denoiser).history) == 4


def test_samples_of_another_scene_are_refused(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    elsewhere = replace(samples, grid=samples.grid.shifted((5.0, 0.0)))
    with pytest.raises(LabelError, match="belong to another image"):
        train(stack, elsewhere, denoiser=denoiser)
    with pytest.raises(LabelError, match="belong to another image"):
        pretrain(stack, denoiser.recipe, samples=elsewhere)


def test_pixels_without_data_are_not_learned(
    stack: Stack, samples: Samples, denoiser: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """Samples of one date, images of another with clouds on some of them."""

    class Cloudy(Stack):
        """The same images without data in the first columns, which hide some of the samples."""

        columns = 0

        def _cut(self, valid: NDArray[np.bool_], window: Window) -> NDArray[np.bool_]:
            valid = valid.copy()
            valid[:, : max(0, self.columns - window.col_off)] = False
            return valid

        def read(self, window: Window) -> Tile:
            tile = super().read(window)
            return replace(tile, valid=self._cut(tile.valid, window))

        def read_valid(self, window: Window) -> NDArray[np.bool_]:
            return self._cut(super().read_valid(window), window)

    recipe = changed(denoiser.recipe, (*UNCALIBRATED, "training.steps=2"))
    cloudy = Cloudy(**{name: getattr(stack, name) for name in stack.__dataclass_fields__})
    Cloudy.columns = 1 + int(samples.train.cols.min())
    hidden = samples.train.cols < Cloudy.columns
    clear = samples.where((samples.parts == 1) | (samples.cols >= Cloudy.columns))
    one, other = (train(cloudy, given, denoiser=denoiser, recipe=recipe) for given in (samples, clear))
    assert_same_weights(one, other)
    assert f"{hidden.sum()} of {len(hidden)} training pixels have no data in these images" in caplog.text
    Cloudy.columns = 10_000
    with pytest.raises(LabelError, match=r"no training pixel of .* has data in these images"):
        train(cloudy, samples, denoiser=denoiser)


def test_rare_classes_weigh_as_much_as_frequent_ones() -> None:
    """Two classes of 6 and 2 windows with the same logits: each gets half of the loss."""
    z = torch.zeros(8, 2, 1, 1)
    codes = torch.tensor([0] * 6 + [1] * 2)
    outputs = Outputs(z, {}, {})
    z[:, 0] = 2.0
    weights = torch.tensor([8 / 12, 8 / 4])
    loss, _ = total_loss(outputs, codes, None, LossSettings(0.0, 0.0, weights))
    frequent, rare = (float(torch.nn.functional.cross_entropy(z[i : i + 1, :, 0, 0], codes[i : i + 1])) for i in (0, 7))
    assert float(loss) == pytest.approx((frequent + rare) / 2, rel=1e-5)
