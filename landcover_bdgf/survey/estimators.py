"""Estimators of accuracy and area from a stratified random sample of pixels, with their standard errors.

All are ratios of two totals over the mapped ground, as in Stehman (2014, doi:10.1080/01431161.2014.930207), which do
not need strata that are the classes of the map. Where they are, the estimates and standard errors are those of Olofsson
et al. (2014, doi:10.1016/j.rse.2014.02.015). A simple random sample is one of a single stratum.

Symbols: stratum h has N_h pixels, of which n_h are in the sample; a pixel u has the values y_u and x_u::

    R = Σ_h N_h ȳ_h / Σ_h N_h x̄_h                                                       (Stehman 2014, eq. 27)
    V(R) = 1/X² · Σ_h N_h² (1 − n_h/N_h) s²_h / n_h,  X = Σ_h N_h x̄_h                    (Stehman 2014, eq. 28)

where s²_h is the variance of y − R·x in the sample of stratum h, which is the sum of the three terms of the paper. For
the accuracies and the area of class k, with a_u the area of the pixel, 1 in the papers:

==================  ==========================================  =========================
                    y_u = a_u where                             x_u = a_u where
==================  ==========================================  =========================
overall             map and reference agree                     the map has data
user's              map and reference are k                     the map is k
producer's          map and reference are k                     the reference is k
share of area       the reference is k                          everywhere
==================  ==========================================  =========================

Olofsson et al. leave out the finite population correction, 1 − n_h/N_h. It is 1 unless a stratum is small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
FEW = 10  # errors or correct points below which the normal interval is not to be trusted

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Estimate:
    """A share with its standard error; None where the sample has nothing to estimate it from.

    Attributes
    ----------
    value, se : float, optional
    low, high : float, optional
        95 % interval of the normal distribution, cut to 0 and 1.
    exact_low, exact_high : float, optional
        That of Clopper and Pearson (1934) for the effective number of points (Korn and Graubard 1998, Survey
        Methodology 24:193), which also holds for few points, and for shares near 0 and 1. Where no point shows x
        without y, but other strata may hold such pixels, the lower limit allows for them.
    n : int
        Points with x > 0.
    """

    value: float | None
    se: float | None
    low: float | None
    high: float | None
    exact_low: float | None
    exact_high: float | None
    n: int


@dataclass(frozen=True, eq=False)
class Sample:
    """Labelled points (n,) of a stratified random sample.

    Attributes
    ----------
    stratum : int (n,)
        Index of the stratum.
    area : float64 (n,)
        Area of the pixel in any unit.
    pixels : int64 (strata,)
        Number of pixels of each stratum.
    """

    stratum: NDArray[np.intp]
    area: Floats
    pixels: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Points of each stratum."""
        return np.bincount(self.stratum, minlength=len(self.pixels))

    @property
    def weights(self) -> Floats:
        """Area that each point stands for: N_h / n_h · a_u."""
        return np.asarray((self.pixels / self.counts)[self.stratum] * self.area)

    def ratio(self, where_y: NDArray[np.bool_], where_x: NDArray[np.bool_]) -> tuple[float, float]:
        """R and its standard error; NaN if X is 0, the latter also if a stratum has one point of several pixels."""
        y, x = self.area * where_y, self.area * where_x
        total_x = float(self._totals(x).sum())
        if not total_x:
            return math.nan, math.nan
        ratio = float(self._totals(y).sum()) / total_x
        counts = self.counts
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self._sums(residual := y - ratio * x) / counts
            spread = self._sums((residual - mean[self.stratum]) ** 2) / (counts - 1)
            variance = self.pixels.astype(float) ** 2 * (1 - counts / self.pixels) * spread / counts
        total = float(np.where(counts == self.pixels, 0.0, variance).sum())  # all pixels drawn: nothing is unknown
        return ratio, math.nan if math.isnan(total) else math.sqrt(max(0.0, total)) / total_x

    def estimate(self, where_y: NDArray[np.bool_], where_x: NDArray[np.bool_], *, unseen: bool = False) -> Estimate:
        """The share of x that is also y, with its intervals; ``unseen`` if x may be in strata where no point has it."""
        count = int(where_x.sum())
        value, se = self.ratio(where_y, where_x)
        if math.isnan(value):
            return Estimate(None, None, None, None, None, None, count)
        if math.isnan(se):
            return Estimate(value, None, None, None, None, None, count)
        low, high = clopper_pearson(value, self._effective(value, se, where_x))
        if unseen and (where_y == where_x).all():
            low = min(low, self._lowest(where_x))
        return Estimate(value, se, max(0.0, value - Z_95 * se), min(1.0, value + Z_95 * se), low, high, count)

    def _lowest(self, where_x: NDArray[np.bool_]) -> float:
        """Lower limit of a share of 1: x without y may be in the stratum where it weighs most, and no point shows it.

        Of n_h points none shows it, so its share of the stratum is at most 1 − 0.025^(1/n_h) (Clopper and Pearson).
        """
        counts = self.counts
        missed = self.pixels * np.array([clopper_pearson(0, n)[1] for n in counts])
        most = float(np.where(counts == self.pixels, 0.0, missed).max()) * float(self.area.mean())
        seen = float(self._totals(self.area * where_x).sum())
        return seen / (seen + most)

    def _effective(self, share: float, se: float, where_x: NDArray[np.bool_]) -> float:
        """Number of points of a simple random sample that would tell as much; exactly n in such a sample."""
        weights = self.weights[where_x]
        equal = float(weights.sum() ** 2 / (weights**2).sum())  # Kish (1965): weights differ, nothing else is known
        if not se > 0:
            return equal
        return min(1 + share * (1 - share) / se**2, float(len(weights)))

    def _sums(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.stratum, values, minlength=len(self.pixels)), np.float64)

    def _totals(self, values: Floats) -> Floats:
        """Estimated totals of the strata, N_h times the mean."""
        return np.asarray(self.pixels * self._sums(values) / np.maximum(self.counts, 1))


def clopper_pearson(share: float, size: float) -> tuple[float, float]:
    """95 % interval of a share of ``size`` independent points, which need not be a whole number."""
    from scipy.stats import beta

    hits = share * size
    low = float(beta.ppf(0.025, hits, size - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, size - hits)) if hits < size else 1.0
    return low, high


def error_matrix(weights: Floats, mapped: Ints, reference: Ints, size: int) -> Floats:
    """Estimated shares of the area, float64 (size, size), from the area that each point (n,) stands for.

    Rows are the map, columns the reference, both as indices from 0.
    """
    cells = np.bincount(mapped * size + reference, weights, minlength=size**2)
    return np.asarray(cells.reshape(size, size) / weights.sum())
