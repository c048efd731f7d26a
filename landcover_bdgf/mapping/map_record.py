"""What a map is made of: its record, and its plan of classes and layers."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import PredictionSets, regrouped, tell_missing
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.model import Checkpoint, LayerPlan, Run
from landcover_bdgf.progress import log
from landcover_bdgf.scene import Stack, accepted
from landcover_bdgf.storage import record


def to_map(stack: Stack, settings: MapSettings) -> Stack:
    """The stack whose valid pixels are classified."""
    return replace(stack, mask=None if settings.map_masked else stack.mask, missing=settings.missing)


def map_record(
    model: Checkpoint, stack: Stack, settings: MapSettings, run: Run, *, sets: PredictionSets | None = None
) -> dict[str, Any]:
    """Provenance of a map; ``sets`` are its prediction sets, if they are known already."""
    limits = stack.limits()
    if "masked" in limits:
        limits["masked"]["mapped"] = settings.map_masked
    return record(
        "map",
        {"scene": to_map(stack, settings).fingerprint()},
        training=model.provenance.get("training", {}),
        model={k: v for k, v in model.provenance.items() if k != "training"},
        recipe=model.recipe.model_dump(mode="json"),
        legend=json.loads(regrouped(model.classes, settings).legend.to_json()),
        seed=run.seed,
        **_of_layers(model, settings, sets),
        **_of_sensors(model, settings),
        **limits,
    )


def _of_sensors(model: Checkpoint, settings: MapSettings) -> dict[str, Any]:
    """Which sensor may be missing, and how often models of the other alone were right on left-out labels."""
    if settings.missing == "error":
        return {}
    alone = {sensor: model.alone.get(sensor) for sensor in accepted(settings.missing)}
    return {
        "missing": settings.missing,
        "judged_alone": {
            sensor: round(own.left_out.accuracy, 4) for sensor, own in alone.items() if own and own.left_out
        },
    }


def _of_layers(model: Checkpoint, settings: MapSettings, sets: PredictionSets | None) -> dict[str, Any]:
    """What the record says of layers and classes: coverage of the sets, type of the probabilities, the sieve."""
    found: dict[str, Any] = {}
    if settings.sets:
        legend = regrouped(model.classes, settings).legend
        found["sets"] = (sets or PredictionSets.of(model.left_out, legend, settings.sets)).to_dict()
    if settings.merge:
        found["merge"] = list(settings.merge)
    if settings.sieve:
        found["sieve"] = settings.sieve.to_dict()
    if settings.probabilities:
        found["probability_type"] = settings.probability_type
    return found


def layer_plan(model: Checkpoint, settings: MapSettings) -> LayerPlan:
    """The classes and layers to compute; tells what prediction sets are worth."""
    classes = regrouped(model.classes, settings)
    tell_missing(classes, settings)
    if not settings.sets:
        return LayerPlan(settings.layers, classes=classes)
    if classes.merged:
        remedy = "Train a model of the merged classes with `merge`, or leave one out."
        raise SettingsError("`sets`", "are not known for classes that are merged after the training", remedy)
    sets = PredictionSets.of(model.left_out, classes.legend, settings.sets)
    for is_warning, line in sets.told():
        log.log(logging.WARNING if is_warning else logging.INFO, line)
    return LayerPlan(settings.layers, sets, classes)
