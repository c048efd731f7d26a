"""Commands and the whole job: outputs belong to one run, are not inputs, and are completed after an interruption."""

import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import Bdgf
from interrupted import stopped_at

from landcover_bdgf.app.job import Job, keep_model, run_job
from landcover_bdgf.errors import OutputError
from landcover_bdgf.labels.class_map import class_map_product
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene, part_path
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
    with stopped_at(5, tmp_path):
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
    for name in ("map_steps/samples.gpkg*", "map_steps/denoiser.*", "model.*")[:finished]:
        for file in finished_job.glob(name):
            shutil.copy(file, tmp_path / file.relative_to(finished_job))
    for name in ("map_steps/.samples.gpkg", "map_steps/.denoiser.safetensors", ".model.safetensors",
                 ".model.partial.safetensors"):  # fmt: skip
        (tmp_path / f"{name}.0123abcd.part").mkdir()
    if finished == 3:
        (tmp_path / "model.partial.safetensors").write_text("state")
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


@pytest.mark.parametrize(("command", "companion"), [
    ("map --model m.safetensors -o a.tif --confidence", "a_confidence.tif"),
    ("map --model m.safetensors -o a.tiff", "a.qml"),
    ("map --model m.safetensors -o a.tif --shard 1/2", "a.tif.1-of-2.partial"),
    ("align -o a.tif", "a.tif.json"),
    ("train --samples s.gpkg -o a.safetensors", "a.csv"),
    ("pretrain -o a.safetensors", "a.partial.safetensors"),
    ("map --labels l.gpkg --field class -o a.tif --model m.safetensors", "m.safetensors"),
])  # fmt: skip
def test_companions_of_an_output_are_locked_by_one_run(
    command: str, companion: str, tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    name, *rest = command.split()
    with reserved(Product(tmp_path / companion)):
        assert bdgf(name, scene_files.spectral, scene_files.sar, *rest) == 6
    assert f"{companion}: another run is writing it" in capfd.readouterr().err
    assert not os.listdir(tmp_path)
