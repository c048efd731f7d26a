"""``bdgf check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import OF_LABELS, read_recipe, read_stack, with_windows
from landcover_bdgf.app.options import FIELD, HSI, LABELS, SAR, RecipeChoice, Shown, Typed, option, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.model import Run
from landcover_bdgf.scene import AlignSettings
from landcover_bdgf.settings import described


@with_settings
def check(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice,
    run: Run, hsi: HSI, sar: SAR,
    labels: Annotated[Path | None, option("labels", f"{LABELS}; without --field, list their fields", "Inputs")] = None,
    field: FIELD = None,
) -> None:  # fmt: skip
    """Check the inputs (grids, units, bands, shift, labels) and the device; writes nothing."""
    if labels is None:
        typed.refuse(OF_LABELS | {"seed", *described(RecipeChoice)}, "--labels and --field")
    settings = with_windows(sampling, read_recipe(choice))
    stack = read_stack(hsi, sar, aligning)
    from landcover_bdgf.app.check import check_scene  # loads PyTorch, which a refused image need not wait for

    findings = check_scene(stack, labels=labels, field=field, settings=settings, run=run)
    say(shown, findings.lines(), findings.values())
