"""Confidence interval of an accuracy whose pixels come in polygons.

Pixels of one polygon are mostly right or wrong together: a hundred pixels of five polygons tell little more than five.
The variance is that of polygons drawn with all their pixels, the linearised ratio estimator (Cochran 1977, Sampling
Techniques, eq. 11.30). It gives the number of independent pixels that would tell as much, with which the interval is
Wilson's (1927); few polygons reduce this number further, as in Korn and Graubard (1998, Survey Methodology 24:193).

A few polygons that are all right hide the next one that is wrong, so one more of the usual size, half right and half
wrong, is added to the variance. In simulations of 5 to 200 polygons the 95 % intervals then cover 93 to 100 %.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

TWO_SIDED = 0.975  # of a 95 % interval


def effective_size(right: NDArray[np.bool_], groups: NDArray[np.integer]) -> float:
    """Number of independent pixels that tell as much as these (n,), which fall into ``groups`` (n,)."""
    from scipy.stats import norm, t  # here: 60 MB beside a million points

    _, group = np.unique(groups, return_inverse=True)
    sizes, hits = np.bincount(group).astype(float), np.bincount(group, weights=right)
    count, pixels, usual = len(sizes), float(len(right)), float(sizes.mean())
    if count == pixels:
        return pixels
    share = (hits.sum() + usual / 2) / (pixels + usual)
    squares = ((hits - share * sizes) ** 2).sum() + usual**2 * (share**2 + (1 - share) ** 2) / 2
    variance = float(squares) * (count + 1) / count / (pixels + usual) ** 2
    few = (norm.ppf(TWO_SIDED) / t.ppf(TWO_SIDED, max(count - 1, 1))) ** 2
    return min(float(share * (1 - share) / variance * few), pixels)


def paired_gain(gain: NDArray[np.floating[Any]], groups: NDArray[np.integer]) -> tuple[float, float, float] | None:
    """Mean of differences (n,) between two classifications of the same pixels, and the limits of its 95 % interval.

    By Student's t, of polygons drawn with all their pixels as above; None for a single polygon.
    """
    from scipy.stats import t

    _, group = np.unique(groups, return_inverse=True)
    sizes, sums = np.bincount(group).astype(float), np.bincount(group, weights=gain)
    count, mean = len(sizes), float(gain.mean())
    if count == 1:
        return None
    error = math.sqrt(float(((sums - mean * sizes) ** 2).sum()) * count / (count - 1)) / len(gain)
    half = float(t.ppf(TWO_SIDED, count - 1)) * error
    return mean, mean - half, mean + half


def wilson(share: float, size: float) -> tuple[float, float]:
    """Wilson's interval of a share of ``size`` independent pixels, which need not be a whole number."""
    z2 = 1.959963984540054**2
    centre, denominator = share + z2 / (2 * size), 1 + z2 / size
    half = math.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size**2)))
    return (centre - half) / denominator, (centre + half) / denominator
