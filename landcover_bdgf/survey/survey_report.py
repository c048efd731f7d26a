"""The report of an assessment by a probability sample: an HTML page, JSON and tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from landcover_bdgf.assessment import html_page, write_table
from landcover_bdgf.labels import ClassRaster
from landcover_bdgf.storage import PathLike, Product, atomic_folder
from landcover_bdgf.survey.estimators import FEW, Estimate
from landcover_bdgf.survey.survey_accuracy import ClassEstimates, SurveyAccuracy, hectares_text, shown_interval
from landcover_bdgf.text import percent, printable

TEMPLATE = "survey/survey.html.jinja"
FIGURES = "accuracy.json"
FILES = ("report.html", FIGURES, "accuracy.csv", "confusion.csv")


def survey_product(folder: PathLike) -> Product:
    """The folder of a report."""
    return Product(Path(folder), contents=FILES)


def write_survey_report(output: PathLike, map_: ClassRaster, result: SurveyAccuracy, *, overwrite: bool) -> None:
    """Write the files of a report; OutputError if they cannot be written."""
    with atomic_folder(survey_product(output), overwrite=overwrite) as folder:
        (folder / FILES[0]).write_text(_page(map_, result), encoding="utf-8")
        text = json.dumps(result.to_dict(), indent=2, ensure_ascii=True, allow_nan=False)
        (folder / FIGURES).write_text(f"{text}\n", encoding="utf-8")
        rows = [_row(found, result.hectares) for found in result.classes]
        write_table(folder / "accuracy.csv", [list(rows[0]), *(list(row.values()) for row in rows)])
        write_table(folder / "confusion.csv", _matrix_rows(result))


def _row(found: ClassEstimates, hectares: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "class": found.name,
        "map_points": found.map_points,
        "reference_points": found.reference_points,
        "right_points": found.right_points,
        "mapped_ha": found.mapped_ha,
    }
    for name, estimate in (("users", found.users), ("producers", found.producers)):
        row |= {f"{name}_{key}": value for key, value in asdict(estimate).items()}
    return row | {
        f"area_{key}_ha": value if value is None else value * hectares
        for key, value in asdict(found.share).items()
        if key != "n"
    }


def _matrix_rows(result: SurveyAccuracy) -> Iterator[list[object]]:
    """Points, then shares of the area in the same layout."""
    names = [found.name for found in result.classes]
    yield ["quantity", "map (rows) \\ reference (columns)", *names]
    for quantity, matrix in (("points", result.counts), ("share of the area", result.shares)):
        for name, row in zip(names, matrix.tolist(), strict=True):
            yield [quantity, name, *row]


def _page(map_: ClassRaster, result: SurveyAccuracy) -> str:
    largest = max(
        [0.0, *(shown_interval(found.share, found.few)[1] or 0.0 for found in result.classes),
         *(found.mapped_ha / result.hectares for found in result.classes)]
    )  # fmt: skip
    return html_page(
        TEMPLATE,
        title=f"Accuracy and areas of {printable(result.map)}",
        interval=_interval,
        exact=_exact,
        hectares=lambda row: hectares_text(row.share, result.hectares, row.few),
        span=lambda row: shown_interval(row.share, row.few),
        few=FEW,
        result=result,
        about=result.design.about,
        grid=map_.grid.describe(),
        strata=list(
            zip(result.design.names, result.design.pixels.tolist(), result.design.points.tolist(), strict=True)
        ),
        largest=largest or 1.0,
        how={
            "stratified": "stratified random sample",
            "simple": "simple random sample",
            "systematic": "systematic sample on a square grid",
        }[result.design.about.sampling],
    )


def _interval(found: Estimate) -> str:
    return _range(found.low, found.high)


def _exact(found: Estimate) -> str:
    return _range(found.exact_low, found.exact_high)


def _range(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{percent(low)} to {percent(high)}"
