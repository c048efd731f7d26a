"""Any flipped bit in a written file is found: maps with their companions, samples, checkpoints."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
from conftest import Bdgf, Tally, WriteTif
from surveys import maps, truth, write_labelled

from landcover_bdgf.app.info import describe, verify
from landcover_bdgf.errors import BdgfError, CheckpointError, LabelError, RasterError
from landcover_bdgf.labels.left_out import LeftOut
from landcover_bdgf.labels.sample_file import write_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.mapping.polygonizing import polygons
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.scaling_fit import with_scenes
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage.records import record_path
from landcover_bdgf.survey.drawing import design
from landcover_bdgf.survey.settings import DesignSettings

FLIPS = int(os.environ.get("BDGF_FLIPS", "60"))  # of each file; make trust asks for more


@pytest.fixture(scope="module")
def written(model: Checkpoint, stack: Stack, samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a map and its layers, samples, and a model."""
    folder = tmp_path_factory.mktemp("written")
    map_scene(model, stack, folder / "map.tif", settings=MapSettings(confidence=True, novelty=True))
    write_samples(samples, folder / "samples.gpkg")
    model.save(folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("verified", "error", "files"),
    [
        ("map.tif", RasterError, "map.tif map_confidence.tif map_novelty.tif map.tif.aux.xml map.qml map.tif.json"),
        ("samples.gpkg", LabelError, "samples.gpkg samples.gpkg.json"),
        ("model.safetensors", CheckpointError, "model.safetensors"),
    ],
)
def test_any_flipped_bit_is_found(
    verified: str, error: type[BdgfError], files: str, written: Path, bdgf: Bdgf, tally: Tally
) -> None:
    assert bdgf("info", written / verified, "--verify") == 0
    for flipped in files.split():
        whole = (written / flipped).read_bytes()
        rng = np.random.default_rng(sum(flipped.encode()))
        head = min(len(whole), 40_000)  # the header; half of the flips fall there
        places = np.r_[rng.integers(0, 8 * head, FLIPS // 2), rng.integers(0, 8 * len(whole), FLIPS - FLIPS // 2)]
        for place in places:
            spoiled = bytearray(whole)
            spoiled[place // 8] ^= 1 << (place % 8)
            (written / flipped).write_bytes(spoiled)
            with pytest.raises(error):
                verify(written / verified)
        (written / flipped).write_bytes(whole)
        tally("flipped bit in maps, samples and checkpoints, noticed", FLIPS)
    assert "unchanged" in verify(written / verified)


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        ({}, {}),
        ({"masked": {"share": 0.125, "files": [{"file": "scl.tif"}]}}, {"masked": "12.5 % by scl.tif"}),
        (
            {"masked": {"share": 0.5, "files": [{"file": "a"}, {"file": "b"}], "mapped": True}},
            {"masked": "50.0 % by a, b, but mapped"},
        ),
        ({"area": {"file": "city.gpkg", "pixels": 7}}, {"area of interest": "7 px in city.gpkg"}),
        ({"masked": 3, "area": "x"}, {}),
    ],
)
def test_what_was_left_out_of_a_map_is_shown(written: Path, tmp_path: Path, limits: dict, shown: dict) -> None:
    found = json.loads(record_path(written / "map.tif").read_text())
    for file in written.glob("map*"):
        shutil.copy(file, tmp_path)
    record_path(tmp_path / "map.tif").write_text(json.dumps(found | limits))
    values = describe(tmp_path / "map.tif")
    assert {key: value for key, value in values.items() if key in ("masked", "area of interest")} == shown


def test_what_the_folds_tell_is_shown(model: Checkpoint, tmp_path: Path) -> None:
    names = {"judged labels", "shares of the experts", "averaged windows", "temperature"}
    replace(model, left_out=None).save(tmp_path / "alone.safetensors")
    assert not names & set(describe(tmp_path / "alone.safetensors"))
    pixels = np.arange(4)
    left_out = LeftOut(*(pixels.astype(kind) for kind in ("i4", "i4", "u2", "u2", "f4", "f4", "u1", "i4", "u2")))
    shares = {"windows": 0.25, "surroundings": 0.5, "pixel": 0.25}
    replace(model, left_out=left_out, shares=shares, similar=16.0, temperature=1.5).save(tmp_path / "m.safetensors")
    found = describe(tmp_path / "m.safetensors")
    assert found["judged labels"] == "4 px in 4 folds"
    assert found["shares of the experts"] == "windows 25%, surroundings 50%, pixel 25%"
    assert found["temperature"] == 1.5


def test_how_scenes_are_scaled_is_shown(model: Checkpoint, stack: Stack, tmp_path: Path) -> None:
    scaling = with_scenes(model.scaling, [stack], exclude=None, seed=0)
    for name, made, shown in (
        ("one", model, "of all scenes together"),
        ("other", replace(model, scaling=scaling), "of each scene by its own values"),
    ):
        made.save(tmp_path / f"{name}.safetensors")
        assert describe(tmp_path / f"{name}.safetensors")["scaling"] == shown


def test_signal_to_noise_ratios_of_the_components_of_many_bands_are_shown(model: Checkpoint, tmp_path: Path) -> None:
    name = "signal-to-noise of components"
    model.save(tmp_path / "few.safetensors")
    assert name not in describe(tmp_path / "few.safetensors")
    snr = np.float32([123456, 7.891, 1.04])
    replace(model, scaling=replace(model.scaling, snr=snr)).save(tmp_path / "many.safetensors")
    assert describe(tmp_path / "many.safetensors")[name] == [123_000, 7.89, 1.04]


def test_a_missing_file_and_a_missing_record_or_that_of_another_map_are_reported(written: Path, tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="does not exist"):
        verify(written / "none.tif")
    with pytest.raises(RasterError, match=r"map_novelty\.tif: has no record map_novelty\.tif\.json"):
        verify(written / "map_novelty.tif")
    other = tmp_path / "other.tif"
    other.write_bytes((written / "map.tif").read_bytes())
    record_path(other).write_bytes(record_path(written / "map.tif").read_bytes())
    with pytest.raises(RasterError, match=r"other\.tif: has changed since it was written"):
        verify(other)


def test_what_was_done_to_a_map_is_shown(written: Path, tmp_path: Path) -> None:
    assert describe(written / "map.tif")["layers"] == "confidence, novelty"
    for name in ("map.tif", "map.tif.aux.xml"):
        shutil.copy(written / name, tmp_path)
    values = json.loads(record_path(written / "map.tif").read_text()) | {
        "sets": {"level": 0.9, "coverage": 0.93}, "merge": ["built=roof,road"], "sieve": {"min_area": "1ha"},
        "sieved_px": 7,
    }  # fmt: skip
    record_path(tmp_path / "map.tif").write_text(json.dumps(values))
    found = describe(tmp_path / "map.tif")
    assert found["prediction sets"] == "of level 0.9; on left-out labels they hold 93 %"
    assert found["merged classes"] == "built=roof,road"
    assert found["sieved"] == "patches below 1ha (7 px changed); layers are of the map before"


def test_warnings_and_novel_pixels_of_a_map_are_shown(written: Path, tmp_path: Path) -> None:
    found = json.loads(record_path(written / "map.tif").read_text())
    for file in written.glob("map*"):
        shutil.copy(file, tmp_path)
    told = {"warnings": ["haze"], "model": {"warnings": ["few labels"]}, "novelty": {"novel_px": 1, "compared_px": 8}}
    for more, warnings, novel in (
        (told, ["haze", "few labels"], "12.5 % of the pixels"),
        (dict.fromkeys(told), None, None),
    ):
        record_path(tmp_path / "map.tif").write_text(json.dumps(found | more))
        values = describe(tmp_path / "map.tif")
        assert (values.get("warnings"), values.get("novel")) == (warnings, novel)


def test_warnings_of_a_training_are_shown(model: Checkpoint, tmp_path: Path) -> None:
    model.warned(["few labels"]).save(tmp_path / "m.safetensors")
    assert describe(tmp_path / "m.safetensors")["warnings"] == ["few labels"]


def test_points_of_a_design_are_shown(tmp_path: Path) -> None:
    path = maps(tmp_path)[1]
    drawn = design(path, DesignSettings(points=120, allocation="equal", seed=3), output=tmp_path / "p.gpkg")
    assert describe(tmp_path / "p.gpkg")["labelled"] == "0 of 120"
    write_labelled(drawn, tmp_path / "q.gpkg", truth())
    found = describe(tmp_path / "q.gpkg")
    assert (found["kind"], found["points"]) == ("points of a probability sample", 120)
    assert (found["sampling"], found["strata from"]) == ("stratified", f"classes of {path.name}")
    assert found["labelled"] == "120 of 120"
    first = found["strata"][0]
    assert first.startswith(f"{drawn.names[0]}: 30 of 30 points labelled, {drawn.pixels[0]} px, ")
    assert found["seed"] == 3


def test_polygons_of_a_map_and_other_vector_files_are_shown(tmp_path: Path) -> None:
    polygons(maps(tmp_path)[1], tmp_path / "p.gpkg")
    found = describe(tmp_path / "p.gpkg")
    assert found["kind"] == "polygons of a map"
    geopandas.read_file(tmp_path / "p.gpkg", layer="land_cover").to_file(tmp_path / "copy.shp")
    other = describe(tmp_path / "copy.shp")
    assert (other["kind"], other["features"]) == ("vector file", found["features"])
    fields = [text.split(":")[0] for text in other["fields (with the number of features)"]]
    assert fields == ["code", "class", "pixels", "area_m2", "area_ha"]


def test_lists_are_shown_as_text(bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = maps(tmp_path)[1]
    polygons(path, tmp_path / "p.gpkg")
    assert bdgf("info", "p.gpkg") == 0
    shown = capsys.readouterr().out.splitlines()[2]
    assert shown.startswith("fields (with the number of features): code: ")
    assert "; class: " in shown


def test_classes_of_a_raster_of_another_program_are_shown(write_tif: WriteTif) -> None:
    path = write_tif("worldcover.tif", np.array([[10, 80]], np.uint8))
    assert "classes" not in describe(path)
    assert describe(path)["nodata"] == "none declared"
    entries = [
        f'<paletteEntry value="{v}" label="{name}" color="#00{v}ff"/>' for v, name in ((10, "Tree"), (80, "Sea"))
    ]
    path.with_suffix(".qml").write_text(f"<qgis>{''.join(entries)}</qgis>")
    found = describe(path)
    assert (found["kind"], found["classes"]) == ("raster", ["10 Tree #0010ff", "80 Sea #0080ff"])
