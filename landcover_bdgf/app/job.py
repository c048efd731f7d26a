"""The whole job on one scene: sample, pretrain, train, map, assess; every step's file is kept."""

from __future__ import annotations

import dataclasses
import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landcover_bdgf.assessment import Accuracy, ReportContext, assess
from landcover_bdgf.errors import CheckpointError, OutputError
from landcover_bdgf.geo import plain_name
from landcover_bdgf.labels import (
    Samples,
    SampleSettings,
    is_samples_file,
    read_samples,
    sample,
    samples_lines,
    write_samples,
)
from landcover_bdgf.mapping import MapSettings, check_map_outputs, map_files, map_scene
from landcover_bdgf.model import Checkpoint, Kind, Recipe, Run, load_checkpoint
from landcover_bdgf.progress import log
from landcover_bdgf.scene import Stack
from landcover_bdgf.settings import changed_settings
from landcover_bdgf.storage import (
    REPORT_FILES,
    PathLike,
    atomic_output,
    changed_files,
    check_beside,
    check_folder,
    check_not_input,
    check_output,
    read_record,
    record_path,
    remove_abandoned,
    reserved,
    short_name,
)
from landcover_bdgf.training import draw_denoised, pretrain, pretraining_record, train, training_record


@dataclass(frozen=True)
class Job:
    """What the whole job needs besides the scene.

    Attributes
    ----------
    labels : path
        Polygons or points.
    field : str
        Their field with the class.
    output : Path
        The map.
    model : Path
        Where the model is kept.
    recipe, sampling, mapping, run
        Settings of the steps.
    overwrite : bool
    resume : bool
        Go on where an interrupted run of the same job stopped.
    """

    labels: PathLike
    field: str
    output: Path
    model: Path
    recipe: Recipe
    sampling: SampleSettings = dataclasses.field(default_factory=SampleSettings)
    mapping: MapSettings = dataclasses.field(default_factory=MapSettings)
    run: Run = dataclasses.field(default_factory=Run)
    overwrite: bool = False
    resume: bool = False

    __repr__ = changed_settings

    @property
    def steps_folder(self) -> Path:
        """Where the files of the steps go."""
        return steps_folder(self.output)


def run_job(stack: Stack, job: Job) -> Accuracy | None:
    """Map a scene from its labels; returns the accuracy on the held-out part, None when nothing is held out.

    Writes the map and its companions, the model, and in ``<map>_steps/`` the samples, the denoiser with a
    picture of denoised tiles, the losses, and the report.
    """
    check_beside(job.output, [job.model, *_beside(job.model)])
    with reserved(*kept_files(job.model)):  # which another map may name too
        return _run(stack, job)


def _run(stack: Stack, job: Job) -> Accuracy | None:
    _check_outputs(job, stack)
    plain_name(job.steps_folder / "samples.gpkg", OutputError)
    samples = sample(stack, job.labels, field=job.field, settings=job.sampling)
    for line in samples_lines(samples):
        log.info(line)
    folder = job.steps_folder
    folder.mkdir(exist_ok=True)
    with reserved(*_step_files(folder), folder / "report"):
        return _steps(stack, samples, job, folder)


def _steps(stack: Stack, samples: Samples, job: Job, folder: Path) -> Accuracy | None:
    _keep_samples(samples, folder / "samples.gpkg", job)
    denoiser = _pretrained(stack, samples, job, folder / "denoiser.safetensors")
    model = _trained(stack, samples, denoiser, job)
    map_scene(
        model, stack, job.output, settings=job.mapping, run=job.run, overwrite=job.overwrite, resume=job.resume
    )  # fmt: skip
    if not len(samples.test):
        log.warning("no labels were held out (--split none), so there is no report; assess with labels of your own")
        return None
    return _report(job, samples, denoiser, model)


def steps_folder(output: Path) -> Path:
    """``landcover.tif`` -> ``landcover_steps``."""
    return output.with_name(f"{output.stem}_steps")


def job_files(output: Path, model: Path, mapping: MapSettings) -> list[Path]:
    """Every file that the whole job writes, those of interrupted steps included."""
    steps = steps_folder(output)
    report = [steps / "report" / name for name in REPORT_FILES]
    return [*map_files(output, mapping), *kept_files(model), *_step_files(steps), *report]


def _step_files(steps: Path) -> list[Path]:
    """Every file of the steps, but for the report's."""
    samples = steps / "samples.gpkg"
    return [samples, record_path(samples), *kept_files(steps / "denoiser.safetensors")]


def kept_files(path: Path) -> list[Path]:
    """Every file that comes with a checkpoint, and the checkpoint."""
    return [path, *_beside(path), partial_path(path)]


def partial_path(path: Path) -> Path:
    """Where an interrupted training of a checkpoint is kept: ``model.partial.safetensors``."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def check_kept(path: Path, *, overwrite: bool, resume: bool = False) -> bool:
    """Before hours of work: may a checkpoint and what is kept beside it be written? OutputError if not.

    Returns whether an interrupted run began it, and may have put into place already what is kept beside it.
    """
    check_output(path, overwrite=overwrite)
    beside = _beside(path)
    check_beside(path, beside)
    begun = resume and partial_path(path).exists()
    for file in [*beside, partial_path(path)]:
        check_output(file, overwrite=overwrite or begun)
    return begun


def _beside(path: Path) -> list[Path]:
    """What is kept beside a checkpoint: its losses, and of a denoiser a picture."""
    return [path.with_suffix(suffix) for suffix in (".csv", ".png")]


def keep_denoiser(
    denoiser: Checkpoint, stack: Stack, path: Path, *, run: Run, overwrite: bool, begun: bool = False
) -> None:
    """Save a denoiser, its losses (``.csv``) and a picture of what it does (``.png``); ``begun`` as of check_kept."""
    with atomic_output(path, overwrite=overwrite, begun=begun) as draft:
        _save(denoiser, draft)
        draw_denoised(denoiser, stack, draft.with_suffix(".png"), run=run)
    _clear(path)


def keep_model(model: Checkpoint, path: Path, *, overwrite: bool, begun: bool = False) -> None:
    """Save a model and its losses (``.csv``); what was kept for ``--resume`` is done with."""
    with atomic_output(path, overwrite=overwrite, begun=begun) as draft:
        _save(model, draft)
    _clear(path)


def _save(checkpoint: Checkpoint, draft: Path) -> None:
    checkpoint.save(draft)
    checkpoint.history.write_csv(draft.with_suffix(".csv"))


def _clear(path: Path) -> None:
    """Remove what runs that were killed left of a checkpoint that is finished."""
    partial_path(path).unlink(missing_ok=True)
    for file in (path, partial_path(path)):
        remove_abandoned(file.parent, glob.escape(short_name(file)))


def _keep_samples(samples: Samples, path: Path, job: Job) -> None:
    """Write the samples; to go on, only where an interrupted run of this job has not, and over nobody else's."""
    overwrite = job.overwrite
    if job.resume and not overwrite:
        if is_samples_file(path) and read_samples(path).same_as(samples):
            remove_abandoned(path.parent, glob.escape(path.name))  # of a run killed when they had just been finished
            return
        if path.exists() and changed_files(path) == []:
            raise _of_another_job(path)
        # a run may have been killed when the record was in place and the samples were not
        overwrite = not path.exists() and read_record(path).get("step") == "sample"
    write_samples(samples, path, overwrite=overwrite)


def _pretrained(stack: Stack, samples: Samples, job: Job, path: Path) -> Checkpoint:
    def identity(provenance: dict[str, Any], recipe: Recipe) -> tuple[Any, ...]:
        return provenance, recipe.diffusion, recipe.spectral

    expected = identity(pretraining_record([stack], samples, job.run), job.recipe)
    if (kept := _finished(path, "denoiser", job, expected, identity)) is not None:
        return kept
    partial = partial_path(path)
    resume = job.resume and partial.exists()
    denoiser = pretrain(stack, job.recipe, samples=samples, run=job.run, partial=partial, resume=resume)
    keep_denoiser(denoiser, stack, path, run=job.run, overwrite=job.overwrite, begun=resume)
    return denoiser


def _trained(stack: Stack, samples: Samples, denoiser: Checkpoint, job: Job) -> Checkpoint:
    def identity(provenance: dict[str, Any], recipe: Recipe) -> tuple[Any, ...]:
        return provenance, recipe

    expected = identity(training_record(stack, samples, denoiser, job.recipe, job.run), job.recipe)
    if (kept := _finished(job.model, "model", job, expected, identity)) is not None:
        return kept
    partial = partial_path(job.model)
    resume = job.resume and partial.exists()
    model = train(stack, samples, denoiser=denoiser, recipe=job.recipe, run=job.run, partial=partial, resume=resume)
    keep_model(model, job.model, overwrite=job.overwrite, begun=resume)
    return model


Identity = Callable[[dict[str, Any], Recipe], tuple[Any, ...]]


def _finished(path: Path, kind: Kind, job: Job, expected: tuple[Any, ...], identity: Identity) -> Checkpoint | None:
    """What an interrupted run of this job has finished already; not what another job has left there."""
    if not job.resume or not path.exists():
        return None
    found = load_checkpoint(path, kind)
    if identity(found.provenance, found.recipe) == expected:
        log.info("%s: is there already, of this job", path)
        _clear(path)
        return found
    if job.overwrite:
        return None
    raise _of_another_job(path)


def _of_another_job(path: Path) -> CheckpointError:
    return CheckpointError(
        path, "is of another job (scene, labels, settings, seed or versions)", "Begin anew with --overwrite."
    )


def _check_outputs(job: Job, stack: Stack) -> None:
    """Before hours of work: may every output be written?"""
    check_map_outputs(job.output, stack, job.mapping, overwrite=job.overwrite, resume=job.resume)
    for path in job_files(job.output, job.model, job.mapping):
        check_not_input(path, [job.labels, *stack.spectral.files, *stack.sar.files])
    _check_step(job.model, job)
    if job.steps_folder.exists():
        if not job.resume:
            check_output(job.steps_folder / "samples.gpkg", overwrite=job.overwrite)
        _check_step(job.steps_folder / "denoiser.safetensors", job)
        check_folder(job.steps_folder / "report", overwrite=job.overwrite)


def _check_step(path: Path, job: Job) -> None:
    if not (job.resume and path.exists()):  # a finished one is of this job, or ends it: see _finished
        check_kept(path, overwrite=job.overwrite, resume=job.resume)


def _report(job: Job, samples: Samples, denoiser: Checkpoint, model: Checkpoint) -> Accuracy:
    context = ReportContext(
        curves=(
            ("pre-training: L1 of the noise", denoiser.history.series("loss")),
            ("training: loss", model.history.series("loss")),
        ),
        settings=job.recipe.model_dump(mode="json"),
    )  # fmt: skip
    return assess(job.output, samples, output=job.steps_folder / "report", overwrite=job.overwrite, context=context)
