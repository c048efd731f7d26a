"""What a comparison found: one tidy table of all cells, a summary, and a page with tables and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from landcover_bdgf.assessment import codes_picture, write_table
from landcover_bdgf.bench import pictures
from landcover_bdgf.bench.cells import Cell, Plan
from landcover_bdgf.bench.complexity import Part, count_parts, inputs_of
from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.protocols import PROTOCOLS
from landcover_bdgf.bench.published import published_results
from landcover_bdgf.bench.summary import by
from landcover_bdgf.bench.tables import METRICS, ProtocolTable, rows, signed
from landcover_bdgf.model import Recipe
from landcover_bdgf.storage import atomic_output
from landcover_bdgf.text import printable

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
    folder: Path, plan: Plan, cells: Sequence[Cell], found: Sequence[ProtocolTable], reference: str,
    embeddings: Mapping[str, Sequence[tuple[str, str]]],
) -> Path:  # fmt: skip
    """``results.csv``, ``summary.json`` and ``report.html`` in a folder; returns the page.

    ``found`` are the tables of the cells, in which ``reference`` is paired with all other methods; ``embeddings`` are
    names and pictures by data set.
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
            "tables": [table for table in found if table.dataset == dataset.name],
            "overview": pictures.overview([table for table in found if table.dataset == dataset.name]),
            "distance": pictures.by_distance([c for c in cells if c["dataset"] == dataset.name]),
            "reliability": pictures.reliability([c for c in cells if c["dataset"] == dataset.name], reference),
            "maps": _maps(dataset, [c for c in cells if c["dataset"] == dataset.name], plan.seeds[0]),
            "legend": [(entry.name, "#{:02x}{:02x}{:02x}".format(*entry.color)) for entry in dataset.legend.entries],
            "parts": _parts(dataset, plan.recipe),
            "embeddings": embeddings.get(dataset.name, ()),
            "published": published_results(dataset.name),
        }
        for dataset in plan.datasets
    ]
    return environment.get_template(TEMPLATE).render(
        scenes=scenes, reference=reference, recipe=plan.recipe.name, seeds=plan.seeds, per_class=plan.per_class,
        protocols=[PROTOCOLS[name] for name in plan.protocols], metrics=METRICS,
    )  # fmt: skip


def _maps(dataset: Dataset, cells: Sequence[Cell], seed: int) -> dict[str, list[tuple[str, str]]]:
    """Names and pictures of all maps of one seed, by protocol; the truth comes first."""
    truth = ("reference", codes_picture(dataset.truth, dataset.legend.colors))
    shown = [cell for cell in cells if cell["seed"] == seed and cell["picture"]]
    return {
        protocol: [truth, *((cell["method"], cell["picture"]) for cell in own)]
        for protocol, own in by(shown, lambda cell: str(cell["protocol"])).items()
    }


def _parts(dataset: Dataset, recipe: Recipe) -> list[Part]:
    """What the method costs on this scene."""
    stack = dataset.stack
    inputs = inputs_of(recipe, len(stack.spectral.bands), len(stack.sar.bands), len(dataset.legend.entries))
    return count_parts(recipe, inputs)
