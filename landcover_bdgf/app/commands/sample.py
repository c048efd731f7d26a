"""``bdgf sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import draw_samples, read_recipe, read_stack, with_windows
from landcover_bdgf.app.options import (
    FIELD,
    HSI,
    LABELS,
    OUTPUT,
    OVERWRITE,
    SAR,
    RecipeChoice,
    Shown,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import say
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.scene import AlignSettings


@with_settings
def sample(
    shown: Shown, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice, hsi: HSI, sar: SAR,
    labels: Annotated[Path, option("labels", LABELS, "Inputs")],
    output: OUTPUT,
    field: FIELD = None,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Draw labelled pixels and split them into training and test pixels."""
    from landcover_bdgf.labels import samples_lines, write_samples

    samples = draw_samples(read_stack(hsi, sar, aligning), labels, field, with_windows(sampling, read_recipe(choice)))
    write_samples(samples, output, overwrite=overwrite)
    lines = [*samples_lines(samples), f"{output}: samples"]
    say(shown, lines, {"output": str(output), "classes": samples.table()})
