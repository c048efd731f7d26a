"""``bdgf map``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from landcover_bdgf.app.commands.inputs import (
    OF_CLASSES,
    OF_LABELS,
    is_table,
    read_recipe,
    read_stack,
    with_windows,
)
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
    new_model,
    option,
    with_settings,
)
from landcover_bdgf.app.terminal import message, say
from landcover_bdgf.errors import BdgfError, SettingsError
from landcover_bdgf.labels import SampleSettings
from landcover_bdgf.mapping import DaskSettings, MapSettings
from landcover_bdgf.model import Run, model_path
from landcover_bdgf.processes import process_count
from landcover_bdgf.scene import NO_IMAGE, AlignSettings

if TYPE_CHECKING:
    from landcover_bdgf.app.job import Job
    from landcover_bdgf.app.scenes_job import ScenesJob
    from landcover_bdgf.mapping import SceneResult
    from landcover_bdgf.model import Checkpoint
    from landcover_bdgf.scene import SceneRow, Stack

Values = dict[str, Any]


@with_settings
def map_(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, choice: RecipeChoice,
    mapping: MapSettings, run: Run, machines: DaskSettings, hsi: HSI_OR_TABLE, output: OUTPUT,
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

    With a table of scenes in place of HSI and SAR, map each into the folder OUTPUT. If it names labels, one model is
    trained on all of them, unless --model is given.
    """
    from landcover_bdgf.scene import check_pairs, read_scene_table

    rows = read_scene_table(hsi, settings=aligning) if is_table(hsi, sar) else None
    mapping = mapping.without_sar() if sar == NO_IMAGE else mapping
    if rows is not None and labels is not None:
        raise SettingsError(hsi, "is a table of scenes, which names their labels", "Leave out --labels.")
    if labels is None and (rows is None or model is not None or not any(row.labels for row in rows)):
        if process_count() > 1:
            remedy = "Start it without torchrun, and divide the map by `shard`."
            raise SettingsError(None, "several processes train together, but map alone", remedy)
        with_table = ("labels in the table, and without --model", "Remove it.")
        typed.refuse(OF_LABELS - OF_CLASSES, *(("--labels",) if rows is None else with_table))
        if typed & {"config", "set"}:
            problem = "-c and --set apply only when a model is trained"
            raise SettingsError(None, problem, "Remove them, or pass --labels.")
        file = model_path(model)
        from landcover_bdgf.mapping import opened_client  # load PyTorch, for which mistakes in options need not wait
        from landcover_bdgf.model import check_alone, load_checkpoint

        _limit_cache(mapping)
        loaded = load_checkpoint(file, "model")
        check_alone(loaded, mapping.missing, file)  # refused before the images are read
        scenes = read_stack(hsi, sar, aligning, missing=mapping.missing) if rows is None else rows
        how: Values = {"settings": mapping, "run": run, "overwrite": overwrite, "resume": resume}
        with opened_client(machines.dask) as client:
            _map_with(shown, loaded, scenes, output, how | {"client": client})
        return
    if mapping.shard != "1/1":
        raise SettingsError("--shard", "needs --model", "Train a model first; then map every part with it.")
    _limit_cache(mapping)
    recipe = read_recipe(choice)
    sampling = with_windows(sampling, recipe)
    mapping = replace(mapping, legend=None, merge=(), rename=())  # the model learns the classes as they are wanted
    if rows is not None:
        from landcover_bdgf.app.scenes_job import ScenesJob

        check_pairs(rows, hsi)
        rows = [replace(row, field=row.field or field) for row in rows]
        of_all = ScenesJob(output, recipe, sampling, mapping, run, overwrite, resume, machines.dask)
        _train_and_map_all(shown, rows, of_all)
        return
    assert labels is not None
    assert field is not None  # by first_checks
    stack = read_stack(hsi, sar, aligning)
    from landcover_bdgf.app.job import Job  # loads PyTorch, which a refused image need not wait for

    model = model or new_model(output)
    job = Job(labels, field, output, model, recipe, sampling, mapping, run, overwrite, resume, machines.dask)
    _train_and_map(shown, stack, job)


def _limit_cache(mapping: MapSettings) -> None:
    """Keep GDAL's cache within ``--max-ram``."""
    from landcover_bdgf.geo import limit_cache  # loads GDAL
    from landcover_bdgf.mapping import parse_size

    if mapping.max_ram:
        limit_cache(parse_size(mapping.max_ram))


def _map_with(shown: Shown, model: Checkpoint, scenes: Stack | list[SceneRow], output: Path, how: Values) -> None:
    """Map a scene, or those of a table, with a model that exists; ``how`` are the other arguments."""
    from landcover_bdgf.mapping import map_scene, map_scenes  # load PyTorch, for which refused files need not wait

    if isinstance(scenes, list):
        _tell(shown, map_scenes(scenes, model, output, **how, tell=message), output, how["settings"])
        return
    made = map_scene(model, scenes, output, **how)
    what = "land-cover map" if made == output else f"part {how['settings'].shard} of the map"
    say(shown, [f"{made}: {what}"], {"map": str(made)})


def _train_and_map(shown: Shown, stack: Stack, job: Job) -> None:
    """The whole job on one scene, and what it wrote."""
    from landcover_bdgf.app.job import run_job
    from landcover_bdgf.assessment import summary_lines

    accuracy = run_job(stack, job)
    lines = [*(summary_lines(accuracy) if accuracy else []), f"{job.output}: land-cover map", f"{job.model}: model"]
    lines += [f"{job.report}: report"] if accuracy else []
    values = {"map": str(job.output), "model": str(job.model), "accuracy": accuracy.to_dict() if accuracy else None}
    say(shown, lines, values)


def _train_and_map_all(shown: Shown, rows: list[SceneRow], job: ScenesJob) -> None:
    """One model of all labelled scenes of a table, and the maps of all."""
    from landcover_bdgf.app.scenes_job import run_scenes_job
    from landcover_bdgf.assessment import summary_lines

    results, accuracy = run_scenes_job(rows, job)
    lines = [*(summary_lines(accuracy) if accuracy else []), f"{job.model}: model"]
    lines += [f"{job.report / 'report.html'}: report"] if accuracy else []
    values = {"model": str(job.model), "accuracy": accuracy.to_dict() if accuracy else None}
    _tell(shown, results, job.folder, job.mapping, lines, values)


def _tell(
    shown: Shown, results: list[SceneResult], folder: Path, settings: MapSettings, more: Sequence[str] = (),
    values: Values | None = None,
) -> None:  # fmt: skip
    """Print what became of the scenes of a table, and ``more``; BdgfError if some were not mapped."""
    from landcover_bdgf.mapping import result_lines, summary_path

    summary = summary_path(folder, settings)
    told = [f"{summary}: summary"] if results else []
    scenes = [each.to_dict(message) for each in results]
    say(
        shown,
        [*result_lines(results, tell=message), *more, *told],
        {"maps": str(folder), "scenes": scenes, "summary": str(summary), **(values or {})},
    )
    failed = sum(each.error is not None for each in results)
    if failed:
        problem = f"{failed} of {len(results)} scenes failed"
        raise BdgfError(None, problem, "Correct the causes, then repeat the command with `resume`.")
