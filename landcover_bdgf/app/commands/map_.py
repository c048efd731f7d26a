"""``bdgf map``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from landcover_bdgf.app.commands.inputs import OF_CLASSES, OF_LABELS, is_table, read_recipe, read_stack, with_windows
from landcover_bdgf.app.options import (
    FIELD,
    HSI_OR_TABLE,
    LABELS,
    OUTPUT,
    OVERWRITE,
    RESUME,
    SAR_OF_HSI,
    RecipeChoice,
    Shown,
    Typed,
    model_path,
    new_model,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import message, say
from landcover_bdgf.errors import BdgfError, SettingsError
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.mapping import MapSettings
from landcover_bdgf.model import Run
from landcover_bdgf.scene import AlignSettings

if TYPE_CHECKING:
    from landcover_bdgf.mapping import SceneResult
    from landcover_bdgf.scene import SceneRow


@with_settings
def map_(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice,
    mapping: MapSettings, run: Run, hsi: HSI_OR_TABLE, output: OUTPUT,
    sar: SAR_OF_HSI = None,
    labels: Annotated[Path | None, option("labels", f"{LABELS}, to train a model first", "Inputs")] = None,
    field: FIELD = None,
    model: Annotated[Path | None, option(
        "model", "model file; with --labels, where to save the new model", "Model",
        "$BDGF_MODEL or model.safetensors; with --labels OUTPUT.model.safetensors"
    )] = None,
    overwrite: OVERWRITE = False,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Make a land-cover map with an existing model (--model), or train one from labels first (--labels).

    A table of scenes that names labels trains one model on all of them, unless --model is given.
    """
    from landcover_bdgf.app.scenes_job import ScenesJob, run_scenes_job
    from landcover_bdgf.assessment import summary_lines
    from landcover_bdgf.geo import limit_cache
    from landcover_bdgf.mapping import map_scene, map_scenes, parse_size
    from landcover_bdgf.model import load_checkpoint
    from landcover_bdgf.scene import read_scene_table

    table = is_table(hsi, sar)
    if mapping.max_ram:
        limit_cache(parse_size(mapping.max_ram))
    if table and model is None and (rows := _with_labels(hsi, labels, field, aligning)):
        recipe = read_recipe(choice)
        mapping = replace(mapping, legend=None, merge=(), rename=())  # the model learns the classes as they are wanted
        many = ScenesJob(output, recipe, with_windows(sampling, recipe), mapping, run, overwrite, resume)
        results, accuracy = run_scenes_job(rows, many)
        written = [f"{many.model}: model", *([f"{many.report / 'report.html'}: report"] if accuracy else [])]
        _tell(shown, results, output, [*(summary_lines(accuracy) if accuracy else []), *written])
        return
    if labels is None:
        typed.refuse(OF_LABELS - OF_CLASSES, "--labels")
        if typed & {"config", "set"}:
            problem = "-c and --set apply only when a model is trained"
            raise SettingsError(None, problem, "Remove them, or pass --labels.")
        loaded = load_checkpoint(model_path(model), "model")
        if table:
            rows = read_scene_table(hsi, settings=aligning)
            results = map_scenes(
                rows, loaded, output, settings=mapping, run=run, overwrite=overwrite, resume=resume
            )  # fmt: skip
            _tell(shown, results, output)
            return
        made = map_scene(
            loaded,
            read_stack(hsi, sar, aligning),
            output,
            settings=mapping,
            run=run,
            overwrite=overwrite,
            resume=resume,
        )
        what = "land-cover map" if made == output else f"part {mapping.shard} of the map"
        say(shown, [f"{made}: {what}"], {"map": str(made)})
        return
    from landcover_bdgf.app.job import Job, run_job

    if table:
        raise SettingsError(hsi, "is a table of scenes, which names their labels", "Leave out --labels.")
    if mapping.shard != "1/1":
        raise SettingsError("--shard", "needs --model", "Train a model first; then map every part with it.")
    recipe = read_recipe(choice)
    mapping = replace(mapping, legend=None, merge=(), rename=())  # the model learns the classes as they are wanted
    assert field is not None  # by first_checks
    job = Job(
        labels, field, output, model or new_model(output), recipe, with_windows(sampling, recipe), mapping, run,
        overwrite, resume,
    )  # fmt: skip
    accuracy = run_job(read_stack(hsi, sar, aligning), job)
    lines = [*(summary_lines(accuracy) if accuracy else []), f"{output}: land-cover map", f"{job.model}: model"]
    lines += [f"{job.report}: report"] if accuracy else []
    values = {"map": str(output), "model": str(job.model), "accuracy": accuracy.to_dict() if accuracy else None}
    say(shown, lines, values)


def _with_labels(table: str, labels: Path | None, field: str | None, settings: AlignSettings) -> list[SceneRow]:
    """The scenes of a table with the field of their labels; none if no scene has labels, or labels are given twice."""
    from landcover_bdgf.scene import read_scene_table

    rows = [replace(row, field=row.field or field) for row in read_scene_table(table, settings=settings)]
    with_labels = [row for row in rows if row.labels is not None]
    if labels is not None or not with_labels:
        return []
    if any(row.field is None for row in with_labels):
        raise SettingsError("`field`", "is missing", "Name it here, or in the column field of the table.")
    return rows


def _tell(shown: Shown, results: list[SceneResult], folder: Path, more: Sequence[str] = ()) -> None:
    """Print what became of the scenes of a table; BdgfError if some were not mapped."""
    from landcover_bdgf.mapping import result_lines

    say(
        shown,
        [*result_lines(results, tell=message), *more],
        {"maps": str(folder), "scenes": [each.to_dict() for each in results]},
    )
    failed = sum(each.error is not None for each in results)
    if failed:
        problem = f"{failed} of {len(results)} scenes failed"
        raise BdgfError(None, problem, "Repeat the command with `resume` when that is mended.")
