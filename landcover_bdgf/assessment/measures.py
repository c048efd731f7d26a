"""Accuracy measures of a map: the confusion matrix, and accuracies and kappa computed from it.

The rows of the matrix are always the map and its columns the reference, as in Olofsson et al. (2014,
doi:10.1016/j.rse.2014.02.015).
"""

from __future__ import annotations

import html
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment.confusion import (
    COUNTED_PX,
    SMALL_POLYGONS,
    SMALL_PX,
    ClassAccuracy,
    ClassSizes,
    confused_pairs,
    disagreements,
    intersection_over_union,
    interval,
)
from landcover_bdgf.assessment.distances import DistanceBin, NearBorders, of_folds
from landcover_bdgf.assessment.intervals import effective_size, wilson
from landcover_bdgf.assessment.limits import MapLimits
from landcover_bdgf.assessment.provenance import MapRecord
from landcover_bdgf.assessment.reliability import ReliabilityBin, calibration_error
from landcover_bdgf.assessment.scene_rows import SceneAccuracy
from landcover_bdgf.assessment.verdicts import confidence_verdict, novelty_verdict
from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels import EDGE_PX, NODATA, Legend, LegendEntry
from landcover_bdgf.text import listed, percent, printable, table

FEW_POLYGONS = 10

NO_PROBABILITY_SAMPLE = (
    "the reference is not a probability sample: the figures hold for its locations only, and areas cannot be estimated "
    "from them; the interval covers other polygons chosen in the same way"
)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """A map compared with reference pixels.

    Attributes
    ----------
    legend : Legend
        Of the map.
    matrix : int64 (classes, classes)
        Pixels; rows are the map, columns the reference, in the order of the legend, then of ``lacking``.
    no_data : int64 (classes,)
        Reference pixels at which the map has no data; not counted in any other number.
    overall, average, kappa : float
        Share of correct pixels; mean of the producer's accuracies of classes with reference pixels; Cohen's
        kappa. NaN where undefined.
    producers, users, f1 : float64 (classes,)
        Recall, precision, and their harmonic mean; NaN where undefined.
    sizes : ClassSizes
        Of each class: its polygons, and the independent pixels behind its accuracies.
    sample : str
        Description of the reference.
    lacking : tuple of LegendEntry
        Classes of the reference that the map does not have; their pixels count as wrong.
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
        By the distance to the nearest pixel of another class, see :func:`accuracy_by_border`.
    borders_of : str
        Whose borders these are: "reference" or "map".
    near_borders : NearBorders, optional
        Shares of reference and map near borders of the map; None if these are borders of the reference.
    polygons : int
        Number of polygons (or points, or blocks) of the counted pixels.
    effective : float
        Number of independent pixels that would tell as much.
    about : MapRecord
        What the record of the map says: its inputs, warnings and novelty.
    judged_px : tuple of float, optional
        Of labels that models of other folds have judged: their median distance from the labels of these models, and
        that of the map's pixels from all labels.
    guidance : tuple of float, optional
        Of such labels: by how much the share of correct pixels falls without what the features that guide the network
        tell, and the 95 % interval of this difference.
    scenes : tuple of SceneAccuracy
        Of the labels of a model of several scenes: a row for each scene, and one for all.
    map_codes : tuple of int
        Of the classes in the map of another program; empty if they are those of the legend.
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
    sizes: ClassSizes
    sample: str = ""
    lacking: tuple[LegendEntry, ...] = ()
    leak: float | None = None
    surroundings: float | None = None
    edges: float = math.nan
    by_distance: tuple[DistanceBin, ...] = ()
    by_border: tuple[DistanceBin, ...] = ()
    borders_of: str = ""
    near_borders: NearBorders | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    limits: MapLimits = field(default_factory=MapLimits)
    polygons: int = 0
    effective: float = 0.0
    about: MapRecord = field(default_factory=MapRecord)
    judged_px: tuple[float, float] | None = None
    guidance: tuple[float, float, float] | None = None
    scenes: tuple[SceneAccuracy, ...] = ()
    map_codes: tuple[int, ...] = ()

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
    def entries(self) -> tuple[LegendEntry, ...]:
        """The classes of the map, then those that only the reference has."""
        return self.legend.entries + self.lacking

    @property
    def codes(self) -> tuple[int | None, ...]:
        """Codes of the classes in the map, as its user sees them; None for those that only the reference has."""
        return (self.map_codes or self.legend.codes) + (None,) * len(self.lacking)

    @property
    def unknown(self) -> dict[str, int]:
        """Classes of the reference that the map does not have: numbers of their pixels."""
        totals = self.matrix.sum(0).tolist()
        return {entry.name: totals[entry.code - 1] for entry in self.lacking}

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
        return [self._class(i) for i in range(len(self.entries))]

    def _class(self, i: int) -> ClassAccuracy:
        entry, polygons = self.entries[i], int(self.sizes.polygons[i])
        reference_px = int(self.matrix[:, i].sum())
        producers = interval(float(self.producers[i]), float(self.sizes.producers[i]))
        users = interval(float(self.users[i]), float(self.sizes.users[i]))
        return ClassAccuracy(
            code=self.codes[i],
            name=entry.name,
            polygons=polygons,
            reference_px=reference_px,
            map_px=int(self.matrix[i].sum()),
            right_px=int(self.matrix[i, i]),
            no_data_px=int(self.no_data[i]),
            small=polygons < SMALL_POLYGONS or reference_px < SMALL_PX,
            producers=_number(self.producers[i]),
            producers_low=producers[0],
            producers_high=producers[1],
            users=_number(self.users[i]),
            users_low=users[0],
            users_high=users[1],
            f1=_number(self.f1[i]),
            iou=_number(intersection_over_union(self.matrix)[i]),
        )

    @property
    def verdicts(self) -> dict[str, str]:
        """A sentence each on the confidence and the novelty of the map."""
        novelty = novelty_verdict(self.about.novelty.novel_px, self.about.novelty.compared_px)
        return {"confidence": confidence_verdict(self.reliability), "novelty": novelty}

    def confused(self) -> list[str]:
        """The most confused pairs of classes, as sentences."""
        names, totals = [printable(entry.name) for entry in self.entries], self.matrix.sum(0)
        return [
            f"{names[col]} mapped as {names[row]}: {number} of {totals[col]} reference px"
            + (f" ({percent(number / totals[col])})" if totals[col] >= COUNTED_PX else "")
            for row, col, number in confused_pairs(self.matrix)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The accuracy as JSON types: numbers, text, lists and None."""
        quantity, allocation = disagreements(self.matrix)
        return {
            "n": self.n,
            "overall_accuracy": _number(self.overall),
            "overall_accuracy_interval_95": list(self.interval),
            "polygons": self.polygons,
            "effective_n": self.effective,
            "average_accuracy": _number(self.average),
            "kappa": _number(self.kappa),
            "quantity_disagreement": quantity,
            "allocation_disagreement": allocation,
            "confusion_matrix": {
                "rows": "map",
                "columns": "reference",
                "codes": list(self.codes),
                "counts": self.matrix.tolist(),
            },
            "classes": self.classes(),
            "most_confused": self.confused(),
            "reference_px_without_map_data": int(self.no_data.sum()),
            "unknown_classes": self.unknown,
            "sample": self.sample,
            "leak": self.leak,
            "median_px_from_labels": self.judged_px and dict(zip(("judged", "map"), self.judged_px, strict=True)),
            "guidance": self.guidance and dict(zip(("gain", "low_95", "high_95"), self.guidance, strict=True)),
            **({"scenes": [scene.to_dict() for scene in self.scenes]} if self.scenes else {}),
            "surroundings_shared": self.surroundings,
            "edge_px": EDGE_PX,
            "edge_share": _number(self.edges),
            "by_distance_to_training": [b.to_dict() for b in self.by_distance],
            **self._near_borders(),
            "reliability": [asdict(one) for one in self.reliability],
            "expected_calibration_error": _number(calibration_error(self.reliability)),
            "verdicts": self.verdicts,
            **self.limits.model_dump(mode="json"),
            **self.about.model_dump(mode="json"),
            "caution": NO_PROBABILITY_SAMPLE,
        }

    def _near_borders(self) -> dict[str, Any]:
        """The accuracy by distance to class borders, if there is one."""
        bins, near = [b.to_dict() for b in self.by_border], self.near_borders
        found = {"borders_of": self.borders_of, "by_distance_to_border": bins} if bins else {}
        return found | ({"share_within_2_px_of_border": asdict(near)} if near else {})


def accuracy(
    reference_codes: NDArray[Any], map_codes: NDArray[Any], legend: Legend,
    groups: NDArray[np.integer] | None = None, lacking: tuple[LegendEntry, ...] = (),
) -> Accuracy:  # fmt: skip
    """Compare the classes of a map with those of the reference, pixel by pixel.

    Parameters
    ----------
    reference_codes : integer array (n,)
        Codes of the legend, or of ``lacking``.
    map_codes : integer array (n,)
        Codes of the legend, or 0 where the map has no data.
    legend : Legend
    groups : integer array (n,), optional
        The polygon, point or block of each pixel; by default, each is one of its own.
    lacking : tuple of LegendEntry
        Classes that the map does not have, with the codes after those of the legend; their pixels count as wrong:
        producer's accuracy 0, user's accuracy undefined.

    Raises
    ------
    LabelError
        If the map has data at no reference pixel, or contains codes that are not in its legend.
    """
    has_data = map_codes != NODATA
    codes = [*legend.codes, *(entry.code for entry in lacking)]
    unknown = np.setdiff1d(map_codes[has_data], legend.codes)
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
        sizes=ClassSizes.of(reference, mapped, group, len(codes)),
        polygons=len(np.unique(group)),
        effective=effective_size(right, group),
        lacking=lacking,
    )


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
        f"{bin_.from_border(result.borders_of)}: {percent(bin_.overall)} of {bin_.n} px" for bin_ in result.by_border
    ]
    lines += [scene.line() for scene in result.scenes]
    return [*lines, *remarks(result), f"note: {NO_PROBABILITY_SAMPLE}"]


def remarks(result: Accuracy) -> list[str]:
    """Limits of this comparison, as sentences; may be empty."""
    found = []
    if result.judged_px is not None:
        found.append(of_folds(*result.judged_px))
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
    if result.near_borders and result.near_borders.few:
        found.append(result.near_borders.sentence())
    if result.no_data.any():
        found.append(f"{result.no_data.sum()} reference px are not counted, as the map has no data there")
    found += [
        f"class {printable(name)} of the reference is not in the map: {n} px count as wrong"
        for name, n in result.unknown.items()
    ]
    classes = result.classes()
    if absent := [c["name"] for c in classes if c["reference_px"] == 0]:
        found.append(f"no reference pixels of {listed(absent)}: the averages leave them out")
    if small := [c["name"] for c in classes if c["small"] and c["reference_px"]]:
        fewer = f"fewer than {SMALL_PX} px or {SMALL_POLYGONS} polygons"
        found.append(f"{fewer} of {listed(small)} in the reference: their figures are no more than hints")
    if result.polygons < FEW_POLYGONS:
        remedy = (
            "add some" if result.judged_px else "assess by the map's model, which judges all its labels, or add some"
        )
        found.append(f"the reference has only {result.polygons} polygons, so the intervals are rough: {remedy}")
    return found


def _text(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
