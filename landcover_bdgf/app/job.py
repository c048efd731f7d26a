"""The whole job on one scene: sample, pretrain, train, map, assess; every step's file is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landcover_bdgf.assessment import Accuracy, ReportContext, assess, report_product
from landcover_bdgf.errors import CheckpointError, OutputError
from landcover_bdgf.geo import plain_name
from landcover_bdgf.labels import (
    Samples,
    SampleSettings,
    is_samples_file,
    read_samples,
    sample,
    samples_lines,
    samples_product,
    write_samples,
)
from landcover_bdgf.mapping import MapSettings, check_map_space, check_partial, map_product, map_scene, part_path
from landcover_bdgf.model import Checkpoint, Kind, Recipe, Run, checkpoint_product, load_checkpoint, partial_path
from landcover_bdgf.progress import log
from landcover_bdgf.scene import Stack
from landcover_bdgf.settings import changed_settings
from landcover_bdgf.storage import PathLike, Product, atomic_output, changed_files, check, read_record
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
        """Where the files of the steps go: ``landcover.tif`` -> ``landcover_steps``."""
        return _steps_folder(self.output)


def run_job(stack: Stack, job: Job) -> Accuracy | None:
    """Map a scene from its labels; returns the accuracy on the held-out part, None when nothing is held out.

    Writes the map and its companions, the model, and in ``<map>_steps/`` the samples, the denoiser with a
    picture of denoised tiles, the losses, and the report.
    """
    _check_outputs(job, stack)
    plain_name(job.steps_folder / "samples.gpkg", OutputError)
    samples = sample(stack, job.labels, field=job.field, settings=job.sampling)
    for line in samples_lines(samples):
        log.info(line)
    job.steps_folder.mkdir(exist_ok=True)
    return _steps(stack, samples, job, job.steps_folder)


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


def _steps_folder(output: Path) -> Path:
    return output.parent / f"{output.stem}_steps"


def job_products(output: Path, model: Path, mapping: MapSettings) -> list[Product]:
    """The map, the model, and the products of the steps where their folder exists."""
    folder = _steps_folder(output)
    steps = [
        samples_product(folder / "samples.gpkg"),
        checkpoint_product(folder / "denoiser.safetensors"),
        report_product(folder / "report"),
    ]
    return [map_product(output, mapping), checkpoint_product(model), *(steps if folder.is_dir() else [])]


def keep_denoiser(
    denoiser: Checkpoint, stack: Stack, path: Path, *, run: Run, overwrite: bool, begun: bool = False
) -> None:
    """Save a denoiser, its losses (``.csv``) and a picture of what it does (``.png``)."""
    with atomic_output(path, overwrite=overwrite, begun=begun) as draft:
        _save(denoiser, draft)
        draw_denoised(denoiser, stack, draft.with_suffix(".png"), run=run)
    partial_path(path).unlink(missing_ok=True)


def keep_model(model: Checkpoint, path: Path, *, overwrite: bool, begun: bool = False) -> None:
    """Save a model and its losses (``.csv``); what was kept for ``--resume`` is done with."""
    with atomic_output(path, overwrite=overwrite, begun=begun) as draft:
        _save(model, draft)
    partial_path(path).unlink(missing_ok=True)


def _save(checkpoint: Checkpoint, draft: Path) -> None:
    checkpoint.save(draft)
    checkpoint.history.write_csv(draft.with_suffix(".csv"))


def _keep_samples(samples: Samples, path: Path, job: Job) -> None:
    """Write the samples; to go on, only where an interrupted run of this job has not, and over nobody else's."""
    overwrite = job.overwrite
    if job.resume and not overwrite:
        if is_samples_file(path) and read_samples(path).same_as(samples):
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
        partial_path(path).unlink(missing_ok=True)
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
    products = job_products(job.output, job.model, job.mapping)
    inputs = [job.labels, *stack.spectral.files, *stack.sar.files]
    check(*products, inputs=inputs, overwrite=True)
    new = [products[0], *(product for product in products[1:] if not (job.resume and _is_made(product)))]
    check(*new, overwrite=job.overwrite, resume=job.resume)
    check_partial(part_path(job.output, job.mapping), resume=job.resume, overwrite=job.overwrite)
    check_map_space(job.output, stack, job.mapping)


def _is_made(product: Product) -> bool:
    """Whether a step finds its file, or of samples the record: it says itself whether they are of this job."""
    return product.path.is_file() or read_record(product.path).get("step") == "sample"


def _report(job: Job, samples: Samples, denoiser: Checkpoint, model: Checkpoint) -> Accuracy:
    context = ReportContext(
        curves=(
            ("pre-training: L1 of the noise", denoiser.history.series("loss")),
            ("training: loss", model.history.series("loss")),
        ),
        settings=job.recipe.model_dump(mode="json"),
    )  # fmt: skip
    return assess(job.output, samples, output=job.steps_folder / "report", overwrite=job.overwrite, context=context)
