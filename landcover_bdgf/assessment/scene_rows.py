"""The scenes of a model of several: how their labels were judged, by models that know the scene and by others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, PlainValidator, TypeAdapter

from landcover_bdgf.assessment.intervals import effective_size, wilson
from landcover_bdgf.assessment.provenance import Line
from landcover_bdgf.geo import Grid
from landcover_bdgf.labels import LeftOut
from landcover_bdgf.text import percent, printable


class TrainedScene(BaseModel):
    """A scene of a model in the record of its maps."""

    name: Line
    grid: Annotated[Grid, PlainValidator(Grid.from_dict)]


@dataclass(frozen=True)
class SceneAccuracy:
    """How the labels of a scene were judged; accuracies are shares, with the limits of their 95 % intervals.

    ``elsewhere`` is that of models which were trained on other scenes only; None of fewer than three scenes.
    """

    name: str
    labels_px: int
    polygons: int
    overall: float
    low_95: float
    high_95: float
    elsewhere: float | None = None
    elsewhere_low_95: float | None = None
    elsewhere_high_95: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    def line(self) -> str:
        """As text."""
        others = ""
        if self.elsewhere is not None:
            low, high = percent(self.elsewhere_low_95), percent(self.elsewhere_high_95)
            others = f"; by models of the other scenes {percent(self.elsewhere)} ({low} to {high})"
        own = f"{percent(self.overall)} (95 % interval {percent(self.low_95)} to {percent(self.high_95)})"
        return f"scene {printable(self.name)}: {own} of {self.labels_px} labelled px{others}"


def trained_scenes(record: Mapping[str, Any]) -> list[TrainedScene]:
    """The scenes of the model of a map, by its record, which is not trusted; none of a single scene."""
    training = record.get("training")
    found = training.get("scenes") if isinstance(training, dict) else None
    try:
        return TypeAdapter(list[TrainedScene]).validate_python(json.loads(json.dumps(found or [])))
    except (ValueError, TypeError):
        return []


def scene_rows(found: LeftOut, scenes: list[TrainedScene]) -> tuple[SceneAccuracy, ...]:
    """A row for each scene with judged labels, and one for all; nothing of a model of a single scene."""
    if found.scene is None:
        return ()
    rows = []
    for i in np.unique(found.scene).tolist():
        name = scenes[i].name if i < len(scenes) else f"{i + 1}"
        rows.append(_row(name, found.where(found.scene == i)))
    return (*rows, _row("all", found))


def _row(name: str, found: LeftOut) -> SceneAccuracy:
    row = SceneAccuracy(name, len(found), len(np.unique(found.groups)), *_shares(found.mapped, found))
    if found.elsewhere is None or not (judged := found.elsewhere > 0).any():
        return row
    own = found.where(judged)
    assert own.elsewhere is not None
    share, low, high = _shares(own.elsewhere, own)
    return replace(row, elsewhere=share, elsewhere_low_95=low, elsewhere_high_95=high)


def _shares(mapped: NDArray[np.uint16], found: LeftOut) -> tuple[float, float, float]:
    """Share of right labels, and its 95 % interval for other polygons."""
    right = mapped == found.codes
    share = float(right.mean())
    return share, *wilson(share, effective_size(right, found.groups))
