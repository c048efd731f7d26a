"""Commands and the whole job: outputs belong to one run, are not inputs, and are completed after an interruption."""

import html
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rasterio
from conftest import SHORT_OPTIONS, Bdgf
from distributed import Client
from interrupted import stopped_at
from near_workers import workers_here

from landcover_bdgf.app.job import Job, keep_model, run_job
from landcover_bdgf.errors import OutputError
from landcover_bdgf.labels.class_map import class_map_product
from landcover_bdgf.labels.sample_file import write_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.mapping.map_outputs import part_path
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.checkpoint import Checkpoint, checkpoint_product
from landcover_bdgf.model.recipe import RECIPES
from landcover_bdgf.scene.simulation import SceneFiles
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage.products import Product, check, reserved
from landcover_bdgf.storage.records import changed_files


def test_labels_are_not_replaced_by_samples_drawn_from_them(
    tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles, stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out_steps").mkdir()
    labels = shutil.copy(scene_files.labels, tmp_path / "out_steps/samples.gpkg")
    before = labels.read_bytes()
    job = ["map", scene_files.spectral, scene_files.sar, "--labels", labels, "--field", "class", "-o", "out.tif"]
    for more in ("--overwrite", "--resume"):
        assert bdgf(*job, more) == 6
        assert "out_steps/samples.gpkg: is one of the inputs" in capfd.readouterr().err
    with pytest.raises(OutputError, match="one of the inputs"):  # in Python too
        run_job(stack, Job(labels, "class", Path("out.tif"), Path("m.safetensors"), RECIPES["laptop"], overwrite=True))
    assert labels.read_bytes() == before


@pytest.mark.parametrize(("command", "companion"), [
    ("map", ".aux.xml"), ("map --shard 1/2", ".1-of-2.partial"), ("align", ".json"), ("sample", "-journal"),
])  # fmt: skip
def test_a_name_too_long_for_a_companion_is_refused_before_any_work(
    command: str, companion: str, tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles, model: Checkpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    model.save(tmp_path / "m.safetensors")
    ending = ".gpkg" if command == "sample" else ".tif"
    more = ["--labels", scene_files.labels, "--field", "class"] if command == "sample" else []
    more += ["--model", "m.safetensors"] if command.startswith("map") else []
    words = [*command.split(), scene_files.spectral, scene_files.sar, *more]
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") - len(companion)
    too_long, fits = ("n" * (length - len(ending)) + ending for length in (longest + 1, longest))
    assert bdgf(*words, "-o", too_long) == 6
    said = capfd.readouterr().err.splitlines()[-1]
    assert re.search(rf"{companion}: cannot be opened, file name too long\. ", said)
    assert os.listdir(tmp_path) == ["m.safetensors"]
    assert bdgf(*words, "-o", fits) == 0


def test_resume_completes_a_product_of_which_some_files_are_written(
    model: Checkpoint, stack: Stack, tmp_path: Path
) -> None:
    path, layers = tmp_path / "a.tif", MapSettings(confidence=True)
    with stopped_at(6, tmp_path):
        map_scene(model, stack, path, settings=layers)
    assert set(os.listdir(tmp_path)) == {
        part_path(path, layers).name,
        *(file.name for file in class_map_product(path, ["confidence"]).companions),
    }
    with pytest.raises(OutputError, match="exists already"):
        map_scene(model, stack, path, settings=layers)
    map_scene(model, stack, path, settings=layers, resume=True)
    assert changed_files(path) == []
    (tmp_path / "m.partial.safetensors").write_text("state")
    with stopped_at(2, tmp_path):
        keep_model(model, tmp_path / "m.safetensors", overwrite=False)
    check(checkpoint_product(tmp_path / "m.safetensors"), resume=True)
    keep_model(model, tmp_path / "m.safetensors", overwrite=False, begun=True)
    assert {"m.csv", "m.safetensors"} <= set(os.listdir(tmp_path))


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_a_job_stopped_after_a_step_resumes_to_the_same_files(
    finished: int, bdgf: Bdgf, finished_job: Path, job_words: list[str], tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """After sampling, pre-training or training; what a killed run has left is removed."""
    (tmp_path / "map_steps").mkdir()
    for name in ("map_steps/samples.gpkg*", "map_steps/denoiser.*", "map.model.*")[:finished]:
        for file in finished_job.glob(name):
            shutil.copy(file, tmp_path / file.relative_to(finished_job))
    for name in ("map_steps/.samples.gpkg", "map_steps/.denoiser.safetensors", ".map.model.safetensors",
                 ".map.model.partial.safetensors"):  # fmt: skip
        (tmp_path / f"{name}.0123abcd.part").mkdir()
    if finished == 3:
        (tmp_path / "map.model.partial.safetensors").write_text("state")
    assert bdgf(*job_words, "--resume") == 0
    assert capfd.readouterr().err.count("already complete, skipped") == finished - 1
    whole, resumed = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*") if file.name != "out.txt"}
        for folder in (finished_job, tmp_path)
    )
    assert resumed == whole
    for path in tmp_path.glob("map*.*"):
        path.unlink()
    shutil.rmtree(tmp_path / "map_steps/report")
    assert bdgf(*job_words, "--resume", "--seed", 1) == 5
    assert "was made with a different scene" in capfd.readouterr().err


@pytest.mark.parametrize("left", ["nothing", "half a report", "the partial map"])
def test_a_job_stopped_between_map_and_report_resumes_to_its_report(
    left: str, bdgf: Bdgf, finished_job: Path, job_words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(finished_job, tmp_path, dirs_exist_ok=True)
    (tmp_path / "map_steps/report/report.html").unlink()
    if left != "half a report":
        shutil.rmtree(tmp_path / "map_steps/report")
    if left == "the partial map":
        (tmp_path / "map.tif.partial").mkdir()
    assert bdgf(*job_words, "--resume") == 0
    assert capfd.readouterr().err.count("already complete, skipped") == 3
    for file in finished_job.rglob("*.*"):
        assert not file.is_file() or (tmp_path / file.relative_to(finished_job)).read_bytes() == file.read_bytes()
    assert not (tmp_path / "map.tif.partial").exists()


def test_a_finished_job_is_complete_and_the_report_of_another_is_refused(
    bdgf: Bdgf, finished_job: Path, job_words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished_job, tmp_path, dirs_exist_ok=True)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.rglob("*.*") if file.is_file()}
    assert bdgf(*job_words, "--resume") == 0
    said = capfd.readouterr()
    assert "all steps of this job are already complete" in said.err
    assert "report.html: report" in said.out
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in before} == before
    figures = tmp_path / "map_steps/report/accuracy.json"
    figures.write_text(figures.read_text().replace('"n": ', '"n": 1'))
    assert bdgf(*job_words, "--resume") == 6
    assert "map_steps/report: was made with a different scene" in capfd.readouterr().err
    assert bdgf(*job_words, "--resume", "--overwrite") == 0
    assert figures.read_bytes() == before[figures][0]


@pytest.mark.parametrize(("change", "said"), [
    ("layers", "map.tif: was made with a different scene, labels, settings, seed or version"),
    ("pixels", "map.tif: was made with a different scene"),
    ("no record", "map.tif: exists already"),
    ("no model", "map.tif: was made with a different scene"),
])  # fmt: skip
def test_a_map_of_another_job_is_not_taken_for_its_own(
    change: str, said: str, bdgf: Bdgf, finished_job: Path, job_words: list[str], tmp_path: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shutil.copytree(finished_job, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "map_steps/report")
    monkeypatch.setattr("landcover_bdgf.app.job.train", _not_yet)
    if change == "pixels":
        with (tmp_path / "map.tif").open("ab") as file:
            file.write(b"0")
    elif change == "no record":
        (tmp_path / "map.tif.json").unlink()
    elif change == "no model":
        (tmp_path / "map.model.safetensors").unlink()
        (tmp_path / "map.model.csv").unlink()
    words = job_words[:-1] if change == "layers" else job_words
    assert bdgf(*words, "--resume") == 6
    assert said in capfd.readouterr().err


def _not_yet(*arguments: object, **options: object) -> None:
    raise AssertionError("a step was begun before the refusal")


@pytest.mark.parametrize(("options", "left", "said"), [
    ("--tile 5", "", "--tile 5: is smaller than"),
    ("--tile 20000", "", "--tile 20000: needs too much memory"),
    ("--max-ram 1MB", "", "--max-ram 0.001GB: mapping this scene takes at least"),
    ("--device cuda:99", "", "--device cuda:99: is not available"),
    ("--shard 1/2", "", "--shard: needs --model"),
    ("--novelty -c paper", "", "--novelty: is not available for models of the recipe paper"),
    ("", "map_steps", "map_steps: is a file, but the folder of the steps has this name"),
    ("", "map.tif.partial", "map.tif.partial: is not a partial map"),
])  # fmt: skip
def test_what_a_later_step_refuses_is_refused_before_the_first(
    options: str, left: str, said: str, bdgf: Bdgf, job_words: list[str], tmp_path: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for step in ("sample", "pretrain", "train"):
        monkeypatch.setattr(f"landcover_bdgf.app.job.{step}", _not_yet)
    if left:
        (tmp_path / left).write_text("mine")
    assert bdgf(*job_words, *options.split(), *(["--resume"] if left else [])) in (2, 6, 7)
    assert said in capfd.readouterr().err
    assert os.listdir(tmp_path) == ([left] if left else [])


@pytest.mark.parametrize(("left", "needed"), [
    ("map.model.partial.safetensors", "map_steps/denoiser.safetensors"),
    ("map.tif.partial/plan.json", "map.model.safetensors"),
])  # fmt: skip
def test_an_unfinished_step_without_the_one_before_is_refused_before_any_training(
    left: str, needed: str, bdgf: Bdgf, job_words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("landcover_bdgf.app.job.pretrain", _not_yet)
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).write_text('{"kind":"bdgf partial map",')
    assert bdgf(*job_words, "--resume") == 6
    assert f"was left by an interrupted run, but {needed} is missing" in capfd.readouterr().err


def test_novelty_of_few_polygons_is_refused_before_any_training(
    bdgf: Bdgf, job_words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landcover_bdgf.app.job.pretrain", _not_yet)
    monkeypatch.setattr("landcover_bdgf.model.novelty.FOLDS", 10_000)
    assert bdgf(*job_words, "--novelty") == 2
    assert "--novelty: needs more training polygons" in capfd.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("of", ["labels", "samples"])
def test_train_refuses_what_it_cannot_do_before_it_trains_the_denoiser(
    of: str, bdgf: Bdgf, scene_files: SceneFiles, samples: Samples, tmp_path: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("landcover_bdgf.training.pretrain", _not_yet, raising=False)
    given = ["--labels", scene_files.labels, "--field", "class", "--resume"]
    if of == "samples":
        write_samples(samples, tmp_path / "s.gpkg")
        with rasterio.open(scene_files.spectral) as whole:
            pixels, names, profile = whole.read(), whole.descriptions, whole.profile
        of_one = samples.train.codes == 1
        pixels[:, samples.train.rows[of_one], samples.train.cols[of_one]] = profile["nodata"]
        with rasterio.open(tmp_path / "empty.tif", "w", **profile) as holes:
            holes.write(pixels)
            holes.descriptions = names
        given = ["--samples", "s.gpkg"]
    image = "empty.tif" if of == "samples" else scene_files.spectral
    assert bdgf("train", image, scene_files.sar, *given, "-o", "m.safetensors") in (4, 5)
    said = capfd.readouterr().err
    assert ("so there is no training to resume" if of == "labels" else "no training pixel of") in said


@pytest.mark.parametrize(("command", "companion"), [
    ("map --model m.safetensors -o a.tif --confidence", "a_confidence.tif"),
    ("map --model m.safetensors -o a.tiff", "a.qml"),
    ("map --model m.safetensors -o a.tif --shard 1/2", "a.tif.1-of-2.partial"),
    ("align -o a.tif", "a.tif.json"),
    ("train --samples s.gpkg -o a.safetensors", "a.csv"),
    ("pretrain -o a.safetensors", "a.partial.safetensors"),
    ("map --labels {labels} --field class -o a.tif --model m.safetensors", "m.safetensors"),
])  # fmt: skip
def test_companions_of_an_output_are_locked_by_one_run(
    command: str, companion: str, tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    if "--labels" not in command:
        (tmp_path / "m.safetensors").touch()  # not read
    before = os.listdir(tmp_path)
    name, *rest = command.format(labels=scene_files.labels).split()
    with reserved(Product(tmp_path / companion)):
        assert bdgf(name, scene_files.spectral, scene_files.sar, *rest) == 6
    assert f"{companion}: another run is writing it" in capfd.readouterr().err
    assert os.listdir(tmp_path) == before


def test_a_job_without_features_trains_no_denoiser(tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles) -> None:
    images = [scene_files.spectral, scene_files.sar]
    settings = [*SHORT_OPTIONS, "--set", "features.source=none"]
    assert bdgf("map", *images, "--labels", scene_files.labels, "--field", "class", "-o", "out.tif", *settings) == 0
    steps = tmp_path / "out_steps"
    assert not (steps / "denoiser.png").exists()
    assert (steps / "denoiser.csv").read_text() == "step\n"
    assert bdgf("info", steps / "denoiser.safetensors") == 0
    assert (steps / "report/report.html").is_file()


def test_workers_start_when_the_map_begins_and_make_the_map_of_one_process(
    finished_job: Path, job_words: list[str], tmp_path: Path, bdgf: Bdgf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while the model is trained; its item and that of the map are linked as usual."""
    shutil.copytree(finished_job / "map_steps", tmp_path / "map_steps")
    shutil.rmtree(tmp_path / "map_steps/report")
    opened: list[str | None] = []

    @contextmanager
    def workers(address: str | None) -> Iterator[Client]:
        opened.append(address)
        assert {file.suffix for file in tmp_path.glob("map.model.*")} >= {".safetensors", ".csv"}
        with workers_here(1) as client:
            yield client

    monkeypatch.setattr("landcover_bdgf.app.job.opened_client", workers)
    assert bdgf(*job_words, "--resume", "--dask", "local:1", "--stac", "2020-06-04") == 0
    assert opened == ["local:1"]
    for name in ("map.tif", "map_confidence.tif", "map.model.safetensors"):
        assert (tmp_path / name).read_bytes() == (finished_job / name).read_bytes()
    item = json.loads((tmp_path / "map.stac.json").read_text(encoding="utf-8"))
    assert [each["href"] for each in item["links"] if each["rel"] == "derived_from"] == ["./map.model.stac.json"]


def test_the_record_and_the_report_of_a_job_say_what_it_was_made_of(finished_job: Path, job_words: list[str]) -> None:
    """Images, labels, command, and the warnings of all steps; the report begins with the latter."""
    record = json.loads((finished_job / "map.tif.json").read_text(encoding="utf-8"))
    figures = json.loads((finished_job / "map_steps/report/accuracy.json").read_text(encoding="utf-8"))
    page = (
        (finished_job / "map_steps/report/report.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    )
    assert record["command"] == figures["command"] == shlex.join(["bdgf", *job_words])
    assert [image["role"] for image in figures["images"]] == ["spectral", "SAR"]
    assert figures["training"]["labels"].endswith(", field class")
    told = list(dict.fromkeys([*record["warnings"], *record["model"]["warnings"]]))
    assert figures["warnings"] == told
    assert all(html.escape(text.split("`")[0], quote=False) in page for text in told)
    assert "Spectral image</figcaption>" in page
