"""Prediction sets: for each pixel the classes that cannot be ruled out, which hold the right one in, say, 90 %.

Class-conditional conformal prediction (Vovk 2012, arXiv 1209.2673; Sadinle, Lei and Wasserman 2019, arXiv 1609.00451):
a class is in the set where its probability is at least a threshold of its own, which all but 10 % of the left-out
labels of that class reach. Pixels of one polygon are alike, so a polygon counts as one: its pixels share a weight, and
a polygon not yet seen has the same one (pooling of Dunn, Wasserman and Ramdas 2022, arXiv 1809.07441).

So much holds for pixels of further polygons that are drawn as the labels were, and for models like those of the folds,
which were trained on fewer polygons than the model of the map. It does not hold for places that nobody would draw.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.labels.left_out import LeftOut
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.text import listed, printable

_ROUNDING = 1e-9  # of a sum of weights


@dataclass(frozen=True)
class ClassThreshold:
    """When a class is in a set.

    Attributes
    ----------
    name : str
    polygons, pixels : int
        Left-out labels of the class.
    threshold : float
        Least probability, from 0 to 1; 0 if the class is in every set, as its polygons are too few.
    coverage : float
        Share of the labels of the class whose sets hold it, when their own polygon does not set the threshold; every
        polygon counts the same. NaN without labels.
    """

    name: str
    polygons: int
    pixels: int
    threshold: float
    coverage: float


@dataclass(frozen=True)
class PredictionSets:
    """The sets of a level, the share of right classes that they aim to hold."""

    level: float
    classes: tuple[ClassThreshold, ...]

    @classmethod
    def of(cls, left_out: LeftOut | None, legend: Legend, level: float) -> PredictionSets:
        """Thresholds from left-out labels; CheckpointError if the model has none, or is of an earlier version."""
        if left_out is None:
            remedy = "Train it with `training.folds=3`, or map without `sets`."
            raise CheckpointError(None, "the model was trained without folds, which prediction sets need", remedy)
        if left_out.of_label is None:
            problem = "the model is of an earlier version, which kept too little for prediction sets"
            raise CheckpointError(None, problem, "Train it again, or map without `sets`.")
        found = []
        for entry in legend.entries:
            own = left_out.codes == entry.code
            p, groups = left_out.of_label[own].astype(np.float64), left_out.groups[own]
            least, coverage = threshold(p, groups, level), _coverage(p, groups, level)
            found.append(ClassThreshold(entry.name, len(np.unique(groups)), len(p), least, coverage))
        return cls(level, tuple(found))

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Least probability of each class (C,)."""
        return np.array([each.threshold for each in self.classes])

    @property
    def coverage(self) -> float:
        """Mean coverage of the classes that have labels."""
        known = [each.coverage for each in self.classes if each.polygons]
        return float(np.mean(known)) if known else math.nan

    def told(self) -> list[tuple[bool, str]]:
        """Lines for the user, and whether each is a warning."""
        by_class = [f"{printable(e.name)} {100 * e.coverage:.0f} %" for e in self.classes if e.polygons]
        lines = [
            (
                False,
                f"prediction sets of level {self.level:g}: on left-out labels they hold the right class in "
                f"{100 * self.coverage:.0f} % ({listed(by_class, str)}); this holds for polygons drawn like the labels",
            )
        ]
        if few := [f"{printable(e.name)} ({e.polygons})" for e in self.classes if not e.threshold]:
            least = math.ceil(self.level / (1 - self.level) - _ROUNDING)
            problem = f"in every prediction set, as they have too few polygons to be ruled out: {listed(few, str)}"
            lines.append((True, f"{problem}. A level of {self.level:g} needs {least} polygons a class"))
        return lines

    def to_dict(self) -> dict[str, Any]:
        """For the record of a map; None for coverages that are not known."""
        rows = [asdict(e) | {"coverage": e.coverage if e.polygons else None} for e in self.classes]
        return {"level": self.level, "coverage": self.coverage if self.coverage >= 0 else None, "classes": rows}


def threshold(p: NDArray[np.float64], groups: NDArray[np.integer], level: float) -> float:
    """The largest probability that a share ``level`` of the labels reaches, counting a polygon more than there are.

    Parameters
    ----------
    p : (n,)
        Probability of the label's own class.
    groups : (n,)
        Polygons of the labels.
    level : float

    Returns
    -------
    float
        0 if the polygons are fewer than ``level / (1 - level)``.
    """
    if not len(p):
        return 0.0
    _, polygon, pixels = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / ((len(pixels) + 1) * pixels[polygon])
    order = np.argsort(-p, kind="stable")
    reached = np.cumsum(weights[order]) >= level - _ROUNDING
    return float(p[order][np.argmax(reached)]) if reached.any() else 0.0


def _coverage(p: NDArray[np.float64], groups: NDArray[np.integer], level: float) -> float:
    """Mean share of the pixels of a polygon that reach the threshold of the other polygons; NaN without labels.

    A pixel fails where the pixels of other polygons that are above it weigh at least ``level``. These are all pixels
    above it, of which those of its own polygon are taken off again.
    """
    if not len(p):
        return math.nan
    _, polygon, pixels = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / (len(pixels) * pixels[polygon])  # as of the others, counting one more than there are
    everything = np.zeros(len(p), np.intp)
    fails = _above(p, everything, weights) - _above(p, polygon, weights) >= level - _ROUNDING
    return float(np.mean(np.bincount(polygon, ~fails) / pixels))


def _above(p: NDArray[np.float64], groups: NDArray[np.intp], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the weights of the larger values of a value's group (n,)."""
    order = np.lexsort((-p, groups))
    before = np.concatenate([[0.0], np.cumsum(weights[order])[:-1]])
    new_group = np.diff(groups[order], prepend=-1) != 0
    new_value = new_group | (np.diff(p[order], prepend=np.inf) != 0)
    starts = [before[np.maximum.accumulate(np.where(new, np.arange(len(p)), 0))] for new in (new_value, new_group)]
    sums = np.empty(len(p))
    sums[order] = starts[0] - starts[1]
    return sums
