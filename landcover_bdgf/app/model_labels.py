"""The labels of a model that made a map, as models of the other folds judged them."""

from __future__ import annotations

from pathlib import Path

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.labels import LeftOut
from landcover_bdgf.model import Checkpoint, load_checkpoint
from landcover_bdgf.storage import read_record


def judged_model(model: Path, map_path: Path) -> tuple[Checkpoint, LeftOut]:
    """The model of a map, and its labels as judged by models that have not seen them.

    LabelError if they were not judged, or if another model made the map; RasterError if there is no map.
    """
    if not map_path.exists():
        raise RasterError(map_path, "does not exist", "Check its name and the folder you are in.")
    found = load_checkpoint(model, "model")
    if found.left_out is None:
        remedy = "Train it with `training.folds=3`, or use other labels."
        raise LabelError(model, "was trained without folds, so its labels were not judged", remedy)
    if read_record(map_path).get("training") != found.provenance.get("training"):
        raise LabelError(model, f"is not the model that made {map_path}", "Use its model, or other labels.")
    if read_record(map_path).get("merge"):
        remedy = "Use other labels, or train a model of the merged classes."
        raise LabelError(model, f"has other classes than {map_path}, where some are merged", remedy)
    return found, found.left_out
