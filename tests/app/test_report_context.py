"""A report tells which classifiers a model has, what each sees, and their weights."""

from dataclasses import replace

import pytest

from landcover_bdgf.app.report_context import experts_of, report_context
from landcover_bdgf.model import Checkpoint, changed


def test_all_that_is_known_of_a_model_is_told(model: Checkpoint, denoiser: Checkpoint) -> None:
    context = report_context(model, None, denoiser)
    assert [name for name, _ in context.curves] == ["pre-training: loss", "training: loss"]
    assert context.settings["fusion"]["patch"] == 9
    assert context.similar == model.similar
    assert {each.name: each.share for each in context.experts} == model.shares
    assert [name for name, _ in report_context(model, None).curves] == ["training: loss"]


def test_experts_are_those_of_the_recipe(model: Checkpoint) -> None:
    recipe = changed(model.recipe, ("context.sizes_px=", "fusion.average_px=1"))
    found = experts_of(replace(model, recipe=recipe, shares={"windows": 0.5, "pixel": 0.5}))
    assert [(each.name, each.sees) for each in found] == [
        ("windows", "windows of 9 px"),
        ("pixel", "the pixel alone; not averaged"),
    ]
    assert [each.usual for each in found] == pytest.approx([0.76 / 0.91, 0.15 / 0.91])


def test_without_left_out_labels_there_are_no_weights(model: Checkpoint) -> None:
    context = report_context(replace(model, left_out=None, shares={}, similar=None), None)
    assert not context.experts
    assert context.similar is None
