"""``bdgf map``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.commands.inputs import OF_CLASSES, OF_LABELS, read_recipe, read_stack, with_windows
from landcover_bdgf.app.options import (
    FIELD,
    HSI,
    LABELS,
    OUTPUT,
    OVERWRITE,
    RESUME,
    SAR,
    RecipeChoice,
    Shown,
    Typed,
    model_path,
    new_model,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import say
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.mapping import MapSettings
from landcover_bdgf.model import Run
from landcover_bdgf.scene import AlignSettings


@with_settings
def map_(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice,
    mapping: MapSettings, run: Run, hsi: HSI, sar: SAR, output: OUTPUT,
    labels: Annotated[Path | None, option("labels", f"{LABELS}, to train a model first", "Inputs")] = None,
    field: FIELD = None,
    model: Annotated[Path | None, option(
        "model", "model file; with --labels, where to save the new model", "Model",
        "$BDGF_MODEL or model.safetensors; with --labels OUTPUT.model.safetensors"
    )] = None,
    overwrite: OVERWRITE = False,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Make a land-cover map with an existing model (--model), or train one from labels first (--labels)."""
    from landcover_bdgf.geo import limit_cache
    from landcover_bdgf.mapping import parse_size
    from landcover_bdgf.model import load_checkpoint

    if mapping.max_ram:
        limit_cache(parse_size(mapping.max_ram))
    if labels is None:
        typed.refuse(OF_LABELS - OF_CLASSES, "--labels")
        if typed & {"config", "set"}:
            problem = "-c and --set apply only when a model is trained"
            raise SettingsError(None, problem, "Remove them, or pass --labels.")
        file = model_path(model)
        load_checkpoint(file, "model")  # refused before the images are read
        stack = read_stack(hsi, sar, aligning)
        from landcover_bdgf.mapping import map_scene  # loads PyTorch, which refused files need not wait for

        made = map_scene(
            file,
            stack,
            output,
            settings=mapping,
            run=run,
            overwrite=overwrite,
            resume=resume,
        )
        what = "land-cover map" if made == output else f"part {mapping.shard} of the map"
        say(shown, [f"{made}: {what}"], {"map": str(made)})
        return
    if mapping.shard != "1/1":
        raise SettingsError("--shard", "needs --model", "Train a model first; then map every part with it.")
    recipe = read_recipe(choice)
    mapping = replace(mapping, legend=None, merge=(), rename=())  # the model learns the classes as they are wanted
    assert field is not None  # by first_checks
    stack = read_stack(hsi, sar, aligning)
    from landcover_bdgf.app.job import Job, run_job  # loads PyTorch
    from landcover_bdgf.assessment import summary_lines

    job = Job(
        labels, field, output, model or new_model(output), recipe, with_windows(sampling, recipe), mapping, run,
        overwrite, resume,
    )  # fmt: skip
    accuracy = run_job(stack, job)
    lines = [*(summary_lines(accuracy) if accuracy else []), f"{output}: land-cover map", f"{job.model}: model"]
    lines += [f"{job.report}: report"] if accuracy else []
    values = {"map": str(output), "model": str(job.model), "accuracy": accuracy.to_dict() if accuracy else None}
    say(shown, lines, values)
