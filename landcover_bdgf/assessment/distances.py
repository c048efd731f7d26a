"""Accuracy of reference pixels by their distance: to the nearest training pixel, and to the nearest class border."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.labels import BORDER_BINS_PX, CLEAR_PX, UNKNOWN

APART_PX = 37  # smallest distance at which surroundings of reference and training pixels do not overlap, by default
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
        border = f"from a class border of the {borders_of}"
        if math.isnan(self.from_px):
            return f"unknown distance {border}, near the edge of the image or pixels without a class"
        return f"{self.label} {border}"


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
