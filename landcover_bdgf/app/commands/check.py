"""``bdgf check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import OF_LABELS, read_recipe, read_stack, with_windows
from landcover_bdgf.app.options import FIELD, HSI, LABELS, SAR, RecipeChoice, Shown, Typed, option, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.scene import AlignSettings
from landcover_bdgf.settings import described


@with_settings
def check(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice,
    hsi: HSI, sar: SAR,
    labels: Annotated[Path | None, option("labels", f"{LABELS}; without --field, list their fields", "Inputs")] = None,
    field: FIELD = None,
) -> None:  # fmt: skip
    """Check the inputs (grids, units, bands, shift, labels) and the device; writes nothing."""
    from landcover_bdgf.app.check import check_scene

    if labels is None:
        typed.refuse(OF_LABELS, "--labels")
    if field is None:
        reading = {"layer", "encoding"} if labels else set()
        typed.refuse((OF_LABELS | {"seed", *described(RecipeChoice)}) - reading, "--labels and --field")
    settings = with_windows(sampling, read_recipe(choice))
    findings = check_scene(read_stack(hsi, sar, aligning), labels=labels, field=field, settings=settings)
    say(shown, findings.lines(), findings.values())
