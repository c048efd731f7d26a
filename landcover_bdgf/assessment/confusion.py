"""Figures of single classes and pairs of classes, from the confusion matrix: rows are the map, columns the reference.

Quantity disagreement is how far the numbers of pixels of the classes differ, allocation disagreement how many pixels
could be put right by exchanging places; together they are the share of wrong pixels (Pontius and Millones 2011,
doi:10.1080/01431161.2011.552923, eqs. 2 to 6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment.intervals import effective_size, wilson

SMALL_PX, SMALL_POLYGONS = 30, 5  # with fewer of either, a figure of a class is no more than a hint
COUNTED_PX = 10  # below, "1 of 1 px" tells more than "100 %"

Matrix = NDArray[np.int64]
Floats = NDArray[np.float64]


class ClassAccuracy(TypedDict):
    """Figures of one class; accuracies and the limits of their 95 % intervals are None without pixels.

    ``code`` is None for a class that the map does not have. ``small``: fewer than ``SMALL_PX`` reference pixels, or
    than ``SMALL_POLYGONS`` polygons.
    """

    code: int | None
    name: str
    polygons: int
    reference_px: int
    map_px: int
    right_px: int
    no_data_px: int
    small: bool
    producers: float | None
    producers_low: float | None
    producers_high: float | None
    users: float | None
    users_low: float | None
    users_high: float | None
    f1: float | None
    iou: float | None


@dataclass(frozen=True, eq=False)
class ClassSizes:
    """Of each class (C,): polygons of the reference, and numbers of independent pixels behind each accuracy."""

    polygons: NDArray[np.int64]
    producers: Floats
    users: Floats

    @classmethod
    def of(
        cls, reference: NDArray[np.integer], mapped: NDArray[np.integer], groups: NDArray[np.integer], classes: int
    ) -> ClassSizes:
        """From codes from 1 and polygons of the pixels (n,)."""
        right, codes = reference == mapped, range(1, classes + 1)

        def effective(inside: NDArray[np.bool_]) -> float:
            return effective_size(right[inside], groups[inside]) if inside.any() else math.nan

        polygons = [len(np.unique(groups[reference == code])) for code in codes]
        producers = [effective(reference == code) for code in codes]
        users = [effective(mapped == code) for code in codes]
        return cls(np.array(polygons), np.array(producers), np.array(users))


def interval(share: float, size: float) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of an accuracy of this many independent pixels; None for an undefined one."""
    return (None, None) if math.isnan(share) or math.isnan(size) else wilson(share, size)


def intersection_over_union(matrix: Matrix) -> Floats:
    """Pixels of a class in both map and reference, over those in either (C,); NaN for a class in neither."""
    both = np.diag(matrix)
    either = matrix.sum(0) + matrix.sum(1) - both
    return np.divide(both, either, out=np.full(len(matrix), np.nan), where=either > 0)


def disagreements(matrix: Matrix) -> tuple[float, float]:
    """Quantity and allocation disagreement, as shares of the pixels."""
    mapped, reference, both = (counts / matrix.sum() for counts in (matrix.sum(1), matrix.sum(0), np.diag(matrix)))
    quantity = float(np.abs(mapped - reference).sum() / 2)
    allocation = float(np.minimum(mapped - both, reference - both).sum())
    return quantity, allocation


def confused_pairs(matrix: Matrix, most: int = 3) -> list[tuple[int, int, int]]:
    """The cells with most wrong pixels: row (map), column (reference) and pixels, largest first."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    cells = zip(*np.unravel_index(order, matrix.shape), strict=True)
    return [(int(row), int(col), int(wrong[row, col])) for row, col in cells if wrong[row, col]]
