"""Outputs of a comparison: a table of all cells, a summary, and a page with tables and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment import (
    BINS,
    FAINT,
    INK,
    ReliabilityBin,
    as_svg,
    html_page,
    new_figure,
    reliability_picture,
    style_axes,
    write_table,
)
from landcover_bdgf.bench.cells import BORDERS, KEPT, Cell
from landcover_bdgf.bench.complexity import Part, count_parts, inputs_of
from landcover_bdgf.bench.costs import Cost
from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.methods import BDGF
from landcover_bdgf.bench.protocols import PROTOCOLS
from landcover_bdgf.bench.published import published_accuracies, published_beside, published_producers, published_spread
from landcover_bdgf.bench.tables import DETAILS, METRICS, ProtocolTable, Spread, by, rows, signed
from landcover_bdgf.labels import Legend, codes_picture
from landcover_bdgf.model import Recipe
from landcover_bdgf.storage import atomic_output
from landcover_bdgf.text import printable

TEMPLATE, COSTS_TEMPLATE = "bench/bench.html.jinja", "bench/costs.html.jinja"
COLUMNS = (
    *("dataset", "protocol", "per_class", "seed", "method"),
    *(*METRICS, *DETAILS, "ece", "leak", "train_px", "test_px", "seconds"),
)


@dataclass(frozen=True)
class Shown:
    """What a page is about."""

    experiment: str
    datasets: tuple[Dataset, ...]
    protocols: tuple[str, ...]
    seeds: tuple[int, ...]
    recipe: Recipe


def write_results(
    folder: Path, shown: Shown, cells: Sequence[Cell], found: Sequence[ProtocolTable],
    embeddings: Mapping[str, Sequence[tuple[str, str]]], costs: Mapping[str, Sequence[Cost]],
) -> Path:  # fmt: skip
    """Write ``results.csv``, ``summary.json`` and ``report.html`` into a folder; returns the path of the page.

    ``found`` are the tables of the cells; ``embeddings`` are names and pictures by data set, ``costs`` those of all
    methods, of data sets for which they are shown.
    """
    with atomic_output(folder / "results.csv", overwrite=True) as temporary:
        write_table(temporary, [COLUMNS, *([cell[column] for column in COLUMNS] for cell in cells)])
    _write_json(folder, rows(found))
    scenes = [
        _scene(dataset, shown, cells, found) | {
            "embeddings": embeddings.get(dataset.name, ()), "costs": costs.get(dataset.name, ()),
        }
        for dataset in shown.datasets
    ]  # fmt: skip
    return _write_page(
        folder, TEMPLATE, title="Comparison of methods", signed=signed, scenes=scenes, experiment=shown.experiment,
        recipe=shown.recipe.name, seeds=shown.seeds,
        per_class=sorted({cell["per_class"] for cell in cells}),
        protocols=[PROTOCOLS[name] for name in shown.protocols], metrics=METRICS, borders=BORDERS, kept=KEPT,
        max_lines=MAX_LINES,
    )  # fmt: skip


def write_costs(folder: Path, found: Mapping[str, Sequence[Cost]], recipe: Recipe) -> Path:
    """Write ``summary.json`` and ``report.html`` with the costs by data set, of BDGF those of the recipe.

    Returns the path of the page.
    """
    _write_json(folder, {name: [asdict(cost) for cost in own] for name, own in found.items()})
    return _write_page(folder, COSTS_TEMPLATE, title="Costs of methods", found=found, recipe=recipe.name)


def _write_json(folder: Path, values: Any) -> None:
    with atomic_output(folder / "summary.json", overwrite=True) as temporary:
        temporary.write_text(json.dumps(values, indent=2), encoding="utf-8")


def _write_page(folder: Path, template: str, **values: Any) -> Path:
    page = folder / "report.html"
    with atomic_output(page, overwrite=True) as temporary:
        temporary.write_text(html_page(template, **values), encoding="utf-8")
    return page


def _scene(
    dataset: Dataset, shown: Shown, cells: Sequence[Cell], found: Sequence[ProtocolTable]
) -> dict[str, Any]:  # fmt: skip
    own = [cell for cell in cells if cell["dataset"] == dataset.name]
    own_tables = [table for table in found if table.dataset == dataset.name]
    reference = own_tables[0].reference
    names = [row.name for row in own_tables[0].rows]
    return {
        "name": dataset.name,
        "simulated": dataset.simulated,
        "tables": own_tables,
        "reference": reference,
        "overview": overview(own_tables),
        "distance": by_distance(own),
        "reliability": reliability(own, reference),
        "maps": _maps(dataset, own, shown.seeds[0]),
        "legend": [(entry.name, entry.hex) for entry in dataset.legend.entries],
        "parts": _parts(dataset, shown.recipe),
        "published": published_accuracies(shown.experiment, dataset.name) if dataset.published else [],
        "beside": {name: published_beside(shown.experiment, dataset.name, name) for name in names},
        "producers": _published_producers(dataset, names),
        "spread": published_spread(dataset.name) if dataset.published and reference == BDGF else None,
        "runs": single_runs(own, reference) if shown.experiment == "uncertainty" else None,
        "labels": by_labels(own) if shown.experiment == "labels" else None,
    }


def _published_producers(dataset: Dataset, names: Sequence[str]) -> dict[str, list[float]]:
    """Published class accuracies in the order of the legend, by method, if its classes are those of the paper."""
    known = {name: published_producers(dataset.name, name) for name in names if dataset.published}
    return {name: values for name, values in known.items() if values and len(values) == len(dataset.legend.entries)}


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
MAX_LINES = 6  # of accuracy by distance; the page says so


def overview(tables: Sequence[ProtocolTable]) -> str:
    """Overall and average accuracy of all methods under all protocols, with 95 % intervals."""
    names = [row.name for row in tables[0].rows]
    figure, _ = new_figure(9.0, 1.1 + 0.34 * len(names))
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
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, 0), min(high, 100))
        axes.set_xlabel({"oa": "overall accuracy, %", "aa": "average accuracy, %"}[metric], color=FAINT, fontsize=8)
        style_axes(axes, "x", labelcolor=INK, length=2)
    axes.set_ylim(len(names) - 0.5, -0.5)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False, fontsize=8)
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
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)
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


def single_runs(cells: Sequence[Cell], method: str) -> str:
    """Figure 13 of the paper: overall accuracy of a method in each run, its mean and 95 % interval, by protocol."""
    figure, axes = new_figure(5.6, 2.6)
    own = by((c for c in cells if c["method"] == method), lambda c: str(c["protocol"]))
    for place, (protocol, runs) in enumerate(own.items()):
        values, spread = [cell["oa"] for cell in runs], Spread.of([cell["oa"] for cell in runs])
        offsets = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else [0.0]
        axes.plot(place + np.array(offsets), values, "o", markersize=3.5, color=COLORS[protocol], alpha=0.6)
        width = np.nan_to_num(spread.half_width)
        axes.errorbar([place + 0.25], [spread.mean], yerr=[width], fmt="s", markersize=5, color=COLORS[protocol])
    axes.set_xticks(range(len(own)), list(own))
    axes.set_xlim(-0.75, len(own) - 0.25)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 100))
    axes.set_ylabel("overall accuracy, %", color=FAINT, fontsize=8)
    style_axes(axes, "y", labelcolor=INK, length=2)
    return as_svg(figure)


def by_labels(cells: Sequence[Cell]) -> str:
    """Figure 14 of the paper: overall accuracy against the number of training pixels per class, with 95 % intervals."""
    protocols = by(cells, lambda c: str(c["protocol"]))
    figure, _ = new_figure(3.2 * len(protocols) + 1.6, 3.2)
    figure.clear()
    for axes, (protocol, own) in zip(
        figure.subplots(1, len(protocols), squeeze=False)[0], protocols.items(), strict=True
    ):
        for i, (name, of_method) in enumerate(by(own, lambda c: str(c["method"]).rsplit(", ", 1)[0]).items()):
            counts = by(of_method, lambda c: int(c["per_class"]))
            found = [Spread.of([cell["oa"] for cell in group]) for group in counts.values()]
            means, widths = [one.mean for one in found], np.nan_to_num([one.half_width for one in found])
            style: dict[str, Any] = {"color": f"C{i % 10}", "linestyle": ("-", "--", ":")[i // 10 % 3]}
            axes.errorbar(
                list(counts), means, yerr=widths, marker="o", markersize=3.5, linewidth=1.4, label=name, **style
            )
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0), min(high, 100))
        axes.set_title(protocol, fontsize=9)
        axes.set_xlabel("training px per class", color=FAINT, fontsize=8)
        axes.set_ylabel("overall accuracy, %", color=FAINT, fontsize=8)
        style_axes(axes, "y", labelcolor=INK, length=2)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)
    return as_svg(figure)
