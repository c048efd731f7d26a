"""``bdgf bench``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import read_recipe
from landcover_bdgf.app.options import RecipeChoice, Shown, option, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.bench import BenchSettings
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model import Run


@with_settings
def bench(
    shown: Shown,
    settings: BenchSettings,
    choice: RecipeChoice,
    run: Run,
    output: Annotated[Path | None, option("output", "folder to write", "Outputs")] = None,
) -> None:
    """Compare methods on labelled scenes: three protocols, many seeds, paired differences.

    Finished results are kept in the output folder; the same command continues an interrupted comparison. With --data
    alone, the files that the paper's data sets need are looked for there.
    """
    from landcover_bdgf.bench import lines, published_files, run_experiment

    if settings.data and not settings.dataset:
        looked_for = published_files(settings.data)
        said = [line for found in looked_for for line in found.lines()]
        say(shown, said, [*map(asdict, looked_for)])
        return
    if not settings.dataset or not output:
        name = "output" if settings.dataset else "dataset"
        raise SettingsError(f"`{name}`", "is missing", "Only `data` alone needs none.")
    tables, page = run_experiment(settings, output, recipe=read_recipe(choice), run=run)
    figures = page.with_name("results.csv" if tables else "summary.json")
    said = [*lines(tables), f"{page}: report; {figures}: all results"]
    found = json.loads(page.with_name("summary.json").read_text(encoding="utf-8"))
    say(shown, said, {"report": str(page), "tables": found})
