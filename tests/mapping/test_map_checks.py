"""What cannot give a map is refused before it is computed; a map of a scene that the model does not know, before it is
written."""

import json
import os
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from landcover_bdgf.errors import OutputError, RasterError, SettingsError
from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.mapping import map_checks, scene_map
from landcover_bdgf.mapping.map_checks import check_map
from landcover_bdgf.mapping.memory import MemoryUse
from landcover_bdgf.mapping.scene_map import map_scene
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classifier
from landcover_bdgf.model.recipe import Recipe, changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.pixel_set import PixelSet
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.scene.time_series import TimeSeries


@pytest.mark.parametrize(("tile_px", "problem"), [(10, "is smaller than the 20 px"), (20_000, "needs too much memory")])
def test_tiles_are_neither_too_small_nor_too_large(
    tile_px: int, problem: str, model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=f"`tile_px={tile_px}`: {problem}"):
        map_scene(model, wide_stack, tmp_path / "new.tif", settings=MapSettings(tile_px=tile_px))
    assert not os.listdir(tmp_path)


def test_prediction_sets_need_folds(wide_stack: Stack, tmp_path: Path) -> None:
    recipe = changed(Recipe(), ("training.folds=0",))
    with pytest.raises(SettingsError, match="`sets`: needs labels that models of other folds have judged"):
        check_map(tmp_path / "map.tif", wide_stack, recipe, settings=MapSettings(sets=0.9), run=Run())


def test_classifying_masked_pixels_needs_a_mask(model: Checkpoint, wide_stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="`map_masked`: has no effect, as nothing is masked in this scene"):
        map_scene(model, wide_stack, tmp_path / "map.tif", settings=MapSettings(map_masked=True))
    clouds = TimeSeries(wide_stack.grid, 0.5, {date(2023, 6, 4): PixelSet.of(np.ones(wide_stack.grid.shape_hw, bool))})
    dated = replace(wide_stack, spectral=replace(wide_stack.spectral, series=clouds))
    with pytest.raises(SettingsError, match=r"as pixels that are masked at a date are filled\. Leave it out"):
        check_map(tmp_path / "map.tif", dated, Recipe(), settings=MapSettings(map_masked=True), run=Run())


def test_disk_space_is_checked_before_a_map_is_computed(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene_map, "compute_map", lambda *arguments: pytest.fail("it computes"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2 * 300 * 200 * 2 - 1))
    with pytest.raises(OutputError, match=r"map\.tif: needs 0\.00024 GB of disk while it is written"):
        map_scene(model, wide_stack, tmp_path / "map.tif", settings=MapSettings(confidence=True))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(("classes", "free"), [(6, 2 * 1 + 2), (300, 2 * 2 + 3)])
def test_a_sieve_needs_more_disk_and_memory(
    classes: int, free: int, wide_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the disk its codes and a mask without compression; in memory the whole map."""
    output, recipe, pixels = tmp_path / "map.tif", Recipe(), 300 * 200
    limits: list[MemoryUse] = []
    monkeypatch.setattr(map_checks, "fitting", lambda use, *_, **__: (limits.append(use), (128, 1))[1])
    for settings in (MapSettings(max_ram="4GB"), MapSettings(max_ram="4GB", min_area="3px")):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free * pixels))
        check_map(output, wide_stack, recipe, settings=settings, run=Run(), classes=classes)
    assert [use.sieve_bytes for use in limits] == [0, pixels * (1 if classes < 255 else 2)]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free * pixels - 1))
    with pytest.raises(OutputError, match="of disk while it is written"):
        check_map(output, wide_stack, recipe, settings=settings, run=Run(), classes=classes)


def test_the_share_of_novel_pixels_is_said_from_all_blocks_or_a_sample(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def said(settings: MapSettings) -> str:
        caplog.clear()
        with caplog.at_level("INFO"):
            map_scene(model, wide_stack, tmp_path / "map.tif", settings=settings, overwrite=True)
        return next(text for text in caplog.messages if "are novel" in text)

    whole = said(MapSettings(novelty=True))
    with rasterio.open(layer_path(tmp_path / "map.tif", "novelty")) as file:
        p = file.read(1)
    share = 100 * (p == 0).sum() / (p != 255).sum()
    assert whole == (
        f"{share:.1f} % of the pixels are novel (p < 0.01): farther from the training data than 99 % of the training "
        "pixels"
    )
    assert said(MapSettings()) == f"{whole}; `novelty` shows where"  # of a small scene, all pixels are compared
    monkeypatch.setattr(map_checks, "SMALL_PX", 0)
    sample = said(MapSettings())
    assert sample.startswith("about ")
    assert sample.endswith("pixels; `novelty` shows where")


def test_a_map_of_mostly_novel_pixels_is_written_only_by_force(
    stranger: Checkpoint, wide_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finished windows stay, so that the map is then written without computing it again."""
    path = tmp_path / "m.tif"
    with pytest.raises(RasterError, match="100 % of its pixels are unlike all training data") as refused:
        map_scene(stranger, wide_stack, path)
    assert "`resume` and `force`" in refused.value.remedy
    assert not path.exists()
    monkeypatch.setattr(Classifier, "classify", None)
    assert map_scene(stranger, wide_stack, path, settings=MapSettings(force=True), resume=True) == path
    found = json.loads((tmp_path / "m.tif.json").read_text(encoding="utf-8"))
    assert found["novelty"]["novel_px"] == found["novelty"]["compared_px"] > 0
    assert any("100.0 % of the pixels are novel" in text for text in found["warnings"])
    assert not list(tmp_path.glob("*.partial"))
