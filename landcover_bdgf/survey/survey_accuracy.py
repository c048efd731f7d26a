"""A map judged by a probability sample: estimates for the whole map, and for each class."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.labels import Color
from landcover_bdgf.survey.estimators import FEW, Z_95, Estimate
from landcover_bdgf.survey.points_file import Design
from landcover_bdgf.text import listed, percent, printable


@dataclass(frozen=True)
class ClassEstimates:
    """One class: points, mapped area, and estimates from the points.

    Attributes
    ----------
    name : str
    color : tuple of int
    map_points, reference_points, right_points : int
        Labelled points that the map, the reference, and both put in the class.
    mapped_px : int
        Pixels of the class in the whole map.
    mapped_ha : float
    users, producers, share : Estimate
        Accuracies, and share of the area of the strata.
    """

    name: str
    color: Color
    map_points: int
    reference_points: int
    right_points: int
    mapped_px: int
    mapped_ha: float
    users: Estimate
    producers: Estimate
    share: Estimate

    @property
    def few(self) -> bool:
        """Whether the normal intervals of its accuracies rest on too few points."""
        wrong = self.map_points - self.right_points, self.reference_points - self.right_points
        return min(self.right_points, *wrong) < FEW


@dataclass(frozen=True, eq=False)
class SurveyAccuracy:
    """A map judged by a probability sample.

    Attributes
    ----------
    map : str
        Name of the map.
    design : Design
    hectares : float
        Area of the strata, on the ellipsoid.
    overall : Estimate
    classes : tuple of ClassEstimates
        Those of the map, then those that only the reference has.
    counts : int64 (classes, classes)
        Labelled points; rows are the map, columns the reference.
    shares : float64 (classes, classes)
        Estimated shares of the mapped area.
    labelled, unlabelled, no_data : int
        Points; those without a label; labelled ones where the map has no data.
    notes : tuple of str
        What a reader must know.
    """

    map: str
    design: Design
    hectares: float
    overall: Estimate
    classes: tuple[ClassEstimates, ...]
    counts: NDArray[np.int64]
    shares: NDArray[np.float64]
    labelled: int
    unlabelled: int
    no_data: int
    notes: tuple[str, ...]

    @property
    def few(self) -> bool:
        """Whether the normal interval of the overall accuracy rests on too few points."""
        right = int(np.trace(self.counts))
        return min(right, int(self.counts.sum()) - right) < FEW

    def __repr__(self) -> str:
        return f"SurveyAccuracy(overall {interval_text(self.overall, self.few)}, {self.labelled} points, {self.map})"

    def __str__(self) -> str:
        return "\n".join(survey_lines(self))

    def to_dict(self) -> dict[str, Any]:
        """The accuracy as JSON types; areas also in hectares."""
        return {
            "map": self.map,
            "sampling": self.design.about.sampling,
            "design": self.design.about.settings,
            "points": {"labelled": self.labelled, "unlabelled": self.unlabelled, "no_map_data": self.no_data},
            "hectares": self.hectares,
            "overall_accuracy": asdict(self.overall),
            "classes": [self._class(found) for found in self.classes],
            "error_matrix": {
                "rows": "map",
                "columns": "reference",
                "classes": [found.name for found in self.classes],
                "points": self.counts.tolist(),
                "shares_of_area": self.shares.tolist(),
            },
            "strata": [
                {"name": name, "pixels": int(pixels), "points": int(points)}
                for name, pixels, points in zip(self.design.names, self.design.pixels, self.design.points, strict=True)
            ],
            "notes": list(self.notes),
        }

    def _class(self, found: ClassEstimates) -> dict[str, Any]:
        area = {
            f"hectares_{key}": value and value * self.hectares
            for key, value in asdict(found.share).items()
            if key != "n"
        }
        return {**asdict(found), **area, "few_points": found.few}


def survey_lines(result: SurveyAccuracy) -> list[str]:
    """The figures as text."""
    width = max(len("class"), *(len(printable(found.name)) for found in result.classes))
    overall = interval_text(result.overall, result.few)
    lines = [
        f"overall accuracy {overall}, {result.labelled:,} points, {result.hectares:,.0f} ha",
        f"{'class':<{width}} {'points':>6} {'users':>24} {'producers':>24} {'mapped ha':>12} {'estimated ha':>26}",
    ]
    for found in result.classes:
        hectares = hectares_text(found.share, result.hectares, found.few)
        lines.append(
            f"{printable(found.name):<{width}} {found.map_points:>6,} {interval_text(found.users, found.few):>24} "
            f"{interval_text(found.producers, found.few):>24} {found.mapped_ha:>12,.1f} {hectares:>26}"
        )
    notes = [f"note: {note}" for note in result.notes]
    few = ["the overall accuracy"] * result.few + [printable(found.name) for found in result.classes if found.few]
    if few:
        notes.append(
            f"note: {listed(few, str)}: fewer than {FEW} points are right, or fewer than {FEW} wrong, so exact "
            "intervals are shown"
        )
    return [*lines, *notes]


def interval_text(found: Estimate, few: bool = False) -> str:
    """A share with the 95 % interval of :func:`shown_interval`."""
    if found.value is None:
        return "–"
    low, high = shown_interval(found, few)
    return f"{percent(found.value)} ({percent(low)} to {percent(high)})"


def shown_interval(found: Estimate, few: bool = False) -> tuple[float | None, float | None]:
    """The normal 95 % interval of a share; the exact one for ``few`` points, or if no variance was seen."""
    return (found.exact_low, found.exact_high) if few or found.se == 0 else (found.low, found.high)


def hectares_text(share: Estimate, hectares: float, few: bool = False) -> str:
    """An area with half the width of its normal 95 % interval; its exact one as in :func:`interval_text`."""
    if share.value is None or share.se is None:
        return "–"
    show = f"{{:,.{0 if share.value * hectares >= 100 else 1}f}}".format
    if (few or share.se == 0) and share.exact_low is not None and share.exact_high is not None:
        area, low, high = (show(each * hectares) for each in (share.value, share.exact_low, share.exact_high))
        return f"{area} ({low} to {high})"
    return f"{show(share.value * hectares)} ± {show(Z_95 * share.se * hectares)}"
