"""What cells amount to: mean, spread and confidence per method, and differences paired by seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.stats import t as student

from landcover_bdgf.bench.cells import Cell

CONFIDENCE = 0.95
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Spread:
    """Of a number over seeds; what cannot be computed from so few is NaN.

    Attributes
    ----------
    n : int
    mean, std : float
        std with n − 1.
    half_width : float
        Of the 95 % confidence interval of the mean, by Student's t.
    """

    n: int
    mean: float
    std: float
    half_width: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        n, std = len(values), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        width = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * std / math.sqrt(n) if n > 1 else math.nan
        return cls(n, float(np.mean(values)), std, width)

    @property
    def cv(self) -> float:
        """Coefficient of variation in %; NaN of a mean of 0."""
        return 100 * self.std / self.mean if self.mean else math.nan

    @property
    def nsi(self) -> float:
        """The paper's normalised sensitivity index, CV / 100."""
        return self.cv / 100

    @property
    def apart_from_0(self) -> bool:
        """Whether the confidence interval leaves out 0."""
        return abs(self.mean) > self.half_width  # False with NaN

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if math.isnan(self.half_width) else f"{self.mean:.1f} ± {self.half_width:.1f}"


def by(cells: Iterable[Cell], key: Callable[[Cell], Key]) -> dict[Key, list[Cell]]:
    """Cells in groups, in the order of their first appearance."""
    groups: defaultdict[Key, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[key(cell)].append(cell)
    return dict(groups)


def spread(cells: Sequence[Cell], metric: str) -> Spread | None:
    """Of a metric over cells; None where no cell has it."""
    values = [cell[metric] for cell in cells if cell[metric] is not None]
    return Spread.of(values) if values else None


def paired(cells: Sequence[Cell], others: Sequence[Cell], metric: str) -> Spread | None:
    """Of the differences cells − others on the same seeds; None without a common seed."""
    of_other = {other["seed"]: other[metric] for other in others}
    pairs = [(cell[metric], of_other.get(cell["seed"])) for cell in cells]
    differences = [one - other for one, other in pairs if one is not None and other is not None]
    return Spread.of(differences) if differences else None
