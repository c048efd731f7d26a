"""Accuracy of reference pixels by their distance: to the nearest training pixel, and to the nearest class border."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment.borders import BORDER_BINS_PX, UNKNOWN
from landcover_bdgf.labels import CLEAR_PX
from landcover_bdgf.text import percent

FAR_NEARER = 0.5  # judged labels so much nearer than the map's pixels say little of most of them
FEW_NEAR = 0.5  # a share near borders so much smaller than that of the map says little of its accuracy
APART_PX = 37  # smallest distance at which surroundings of reference and training pixels do not overlap, by default
Span = tuple[float, float]
# Distance to the nearest training pixel, in pixels. Below the first bound the windows of both overlap; farther away
# the two have less and less of the landscape in common.
DISTANCE_BINS_PX = ((0.0, CLEAR_PX), (CLEAR_PX, APART_PX), (APART_PX, 100.0), (100.0, math.inf))


@dataclass(frozen=True)
class DistanceBin:
    """Accuracy of reference pixels at a distance in ``[from_px, to_px)`` from a training pixel or a class border.

    Both are NaN for the pixels whose distance is not known.
    """

    from_px: float
    to_px: float
    n: int
    overall: float

    def to_dict(self) -> dict[str, float | None]:
        """As JSON types; None for infinity, and for a distance that is not known."""
        start, end = (each if math.isfinite(each) else None for each in (self.from_px, self.to_px))
        return {"from_px": start, "to_px": end, "n": self.n, "overall_accuracy": self.overall}

    @property
    def label(self) -> str:
        """The range as text."""
        if math.isnan(self.from_px):
            return "unknown"
        if math.isinf(self.to_px):
            return f"{self.from_px:.0f} px and more"
        return f"{self.from_px:.0f} to {self.to_px - 1:.0f} px"

    def from_border(self, borders_of: str) -> str:
        """The range as a distance from a class border of the map or the reference."""
        if math.isnan(self.from_px):
            return "distance unknown, near the edge of the image or a gap"
        return f"{self.label} from a class border of the {borders_of}"


@dataclass(frozen=True)
class NearBorders:
    """Shares of the reference and of the map within 2 px of a border between classes of the map."""

    reference: float
    map: float

    @classmethod
    def of(cls, bins: NDArray[np.int8], map_shares: NDArray[np.float64]) -> NearBorders | None:
        """From ``bins`` (n,) of :func:`accuracy_by_border` and the shares (B,) of the map in each of them.

        None if the distance of no pixel is known.
        """
        known = bins[bins != UNKNOWN]
        return cls(float((known == 0).mean()), float(map_shares[0])) if len(known) and map_shares.any() else None

    @property
    def few(self) -> bool:
        """Whether the reference has so few pixels near borders that it may flatter the map."""
        return self.reference < FEW_NEAR * self.map

    def sentence(self) -> str:
        """Both shares, as text."""
        return (
            f"{percent(self.reference)} of the reference pixels, but {percent(self.map)} of the map's, lie within 2 px "
            "of a class border of the map, where classes are most often wrong: the reference may flatter the map"
        )


def of_folds(judged_px: float, map_px: float) -> str:
    """How far judged labels and the pixels of the map are from labels, as a sentence."""
    text = (
        f"half of the judged labels lie within {judged_px:.0f} px of a label that their model has seen, half of the "
        f"map's pixels within {map_px:.0f} px of a label"
    )
    if judged_px < FAR_NEARER * map_px:
        return f"{text}: far from labels the map may be less accurate, see the accuracy by distance"
    return text


def accuracy_by_distance(
    right: NDArray[np.bool_], distances_px: NDArray[np.float64], bins_px: Iterable[Span] = DISTANCE_BINS_PX
) -> tuple[DistanceBin, ...]:
    """Overall accuracy of pixels by their distance to the nearest training pixel; bins without pixels are left out.

    ``right`` (n,) is where map and reference agree; ``distances_px`` has the same shape.
    """
    bins = []
    for low, high in bins_px:
        inside = right[(distances_px >= low) & (distances_px < high)]
        if len(inside):
            bins.append(DistanceBin(low, high, len(inside), float(inside.mean())))
    return tuple(bins)


def accuracy_by_border(right: NDArray[np.bool_], bins: NDArray[np.int8]) -> tuple[DistanceBin, ...]:
    """Overall accuracy of pixels by their distance to a class border.

    ``bins`` (n,) are indices into ``BORDER_BINS_PX``, or -1 where the distance is not known. Nothing if it is known of
    less than half of the pixels, as with polygons that lie apart, or if a bin holds no pixels. Pixels of unknown
    distance come last.
    """
    parts = [right[bins == index] for index in range(len(BORDER_BINS_PX))]
    if not all(map(len, parts)) or 2 * sum(map(len, parts)) < len(bins):
        return ()
    if len(unknown := right[bins == UNKNOWN]):
        parts.append(unknown)
    pairs = zip((*BORDER_BINS_PX, (math.nan, math.nan)), parts, strict=False)
    return tuple(DistanceBin(*bounds, len(inside), float(inside.mean())) for bounds, inside in pairs)
