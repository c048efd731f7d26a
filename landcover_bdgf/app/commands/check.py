"""``bdgf check``."""

from __future__ import annotations

from logging import LogRecord
from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import OF_LABELS, is_table, read_recipe, read_stack, with_windows
from landcover_bdgf.app.options import (
    FIELD,
    HSI_OR_TABLE,
    LABELS,
    SAR_OF_HSI,
    RecipeChoice,
    Shown,
    Typed,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import message, say
from landcover_bdgf.errors import BdgfError
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.model import Run
from landcover_bdgf.progress import log
from landcover_bdgf.scene import AlignSettings
from landcover_bdgf.settings import described


@with_settings
def check(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice,
    run: Run, hsi: HSI_OR_TABLE,
    sar: SAR_OF_HSI = None,
    labels: Annotated[Path | None, option("labels", f"{LABELS}; without --field, list their fields", "Inputs")] = None,
    field: FIELD = None,
) -> None:  # fmt: skip
    """Check the inputs (grids, units, bands, shift, labels) and the device; writes nothing."""
    table = is_table(hsi, sar)
    if labels is None and not table:
        typed.refuse(OF_LABELS | {"seed", *described(RecipeChoice)}, "--labels and --field")
    settings = with_windows(sampling, read_recipe(choice))
    if table:
        from landcover_bdgf.app.check import check_table
        from landcover_bdgf.scene import read_scene_table

        found = check_table(
            read_scene_table(hsi, settings=aligning), hsi, labels=labels, field=field, settings=settings, run=run
        )
        say(shown, found.lines(message), found.values())
        if found.failed:
            problem = f"{len(found.failed)} of {len(found.scenes)} scenes cannot be used"
            raise BdgfError(hsi, problem, "See the lines above.")
        if isinstance(found.labels, BdgfError):
            raise BdgfError(hsi, "its labels cannot be used", "See the lines above.")
        return
    log.addFilter(_is_news)
    try:
        stack = read_stack(hsi, sar, aligning, missing=None if labels else "error")
    finally:
        log.removeFilter(_is_news)
    from landcover_bdgf.app.check import check_scene  # loads PyTorch, which a refused image need not wait for

    findings = check_scene(stack, labels=labels, field=field, settings=settings, run=run)
    say(shown, findings.lines(), findings.values())


def _is_news(record: LogRecord) -> bool:
    """Whether a message is not among the results, which are printed a moment later."""
    return not getattr(record, "described", False)
