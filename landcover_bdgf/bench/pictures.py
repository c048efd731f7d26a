"""Pictures of a comparison, as data that the page holds in itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment import BINS, FAINT, INK, ReliabilityBin, as_svg, new_figure, reliability_picture
from landcover_bdgf.bench.cells import Cell
from landcover_bdgf.bench.summary import by
from landcover_bdgf.bench.tables import ProtocolTable
from landcover_bdgf.labels import Legend
from landcover_bdgf.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {"random": "#9bb8d3", "near": "#4f81b5", "far": "#173f6b"}
MOST_LINES = 6  # in one picture


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
        _plain(axes, "x")
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8)
    return as_svg(figure)


def by_distance(cells: Sequence[Cell]) -> str:
    """Overall accuracy against the distance to the nearest training pixel, all protocols and seeds together."""
    figure, axes = new_figure(5.6, 3.0)
    for name, own in list(by(cells, lambda c: str(c["method"])).items())[:MOST_LINES]:
        spans = by((one for cell in own for one in cell["by_distance"]), lambda one: float(one["from_px"]))
        ordered = sorted(spans.items())
        right = [np.average([one["oa"] for one in group], weights=[one["n"] for one in group]) for _, group in ordered]
        axes.plot(range(len(ordered)), right, marker="o", markersize=3.5, linewidth=1.4, label=name)
    axes.set_xticks(range(len(ordered)), [f"{low:.0f}+" for low, _ in ordered])
    axes.set_xlabel("px to the nearest training pixel", color=FAINT, fontsize=8)
    axes.set_ylabel("overall accuracy, %", color=FAINT, fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    _plain(axes, "y")
    return as_svg(figure)


def reliability(cells: Sequence[Cell], method: str) -> str:
    """How often a pixel of some probability is right, one line for each protocol."""
    lines = []
    for protocol, own in by((c for c in cells if c["method"] == method), lambda c: str(c["protocol"])).items():
        bins = by((one for cell in own for one in cell["reliability"]), lambda one: int(BINS * one["probability"]))
        lines.append((protocol, COLORS[protocol], [_pooled(group) for _, group in sorted(bins.items())]))
    return reliability_picture(lines)


def _pooled(bins: Sequence[dict[str, Any]]) -> ReliabilityBin:
    weights = [one["n"] for one in bins]
    probability, right = (
        float(np.average([one[key] for one in bins], weights=weights)) for key in ("probability", "right")
    )
    return ReliabilityBin(sum(weights), probability, right)


def embedding(places: NDArray[np.float32], codes: NDArray[np.uint16], legend: Legend) -> str:
    """Points (n, 2) in the colours of their classes."""
    figure, axes = new_figure(3.6, 3.0)
    for entry in legend.entries:
        own = places[codes == entry.code]
        axes.scatter(
            own[:, 0], own[:, 1], s=7, color=[channel / 255 for channel in entry.color], label=printable(entry.name)
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(frameon=False, fontsize=7, markerscale=1.5)
    return as_svg(figure)


def _plain(axes: Axes, grid: Literal["both", "x", "y"]) -> None:
    axes.tick_params(labelsize=8, color=FAINT, labelcolor=INK, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
