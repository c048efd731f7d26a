"""``bdgf train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import OF_LABELS, draw_samples, read_recipe, read_stack, with_windows
from landcover_bdgf.app.options import (
    DEFAULT_MODEL,
    FIELD,
    HSI,
    LABELS,
    OUTPUT,
    OVERWRITE,
    RESUME,
    SAMPLES,
    SAR,
    RecipeChoice,
    Shown,
    Typed,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import say
from landcover_bdgf.errors import CheckpointError, SettingsError
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.model import Run
from landcover_bdgf.scene import AlignSettings


@with_settings
def train(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice, run: Run,
    hsi: HSI, sar: SAR,
    output: OUTPUT = DEFAULT_MODEL,
    samples: SAMPLES = None,
    labels: Annotated[Path | None, option("labels", f"{LABELS}, in place of --samples", "Inputs")] = None,
    field: FIELD = None,
    denoiser: Annotated[Path | None, option("denoiser", "from bdgf pretrain", "Inputs", "trained first")] = None,
    overwrite: OVERWRITE = False,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Train the fusion network on samples."""
    from landcover_bdgf.app.job import keep_model
    from landcover_bdgf.labels import join_samples, read_samples, without_empty
    from landcover_bdgf.model import changed, load_checkpoint, partial_path
    from landcover_bdgf.training import pretrain as pretrain_stack, train as train_fusion

    if (samples is None) == (labels is None):
        remedy = "Give --samples samples.gpkg, or --labels polygons.shp --field class."
        raise SettingsError(None, "train needs either --samples or --labels", remedy)
    if labels is None:
        typed.refuse(OF_LABELS, "--labels")
    partial = partial_path(output)
    if resume and not partial.is_file():  # not after the denoiser is trained
        raise CheckpointError(partial, "no training to resume here", "Start without `resume`.")
    given = load_checkpoint(denoiser, "denoiser") if denoiser else None
    recipe = changed(given.recipe, choice.set) if given and not choice.config else read_recipe(choice)
    stack = read_stack(hsi, sar, aligning)
    drawn = (
        read_samples(samples)
        if samples
        else draw_samples(stack, labels, field, with_windows(sampling, read_recipe(choice)))
    )
    if given is None:
        drawn.check_grid(stack.grid)  # both refuse samples of another place, before the denoiser is trained
        joined = without_empty(join_samples(drawn), [stack])
        given = pretrain_stack(stack, recipe, samples=joined, run=run)
    model = train_fusion(
        stack,
        joined if given is None else drawn,
        denoiser=given,
        recipe=recipe,
        run=run,
        partial=partial,
        resume=resume,
    )
    keep_model(model, output, overwrite=overwrite, begun=resume)
    say(shown, [f"{output}: model of {len(drawn.legend.entries)} classes"], {"output": str(output)})
