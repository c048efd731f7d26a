"""Cells as tables, one for each scene and protocol: methods with their spread, and one paired with all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from landcover_bdgf.bench.cells import Cell
from landcover_bdgf.bench.summary import Spread, by, paired, spread
from landcover_bdgf.text import printable

METRICS = ("oa", "aa", "kappa")


@dataclass(frozen=True)
class MethodRow:
    """A method under one protocol: its metrics, and how far the reference method is above it on the same seeds."""

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
    rows: tuple[MethodRow, ...]
    leak: float
    test_px: float
    shortages: tuple[str, ...]


def tables(cells: Sequence[Cell], reference: str) -> list[ProtocolTable]:
    """One table for each scene and protocol, in the order of the cells; ``reference`` is paired with all others."""
    return [_table(*key, group, reference) for key, group in by(cells, lambda c: (c["dataset"], c["protocol"])).items()]


def _table(dataset: str, protocol: str, cells: Sequence[Cell], reference: str) -> ProtocolTable:
    methods = by(cells, lambda c: str(c["method"]))
    rows = tuple(_row(name, own, methods.get(reference, [])) for name, own in methods.items())
    seeds = by(cells, lambda c: int(c["seed"]))
    short = tuple(
        f"seed {seed}: {', '.join(map(printable, own[0]['shortages']))}"
        for seed, own in seeds.items()
        if own[0]["shortages"]
    )
    firsts = [own[0] for own in seeds.values()]
    leak, test_px = (float(np.mean([cell[key] for cell in firsts])) for key in ("leak", "test_px"))
    return ProtocolTable(dataset, protocol, rows, leak, test_px, short)


def _row(name: str, cells: Sequence[Cell], reference: Sequence[Cell]) -> MethodRow:
    metrics = {metric: found for metric in METRICS if (found := spread(cells, metric)) is not None}
    above = {} if reference and reference[0]["method"] == name else {
        metric: found for metric in METRICS if (found := paired(reference, cells, metric)) is not None
    }  # fmt: skip
    classes = {
        label: [c["producers"][label] for c in cells if c["producers"].get(label) is not None]
        for label in cells[0]["producers"]
    }
    producers = {label: float(np.mean(values)) if values else None for label, values in classes.items()}
    seconds = float(np.mean([c["seconds"] for c in cells]))
    return MethodRow(name, metrics, above, spread(cells, "ece"), seconds, producers)


def lines(found: Sequence[ProtocolTable], reference: str) -> list[str]:
    """The tables for a terminal: means with the half width of their 95 % interval."""
    said = []
    for table in found:
        leak = f"{100 * table.leak:.0f} % of their windows overlap training windows"
        said.append(f"{table.dataset}, {table.protocol}: {table.test_px:.0f} test px, {leak}")
        for row in table.rows:
            metrics = "  ".join(f"{metric.upper()} {row.metrics[metric]}" for metric in ("oa", "aa"))
            above = ", ".join(f"{metric.upper()} {signed(row.above[metric])}" for metric in ("oa", "aa") if row.above)
            said.append(f"  {row.name:<20} {metrics}" + (f"   {reference} above it: {above}" if above else ""))
    return said


def rows(found: Sequence[ProtocolTable], reference: str) -> list[dict[str, Any]]:
    """The tables for JSON: one row per scene, protocol and method."""

    def numbers(value: Spread) -> dict[str, float | None]:
        values = {
            "n": value.n,
            "mean": value.mean,
            "std": value.std,
            "ci95": value.half_width,
            "cv": value.cv,
            "nsi": value.nsi,
        }
        return {key: float(number) if np.isfinite(number) else None for key, number in values.items()}

    return [
        {
            "dataset": table.dataset, "protocol": table.protocol, "method": row.name,
            **{metric: numbers(value) for metric, value in row.metrics.items()},
            f"{reference} above it": {metric: numbers(value) for metric, value in row.above.items()},
        }
        for table in found for row in table.rows
    ]  # fmt: skip


def signed(value: Spread) -> str:
    """A difference with its sign."""
    return f"{value.mean:+.1f}" if value.n < 2 else f"{value.mean:+.1f} ± {value.half_width:.1f}"
