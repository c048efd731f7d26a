"""``bdgf train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from landcover_bdgf.app.commands.inputs import OF_LABELS, GivenScene, read_recipe, read_scenes, with_windows
from landcover_bdgf.app.options import (
    FIELD,
    HSI_OR_TABLE,
    LABELS,
    MORE,
    OUTPUT,
    OVERWRITE,
    RESUME,
    SAR_OF_HSI,
    RecipeChoice,
    Shown,
    Typed,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import say
from landcover_bdgf.errors import CheckpointError, SettingsError
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.model import DEFAULT_MODEL, Run
from landcover_bdgf.scene import AlignSettings

if TYPE_CHECKING:
    from landcover_bdgf.labels import JoinedSamples

EACH = "; of several pairs of images one for each, in their order: repeat the option"


@with_settings
def train(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice, run: Run,
    hsi: HSI_OR_TABLE,
    sar: SAR_OF_HSI = None,
    more: MORE = None,
    output: OUTPUT = DEFAULT_MODEL,
    samples: Annotated[list[Path] | None, option("samples", f"samples from bdgf sample{EACH}", "Inputs")] = None,
    labels: Annotated[
        list[Path] | None, option("labels", f"{LABELS}, in place of --samples{EACH}, or one for all", "Inputs")
    ] = None,
    field: FIELD = None,
    denoiser: Annotated[Path | None, option("denoiser", "from bdgf pretrain", "Inputs", "trained first")] = None,
    overwrite: OVERWRITE = False,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Train the fusion network on samples of one or more scenes."""
    from landcover_bdgf.app.job import keep_model
    from landcover_bdgf.labels import join_samples, read_samples, without_empty
    from landcover_bdgf.model import changed, load_checkpoint, partial_path
    from landcover_bdgf.training import pretrain as pretrain_stacks, train as train_fusion

    _check_labels(hsi, samples, labels, typed)
    partial = partial_path(output)
    if resume and not partial.is_file():  # not after the denoiser is trained
        raise CheckpointError(partial, "does not exist, so there is no training to resume", "Start without `resume`.")
    given = load_checkpoint(denoiser, "denoiser") if denoiser else None
    recipe = changed(given.recipe, choice.set) if given and not choice.config else read_recipe(choice)
    scenes = read_scenes(hsi, sar, more, aligning, labels=labels or (), field=field)
    labelled = scenes if samples else labelled_of(scenes, hsi)
    stacks = [scene.stack for scene in labelled]
    drawn = (
        join_samples([read_samples(path) for path in samples])
        if samples
        else draw_of_scenes(labelled, with_windows(sampling, recipe))
    )
    drawn.check_grids([stack.grid for stack in stacks])
    if given is None:
        drawn = without_empty(drawn, stacks)  # refuses samples of another date, before the denoiser is trained
        others = [scene.stack for scene in scenes if scene not in labelled]
        given = pretrain_stacks([*stacks, *others], recipe, samples=drawn, run=run)
    model = train_fusion(stacks, drawn, denoiser=given, recipe=recipe, run=run, partial=partial, resume=resume)
    keep_model(model, output, overwrite=overwrite, begun=resume)
    of = f" and {len(stacks)} scenes" if len(stacks) > 1 else ""
    say(shown, [f"{output}: model of {len(drawn.legend.entries)} classes{of}"], {"output": str(output)})


def labelled_of(scenes: Sequence[GivenScene], table: str) -> list[GivenScene]:
    """The scenes that have labels; SettingsError without any."""
    labelled = [scene for scene in scenes if scene.labels is not None]
    if not labelled:
        raise SettingsError(table, "names no labels", "Fill in its column labels, for one scene at least.")
    return labelled


def draw_of_scenes(scenes: Sequence[GivenScene], settings: SampleSettings) -> JoinedSamples:
    """Labelled pixels of several scenes."""
    from landcover_bdgf.labels import LabelledScene, sample_scenes

    given = [(scene.stack, scene.labels, scene.field) for scene in scenes]
    return sample_scenes([LabelledScene(s, labels, field) for s, labels, field in given if labels and field], settings)


def _check_labels(hsi: str, samples: object, labels: object, typed: Typed) -> None:
    """SettingsError unless the labels are given once: as samples, as labels, or in a table of scenes."""
    from landcover_bdgf.scene import is_scene_table

    if is_scene_table(hsi):
        if samples or labels:
            raise SettingsError(hsi, "names the labels of its scenes", "Leave out --samples and --labels.")
        return
    if bool(samples) == bool(labels):
        remedy = "Give --samples samples.gpkg, or --labels polygons.shp --field class."
        raise SettingsError(None, "train needs either --samples or --labels", remedy)
    if not labels:
        typed.refuse(OF_LABELS, "--labels")
