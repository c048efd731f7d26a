"""The commands as a user types them: output, error line, exit code."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from conftest import SHORT_OPTIONS as QUICK, Bdgf
from rasterio.windows import Window

from landcover_bdgf.labels.sample_file import read_samples
from landcover_bdgf.model.checkpoint import Checkpoint, load_checkpoint
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.simulation import SceneFiles
from landcover_bdgf.training import loop


def labels_of(scene: SceneFiles) -> list[object]:
    return ["--labels", scene.labels, "--field", "class"]


def test_the_main_job_and_the_map_from_its_model(
    bdgf: Bdgf, scene_files: SceneFiles, finished_job: Path, job_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = (finished_job / "out.txt").read_text()
    assert "overall accuracy" in out
    written = {str(path.relative_to(finished_job)) for path in finished_job.rglob("*")}
    assert written >= {
        "map.tif", "map.qml", "map.tif.aux.xml", "map.tif.json", "map_confidence.tif", "map_confidence.qml",
        "map.model.safetensors",
        "map_steps/samples.gpkg", "map_steps/denoiser.safetensors", "map_steps/denoiser.csv", "map_steps/denoiser.png",
        "map_steps/report/report.html",
    }  # fmt: skip
    before = Path(shutil.copy(finished_job / "map.model.safetensors", "map.model.safetensors")).read_bytes()
    again = ["map", scene_files.spectral, scene_files.sar, "-o", "again.tif", "--model", "map.model.safetensors"]
    assert bdgf(*again, "--tile", 64, "-q") == 0
    assert Path("again.tif").read_bytes() == (finished_job / "map.tif").read_bytes()
    assert capsys.readouterr() == ("again.tif: land-cover map\n", "")
    assert bdgf(*job_words) == 6
    assert "map.model.safetensors: exists already" in capsys.readouterr().err
    assert Path("map.model.safetensors").read_bytes() == before


def test_the_main_job_with_a_mask_and_an_area_of_interest(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    """Masked pixels and those outside the area are 0 in the map and in no sample; record and report say so."""
    with rasterio.open(scene_files.spectral) as image:
        t, crs, scene_px = image.transform, image.crs, image.width * image.height
    clouds = np.full((52, 60), 4, np.uint8)  # of twice the pixel size
    clouds[10:20, 8:16], clouds[30, 30] = 9, 3
    halved = {"width": 60, "height": 52, "transform": t * t.scale(2)}
    with rasterio.open("scl.tif", "w", driver="GTiff", count=1, dtype="uint8", crs=crs, **halved) as file:
        file.write(clouds, 1)
    on_ground = [(t.c + t.a * col, t.f + t.e * row) for col, row in ((5, 5), (115, 5), (115, 70), (5, 99))]
    geopandas.GeoDataFrame(geometry=[shapely.Polygon(on_ground)], crs=crs).to_crs(4326).to_file("aoi.gpkg")
    pair = [scene_files.spectral, scene_files.sar, "--mask", "scl.tif", "--aoi", "aoi.gpkg"]
    assert bdgf("map", *pair, "-o", "map.tif", *labels_of(scene_files), *QUICK, "--json") == 0
    out, err = capsys.readouterr()
    masked = np.isin(clouds, (3, 9)).repeat(2, 0).repeat(2, 1)
    stack = align(*pair[:2], settings=AlignSettings(mask=("scl.tif",), aoi="aoi.gpkg"))
    inside = stack.read_inside(Window(0, 0, 120, 104))
    share = masked[inside].mean()
    assert f"bdgf: scl.tif: {100 * share:.1f} % of the area of interest is masked: cloud " in err
    with rasterio.open("map.tif") as file:
        codes = file.read(1)
    assert not codes[masked | ~inside].any()
    assert codes.any()
    samples = read_samples("map_steps/samples.gpkg")
    assert inside[samples.rows, samples.cols].all()
    assert not masked[samples.rows, samples.cols].any()
    assert samples.split.dropped["masked"] > 0
    assert samples.split.dropped["outside the area of interest"] > 0
    for found in (json.loads(Path("map.tif.json").read_text()), json.loads(out)["accuracy"]):
        assert found["area"] == {"file": "aoi.gpkg", "pixels": inside.sum(), "share": inside.sum() / scene_px}
        assert found["masked"]["share"] == share
    page = Path("map_steps/report/report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert f"{100 * share:.1f} % of the area was masked and is 0 in the map, by scl.tif (cloud " in page
    assert bdgf("check", *pair) == 0
    valid = stack.read_valid(Window(0, 0, 120, 104)).sum() / inside.sum()
    assert f"valid in both sensors: {100 * valid:.1f} %" in capsys.readouterr().out
    again = ["map", *pair, "--model", "map.model.safetensors", "--map-masked"]
    assert bdgf(*again, "-o", "cloudy.tif") == 0
    with rasterio.open("cloudy.tif") as file:
        assert (file.read(1) > 0)[inside & masked].any()


def test_the_steps_give_the_map_of_the_main_job(
    bdgf: Bdgf, scene_files: SceneFiles, finished_job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    msi, labels = scene_files.spectral, labels_of(scene_files)
    assert bdgf("align", msi, scene_files.sar, "-o", "sar.tif") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["bdgf: loading libraries", f"bdgf: checking {msi} and {scene_files.sar}"]
    pair = [msi, "sar.tif"]
    assert bdgf("sample", *pair, *labels, "-o", "samples.gpkg", "--set", "training.folds=0") == 0
    assert bdgf("pretrain", *pair, "--samples", "samples.gpkg", "-o", "denoiser.safetensors", *QUICK) == 0
    given = ["--samples", "samples.gpkg", "--denoiser", "denoiser.safetensors"]
    assert bdgf("train", *pair, *given, "-o", "m.safetensors", *QUICK) == 0
    assert bdgf("map", *pair, "--model", "m.safetensors", "-o", "steps.tif") == 0
    with rasterio.open(finished_job / "map.tif") as whole, rasterio.open("steps.tif") as steps:
        assert np.array_equal(whole.read(), steps.read())
    assert bdgf("assess", "steps.tif", "--reference", "samples.gpkg", "-o", "report") == 0
    capsys.readouterr()
    reference = ["--reference", scene_files.labels, "--field", "class"]
    assert bdgf("assess", "steps.tif", *reference, "-o", "leaky", "--json") == 0
    assert json.loads(capsys.readouterr().out)["leak"] > 0
    for file, kind in [("m.safetensors", "model"), ("denoiser.safetensors", "denoiser"), ("samples.gpkg", "samples"),
                       ("steps.tif", "land-cover map"), ("sar.tif", "raster")]:  # fmt: skip
        assert bdgf("info", file, "--json") == 0
        assert json.loads(capsys.readouterr().out)["kind"] == kind


def test_train_draws_labels_as_the_recipe_of_the_denoiser_asks(
    bdgf: Bdgf, scene_files: SceneFiles, denoiser: Checkpoint
) -> None:
    """Its models are judged by a held-out part if it has no folds, whatever the usual recipe does."""
    replace(denoiser, recipe=changed(denoiser.recipe, ("training.folds=0",))).save("d.safetensors")
    pair, labels = [scene_files.spectral, scene_files.sar], ["--labels", scene_files.labels, "--field", "class"]
    assert bdgf("train", *pair, *labels, "--denoiser", "d.safetensors", "-o", "m.safetensors") == 0
    made = load_checkpoint("m.safetensors")
    assert made.left_out is None
    assert made.provenance["training"]["split"] == "polygon"


def test_an_error_is_json_too_if_the_result_would_be(bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    assert bdgf("info", "absent.tif", "--json") == 3
    shown = capsys.readouterr()
    error = json.loads(shown.out)
    assert error["exit_code"] == 3
    assert error["error"].startswith("absent.tif: does not exist.")
    assert shown.err.strip() == f"bdgf: error: {error['error']}"


def test_without_a_command_the_help_is_shown_and_no_empty_error(bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    assert bdgf() == 2
    shown = capsys.readouterr()
    assert "Usage: bdgf" in shown.out + shown.err
    assert "error" not in shown.err


@pytest.mark.parametrize(("typed", "completed"), [("bdgf ma", ["map"]), ("bdgf align --max", ["--max-shift"])])
def test_a_shell_completes_commands_and_options(
    typed: str, completed: list[str], bdgf: Bdgf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"_BDGF_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    assert bdgf() == 0
    assert capsys.readouterr().out.split() == completed


def test_the_version_and_help_in_80_columns(
    bdgf: Bdgf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert bdgf("--version") == 0
    assert capsys.readouterr().out == f"bdgf {version('landcover-bdgf')}\n"
    assert bdgf("--help") == 0
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())


def test_several_files_are_one_image(bdgf: Bdgf, scene_files: SceneFiles) -> None:
    Path("sar").mkdir()
    with rasterio.open(scene_files.sar) as dataset:
        for name, band in zip(("VV", "VH"), dataset.read(), strict=True):
            with rasterio.open(f"sar/{name}.tif", "w", **dataset.profile | {"count": 1}) as file:
                file.write(band, 1)
    names = {"one": scene_files.sar, "two": "sar/VH.tif,sar/VV.tif", "folder": "sar"}
    for name, sar in names.items():
        assert bdgf("align", scene_files.spectral, sar, "-o", f"{name}.tif") == 0
    for name in ("two", "folder"):
        with rasterio.open("one.tif") as one, rasterio.open(f"{name}.tif") as other:
            assert other.descriptions == ("VH", "VV")
            assert np.array_equal(one.read(), other.read()[::-1], equal_nan=True)


def test_interrupted_training_names_resume(
    bdgf: Bdgf, scene_files: SceneFiles, ctrl_c: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C: exit code 130, the state kept; another training is not resumed from it."""
    words = ["pretrain", scene_files.spectral, scene_files.sar, "-o", "d.safetensors", *QUICK, "--steps"]
    step = loop._step

    def interrupted(*arguments: Any) -> Any:
        ctrl_c()
        return step(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_step", interrupted)
        assert bdgf(*words, 2000) == 130
    assert "pretrain stopped; continue with --resume" in capsys.readouterr().err
    assert Path("d.partial.safetensors").is_file()
    assert not Path("d.safetensors").exists()
    for options, code, message in [
        (["--resume"], 5, "belongs to another training"),
        ([], 6, "was left by an interrupted run"),
    ]:
        assert bdgf(*words, 1999, *options) == code
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(("command", "name"), [
    ("map", "map.model.csv"), ("map", "map.qml"), ("map", "map_steps/samples.gpkg"), ("map", "map_steps/denoiser.csv"),
    ("map", "map_steps/report/accuracy.csv"), ("train", "out.csv"), ("pretrain", "out.png"),
])  # fmt: skip
def test_resume_replaces_nothing_where_no_run_was_interrupted(
    command: str, name: str, bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = Path(name)
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    words = ["-o", "map.tif" if command == "map" else "out.safetensors"]
    words += [] if command == "pretrain" else labels_of(scene_files)
    assert bdgf(command, scene_files.spectral, scene_files.sar, *words, *QUICK, "--resume") == 6
    assert "Choose another name, or allow it with --overwrite" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert not Path("map.model.safetensors").exists()


def test_corrected_samples_are_not_replaced_by_resume(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    job = ["map", scene_files.spectral, scene_files.sar, "-o", "map.tif", *labels_of(scene_files), *QUICK, "-q"]
    draw = ["sample", scene_files.spectral, scene_files.sar, *labels_of(scene_files), "-o", "map_steps/samples.gpkg"]
    Path("map_steps").mkdir()
    assert bdgf(*draw, "--seed", 1) == 0
    with sqlite3.connect("map_steps/samples.gpkg") as file:
        file.execute("UPDATE legend SET color = '#010203' WHERE code = 1")
    before = Path("map_steps/samples.gpkg").read_bytes()
    assert bdgf(*job, "--resume") == 6
    assert "samples.gpkg: exists already" in capsys.readouterr().err
    assert Path("map_steps/samples.gpkg").read_bytes() == before


def test_a_scene_without_sar_is_mapped_by_a_model_that_knows_the_spectral_image_alone(
    bdgf: Bdgf, scene_files: SceneFiles, model: Checkpoint, with_alone: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    """By itself, and in a table; nothing is learned from it."""
    hsi = scene_files.spectral
    model.save("both.safetensors")
    with_alone.save("m.safetensors")
    Path("scenes.csv").write_text(f"hsi,sar,output,labels\n{hsi},none,one,{scene_files.labels}\n")

    def refused(*words: object) -> str:
        assert bdgf(*words) != 0
        return capsys.readouterr().err

    assert "both.safetensors: has no network for the spectral image alone. Train it with --set " in refused(
        "map", hsi, "none", "--model", "both.safetensors", "-o", "map.tif"
    )
    needs = "SAR none: stands for a scene without a SAR image, which a model can only map. Name a SAR image"
    assert needs in refused("map", hsi, "none", *labels_of(scene_files), "-o", "map.tif")
    assert needs in refused("align", hsi, "none", "-o", "sar.tif")
    needs = "scenes.csv: line 2: sar is none, but a model learns from both images. Name an image, or map the scene with"
    assert f"{needs} a --model that exists." in refused("map", "scenes.csv", "--field", "class", "-o", "maps")
    assert f"{needs} a model that exists." in refused(
        "train", "scenes.csv", "--field", "class", "-o", "new.safetensors"
    )
    needs = "--missing: needs networks of one sensor alone. Train with --set training.one_sensor=true."
    assert needs in refused("map", hsi, scene_files.sar, *labels_of(scene_files), "--missing", "any", "-o", "map.tif")
    assert bdgf("map", hsi, "none", "--model", "m.safetensors", "-o", "map.tif", "--force") == 0
    assert bdgf("map", "scenes.csv", "--model", "m.safetensors", "-o", "maps", "--force") == 0
    assert Path("maps/one_condition.tif").read_bytes() == Path("map_condition.tif").read_bytes()
    assert Path("maps/one.tif").read_bytes() == Path("map.tif").read_bytes()
    assert bdgf("map", "scenes.csv", "--model", "m.safetensors", "-o", "maps", "--force", "--resume") == 0
    capsys.readouterr()
    assert bdgf("info", "map.tif") == 0
    assert "the spectral image alone 100.0 % (right on " in capsys.readouterr().out
    assert bdgf("info", "m.safetensors") == 0
    assert "SAR image alone: right on " in capsys.readouterr().out


def test_shards_on_the_command_line(
    bdgf: Bdgf, finished_job: Path, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(finished_job / "map.model.safetensors", "model.safetensors")
    for i in (1, 2):
        assert bdgf("map", scene_files.spectral, scene_files.sar, "-o", "map.tif", "--shard", f"{i}/2", "-q") == 0
    assert bdgf("info", "map.tif.2-of-2.partial") == 0
    assert "shard: 2 of 2" in capsys.readouterr().out
    assert bdgf("mosaic", "map.tif.1-of-2.partial", "map.tif.2-of-2.partial", "-o", "again.tif") == 0
    assert Path("again.tif").read_bytes() == (finished_job / "map.tif").read_bytes()
    capsys.readouterr()
    assert bdgf("mosaic", "map.tif.1-of-2.partial", "map.tif.2-of-2.partial", "-o", "m.tif", "--crs", "EPSG:3035") == 2
    assert (
        "crs='EPSG:3035') is for finished maps, and map.tif.1-of-2.partial is a part of one" in capsys.readouterr().err
    )
    assert bdgf("mosaic", "again.tif", finished_job / "map.tif", "-o", "twice.tif", "--json", "-q") == 0
    (overlap,) = json.loads(capsys.readouterr().out)["overlaps"]
    assert overlap["agreement"] == 1.0
    assert overlap["px"] > 10_000


def test_every_label_teaches_the_map_and_is_judged_by_a_model_that_has_not_seen_it(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*QUICK, "--set", "training.folds=2"]
    scene = [scene_files.spectral, scene_files.sar]
    assert bdgf("map", *scene, *labels_of(scene_files), "-o", "m.tif", *options, "--json") == 0
    printed = capsys.readouterr()
    assert "the map learns from all of them; models of other polygons judge each" in printed.err
    accuracy = json.loads(printed.out)["accuracy"]
    learned = json.loads(Path("m.tif.json").read_text())["training"]["count"]
    judged = sum(row["reference_px"] for row in accuracy["classes"])
    assert judged == learned
    assert accuracy["sample"] == (
        f"{judged} labelled pixels, each judged by a model that was trained without its polygon (2 folds, trained "
        "half as long); the model "
        f"of the map has learned from all {learned}"
    )
    assert set(accuracy["median_px_from_labels"]) == {"judged", "map"}
    assert accuracy["polygons"] > 6
    report = Path("m_steps/report/report.html").read_text()
    assert "each judged by a model that was trained without its polygon (2 folds, trained half as long)" in report
    assert "Usual weight" in report
    assert bdgf("assess", "m.tif", "--reference", "m.model.safetensors", "-o", "again", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again == accuracy
    assert "Usual weight" in Path("again/report.html").read_text()
    assert bdgf("assess", "m.tif", "--reference", "m.model.safetensors", "--field", "class", "-o", "x") == 2
    assert bdgf("map", *scene, *labels_of(scene_files), "-o", "m.tif", *options, "--resume") == 0
    assert "already complete" in capsys.readouterr().err
    other = [*labels_of(scene_files), "--model", "o.safetensors", "--seed", "1", "--set", "training.folds=0"]
    assert bdgf("map", *scene, *other, "-o", "o.tif", *QUICK) == 0
    assert "split by polygon; nearest training and test pixel" in capsys.readouterr().err
    assert bdgf("assess", "m.tif", "--reference", "o.safetensors", "-o", "y") == 4
    assert "o.safetensors: was trained without folds, so its labels were not judged" in capsys.readouterr().err
    assert bdgf("assess", "o.tif", "--reference", "m.model.safetensors", "-o", "z") == 4
    assert "m.model.safetensors: is not the model that made o.tif" in capsys.readouterr().err
