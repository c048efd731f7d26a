"""The main job on a small simulated scene, for a first look."""

from __future__ import annotations

import os
from pathlib import Path

from landcover_bdgf.app.job import Job, job_products, run_job
from landcover_bdgf.assessment import Accuracy
from landcover_bdgf.errors import OutputError, opening
from landcover_bdgf.mapping import MapSettings
from landcover_bdgf.model import Recipe, Run
from landcover_bdgf.progress import log
from landcover_bdgf.scene import align, simulate, write_scene
from landcover_bdgf.storage import reserved


def run_demo(folder: Path, recipe: Recipe, run: Run, *, overwrite: bool) -> tuple[Accuracy, dict[str, Path]]:
    """Write a simulated scene with labels into ``folder``, map it, and name the files that came out."""
    _check_place(folder)
    folder.mkdir(exist_ok=True)
    files = write_scene(simulate(seed=run.seed), folder, overwrite=overwrite, seed=run.seed)
    log.info("a simulated scene of 160 × 176 pixels, six classes; nothing in it is measured")
    job = Job(
        files.labels, files.field, folder / "landcover.tif", folder / "model.safetensors", recipe,
        mapping=MapSettings(confidence=True), run=run, overwrite=overwrite,
    )  # fmt: skip
    with reserved(*job_products(job.output, job.model, job.mapping)), align(files.spectral, files.sar) as stack:
        accuracy = run_job(stack, job)
    if accuracy is None:
        raise AssertionError("the demo holds test polygons out")
    return accuracy, {
        "map": job.output,
        "report": job.steps_folder / "report" / "report.html",
        "model": job.model,
    }


@opening(OutputError)
def _check_place(folder: Path) -> None:
    os.fspath(folder).encode()  # see storage.check
    if os.path.lexists(folder) and not folder.is_dir():
        raise OutputError(folder, "is a file, the demo makes a folder", "Name another.")
    if not os.access(folder if folder.is_dir() else folder.absolute().parent, os.W_OK | os.X_OK):
        raise OutputError(folder, "cannot be made here, the folder is missing or read-only", "Name another.")
