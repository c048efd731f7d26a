"""Map a small simulated scene from its labels, to try the program."""

from __future__ import annotations

import os
from pathlib import Path

from landcover_bdgf.app.job import Job, run_job
from landcover_bdgf.app.job_files import job_products
from landcover_bdgf.assessment import Accuracy
from landcover_bdgf.errors import OutputError, opening
from landcover_bdgf.mapping import MapSettings
from landcover_bdgf.model import Recipe, Run
from landcover_bdgf.progress import log
from landcover_bdgf.scene import align, simulate, write_scene
from landcover_bdgf.storage import reserved

STEPS = 300  # enough for so small a scene: a demo should not take minutes


def run_demo(folder: Path, recipe: Recipe, run: Run, *, overwrite: bool) -> tuple[Accuracy, dict[str, Path]]:
    """Write a simulated scene with labels to ``folder`` and map it; returns the accuracy and the output files."""
    _check_folder(folder)
    folder.mkdir(exist_ok=True)
    files = write_scene(simulate(seed=run.seed), folder, overwrite=overwrite, seed=run.seed)
    log.info("simulated scene of 160 × 176 pixels with six classes")
    training = recipe.training.model_copy(update={"steps": recipe.training.steps or STEPS})
    job = Job(
        files.labels, files.field, folder / "landcover.tif", folder / "landcover.model.safetensors",
        recipe.model_copy(update={"training": training}),
        mapping=MapSettings(confidence=True), run=run, overwrite=overwrite,
    )  # fmt: skip
    with reserved(*job_products(job.output, job.model, job.mapping)), align(files.spectral, files.sar) as stack:
        accuracy = run_job(stack, job)
    assert accuracy is not None  # folds judge the labels, or polygons are held out
    return accuracy, {"map": job.output, "report": job.report, "model": job.model}


@opening(OutputError)
def _check_folder(folder: Path) -> None:
    os.fspath(folder).encode()  # raises for a name that is not UTF-8
    if os.path.lexists(folder) and not folder.is_dir():
        raise OutputError(folder, "is a file, not a folder", "Choose another name.")
    if not os.access(folder if folder.is_dir() else folder.absolute().parent, os.W_OK | os.X_OK):
        raise OutputError(folder, "cannot be created, its parent is missing or read-only", "Choose another folder.")
