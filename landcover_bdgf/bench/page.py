"""Outputs of a comparison: a table of all cells, a summary, and a page with tables and pictures."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment import (
    BINS,
    FAINT,
    INK,
    ReliabilityBin,
    as_svg,
    new_figure,
    reliability_picture,
    style_axes,
    write_table,
)
from landcover_bdgf.bench.cells import BORDERS, KEPT, Cell, Plan
from landcover_bdgf.bench.complexity import Part, count_parts, inputs_of
from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.protocols import PROTOCOLS
from landcover_bdgf.bench.tables import DETAILS, METRICS, ProtocolTable, by, rows, signed
from landcover_bdgf.labels import Legend, codes_picture
from landcover_bdgf.model import Recipe
from landcover_bdgf.storage import atomic_output
from landcover_bdgf.text import printable

TEMPLATE = "bench.html.jinja"
COLUMNS = (
    *("dataset", "protocol", "per_class", "seed", "method"),
    *(*METRICS, *DETAILS, "ece", "leak", "train_px", "test_px", "seconds"),
)


def write_results(
    folder: Path, plan: Plan, cells: Sequence[Cell], found: Sequence[ProtocolTable], reference: str,
    embeddings: Mapping[str, Sequence[tuple[str, str]]],
) -> Path:  # fmt: skip
    """Write ``results.csv``, ``summary.json`` and ``report.html`` into a folder; returns the path of the page.

    ``found`` are the tables of the cells; ``reference`` is the method paired with all others; ``embeddings`` are names
    and pictures by data set.
    """
    with atomic_output(folder / "results.csv", overwrite=True) as temporary:
        write_table(temporary, [COLUMNS, *([cell[column] for column in COLUMNS] for cell in cells)])
    with atomic_output(folder / "summary.json", overwrite=True) as temporary:
        temporary.write_text(json.dumps(rows(found, reference), indent=2), encoding="utf-8")
    page = folder / "report.html"
    with atomic_output(page, overwrite=True) as temporary:
        temporary.write_text(_page(plan, cells, found, reference, embeddings), encoding="utf-8")
    return page


def _page(
    plan: Plan, cells: Sequence[Cell], found: Sequence[ProtocolTable], reference: str,
    embeddings: Mapping[str, Sequence[tuple[str, str]]],
) -> str:  # fmt: skip
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"printable": printable, "signed": signed}
    scenes = [
        {
            "name": dataset.name,
            "simulated": dataset.simulated,
            "tables": (own_tables := [table for table in found if table.dataset == dataset.name]),
            "overview": overview(own_tables),
            "distance": by_distance(own := [cell for cell in cells if cell["dataset"] == dataset.name]),
            "reliability": reliability(own, reference),
            "maps": _maps(dataset, own, plan.seeds[0]),
            "legend": [(entry.name, f"#{bytes(entry.color).hex()}") for entry in dataset.legend.entries],
            "parts": _parts(dataset, plan.recipe),
            "embeddings": embeddings.get(dataset.name, ()),
            "published": published_results(dataset.name),
        }
        for dataset in plan.datasets
    ]
    return environment.get_template(TEMPLATE).render(
        scenes=scenes, reference=reference, recipe=plan.recipe.name, seeds=plan.seeds,
        per_class=sorted({cell["per_class"] for cell in cells}),
        protocols=[PROTOCOLS[name] for name in plan.protocols], metrics=METRICS,
        borders=BORDERS, kept=KEPT,
    )  # fmt: skip


def _maps(dataset: Dataset, cells: Sequence[Cell], seed: int) -> dict[str, list[tuple[str, str]]]:
    """Names and pictures of all maps of one seed, by protocol; the reference comes first."""
    truth = ("reference", codes_picture(dataset.truth, dataset.legend.colors))
    shown = [cell for cell in cells if cell["seed"] == seed and cell["picture"]]
    return {
        protocol: [truth, *((cell["method"], cell["picture"]) for cell in own)]
        for protocol, own in by(shown, lambda cell: str(cell["protocol"])).items()
    }


def _parts(dataset: Dataset, recipe: Recipe) -> list[Part]:
    """Costs of the method on this scene."""
    stack = dataset.stack
    inputs = inputs_of(recipe, len(stack.spectral.bands), len(stack.sar.bands), len(dataset.legend.entries))
    return count_parts(recipe, inputs)


COLORS = {"random": "#9bb8d3", "near": "#4f81b5", "far": "#173f6b"}
MAX_LINES = 6  # per picture


def overview(tables: Sequence[ProtocolTable]) -> str:
    """Overall and average accuracy of all methods under all protocols, with 95 % intervals."""
    names = [row.name for row in tables[0].rows]
    figure, _ = new_figure(9.0, 0.9 + 0.34 * len(names))
    figure.clear()
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), ("oa", "aa"), strict=True):
        for i, table in enumerate(tables):
            found = [row.metrics[metric] for row in table.rows]
            places = np.arange(len(found)) + 0.22 * (i - (len(tables) - 1) / 2)
            widths = np.nan_to_num([one.half_width for one in found])
            axes.errorbar(
                [one.mean for one in found], places, xerr=widths, fmt="o", markersize=4, linewidth=1.4,
                color=COLORS[table.protocol], label=table.protocol,
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_xlabel({"oa": "overall accuracy, %", "aa": "average accuracy, %"}[metric], color=FAINT, fontsize=8)
        style_axes(axes, "x", labelcolor=INK, length=2)
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8)
    return as_svg(figure)


def by_distance(cells: Sequence[Cell]) -> str:
    """Overall accuracy against the distance to the nearest training pixel, all protocols and seeds together."""
    figure, axes = new_figure(5.6, 3.0)
    ticks = sorted({float(one["from_px"]) for cell in cells for one in cell["by_distance"]})
    for name, own in list(by(cells, lambda c: str(c["method"])).items())[:MAX_LINES]:
        spans = by((one for cell in own for one in cell["by_distance"]), lambda one: float(one["from_px"]))
        ordered = sorted(spans.items())
        right = [np.average([one["oa"] for one in group], weights=[one["n"] for one in group]) for _, group in ordered]
        places = [ticks.index(low) for low, _ in ordered]
        axes.plot(places, right, marker="o", markersize=3.5, linewidth=1.4, label=name)
    axes.set_xticks(range(len(ticks)), [f"{low:.0f}+" for low in ticks])
    axes.set_xlabel("px to the nearest training pixel", color=FAINT, fontsize=8)
    axes.set_ylabel("overall accuracy, %", color=FAINT, fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    style_axes(axes, "y", labelcolor=INK, length=2)
    return as_svg(figure)


def reliability(cells: Sequence[Cell], method: str) -> str:
    """Reliability diagram: share of correct pixels against their probability, one line for each protocol."""
    lines = []
    for protocol, own in by((c for c in cells if c["method"] == method), lambda c: str(c["protocol"])).items():
        bins = by((one for cell in own for one in cell["reliability"]), lambda one: int(BINS * one["probability"]))
        lines.append((protocol, COLORS[protocol], [_pooled(group) for _, group in sorted(bins.items())]))
    return reliability_picture(lines)


def _pooled(bins: Sequence[dict[str, Any]]) -> ReliabilityBin:
    weights = [one["n"] for one in bins]
    means = (float(np.average([one[key] for one in bins], weights=weights)) for key in ("probability", "right"))
    return ReliabilityBin(sum(weights), *means)


def embedding(places: NDArray[np.float32], codes: NDArray[np.uint16], legend: Legend) -> str:
    """Points (n, 2) in the colours of their classes."""
    figure, axes = new_figure(3.6, 3.0)
    for entry in legend.entries:
        x, y = places[codes == entry.code].T
        axes.scatter(x, y, s=7, color=[channel / 255 for channel in entry.color], label=printable(entry.name))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(frameon=False, fontsize=7, markerscale=1.5)
    return as_svg(figure)


def published_results(name: str) -> dict[str, Any] | None:
    """Results of the paper for a data set: methods with ``oa``, ``aa``, ``kappa`` in %; None for other data sets."""
    tables = published_tables()
    if name not in tables["results"]:
        return None
    found = tables["results"][name]
    return found | {"source": f"{tables['source']}, table {found['table']}", "note": tables["notes"].get(name, "")}


@cache
def published_tables() -> dict[str, Any]:
    """Contents of ``published.toml``."""
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
