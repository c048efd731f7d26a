"""The STAC item of a model has what MLM 1.4 requires, and the item of a map links to it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_maps import GRID, write_map

from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.mapping.model_item import MLM, write_model_item
from landcover_bdgf.mapping.scene_map import map_scene
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.stac_item import model_item_path, write_stac_item
from landcover_bdgf.model.checkpoint import BandName, Checkpoint, ExtraLayers, load_checkpoint
from landcover_bdgf.scene.stack import Stack


def test_the_item(model: Checkpoint, tmp_path: Path) -> None:
    pystac = pytest.importorskip("pystac")
    extension = pytest.importorskip("pystac.extensions.mlm")
    heights = replace(model, extra=(ExtraLayers("dem", (BandName("height"),)),))
    path = tmp_path / "m é 1.model.safetensors"
    made = write_model_item(heights, path, [GRID], dates="2020-06-04")
    assert made == tmp_path / "m é 1.model.stac.json"
    values = json.loads(made.read_text(encoding="utf-8"))
    assert values["stac_version"].startswith("1.1")  # where properties may have bands
    assert values["stac_extensions"] == [MLM] == [extension.MLMExtension.get_schema_uri()]
    item = pystac.Item.from_dict(values)
    mlm = extension.MLMExtension.ext(item)  # raises if a required field is missing
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", mlm.mlm_name)
    assert (mlm.mlm_name, mlm.architecture, mlm.framework) == ("bdgf-m_1.model", "BDGF", "PyTorch")
    assert mlm.tasks == ["semantic-segmentation"]
    assert mlm.total_parameters == sum(array.size for array in model.weights.values())
    bands = [tuple(each.bands) for each in mlm.input]
    assert bands == [tuple(b.name for b in model.bands), tuple(b.name for b in model.sar_bands), ("height",)]
    assert [each["name"] for each in values["properties"]["bands"]] == [name for names in bands for name in names]
    for each in mlm.input:
        assert each.input.shape == [len(each.bands), -1, -1]
        assert each.input.dim_order == ["bands", "height", "width"]
    (output,) = mlm.output
    classes = values["properties"]["mlm:output"][0]["classification:classes"]
    assert [each["title"] for each in classes] == list(model.classes.names)
    assert output.result.data_type == "uint8"
    assert values["properties"]["mlm:hyperparameters"]["fusion"]["patch"] == model.recipe.fusion.patch
    asset = values["assets"]["model"]
    assert (asset["href"], asset["mlm:artifact_type"]) == (f"./{path.name}", "safetensors.numpy.save_file")
    assert "mlm:model" in asset["roles"]


def test_a_map_links_to_the_item_of_its_model(model: Checkpoint, stack: Stack, tmp_path: Path) -> None:
    pytest.importorskip("pystac")
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / "landcover.safetensors"
    model.save(file)
    settings = MapSettings(stac="2020-06-04")

    def links(path: Path) -> list[dict[str, str]]:
        return json.loads(path.with_suffix(".stac.json").read_text(encoding="utf-8"))["links"]  # type: ignore[no-any-return]

    map_scene(file, stack, tmp_path / "before.tif", settings=settings)
    assert links(tmp_path / "before.tif") == []
    write_model_item(model, file, [stack.grid], dates="2020-06-04")
    map_scene(load_checkpoint(file), stack, tmp_path / "after.tif", settings=settings)
    (link,) = links(tmp_path / "after.tif")
    assert (link["rel"], link["href"]) == ("derived_from", "./models/landcover.model.stac.json")
    map_scene(model, stack, tmp_path / "object.tif", settings=settings)
    assert links(tmp_path / "object.tif") == []


def test_the_item_of_a_model_of_several_scenes_shows_all_of_them(model: Checkpoint, tmp_path: Path) -> None:
    pytest.importorskip("pystac")
    grids = [GRID, GRID.shifted((5000.0, 0.0))]
    item = json.loads(write_model_item(model, tmp_path / "m.safetensors", grids, dates="2020-06-04").read_text())
    west, east = ([x for x, _ in polygon[0]] for polygon in item["geometry"]["coordinates"])
    assert item["geometry"]["type"] == "MultiPolygon"
    assert max(west) < min(east)
    assert (item["bbox"][0], item["bbox"][2]) == (min(west), max(east))


def test_names_of_items_differ(tmp_path: Path) -> None:
    assert model_item_path(tmp_path / "a.safetensors") == tmp_path / "a.model.stac.json"
    assert model_item_path(tmp_path / "model.safetensors") == tmp_path / "model.stac.json"
    pytest.importorskip("pystac")
    path = write_map(tmp_path / "a.tif", np.ones((60, 80), np.uint8), Legend.from_values(["water"]))
    assert write_stac_item(path, "2020-06-04", model=tmp_path / "a.safetensors") == tmp_path / "a.stac.json"
