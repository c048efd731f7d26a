"""What the paper prints: its tables, and its figures for methods that are run here too."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ACCURACY = {"comparison": "results", "ablation": "ablation", "transfer": "transfer"}  # experiment: part of the file
SEVERAL = {"tables": ("comparison", "transfer")}  # experiments that are others together
CLASSIFIERS = {"attention": "attention", "group": "group network"}
FEATURES = {"masking": "masking", "concatenate": "concatenated"}


@cache
def published_tables() -> dict[str, Any]:
    """Contents of ``published.toml``."""
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))


def published_accuracy(experiment: str, dataset: str) -> dict[str, Any] | None:
    """A table of accuracies of the paper; None if it has none for this experiment and data set.

    ``methods`` are rows with ``method``, ``oa``, ``aa`` and ``kappa`` in %; ``source`` and ``note`` are texts,
    ``per_class`` is the number of training pixels per class, drawn at random, ``experiment`` the given one.
    """
    tables = published_tables()
    found = tables.get(ACCURACY.get(experiment, ""), {}).get(dataset)
    if found is None:
        return None
    rows, number = (
        (found["methods"], found["table"]) if experiment == "comparison" else (found, tables[experiment]["table"])
    )
    return {
        "experiment": experiment,
        "methods": [row | {"method": _name(experiment, row)} for row in rows],
        "source": f"{tables['source']}, table {number}",
        "note": tables["notes"].get(dataset, ""),
        "per_class": tables["results"][dataset]["per_class"],
    }


def published_accuracies(experiment: str, dataset: str) -> list[dict[str, Any]]:
    """All tables of accuracies that the paper has for an experiment and data set, see :func:`published_accuracy`."""
    found = (published_accuracy(each, dataset) for each in SEVERAL.get(experiment, (experiment,)))
    return [table for table in found if table]


def published_beside(experiment: str, dataset: str, method: str) -> dict[str, float] | None:
    """``oa``, ``aa`` and ``kappa`` that the paper prints for a method as it is called here; None if it prints none."""
    rows = [row for table in published_accuracies(experiment, dataset) for row in table["methods"]]
    name = method.split()[0] if experiment == "ablation" else method  # experiments have numbers
    return next((row for row in rows if row["method"].lower() == name), None)


def published_producers(dataset: str, method: str) -> list[float] | None:
    """Accuracy of each class in %, in the order of table 1, that tables 3 to 6 print for a method as it is called here.

    None if they print none.
    """
    rows: dict[str, list[float]] = published_tables()["producers"].get(dataset, {})
    return next((values for name, values in rows.items() if name.lower() == method), None)


def published_spread(dataset: str) -> dict[str, dict[str, float]] | None:
    """Table 7 for a data set: mean, std, cv, ci95 and nsi of OA, AA and kappa."""
    return published_tables()["uncertainty"].get(dataset)


def published_costs(dataset: str) -> dict[str, dict[str, float]]:
    """Table 9 for a data set: ``parameters_m`` (millions) and ``giga_macs`` of each method, by its name there."""
    return {row["method"].lower(): row for row in published_tables()["complexity"].get(dataset, ())}


def published_settings(dataset: str | None, name: str) -> tuple[str, ...]:
    """Settings that the authors of a system, or of the recipe ``paper``, have for a data set, such as ``modules=2``.

    None for other data sets, systems and recipes.
    """
    return tuple(published_tables()["settings"].get(dataset, {}).get(name, ()))


def published_per_class(dataset: str) -> int | None:
    """Training pixels per class in the paper; None for other data sets."""
    found = published_tables()["results"].get(dataset)
    return found["per_class"] if found else None


def _name(experiment: str, row: dict[str, Any]) -> str:
    if experiment == "ablation":
        return str(row["experiment"])
    if experiment == "transfer":
        return f"{CLASSIFIERS[row['classifier']]}, {FEATURES[row['diffusion']]}"
    return str(row["method"])
