"""Figures of a report, as data URIs."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from landcover_bdgf.assessment.reliability import ReliabilityBin
from landcover_bdgf.geo import Grid, ground_width_m
from landcover_bdgf.text import data_uri

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELLED_CLASSES = 30
INK, FAINT, BLUE = "#222222", "#6b6f75", "#1f5c99"
_METRES_PER_DEGREE = 111_320.0  # along a meridian, and along the equator


@dataclass(frozen=True)
class ScaleBar:
    """A round length in metres or kilometres, and its share of the map width."""

    text: str
    share: float


def curve_picture(values: Sequence[float], name: str) -> str:
    """A value logged at each step as an SVG, with its running mean over a fiftieth of the steps."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure(5.2, 2.6)
    logged = np.asarray(values, np.float64)
    steps = np.arange(1, len(logged) + 1)
    axes.plot(steps, logged, color="#7fa6cc", linewidth=0.8)
    span = max(1, len(logged) // 50)
    if span > 1:
        mean = np.convolve(logged, np.full(span, 1 / span), "valid")
        axes.plot(steps[span - 1 :], mean, color=BLUE, linewidth=1.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step", color=FAINT, fontsize=8)
    axes.set_title(name, loc="left", fontsize=9, color=INK, parse_math=False)
    style_axes(axes, "y")
    return as_svg(figure)


def reliability_picture(lines: Sequence[tuple[str, str, Sequence[ReliabilityBin]]]) -> str:
    """A reliability diagram as an SVG; each line has a name, a colour and bins."""
    figure, axes = new_figure(3.6, 3.0)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    for name, color, bins in lines:
        points = [one.probability for one in bins], [one.right for one in bins]
        axes.plot(*points, marker="o", markersize=3, linewidth=1.4, color=color, label=name)
    axes.set_xlabel("confidence of the map", color=FAINT, fontsize=8)
    axes.set_ylabel("share of correct pixels", color=FAINT, fontsize=8)
    style_axes(axes, "both")
    if len(lines) > 1:
        axes.legend(frameon=False, fontsize=8)
    return as_svg(figure)


def scale_bar(grid: Grid) -> ScaleBar | None:
    """The longest round length (1, 2 or 5 times a power of ten metres) up to a quarter of the map width."""
    left, bottom, right, top = grid.bounds
    width_m = ground_width_m(grid) if grid.crs.is_projected else None
    if grid.crs.is_geographic:
        width_m = (right - left) * _METRES_PER_DEGREE * math.cos(math.radians((bottom + top) / 2))
    if width_m is None or width_m <= 0:
        return None
    power = 10.0 ** math.floor(math.log10(width_m / 4))
    length_m = power * max(step for step in (1, 2, 5) if step * power <= width_m / 4)
    text = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    return ScaleBar(text, length_m / width_m)


def new_figure(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    """An empty figure of this size in inches, without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def style_axes(axes: Axes, grid: Literal["both", "x", "y"], **ticks: Any) -> None:
    """Small tick labels, no upper and right frame, faint grid lines behind the data."""
    axes.tick_params(labelsize=8, color=FAINT, **ticks)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def as_svg(figure: Figure) -> str:
    """A figure as an SVG data URI; the same numbers give the same bytes."""
    import matplotlib

    buffer = io.BytesIO()
    # A fixed salt and no date make the bytes reproducible. Letters that the font lacks are drawn as boxes; the codes
    # identify the classes, so matplotlib's warning for each letter is not needed.
    with matplotlib.rc_context({"svg.hashsalt": "bdgf"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return data_uri("image/svg+xml", buffer.getvalue())
