"""What a comparison found: one tidy table of all cells, a summary, and a page with tables and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jinja2

from landcover_bdgf.bench import pictures
from landcover_bdgf.bench.cells import Cell, Plan
from landcover_bdgf.bench.protocols import PROTOCOLS
from landcover_bdgf.bench.published import published_results
from landcover_bdgf.bench.tables import METRICS, ProtocolTable, rows, signed
from landcover_bdgf.legend import printable
from landcover_bdgf.output import atomic_output
from landcover_bdgf.report_folder import write_table

TEMPLATE = "bench.html.jinja"
COLUMNS = (
    "dataset",
    "protocol",
    "per_class",
    "seed",
    "method",
    *METRICS,
    "ece",
    "leak",
    "train_px",
    "test_px",
    "seconds",
)


def write_results(
    folder: Path, plan: Plan, cells: Sequence[Cell], found: Sequence[ProtocolTable], reference: str
) -> Path:
    """``results.csv``, ``summary.json`` and ``report.html`` in a folder; returns the page.

    ``found`` are the tables of the cells, in which ``reference`` is paired with all other methods.
    """
    with atomic_output(folder / "results.csv", overwrite=True) as temporary:
        write_table(temporary, [COLUMNS, *([cell[column] for column in COLUMNS] for cell in cells)])
    with atomic_output(folder / "summary.json", overwrite=True) as temporary:
        temporary.write_text(json.dumps(rows(found, reference), indent=2), encoding="utf-8")
    page = folder / "report.html"
    with atomic_output(page, overwrite=True) as temporary:
        temporary.write_text(_page(plan, cells, found, reference), encoding="utf-8")
    return page


def _page(plan: Plan, cells: Sequence[Cell], found: Sequence[ProtocolTable], reference: str) -> str:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"printable": printable, "signed": signed}
    scenes = [
        {
            "name": dataset.name,
            "simulated": dataset.simulated,
            "tables": [table for table in found if table.dataset == dataset.name],
            "overview": pictures.overview([table for table in found if table.dataset == dataset.name]),
            "distance": pictures.by_distance([c for c in cells if c["dataset"] == dataset.name]),
            "reliability": pictures.reliability([c for c in cells if c["dataset"] == dataset.name], reference),
            "published": published_results(dataset.name),
        }
        for dataset in plan.datasets
    ]
    return environment.get_template(TEMPLATE).render(
        scenes=scenes, reference=reference, seeds=plan.seeds, per_class=plan.per_class,
        protocols=[PROTOCOLS[name] for name in plan.protocols], metrics=METRICS,
    )  # fmt: skip
