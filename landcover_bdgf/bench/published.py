"""The paper's own numbers, kept as data with the tables they come from."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class PublishedResults:
    """What the paper prints for one data set: methods with ``oa``, ``aa``, ``kappa`` in %, and our remark on it."""

    source: str
    per_class: int
    methods: tuple[dict[str, Any], ...]
    note: str


def published_results(name: str) -> PublishedResults | None:
    """Of a data set of the paper; None for any other."""
    tables = published_tables()
    if name not in tables["results"]:
        return None
    of_name = tables["results"][name]
    source = f"{tables['source']}, table {of_name['table']}"
    return PublishedResults(source, of_name["per_class"], tuple(of_name["methods"]), tables["notes"].get(name, ""))


@cache
def published_tables() -> dict[str, Any]:
    """All of them, as in the file."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
