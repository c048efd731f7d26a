"""Tables of cells, one for each scene and protocol: means, intervals, and differences paired by seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from scipy.stats import t as student

from landcover_bdgf.bench.cells import BORDERS, FOLDS, KEPT, Cell
from landcover_bdgf.text import printable

METRICS = ("oa", "aa", "kappa")
DETAILS = (*BORDERS, *KEPT, *FOLDS)  # of some data sets and methods
NEAREST = next(iter(BORDERS))


@dataclass(frozen=True)
class MethodRow:
    """A method under one protocol: its metrics, and the difference of the reference method on the same seeds."""

    name: str
    metrics: dict[str, Spread]
    above: dict[str, Spread]
    ece: Spread | None
    seconds: float
    producers: dict[str, float | None]


@dataclass(frozen=True)
class ProtocolTable:
    """All methods of one scene under one protocol."""

    dataset: str
    protocol: str
    reference: str  # the method that the page tells more of
    paired_with: str  # what is paired with each method: the reference, unless cells name another
    rows: tuple[MethodRow, ...]
    leak: float
    test_px: float
    shortages: tuple[str, ...]


def tables(
    cells: Sequence[Cell], reference: str, paired_with: str = "", pairs: Mapping[str, str] | None = None
) -> list[ProtocolTable]:
    """One table for each scene and protocol, in the order of the cells.

    ``reference`` is paired with each method, but with those in ``pairs`` the method there; ``paired_with`` says what
    they all are paired with.
    """
    groups = by(cells, lambda c: (c["dataset"], c["protocol"]))
    return [_table(*key, group, reference, paired_with or reference, pairs or {}) for key, group in groups.items()]


def _table(
    dataset: str, protocol: str, cells: Sequence[Cell], reference: str, paired_with: str, pairs: Mapping[str, str]
) -> ProtocolTable:
    methods = by(cells, lambda c: str(c["method"]))
    rows = tuple(_row(name, own, methods.get(pairs.get(name, reference), [])) for name, own in methods.items())
    seeds = by(cells, lambda c: int(c["seed"]))
    short = tuple(
        f"seed {seed}: {', '.join(map(printable, own[0]['shortages']))}"
        for seed, own in seeds.items()
        if own[0]["shortages"]
    )
    firsts = [own[0] for own in seeds.values()]
    leak, test_px = (float(np.mean([cell[key] for cell in firsts])) for key in ("leak", "test_px"))
    return ProtocolTable(dataset, protocol, reference, paired_with, rows, leak, test_px, short)


def _row(name: str, cells: Sequence[Cell], reference: Sequence[Cell]) -> MethodRow:
    names = (*METRICS, *DETAILS)
    metrics = {metric: found for metric in names if (found := spread(cells, metric)) is not None}
    above = {} if reference and reference[0]["method"] == name else {
        metric: found for metric in names if (found := paired(reference, cells, metric)) is not None
    }  # fmt: skip
    classes = {
        label: [c["producers"][label] for c in cells if c["producers"].get(label) is not None]
        for label in cells[0]["producers"]
    }
    producers = {label: float(np.mean(values)) if values else None for label, values in classes.items()}
    seconds = float(np.mean([c["seconds"] for c in cells]))
    return MethodRow(name, metrics, above, spread(cells, "ece"), seconds, producers)


def lines(found: Sequence[ProtocolTable]) -> list[str]:
    """Text of the tables for a terminal: means with the half width of their 95 % interval."""
    text = []
    for table in found:
        leak = f"{100 * table.leak:.0f} % of their windows overlap training windows"
        text.append(f"{table.dataset}, {table.protocol}: {table.test_px:.0f} test px, {leak}")
        if table.shortages:
            others = f", and in {more} other seed{'s'[: more > 1]}" if (more := len(table.shortages) - 1) else ""
            text.append(f"  too few pixels: {table.shortages[0]}{others}")
        for row in table.rows:
            metrics = "  ".join(f"{metric.upper()} {row.metrics[metric]}" for metric in ("oa", "aa"))
            metrics += f"  near borders {row.metrics[NEAREST]}" if NEAREST in row.metrics else ""
            above = ", ".join(f"{metric.upper()} {signed(row.above[metric])}" for metric in ("oa", "aa") if row.above)
            text.append(
                f"  {row.name:<20} {metrics}" + (f"   {table.paired_with} minus {row.name}: {above}" if above else "")
            )
    return text


def rows(found: Sequence[ProtocolTable]) -> list[dict[str, Any]]:
    """Rows of the tables for JSON, one per scene, protocol and method."""

    def numbers(value: Spread) -> dict[str, float | None]:
        values = value.n, value.mean, value.std, value.half_width, value.cv, value.nsi
        names = ("n", "mean", "std", "ci95", "cv", "nsi")
        return {name: float(v) if np.isfinite(v) else None for name, v in zip(names, values, strict=True)}

    return [
        {
            "dataset": table.dataset, "protocol": table.protocol, "method": row.name,
            **{metric: numbers(value) for metric, value in row.metrics.items()},
            f"{table.paired_with} above it": {metric: numbers(value) for metric, value in row.above.items()},
        }
        for table in found for row in table.rows
    ]  # fmt: skip


def signed(value: Spread) -> str:
    """A difference with its sign."""
    mean = round(value.mean, 1) + 0.0  # no -0.0
    return f"{mean:+.1f}" if value.n < 2 else f"{mean:+.1f} ± {value.half_width:.1f}"


CONFIDENCE = 0.95
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Spread:
    """Spread of a number over seeds; NaN for statistics that need more seeds."""

    n: int
    mean: float
    std: float  # of the sample (n − 1)
    half_width: float  # of the 95 % confidence interval of the mean, by Student's t

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Spread of one or more values."""
        n, std = len(values), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        width = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * std / math.sqrt(n) if n > 1 else math.nan
        return cls(n, float(np.mean(values)), std, width)

    @property
    def cv(self) -> float:
        """Coefficient of variation in %; NaN if the mean is 0."""
        return 100 * self.std / self.mean if self.mean else math.nan

    @property
    def nsi(self) -> float:
        """The paper's normalised sensitivity index, CV / 100."""
        return self.cv / 100

    @property
    def apart_from_0(self) -> bool:
        """Whether the confidence interval excludes 0."""
        return abs(self.mean) > self.half_width  # False with NaN

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if math.isnan(self.half_width) else f"{self.mean:.1f} ± {self.half_width:.1f}"


def by(cells: Iterable[Cell], key: Callable[[Cell], Key]) -> dict[Key, list[Cell]]:
    """Group cells, in the order of their first appearance."""
    groups: defaultdict[Key, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[key(cell)].append(cell)
    return dict(groups)


def spread(cells: Sequence[Cell], metric: str) -> Spread | None:
    """Spread of a metric over cells; None if no cell has it."""
    values = [cell[metric] for cell in cells if cell[metric] is not None]
    return Spread.of(values) if values else None


def paired(cells: Sequence[Cell], others: Sequence[Cell], metric: str) -> Spread | None:
    """Spread of the differences cells − others on the same seeds; None without a common seed."""
    of_other = {other["seed"]: other[metric] for other in others}
    pairs = [(cell[metric], of_other.get(cell["seed"])) for cell in cells]
    differences = [one - other for one, other in pairs if one is not None and other is not None]
    return Spread.of(differences) if differences else None
