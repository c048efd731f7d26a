"""Step: assess with a second map. Two maps at the same labelled pixels.

Of pixels that only one of two equally good maps has right, each has half on average; the exact test of McNemar (1947)
is binomial. It needs independent pixels that count alike. The interval of the difference of the overall accuracies
follows the design instead: that of a ratio (estimators.py) for points of a probability sample, else that of polygons
drawn again with all their pixels.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment import ReferenceFile, html_page, paired_gain, points_text
from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels import (
    ClassRaster,
    codes_of,
    is_samples_file,
    open_classes,
    read_samples,
    source_name,
)
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, Product, atomic_folder, check
from landcover_bdgf.survey.assessing import read_points, sample_of
from landcover_bdgf.survey.estimators import FEW, Z_95
from landcover_bdgf.survey.points_file import Design, is_design_file
from landcover_bdgf.text import listed, percent, printable

TEMPLATE = "survey/comparison.html.jinja"
FILES = ("report.html", "comparison.json")
SIGNIFICANCE = 0.05

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """Two maps at the same reference pixels.

    Attributes
    ----------
    first, second : str
        Names of the maps.
    n : int
        Reference pixels where both maps have data.
    both_right, only_first, only_second, both_wrong : int
    p_value : float
        Of the exact test of McNemar, two-sided.
    first_overall, second_overall, difference : float
        Overall accuracies, and first minus second; weighted by the design if there is one.
    low, high : float, optional
        95 % interval of the difference; None if all pixels are in one polygon, or both maps are right at the same ones.
    weighted : bool
        Whether the pixels are a probability sample.
    groups : int
        Polygons or points of the reference.
    without_data : int
        Labelled pixels where a map has no data, which are left out.
    """

    first: str
    second: str
    n: int
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float
    first_overall: float
    second_overall: float
    difference: float
    low: float | None
    high: float | None
    weighted: bool
    groups: int
    without_data: int

    @property
    def independent(self) -> bool:
        """Whether the test holds: pixels that are a polygon each."""
        return self.groups == self.n

    @property
    def alike(self) -> bool:
        """Whether both maps are right at the same pixels: then nothing tells how far their difference may be from 0."""
        return self.only_first + self.only_second == 0

    @property
    def verdict(self) -> str:
        """The result as a sentence, by the interval, which follows the design, and for few differences by the test."""
        names = printable(self.first), printable(self.second)
        if self.alike:
            return f"{names[0]} and {names[1]} are right at the same reference pixels, which cannot tell them apart"
        if self.low is None or self.high is None:
            return "with one polygon the maps cannot be compared"
        few = self.only_first + self.only_second < FEW and self.p_value >= SIGNIFICANCE
        if few or self.low <= 0 <= self.high:
            return f"no significant difference between {names[0]} and {names[1]}"
        better, other = names if self.low > 0 else names[::-1]
        return f"{better} is more accurate than {other}"

    def __str__(self) -> str:
        return "\n".join(comparison_lines(self))

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON types, with the verdict."""
        return {**asdict(self), "verdict": self.verdict}


def comparison_product(folder: PathLike) -> Product:
    """The folder of a comparison."""
    return Product(Path(folder), contents=FILES)


def compare(
    first: PathLike,
    second: PathLike,
    *,
    reference: PathLike | ReferenceFile | Design,
    field: str | None = None,
    legend: PathLike | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
) -> Comparison:
    """Compare two maps of one grid at the same reference pixels.

    Parameters
    ----------
    first, second : path
        Class rasters; classes are matched by name.
    reference : path, ReferenceFile or Design
        Labelled points of :func:`~landcover_bdgf.survey.drawing.design`; or polygons or points with classes, or a file
        of samples, of which the test part is used. A ``ReferenceFile`` also sets how they are read.
    field : str, optional
        The field with the classes.
    legend : path, optional
        Class names of both maps, see :func:`~landcover_bdgf.labels.open_classes`.
    output : path, optional
        Folder for ``report.html`` and ``comparison.json``.
    overwrite : bool
        Replace an existing report.

    Raises
    ------
    LabelError, RasterError, OutputError
        If the reference, a map or the folder cannot be used.
    """
    if output is not None:
        check(comparison_product(output), overwrite=overwrite)
    with open_classes(first, legend) as one, open_classes(second, legend) as other:
        other.check_grid(one.grid, f"the map {one.path}")
        if isinstance(reference, ReferenceFile):
            result = _by_labels(one, other, reference, field)
        elif isinstance(reference, Design) or is_design_file(reference):
            result = _by_points(one, other, read_points(reference, field))
        else:
            result = _by_labels(one, other, ReferenceFile(reference), field)
    if output is not None:
        _write(output, result, overwrite=overwrite)
    return result


def _by_points(one: ClassRaster, other: ClassRaster, design: Design) -> Comparison:
    one.check_grid(design.about.grid, "the points")
    texts = np.array([text or "" for text in design.reference or ()], object)
    right, has_data = _right(one, other, (design.rows, design.cols), texts)
    labelled = np.array([bool(text) for text in texts], bool)
    sample, use = sample_of(design, labelled), has_data[labelled]
    first, second = (each[labelled] & use for each in right)
    difference, se = sample.ratio(first.astype(int) - second.astype(int), use)
    shares = [sample.ratio(each, use)[0] for each in (first, second)]
    tested = labelled & has_data
    interval = None if math.isnan(se) else (difference - Z_95 * se, difference + Z_95 * se)
    return Comparison(
        **_tested((one, other), (right[0][tested], right[1][tested]), interval),
        first_overall=shares[0],
        second_overall=shares[1],
        difference=difference,
        weighted=True,
        groups=int(tested.sum()),
        without_data=int((labelled & ~has_data).sum()),
    )


def _by_labels(one: ClassRaster, other: ClassRaster, reference: ReferenceFile, field: str | None) -> Comparison:
    path = source_name(reference.path)
    if is_samples_file(path):
        samples = read_samples(path)
        samples.check_grid(one.grid)
        pixels, legend = samples.test, samples.legend
        if not len(pixels):
            raise LabelError(path, "has no test part", "Give polygons or points, or draw samples with another split.")
    else:
        pixels = reference.labels(field, one.grid)  # type: ignore[assignment]
        legend = pixels.legend
    texts = np.array(legend.names, object)[pixels.codes - 1]
    right, has_data = _right(one, other, (pixels.rows, pixels.cols), texts)
    first, second, groups = right[0][has_data], right[1][has_data], pixels.groups[has_data]
    gain = paired_gain(first.astype(float) - second, groups)
    return Comparison(
        **_tested((one, other), (first, second), gain[1:] if gain else None),
        first_overall=float(first.mean()),
        second_overall=float(second.mean()),
        difference=float(first.mean() - second.mean()),
        weighted=False,
        groups=len(np.unique(groups)),
        without_data=int((~has_data).sum()),
    )


def _right(
    one: ClassRaster, other: ClassRaster, pixels: tuple[NDArray[Any], NDArray[Any]], texts: NDArray[np.object_]
) -> tuple[tuple[Bools, Bools], Bools]:
    """Where each map has the class of the reference (n,), and where both have data."""
    right, has_data = [], np.ones(len(texts), bool)
    for map_ in (one, other):
        codes = map_.codes_at(*(axis.astype(np.int32) for axis in pixels))
        wanted = codes_of(map_.legend, texts)
        if len(texts) and not wanted.any():
            problem = (
                f"has none of the classes of the reference, but {', '.join(map(printable, map_.legend.names[:12]))}"
            )
            raise LabelError(map_.path, problem, "Check the field, or give class names next to the map.")
        if len(lacking := texts[(wanted == 0) & (texts != "")]):
            names = listed(sorted(set(lacking)), printable)
            log.warning("%s: has no class %s; %d reference px of it count as wrong", map_.path, names, len(lacking))
        right.append((codes == wanted) & (codes > 0))
        has_data &= codes > 0
    if not has_data.any():
        problem = f"has no data at any reference pixel where {other.path.name} has data"
        raise LabelError(one.path, problem, "Check that they overlap.")
    return (right[0], right[1]), has_data


def _tested(
    maps: tuple[ClassRaster, ClassRaster], right: tuple[Bools, Bools], interval: tuple[float, float] | None
) -> dict[str, Any]:
    """The counts of a comparison, the exact test of McNemar, and the interval, which is None for maps alike."""
    from scipy.stats import binomtest

    first, second = right
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    low, high = interval if interval is not None and discordant else (None, None)
    return {
        "first": maps[0].path.name,
        "second": maps[1].path.name,
        "n": len(first),
        "both_right": int((first & second).sum()),
        "only_first": only_first,
        "only_second": only_second,
        "both_wrong": int((~first & ~second).sum()),
        "p_value": float(binomtest(only_first, discordant).pvalue) if discordant else 1.0,
        "low": low,
        "high": high,
    }


def comparison_lines(result: Comparison) -> list[str]:
    """The comparison as text."""
    points = f"{100 * result.difference:+.1f} percentage points"
    interval = "" if result.low is None or result.high is None else (
        f" (95 % interval {100 * result.low:+.1f} to {100 * result.high:+.1f})"
    )  # fmt: skip
    lines = [
        f"{printable(result.first)} {percent(result.first_overall)}, "
        f"{printable(result.second)} {percent(result.second_overall)}, difference {points}{interval}",
        f"right in both {result.both_right}, only in the first {result.only_first}, only in the second "
        f"{result.only_second}, in neither {result.both_wrong}; exact McNemar test p = {result.p_value:.3g}",
        result.verdict,
    ]
    return [*lines, *(f"note: {note}" for note in comparison_notes(result))]


def comparison_notes(result: Comparison) -> list[str]:
    """What the test and the interval rest on."""
    notes = []
    if not result.independent and not result.alike:
        notes.append(
            f"{result.n:,} pixels of {result.groups} polygons are not independent, so the p-value is too small; "
            "the interval is for other polygons chosen in the same way"
        )
    if result.weighted:
        notes.append(
            "the difference and its interval follow the sampling design; the test gives all points the same weight"
        )
    if result.without_data:
        notes.append(f"{result.without_data} labelled pixels are left out, as a map has no data there")
    return notes


def _write(output: PathLike, result: Comparison, *, overwrite: bool) -> None:
    title = f"{printable(result.first)} and {printable(result.second)}"
    page = html_page(TEMPLATE, title=title, result=result, notes=comparison_notes(result), points=points_text)
    with atomic_folder(comparison_product(output), overwrite=overwrite) as folder:
        (folder / FILES[0]).write_text(page, encoding="utf-8")
        text = json.dumps(result.to_dict(), indent=2, ensure_ascii=True, allow_nan=False)
        (folder / FILES[1]).write_text(f"{text}\n", encoding="utf-8")
