"""``bdgf demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import read_recipe
from landcover_bdgf.app.options import OVERWRITE, RecipeChoice, Shown, argument, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.model import Run


@with_settings
def demo(
    shown: Shown, choice: RecipeChoice, run: Run,
    folder: Annotated[Path, argument("folder to write to")] = Path("demo"),
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Write a small simulated scene with labels, and make a map of it."""
    from landcover_bdgf.app.demo import run_demo
    from landcover_bdgf.assessment import summary_lines

    accuracy, files = run_demo(folder, read_recipe(choice), run, overwrite=overwrite)
    lines = [*summary_lines(accuracy), *(f"{path}: {what}" for what, path in files.items())]
    say(shown, lines, accuracy.to_dict())
