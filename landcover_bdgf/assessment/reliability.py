"""Reliability of probabilities: whether 80 of 100 pixels with a confidence of 80 % are correct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of equal width, as Guo et al. (2017, arXiv 1706.04599)


@dataclass(frozen=True)
class ReliabilityBin:
    """Pixels of similar probability: their number, mean probability, and the share that is correct."""

    n: int
    probability: float
    right: float


def reliability_bins(probability: NDArray[np.floating], right: NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """Pixels in bins of the probability (n,) of their class, without empty bins."""
    number = np.clip((probability * BINS).astype(np.int64), 0, BINS - 1)
    return tuple(
        ReliabilityBin(int(inside.sum()), float(probability[inside].mean()), float(right[inside].mean()))
        for inside in (number == i for i in range(BINS))
        if inside.any()
    )


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Expected calibration error: mean difference of probability and accuracy, weighted by pixels (Guo et al. 2017)."""
    total = sum(one.n for one in bins)
    return sum(one.n * abs(one.probability - one.right) for one in bins) / total if total else float("nan")
