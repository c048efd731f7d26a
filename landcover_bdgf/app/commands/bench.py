"""``bdgf bench``."""

from __future__ import annotations

import json

from landcover_bdgf.app.commands.inputs import read_recipe
from landcover_bdgf.app.options import OUTPUT, RecipeChoice, Shown, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.bench import BenchSettings
from landcover_bdgf.model import Run


@with_settings
def bench(shown: Shown, settings: BenchSettings, choice: RecipeChoice, run: Run, output: OUTPUT) -> None:
    """Compare methods on labelled scenes: three protocols, many seeds, paired differences.

    Finished results are kept in the output folder; the same command continues an interrupted comparison.
    """
    from landcover_bdgf.bench import lines, run_experiment

    tables, page = run_experiment(settings, output, recipe=read_recipe(choice), run=run)
    figures = page.with_name("results.csv" if tables else "summary.json")
    said = [*lines(tables), f"{page}: report; {figures}: all results"]
    found = json.loads(page.with_name("summary.json").read_text(encoding="utf-8"))
    say(shown, said, {"report": str(page), "tables": found})
