"""``bdgf pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import read_recipe, read_scenes
from landcover_bdgf.app.options import (
    HSI_OR_TABLE,
    MORE,
    OUTPUT,
    OVERWRITE,
    RESUME,
    SAR_OF_HSI,
    RecipeChoice,
    Shown,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import say
from landcover_bdgf.model import Run
from landcover_bdgf.scene import AlignSettings


@with_settings
def pretrain(
    shown: Shown, aligning: AlignSettings, choice: RecipeChoice, run: Run,
    hsi: HSI_OR_TABLE, output: OUTPUT, sar: SAR_OF_HSI = None, more: MORE = None,
    samples: Annotated[Path | None, option("samples", "samples whose test pixels are not used", "Inputs")] = None,
    steps: Annotated[int | None, option("steps", "optimiser steps (diffusion.steps)", "Model", "by the recipe")] = None,
    overwrite: OVERWRITE = False,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Train the denoiser on one or more scenes, without labels."""
    from landcover_bdgf.app.job import keep_denoiser
    from landcover_bdgf.labels import read_samples
    from landcover_bdgf.model import partial_path
    from landcover_bdgf.training import pretrain as pretrain_stacks

    stacks = [scene.stack for scene in read_scenes(hsi, sar, more, aligning)]
    overrides = () if steps is None else (f"diffusion.steps={steps}",)
    denoiser = pretrain_stacks(
        stacks, read_recipe(choice, *overrides), samples=read_samples(samples) if samples else None,
        run=run, partial=partial_path(output), resume=resume,
    )  # fmt: skip
    keep_denoiser(denoiser, stacks[0], output, run=run, overwrite=overwrite, begun=resume)
    picture = " and a picture (.png)" if denoiser.recipe.features.diffusion else ""
    say(shown, [f"{output}: denoiser, with its losses (.csv){picture}"], {"output": str(output)})
