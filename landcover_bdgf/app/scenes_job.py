"""The whole job on many scenes: sample, pretrain and train one model on those with labels, map all, assess."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from landcover_bdgf.app.job import check_novelty, check_settings, keep_denoiser, keep_model
from landcover_bdgf.app.job_files import model_product
from landcover_bdgf.app.report_context import report_context
from landcover_bdgf.app.resuming import CONTINUE
from landcover_bdgf.app.terminal import message
from landcover_bdgf.assessment import Accuracy, assess, report_product
from landcover_bdgf.errors import BdgfError, CheckpointError, OutputError, SettingsError
from landcover_bdgf.labels import JoinedSamples, LabelledScene, SampleSettings, sample_scenes, samples_lines
from landcover_bdgf.mapping import (
    MapSettings,
    SceneResult,
    check_map,
    check_scene_maps,
    map_scenes,
    opened_client,
    write_model_item,
)
from landcover_bdgf.model import Checkpoint, Recipe, Run, checkpoint_product, load_checkpoint, partial_path
from landcover_bdgf.processes import is_first, joined
from landcover_bdgf.progress import errors_only, log
from landcover_bdgf.scene import SceneRow, Stack
from landcover_bdgf.settings import changed_settings
from landcover_bdgf.storage import Product, check, reserved, without_warnings
from landcover_bdgf.training import pretrain, pretraining_record, train, training_record


@dataclass(frozen=True)
class ScenesJob:
    """Arguments of :func:`run_scenes_job` besides the scenes.

    Attributes
    ----------
    folder : Path
        Of the maps, ``model.safetensors``, ``denoiser.safetensors`` and ``report/``.
    recipe, sampling, mapping, run
        Settings of the steps.
    overwrite, resume : bool
        Replace existing outputs; continue an interrupted run of the same job.
    dask : str, optional
        Whose workers compute the maps, as :func:`~landcover_bdgf.mapping.opened_client`; this process trains before.
    """

    folder: Path
    recipe: Recipe
    sampling: SampleSettings = dataclasses.field(default_factory=SampleSettings)
    mapping: MapSettings = dataclasses.field(default_factory=MapSettings)
    run: Run = dataclasses.field(default_factory=Run)
    overwrite: bool = False
    resume: bool = False
    dask: str | None = None

    __repr__ = changed_settings

    @property
    def denoiser(self) -> Path:
        """The denoiser."""
        return self.folder / "denoiser.safetensors"

    @property
    def model(self) -> Path:
        """The model of all scenes."""
        return self.folder / "model.safetensors"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.folder / "report"


def run_scenes_job(rows: Sequence[SceneRow], job: ScenesJob) -> tuple[list[SceneResult], Accuracy | None]:
    """Map the scenes of a table with one model of those that have labels.

    The report is of the first mapped scene with labels, with a row for each other; None if no labels were judged.
    Scenes without labels serve pre-training only. Each labelled row has a field. What a later step would refuse is
    refused before the first. Several processes train together; the first of them writes, maps and assesses.
    """
    labelled = [row for row in rows if row.labels is not None]
    if not labelled:
        raise SettingsError("`model`", "is missing, and the table names no labels", "Give one of both.")
    check_settings(job.mapping)
    check_scene_maps(rows, job.folder, job.mapping, overwrite=job.overwrite, resume=job.resume)
    products = [checkpoint_product(job.denoiser), model_product(job.model, job.mapping)]
    _check_outputs(products, job)
    joined().meet()  # nothing is written before all have looked at what is there
    with reserved(*products if is_first() else ()):
        try:
            model = _model(rows, job)
        except KeyboardInterrupt as stopped:
            if any(file.exists() for product in products for file in product.files):
                stopped.add_note(CONTINUE)
            raise
    if not is_first():
        return [], None
    with opened_client(job.dask) as client:
        results = map_scenes(
            rows, replace(model, file=job.model), job.folder,
            settings=job.mapping, run=job.run, overwrite=job.overwrite, resume=job.resume, client=client, tell=message,
        )  # fmt: skip
    return results, _report(rows, results, model, job)


def _write_item(scenes: Sequence[tuple[Stack, SceneRow]], model: Checkpoint, job: ScenesJob, dates: str) -> None:
    """The STAC item of the model of some scenes; ``dates`` are those of scenes without a date of their own."""
    days = sorted(day.strip() for _, row in scenes for day in (row.date or dates).split("/"))
    dates = "/".join(dict.fromkeys([days[0], days[-1]]))
    grids, replaced = [stack.grid for stack, _ in scenes], job.overwrite or job.resume
    write_model_item(model, job.model, grids, dates=dates, overwrite=replaced)


def _check_outputs(products: Sequence[Product], job: ScenesJob) -> None:
    """Refuse models and a report that must not be replaced."""
    may_replace = job.overwrite or job.resume
    left = [file for product in products for file in product.files if file.exists()]
    if left and not may_replace:
        remedy = "Continue with `resume`, start over with `overwrite`, or choose another folder."
        raise OutputError(left[0], "was left by an earlier run", remedy)
    check(*products, report_product(job.report), overwrite=may_replace)


def _opened(rows: Sequence[SceneRow], job: ScenesJob) -> list[Stack]:
    """The images of all rows, once each could be mapped."""
    stacks, mapping = [], replace(job.mapping, polygons=None, map_masked=False)  # those of a map are checked with it
    for position, row in enumerate(rows, 1):
        log.info("scene %d of %d: %s", position, len(rows), row.name)
        try:
            stacks.append(row.stack())
            check_map(job.folder / f"{row.name}.tif", stacks[-1], job.recipe, settings=mapping, run=job.run)
        except BdgfError as error:
            where = f"line {row.line} of the table"
            raise type(error)(error.path, f"{error.problem} ({where})", error.remedy) from error
    return stacks


def _model(rows: Sequence[SceneRow], job: ScenesJob) -> Checkpoint:
    """The model of all scenes with labels, as an interrupted run left it, or trained."""
    given = [*zip(_opened(rows, job), rows, strict=True)]
    scenes = [LabelledScene(stack, row.labels, row.field) for stack, row in given if row.labels and row.field]
    stacks = [scene.stack for scene in scenes]
    samples = sample_scenes(scenes, job.sampling)
    for line in samples_lines(samples):
        log.info(line)
    check_novelty(samples, job.mapping, job.run)
    seen = [*stacks, *(stack for stack, row in given if row.labels is None)]
    before = pretraining_record(seen, samples, job.run)
    denoiser = _finished(job.denoiser, job, before)
    if denoiser is None:
        denoiser = _pretrained(seen, samples, job)
    made = training_record(stacks, samples, replace(denoiser, provenance=before), job.recipe, job.run)
    model = _finished(job.model, job, made)
    if model is None:
        partial = partial_path(job.model)
        resume = job.resume and partial.exists()
        model = train(
            stacks, samples, denoiser=denoiser, recipe=job.recipe, run=job.run, partial=partial, resume=resume
        )
        keep_model(model, job.model, overwrite=job.overwrite, begun=resume)
    if job.mapping.stac and is_first():
        _write_item([(stack, row) for stack, row in given if row.labels is not None], model, job, job.mapping.stac)
    for stack in seen:
        stack.close()
    return model


def _pretrained(stacks: list[Stack], samples: JoinedSamples, job: ScenesJob) -> Checkpoint:
    partial = partial_path(job.denoiser)
    resume = job.resume and partial.exists()
    denoiser = pretrain(stacks, job.recipe, samples=samples, run=job.run, partial=partial, resume=resume)
    keep_denoiser(denoiser, stacks[0], job.denoiser, run=job.run, overwrite=job.overwrite, begun=resume)
    return denoiser


def _finished(path: Path, job: ScenesJob, made: dict[str, Any]) -> Checkpoint | None:
    """What an interrupted run of this job has finished, if anything; CheckpointError for a file of another job."""
    if not job.resume or job.overwrite or not path.exists():
        return None
    found = load_checkpoint(path)
    parts = ("diffusion", "spectral", "scaling", "features")  # of the recipe, those that a denoiser is made of
    same = found.recipe == job.recipe
    if found.kind == "denoiser":
        same = all(getattr(found.recipe, part) == getattr(job.recipe, part) for part in parts)
    if same and without_warnings(found.provenance) == made:
        log.info("%s: already complete, skipped", path)
        return found
    remedy = "Give those of that run to continue it with `resume`, or replace it with `overwrite`."
    raise CheckpointError(path, "was made with different scenes, labels, settings, seed or version", remedy)


def _report(rows: Sequence[SceneRow], results: list[SceneResult], model: Checkpoint, job: ScenesJob) -> Accuracy | None:
    pairs = zip(rows, results, strict=True)
    mapped = [(row, each) for row, each in pairs if row.labels is not None and each.error is None]
    if model.left_out is None or not mapped:
        log.warning("no labels were judged, so there is no report")
        return None
    row, first = mapped[0]
    with errors_only(), row.stack() as stack:  # what there is to tell was told when it was mapped
        context = report_context(model, stack.spectral, load_checkpoint(job.denoiser, "denoiser"))
    others = " and the other scenes of its model" if sum(each.labels is not None for each in rows) > 1 else ""
    context = replace(context, title=f"Accuracy of {first.name}{others}")
    overwrite = job.overwrite or job.resume
    return assess(first.path, model.left_out, output=job.report, overwrite=overwrite, context=context)
