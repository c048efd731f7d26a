"""The whole job on one scene: sample, pretrain, train, map, assess; keeps the files of all steps."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from landcover_bdgf.app.job_files import job_products
from landcover_bdgf.app.report_context import report_context
from landcover_bdgf.app.resuming import check_not_begun, steps_folder
from landcover_bdgf.assessment import Accuracy, assess, is_report_of
from landcover_bdgf.errors import (
    BdgfError,
    CheckpointError,
    OutputError,
    SettingsError,
    opening,
)
from landcover_bdgf.geo import plain_name
from landcover_bdgf.labels import (
    FOLDS,
    JoinedSamples,
    LeftOut,
    Samples,
    SampleSettings,
    is_samples_file,
    join_samples,
    read_samples,
    sample,
    samples_lines,
    write_samples,
)
from landcover_bdgf.mapping import (
    MapSettings,
    check_map,
    check_partial,
    is_map_of,
    map_product,
    map_scene,
    opened_client,
    part_path,
    write_model_item,
)
from landcover_bdgf.model import (
    Checkpoint,
    Kind,
    Recipe,
    Run,
    load_checkpoint,
    novelty_folds,
    partial_path,
    remove_partials,
)
from landcover_bdgf.processes import is_first, joined
from landcover_bdgf.progress import log
from landcover_bdgf.scene import Stack
from landcover_bdgf.settings import changed_settings
from landcover_bdgf.storage import (
    PathLike,
    Product,
    atomic_output,
    changed_files,
    check,
    read_record,
    without_warnings,
)
from landcover_bdgf.training import draw_denoised, pretrain, pretraining_record, train, training_record


@dataclass(frozen=True)
class Job:
    """Arguments of :func:`run_job` besides the scene.

    Attributes
    ----------
    labels : path
        Polygons or points.
    field : str
        Field of the labels that holds the class.
    output, model : Path
        The map and the model to write.
    recipe, sampling, mapping, run
        Settings of the steps.
    overwrite, resume : bool
        Replace existing outputs; continue an interrupted run of the same job.
    dask : str, optional
        Whose workers compute the map, as :func:`~landcover_bdgf.mapping.opened_client`; this process trains before.
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
    dask: str | None = None

    __repr__ = changed_settings

    @property
    def steps_folder(self) -> Path:
        """Folder of the files of the steps, e.g. ``landcover_steps`` for ``landcover.tif``."""
        return steps_folder(self.output)

    @property
    def denoiser(self) -> Path:
        """The denoiser."""
        return self.steps_folder / "denoiser.safetensors"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.steps_folder / "report" / "report.html"


def run_job(stack: Stack, job: Job) -> Accuracy | None:
    """Map a scene from its labels; returns the accuracy on left-out labels, None if none are left out.

    Writes the map and its companions, the model, and in ``<map>_steps/`` the samples, the denoiser with a
    picture of denoised tiles, the losses, and the report. What a later step would refuse is refused before the first.
    Several processes train together; the first of them writes, maps and assesses.
    """
    check_settings(job.mapping)
    _check_outputs(job, stack)
    check_map(job.output, stack, job.recipe, settings=job.mapping, run=job.run)
    sampling = job.sampling.with_recipe(job.recipe.training.folds, job.recipe.fusion.clear_px)
    samples = sample(stack, job.labels, field=job.field, settings=sampling)
    for line in samples_lines(samples):
        log.info(line)
    check_novelty(samples, job.mapping, job.run)
    done = _finished_steps(stack, samples, job)
    joined().meet()  # nothing is written before all have looked at what is there
    job.steps_folder.mkdir(exist_ok=True)
    if is_first():
        _keep_samples(samples, job.steps_folder / "samples.gpkg", job)
    denoiser = done.denoiser or _pretrained(stack, samples, job)
    model = done.model or _trained(stack, samples, denoiser, job, resume=done.denoiser is not None)
    if not is_first():
        return None
    if not done.mapped:
        _map(stack, model, job)
    if not len(samples.test) and not (samples.split.method == FOLDS and model.left_out):
        log.warning("no labels are held out, so there is no report; run assess with other labels")
        return None
    return _report(job, stack, samples, done=replace(done, denoiser=denoiser, model=model))


def keep_denoiser(
    denoiser: Checkpoint, stack: Stack, path: Path, *, run: Run, overwrite: bool, begun: bool = False
) -> None:
    """Save a denoiser, its losses (``.csv``) and, if trained, a picture (``.png``); remove its training state.

    Only the first of several processes does.
    """
    if not is_first():
        return
    with atomic_output(path, overwrite=overwrite, begun=begun) as draft:
        _save(denoiser, draft)
        if denoiser.recipe.features.diffusion:
            draw_denoised(denoiser, stack, draft.with_suffix(".png"), run=run)
    remove_partials(path)


def keep_model(model: Checkpoint, path: Path, *, overwrite: bool, begun: bool = False) -> None:
    """Save a model and its losses (``.csv``); remove its training state. Only the first of several processes does."""
    if not is_first():
        return
    with atomic_output(path, overwrite=overwrite, begun=begun) as draft:
        _save(model, draft)
    remove_partials(path)


def _save(checkpoint: Checkpoint, draft: Path) -> None:
    checkpoint.save(draft)
    checkpoint.history.write_csv(draft.with_suffix(".csv"))


def _keep_samples(samples: Samples, path: Path, job: Job) -> None:
    """Write the samples, unless an interrupted run of this job did; replace no other samples without ``overwrite``."""
    overwrite = job.overwrite
    if job.resume and not overwrite:
        if is_samples_file(path) and read_samples(path).same_as(samples):
            return
        if path.exists() and changed_files(path) == []:
            raise _different_job(path)
        # a killed run may have published the record without the samples
        overwrite = not path.exists() and read_record(path).get("step") == "sample"
    write_samples(samples, path, overwrite=overwrite)


def _pretrained(stack: Stack, samples: Samples, job: Job) -> Checkpoint:
    path = job.denoiser
    partial = partial_path(path)
    resume = job.resume and partial.exists()
    denoiser = pretrain(stack, job.recipe, samples=samples, run=job.run, partial=partial, resume=resume)
    keep_denoiser(denoiser, stack, path, run=job.run, overwrite=job.overwrite, begun=resume)
    return denoiser


def _trained(stack: Stack, samples: Samples, denoiser: Checkpoint, job: Job, *, resume: bool) -> Checkpoint:
    partial = partial_path(job.model)
    resume = resume and job.resume and partial.exists()
    model = train(stack, samples, denoiser=denoiser, recipe=job.recipe, run=job.run, partial=partial, resume=resume)
    keep_model(model, job.model, overwrite=job.overwrite, begun=resume)
    return model


def _map(stack: Stack, model: Checkpoint, job: Job) -> None:
    if dates := job.mapping.stac:
        write_model_item(model, job.model, [stack.grid], dates=dates, overwrite=job.overwrite or job.resume)
    with opened_client(job.dask) as client:
        map_scene(
            replace(model, file=job.model), stack, job.output,
            settings=job.mapping, run=job.run, overwrite=job.overwrite, resume=job.resume, client=client,
        )  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """The steps that an interrupted run of the same job has finished."""

    denoiser: Checkpoint | None = None
    model: Checkpoint | None = None
    mapped: bool = False


def _finished_steps(stack: Stack, samples: Samples, job: Job) -> Finished:
    """What an interrupted run has finished; files of another job are refused before the first training."""
    if not job.resume:
        return Finished()
    joined = join_samples(samples)
    before = pretraining_record([stack], joined, job.run)

    def is_ours(found: Checkpoint) -> bool:
        recipe, made = found.recipe, without_warnings(found.provenance)
        if found.kind == "denoiser":
            wanted = before, job.recipe.diffusion, job.recipe.spectral, job.recipe.scaling, job.recipe.features
            return (made, recipe.diffusion, recipe.spectral, recipe.scaling, recipe.features) == wanted
        denoiser = replace(found, provenance=before)  # of the denoiser, only its provenance is recorded
        return (made, recipe) == (training_record([stack], joined, denoiser, recipe, job.run), job.recipe)

    denoiser = _finished(job.denoiser, "denoiser", job, is_ours)
    model = _finished(job.model, "model", job, is_ours)
    if not job.overwrite:
        _check_leftovers(job, denoiser, model)
    return Finished(denoiser, model, _is_mapped(stack, model, job))


def _finished(path: Path, kind: Kind, job: Job, is_ours: Callable[[Checkpoint], bool]) -> Checkpoint | None:
    """The checkpoint that an interrupted run of this job has finished, if any."""
    if not path.exists():
        return None
    found = load_checkpoint(path, kind)
    if is_ours(found):
        log.info("%s: already complete, skipped", path)
        remove_partials(path)
        return found
    if job.overwrite:
        return None
    raise _different_job(path)


def _check_leftovers(job: Job, denoiser: Checkpoint | None, model: Checkpoint | None) -> None:
    """Refuse the unfinished file of a step if the step before it is not finished: it cannot be of this job."""
    for file, needed, of in (
        (partial_path(job.model), job.denoiser, denoiser),
        (part_path(job.output, job.mapping), job.model, model),
    ):
        if file.exists() and of is None:
            remedy = "Bring it back, remove what was left, or start over with `overwrite`."
            raise OutputError(file, f"was left by an interrupted run, but {needed} is missing", remedy)


def _is_mapped(stack: Stack, model: Checkpoint | None, job: Job) -> bool:
    """Whether an interrupted run has finished the map, its polygons and its item; its partial map may be left."""
    if not job.output.exists():
        return False
    if model and is_map_of(job.output, model, stack, settings=job.mapping, run=job.run):
        log.info("%s: already complete, skipped", job.output)
        shutil.rmtree(part_path(job.output, job.mapping), ignore_errors=True)
        return all(file.exists() for file in map_product(job.output, job.mapping).companions)
    if job.overwrite:
        return False
    raise _different_job(job.output, OutputError)


def _different_job(path: Path, kind: type[BdgfError] = CheckpointError) -> BdgfError:
    problem = "was made with a different scene, labels, settings, seed or version"
    return kind(path, problem, "Give those of that run to continue it with `resume`, or replace it with `overwrite`.")


def check_settings(mapping: MapSettings) -> None:
    """SettingsError for shards, each of which would train a model of its own."""
    if mapping.shard_of[1] > 1:
        problem = "is for a model that exists, and here one is trained"
        raise SettingsError(f"`shard={mapping.shard}`", problem, "Train it first, then map every part with it.")


def check_novelty(samples: Samples | JoinedSamples, mapping: MapSettings, run: Run) -> None:
    """SettingsError if novelty is wanted, and too few polygons could be compared with one another."""
    train = samples.train
    if mapping.novelty and not novelty_folds(train.codes, train.groups, np.random.default_rng(run.seed)):
        remedy = "Add labelled polygons, or map without `novelty`."
        raise SettingsError("`novelty`", "needs more training polygons to compare with one another", remedy)


@opening(OutputError)
def _check_outputs(job: Job, stack: Stack) -> None:
    """Check, before a long run, that all outputs can be written."""
    folder = job.steps_folder
    if os.path.lexists(folder) and not folder.is_dir():
        raise OutputError(folder, "is a file, but the folder of the steps has this name", "Rename it.")
    folder.exists()  # raises for a name that is too long
    plain_name(folder / "samples.gpkg", OutputError)
    products = job_products(job.output, job.model, job.mapping)
    inputs = [job.labels, *stack.files]
    check(*products, inputs=inputs, overwrite=True)
    check_not_begun(job.output, overwrite=job.overwrite, resume=job.resume)
    mapped = _is_made(products[0])
    for product in products:
        begun = not product.contents or mapped  # a report is begun when the map is finished
        if job.resume and begun and _is_made(product):
            continue
        check(product, overwrite=job.overwrite, resume=job.resume and begun)
    check_partial(part_path(job.output, job.mapping), resume=job.resume, overwrite=job.overwrite)


def _is_made(product: Product) -> bool:
    """Whether a step has its file, or the record of its samples; it is checked later that they belong to this job."""
    if product.contents:
        return (product.path / product.contents[0]).is_file()
    if product.extension == ".tif":
        return product.path.is_file() and read_record(product.path).get("step") == "map"
    return product.path.is_file() or read_record(product.path).get("step") == "sample"


def _report(job: Job, stack: Stack, samples: Samples, *, done: Finished) -> Accuracy:
    denoiser, model = done.denoiser, done.model
    assert denoiser is not None
    assert model is not None
    if job.resume and not job.overwrite and job.report.exists():
        return _finished_report(job, samples, model)
    overwrite = job.overwrite or (done.mapped and not job.report.exists())  # an interrupted run may have begun it
    reference, context = _reference(samples, model), report_context(model, stack.spectral, denoiser)
    return assess(job.output, reference, output=job.report.parent, overwrite=overwrite, context=context)


def _reference(samples: Samples, model: Checkpoint) -> Samples | LeftOut:
    """What judges the map: the test part; without one, the labels as models of the other folds judged them."""
    return samples if len(samples.test) or model.left_out is None else model.left_out


def _finished_report(job: Job, samples: Samples, model: Checkpoint) -> Accuracy:
    """The accuracy of a job whose report is written; a report of something else is refused."""
    accuracy = assess(job.output, _reference(samples, model))
    if not is_report_of(job.report.parent, accuracy):
        raise _different_job(job.report.parent, OutputError)
    log.info("%s: already complete, skipped", job.report)
    log.info("all steps of this job are already complete; use `overwrite` to repeat them")
    return accuracy
