"""The record of a map has what options add to it, and nothing else."""

from __future__ import annotations

import pytest

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.mapping.map_record import layer_plan, map_record
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack


def test_options_add_to_the_record(model: Checkpoint, stack: Stack) -> None:
    one, two = model.classes.names[:2]
    plain = map_record(model, stack, MapSettings(), Run())
    assert plain["legend"][0]["name"] == one
    for settings, key, value in (
        (MapSettings(probabilities=True), "probability_type", "uint8"),
        (MapSettings(min_area="2px", keep=(one,)), "sieve", {"min_area": "2px", "keep": [one], "connectivity": 4}),
        (MapSettings(merge=(f"both={one},{two}",)), "merge", [f"both={one},{two}"]),
    ):
        found = map_record(model, stack, settings, Run())
        assert found.keys() - plain.keys() == {key}
        assert found[key] == value
    renamed = map_record(model, stack, MapSettings(rename=(f"{one}=other",)), Run())
    assert renamed["legend"][0]["name"] == "other"
    assert renamed.keys() == plain.keys()


def test_a_missing_sensor_is_in_the_record(with_alone: Checkpoint, stack: Stack) -> None:
    """With the accuracy of the other alone on left-out labels, and as another scene."""
    usual, found = (map_record(with_alone, stack, MapSettings(missing=m), Run()) for m in ("error", "sar"))  # type: ignore[arg-type]
    judged = with_alone.alone["sar"].left_out
    assert judged is not None
    assert found.keys() - usual.keys() == {"missing", "judged_alone"}
    assert found["judged_alone"] == {"sar": pytest.approx((judged.codes == judged.mapped).mean(), abs=1e-4)}
    assert found["inputs"] != usual["inputs"]


def test_sets_of_merged_classes_are_refused(model: Checkpoint) -> None:
    one, two = model.classes.names[:2]
    with pytest.raises(SettingsError, match=r"Train a model of the merged classes with `merge`, or leave one out\."):
        layer_plan(model, MapSettings(sets=0.9, merge=(f"both={one},{two}",)))
    assert layer_plan(model, MapSettings(confidence=True)).dtypes == {"confidence": "uint8"}
