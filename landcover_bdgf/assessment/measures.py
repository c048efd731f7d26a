"""Accuracy measures of a map: the confusion matrix, and accuracies and kappa computed from it.

The rows of the matrix are always the map and its columns the reference, as in Olofsson et al. (2014,
doi:10.1016/j.rse.2014.02.015).
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment.borders import BORDER_BINS_PX
from landcover_bdgf.assessment.intervals import effective_size, wilson
from landcover_bdgf.assessment.limits import MapLimits
from landcover_bdgf.assessment.reliability import ReliabilityBin, calibration_error
from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels import CLEAR_PX, EDGE_PX, NODATA, Legend
from landcover_bdgf.text import printable, table

APART_PX = 37  # smallest distance at which surroundings of reference and training pixels do not overlap, by default
# Distance to the nearest training pixel, in pixels. Below the first bound the windows of both overlap; farther away
# the two have less and less of the landscape in common.
DISTANCE_BINS_PX = ((0.0, CLEAR_PX), (CLEAR_PX, APART_PX), (APART_PX, 100.0), (100.0, math.inf))

FAR_NEARER = 0.5  # judged labels so much nearer than the map's pixels say little of most of them

NO_PROBABILITY_SAMPLE = (
    "the reference is not a probability sample: these figures describe its locations only and do not support area "
    "estimates; the interval is that of other polygons chosen in the same way"
)


class ClassAccuracy(TypedDict):
    """Figures of one class; accuracies are None if there are no pixels to compute them from."""

    code: int
    name: str
    reference_px: int
    map_px: int
    right_px: int
    no_data_px: int
    producers: float | None
    users: float | None
    f1: float | None


@dataclass(frozen=True)
class DistanceBin:
    """Accuracy of reference pixels at a distance in ``[from_px, to_px)`` from a training pixel or a class border."""

    from_px: float
    to_px: float
    n: int
    overall: float

    @property
    def label(self) -> str:
        """The range as text."""
        if math.isinf(self.to_px):
            return f"{self.from_px:.0f} px and more"
        return f"{self.from_px:.0f} to {self.to_px - 1:.0f} px"


@dataclass(frozen=True, eq=False)
class Accuracy:
    """A map compared with reference pixels.

    Attributes
    ----------
    legend : Legend
    matrix : int64 (classes, classes)
        Pixels; rows are the map, columns the reference, in the order of the legend.
    no_data : int64 (classes,)
        Reference pixels at which the map has no data; not counted in any other number.
    overall, average, kappa : float
        Share of correct pixels; mean of the producer's accuracies of classes with reference pixels; Cohen's
        kappa. NaN where undefined.
    producers, users, f1 : float64 (classes,)
        Recall, precision, and their harmonic mean; NaN where undefined.
    sample : str
        Description of the reference.
    unknown : mapping of str to int
        Classes of the reference that the map does not have, with their numbers of pixels, which are not counted.
    leak : float, optional
        Share of reference pixels whose window overlaps that of a training pixel; None if not known.
    surroundings : float, optional
        Share of reference pixels whose surroundings, as far as the model uses them, overlap those of a training pixel;
        None if the model uses only its windows, or if not known.
    edges : float
        Share of the mapped pixels near the border or a gap of the map; NaN if not counted.
    by_distance : tuple of DistanceBin
        By the distance to the nearest training pixel; only bins that hold pixels.
    by_border : tuple of DistanceBin
        By the distance to the nearest pixel of another class; all bins, or none if one holds no pixels.
    borders_of : str
        Whose borders these are: "reference" or "map".
    polygons : int
        Number of polygons (or points, or blocks) of the counted pixels.
    effective : float
        Number of independent pixels that would tell as much.
    judged_px : tuple of float, optional
        Of labels that models of other folds have judged: their median distance from the labels of these models, and
        that of the map's pixels from all labels.
    guidance : tuple of float, optional
        Of such labels: by how much the share of correct pixels falls without what the features that guide the network
        tell, and the 95 % interval of this difference.
    """

    legend: Legend
    matrix: NDArray[np.int64]
    no_data: NDArray[np.int64]
    overall: float
    average: float
    kappa: float
    producers: NDArray[np.float64]
    users: NDArray[np.float64]
    f1: NDArray[np.float64]
    sample: str = ""
    unknown: Mapping[str, int] = field(default_factory=dict)
    leak: float | None = None
    surroundings: float | None = None
    edges: float = math.nan
    by_distance: tuple[DistanceBin, ...] = ()
    by_border: tuple[DistanceBin, ...] = ()
    borders_of: str = ""
    reliability: tuple[ReliabilityBin, ...] = ()
    limits: MapLimits = field(default_factory=MapLimits)
    polygons: int = 0
    effective: float = 0.0
    judged_px: tuple[float, float] | None = None
    guidance: tuple[float, float, float] | None = None

    def __repr__(self) -> str:
        shares = f"overall {percent(self.overall)}, average {percent(self.average)}, kappa {_text(self.kappa)}"
        return f"Accuracy({shares}, {self.n} reference px, {len(self.legend.entries)} classes)"

    def _repr_html_(self) -> str:
        rows = (
            (printable(c["name"]), c["reference_px"], *(percent(c[key]) for key in ("producers", "users", "f1")))
            for c in self.classes()
        )
        shares = table(rows, ("class", "reference px", "producer's", "user's", "F1"))
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in (*remarks(self), NO_PROBABILITY_SAMPLE))
        return f"<p>{html.escape(summary_lines(self)[0])}</p>{shares}<ul>{notes}</ul>"

    def __str__(self) -> str:
        return "\n".join(summary_lines(self))

    @property
    def n(self) -> int:
        """Reference pixels at which the map has a class."""
        return int(self.matrix.sum())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the overall accuracy, for other polygons chosen like those of the reference."""
        return wilson(self.overall, self.effective)

    def classes(self) -> list[ClassAccuracy]:
        """One row per class."""
        return [
            ClassAccuracy(
                code=entry.code,
                name=entry.name,
                reference_px=int(self.matrix[:, i].sum()),
                map_px=int(self.matrix[i].sum()),
                right_px=int(self.matrix[i, i]),
                no_data_px=int(self.no_data[i]),
                producers=_number(self.producers[i]),
                users=_number(self.users[i]),
                f1=_number(self.f1[i]),
            )
            for i, entry in enumerate(self.legend.entries)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The accuracy as JSON types: numbers, text, lists and None."""
        return {
            "n": self.n,
            "overall_accuracy": _number(self.overall),
            "overall_accuracy_interval_95": list(self.interval),
            "polygons": self.polygons,
            "effective_n": self.effective,
            "average_accuracy": _number(self.average),
            "kappa": _number(self.kappa),
            "confusion_matrix": {
                "rows": "map",
                "columns": "reference",
                "codes": list(self.legend.codes),
                "counts": self.matrix.tolist(),
            },
            "classes": self.classes(),
            "reference_px_without_map_data": int(self.no_data.sum()),
            "unknown_classes": dict(self.unknown),
            "sample": self.sample,
            "leak": self.leak,
            "median_px_from_labels": self.judged_px and dict(zip(("judged", "map"), self.judged_px, strict=True)),
            "guidance": self.guidance and dict(zip(("gain", "low_95", "high_95"), self.guidance, strict=True)),
            "surroundings_shared": self.surroundings,
            "edge_px": EDGE_PX,
            "edge_share": _number(self.edges),
            "by_distance_to_training": _rows(self.by_distance),
            **self._near_borders(),
            "reliability": [asdict(one) for one in self.reliability],
            "expected_calibration_error": _number(calibration_error(self.reliability)),
            **self.limits.model_dump(mode="json"),
            "caution": NO_PROBABILITY_SAMPLE,
        }

    def _near_borders(self) -> dict[str, Any]:
        """The accuracy by distance to class borders, if there is one."""
        return {"borders_of": self.borders_of, "by_distance_to_border": _rows(self.by_border)} if self.by_border else {}


def accuracy(
    reference_codes: NDArray[Any], map_codes: NDArray[Any], legend: Legend, groups: NDArray[np.integer] | None = None
) -> Accuracy:
    """Compare the classes of a map with those of the reference, pixel by pixel.

    Parameters
    ----------
    reference_codes : integer array (n,)
        Codes of the legend.
    map_codes : integer array (n,)
        Codes of the legend, or 0 where the map has no data.
    legend : Legend
    groups : integer array (n,), optional
        The polygon, point or block of each pixel; by default, each is one of its own.

    Raises
    ------
    LabelError
        If the map has data at no reference pixel, or contains codes that are not in its legend.
    """
    has_data = map_codes != NODATA
    codes = list(legend.codes)
    unknown = np.setdiff1d(map_codes[has_data], codes)
    if len(unknown):
        raise LabelError(None, f"the map contains code {unknown[0]}, which is not in its legend", "Make the map again.")
    if not has_data.any():
        raise LabelError(None, "the map has no data at any reference pixel", "Check that the two overlap.")
    reference, mapped = reference_codes[has_data], map_codes[has_data]
    cells = (mapped.astype(np.int64) - 1) * len(codes) + reference.astype(np.int64) - 1
    matrix = np.bincount(cells, minlength=len(codes) ** 2).reshape(len(codes), len(codes))
    from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

    users, producers, f1, _ = precision_recall_fscore_support(reference, mapped, labels=codes, zero_division=np.nan)
    # Kappa compares with chance agreement, which is perfect if there is only one class.
    one_class = len(np.union1d(reference, mapped)) == 1
    right, group = reference == mapped, np.arange(len(mapped)) if groups is None else groups[has_data]
    return Accuracy(
        legend,
        matrix,
        np.array([np.sum(reference_codes[~has_data] == code) for code in codes], np.int64),
        overall=float(np.trace(matrix) / matrix.sum()),
        average=float(np.nanmean(producers)),
        kappa=math.nan if one_class else float(cohen_kappa_score(reference, mapped)),
        producers=producers,
        users=users,
        f1=f1,
        polygons=len(np.unique(group)),
        effective=effective_size(right, group),
    )


def accuracy_by_distance(right: NDArray[np.bool_], distances_px: NDArray[np.float64]) -> tuple[DistanceBin, ...]:
    """Overall accuracy of pixels by their distance to the nearest training pixel.

    ``right`` (n,) is where map and reference agree; ``distances_px`` has the same shape.
    """
    bins = []
    for low, high in DISTANCE_BINS_PX:
        inside = right[(distances_px >= low) & (distances_px < high)]
        if len(inside):
            bins.append(DistanceBin(low, high, len(inside), float(inside.mean())))
    return tuple(bins)


def accuracy_by_border(right: NDArray[np.bool_], bins: NDArray[np.int8]) -> tuple[DistanceBin, ...]:
    """Overall accuracy of pixels by their distance to a class border.

    ``bins`` (n,) are indices into ``BORDER_BINS_PX``, or -1 where the distance is not known. Nothing if it is known of
    less than half of the pixels, as with polygons that lie apart, or if a bin holds no pixels.
    """
    parts = [right[bins == index] for index in range(len(BORDER_BINS_PX))]
    if not all(map(len, parts)) or 2 * sum(map(len, parts)) < len(bins):
        return ()
    pairs = zip(BORDER_BINS_PX, parts, strict=True)
    return tuple(DistanceBin(*bounds, len(inside), float(inside.mean())) for bounds, inside in pairs)


def summary_lines(result: Accuracy) -> list[str]:
    """The accuracy as text: the main figures, a table of the classes, and caveats.

    The table has a column of codes if the classes are whole numbers that differ from the codes of the map.
    """
    low, high = result.interval
    rows = [(printable(c["name"]), c) for c in result.classes()]
    width = max(len("class"), *(len(name) for name, _ in rows))
    coded = result.legend.renumbered  # the name alone would be mistaken for the code in the map
    lines = [
        f"overall accuracy {percent(result.overall)} (95 % interval {percent(low)} to {percent(high)}), "
        f"average accuracy {percent(result.average)}, kappa {_text(result.kappa)}, {result.n} reference px",
        f"{'class':<{width}}{' ' * 4 + 'code' if coded else ''} "
        f"{'reference':>10} {'producers':>10} {'users':>10} {'F1':>10}",
    ]
    for name, c in rows:
        shares = " ".join(f"{percent(c[key]):>10}" for key in ("producers", "users", "f1"))
        code = f"{c['code']:>8}" if coded else ""
        lines.append(f"{name:<{width}}{code} {c['reference_px']:>10} {shares}")
    lines += [f"{bin_.label} from training: {percent(bin_.overall)} of {bin_.n} px" for bin_ in result.by_distance]
    lines += [
        f"{bin_.label} from a class border of the {result.borders_of}: {percent(bin_.overall)} of {bin_.n} px"
        for bin_ in result.by_border
    ]
    return [*lines, *remarks(result), f"note: {NO_PROBABILITY_SAMPLE}"]


def _of_folds(judged_px: float, map_px: float) -> str:
    text = (
        f"half of the judged labels are within {judged_px:.0f} px of the labels of their models, half of the map's "
        f"pixels within {map_px:.0f} px of all labels"
    )
    if judged_px < FAR_NEARER * map_px:
        return f"{text}: far from labels the map may be less accurate, see the accuracy by distance"
    return text


def remarks(result: Accuracy) -> list[str]:
    """Limits of this comparison, as sentences; may be empty."""
    found = []
    if result.judged_px is not None:
        found.append(_of_folds(*result.judged_px))
    elif result.leak is None:
        found.append(
            "the map has no record of its training pixels, so it is not known whether the reference is independent"
        )
    elif result.leak:
        found.append(
            f"{percent(result.leak)} of the reference windows overlap training windows: figures are optimistic"
        )
    if result.surroundings:
        found.append(
            f"{percent(result.surroundings)} of the reference pixels share surroundings with training pixels; farther "
            "away the map may be less accurate, see the accuracy by distance"
        )
    if result.no_data.any():
        found.append(f"{result.no_data.sum()} reference px are not counted, as the map has no data there")
    found += [
        f"class {printable(name)} of the reference is not in the map: {n} px not counted"
        for name, n in result.unknown.items()
    ]
    absent = [printable(c["name"]) for c in result.classes() if c["reference_px"] == 0]
    if absent:
        found.append(f"no reference pixels of {', '.join(absent)}")
    return found


def percent(share: float | None) -> str:
    """A share as text, in percent; a dash if it is undefined."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def _rows(bins: tuple[DistanceBin, ...]) -> list[dict[str, float | None]]:
    return [{"from_px": b.from_px, "to_px": _number(b.to_px), "n": b.n, "overall_accuracy": b.overall} for b in bins]


def _text(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
