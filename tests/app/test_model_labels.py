"""The labels of a model judge the map that it made, if models of other folds judged them."""

from dataclasses import replace
from pathlib import Path

import pytest

from landcover_bdgf.app.model_labels import judged_model
from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.mapping import MapSettings, map_scene
from landcover_bdgf.model import Checkpoint
from landcover_bdgf.scene import Stack


def test_only_the_map_of_a_model_with_judged_labels_is_judged(model: Checkpoint, stack: Stack, tmp_path: Path) -> None:
    file, made = tmp_path / "m.safetensors", tmp_path / "map.tif"
    model.save(file)
    with pytest.raises(RasterError, match=r"map\.tif: does not exist"):
        judged_model(file, made)
    map_scene(file, stack, made, settings=MapSettings(force=True))
    assert model.left_out is not None
    assert (judged_model(file, made)[1].codes == model.left_out.codes).all()
    replace(model, left_out=None).save(file, overwrite=True)
    with pytest.raises(LabelError, match="was trained without folds, so its labels were not judged"):
        judged_model(file, made)
    replace(model, provenance=model.provenance | {"training": {}}).save(file, overwrite=True)
    with pytest.raises(LabelError, match=r"is not the model that made .*map\.tif"):
        judged_model(file, made)
