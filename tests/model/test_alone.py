"""Pixels that one sensor saw are classified by its own networks, all others as if there were no such networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.alone import ConditionClassifier, classifier_of
from landcover_bdgf.model.checkpoint import Checkpoint, check_alone, load_checkpoint
from landcover_bdgf.model.classifier import Classifier
from landcover_bdgf.model.map_layers import LayerPlan
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack

LAYERS = LayerPlan({"confidence": "uint8", "condition": "uint8"})
NO_LAYER = LayerPlan({"confidence": "uint8"})


def test_networks_of_both_sensors_are_those_of_a_training_without_the_others(
    model: Checkpoint, with_alone: Checkpoint
) -> None:
    assert with_alone.weights.keys() == model.weights.keys()
    assert all(np.array_equal(with_alone.weights[key], model.weights[key]) for key in model.weights)
    assert (with_alone.shares, with_alone.temperature) == (model.shares, model.temperature)
    assert model.alone == {}


def test_each_sensor_has_networks_a_temperature_and_judged_labels_of_its_own(with_alone: Checkpoint) -> None:
    assert list(with_alone.alone) == ["spectral", "sar"]
    for sensor, own in with_alone.alone.items():
        assert own.sensor == sensor
        assert own.left_out is not None
        assert own.temperature >= 1
        assert not np.array_equal(own.weights["fusion.head.weight"], with_alone.weights["fusion.head.weight"])
        assert not np.array_equal(own.weights["domain.means"], with_alone.weights["domain.means"])
        assert not any(key.startswith(("unet.", "alone.")) for key in own.weights), "no diffusion features guide them"
        assert own.recipe.features.source == "none"


def test_a_file_keeps_them(with_alone: Checkpoint, model: Checkpoint, tmp_path: Path) -> None:
    with_alone.save(tmp_path / "a.safetensors")
    found = load_checkpoint(tmp_path / "a.safetensors")
    assert found.digest() == with_alone.digest() != model.digest()
    assert found.weights.keys() == with_alone.weights.keys()
    for sensor, own in with_alone.alone.items():
        again = found.alone[sensor]
        assert all(np.array_equal(again.weights[key], own.weights[key]) for key in own.weights)
        assert (again.recipe, again.sensor) == (own.recipe, sensor)
        assert (again.shares, again.similar, again.temperature) == (own.shares, own.similar, own.temperature)
        assert again.left_out is not None
        assert own.left_out is not None
        assert np.array_equal(again.left_out.mapped, own.left_out.mapped)


def test_pixels_of_both_sensors_get_what_they_get_without(with_alone: Checkpoint, stack: Stack) -> None:
    usual = Classifier(with_alone, Run(), NO_LAYER)
    before = usual.classify([usual.viewer.read(stack, (0, 0))])[0]
    for missing in ("spectral", "sar", "any"):
        classifier = classifier_of(with_alone, Run(), LAYERS, missing)
        block = classifier.viewer.read(replace(stack, missing=missing), (0, 0))
        (found,) = classifier.classify([block])
        case, both = found.layers["condition"][0], before.codes > 0
        assert np.array_equal(case == 1, both)
        assert np.array_equal(found.codes[both], before.codes[both])
        assert np.array_equal(found.layers["confidence"][:, both], before.layers["confidence"][:, both])
        assert np.array_equal(found.codes > 0, case > 0)
        assert np.array_equal(found.layers["confidence"][0] < 255, case > 0)
        assert {*np.unique(case)} == {0, 1} | {"spectral": {2}, "sar": {3}, "any": {2, 3}}[missing]


@pytest.mark.parametrize("sensor", ["spectral", "sar"])
def test_networks_of_one_sensor_see_nothing_of_the_other(with_alone: Checkpoint, stack: Stack, sensor: str) -> None:
    """Whatever values it has, and wherever it has any."""
    classifier = Classifier(with_alone.alone[sensor], Run(), NO_LAYER)  # type: ignore[index]
    block = classifier.viewer.read(stack, (0, 0))
    radar = len(with_alone.scaling.sar_mean)
    own, other = (slice(radar, None), slice(radar)) if sensor == "spectral" else (slice(radar), slice(radar, None))
    assert not block.seen.cube[other].any()
    raw = replace(stack, missing="any").read_padded(0, 0, 1, 1)  # a pixel of both
    assert raw.condition.item() in (1, 2, 3)
    both = replace(stack, missing=sensor)  # type: ignore[arg-type]
    again = classifier.viewer.view(Classifier(with_alone, Run()).viewer.read(both, (0, 0)))
    assert np.array_equal(again.seen.cube[own], block.seen.cube[own])
    assert np.array_equal(again.seen.valid, block.seen.valid)


def test_a_model_without_them_is_refused(model: Checkpoint, with_alone: Checkpoint) -> None:
    for missing, name in (("spectral", "spectral"), ("any", "spectral"), ("sar", "SAR")):
        expected = (
            f"m.safetensors: has no network for the {name} image alone. Train it with --set training.one_sensor=true."
        )
        with pytest.raises(CheckpointError, match=expected):
            check_alone(model, missing, Path("m.safetensors"))  # type: ignore[arg-type]
        check_alone(with_alone, missing)  # type: ignore[arg-type]
    check_alone(model, "error")


def test_the_batch_shrinks_with_that_of_any_sensor(with_alone: Checkpoint) -> None:
    """Out of GPU memory, one of the classifiers halves its batch: the next ones must not be too large again."""
    classifier = classifier_of(with_alone, Run(), LAYERS, "any")
    assert isinstance(classifier, ConditionClassifier)
    whole = classifier.batch
    own = next(reversed(classifier._of.values()))
    own.batch = whole + 1
    assert classifier.batch == whole
    own.batch = 0
    assert classifier.batch == 0
