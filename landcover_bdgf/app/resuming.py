"""What an interrupted run has left, and how to continue it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from landcover_bdgf.errors import BdgfError, OutputError

if TYPE_CHECKING:
    from landcover_bdgf.storage import Product

CONTINUE = "Continue with `resume`."


def steps_folder(output: Path) -> Path:
    """Folder of the files of the steps of a whole job, e.g. ``landcover_steps`` for ``landcover.tif``."""
    return output.parent / f"{output.stem}_steps"


def is_begun(output: Path) -> bool:
    """Whether an interrupted run of a whole job has left the files of its first steps, but no report."""
    from landcover_bdgf.storage import read_record  # loads pydantic

    folder = steps_folder(output)
    drawn = read_record(folder / "samples.gpkg").get("step") == "sample"
    return drawn and not (folder / "report" / "report.html").exists()


def check_not_begun(output: Path, *, overwrite: bool, resume: bool) -> None:
    """OutputError if an interrupted run of a whole job was neither continued nor given up."""
    if is_begun(output) and not (overwrite or resume):
        remedy = "Continue with `resume`, start over with `overwrite`, or choose another name for the map."
        raise OutputError(steps_folder(output), "was left by an interrupted run", remedy)


@contextmanager
def telling_resume(products: Sequence[Product], job: Path | None = None) -> Iterator[None]:
    """Add a note to an exception in the block if the run can be continued after it, unless what was left is at fault.

    ``job`` is the map of a whole job.
    """
    try:
        yield
    except BaseException as error:
        left = [file for product in products if product.begun for file in product.scratch]
        at_fault = isinstance(error, BdgfError) and Path(str(error.path)) in left
        if (left or (job is not None and is_begun(job))) and not at_fault:
            error.add_note(CONTINUE)
        raise
