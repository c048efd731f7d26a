"""The commands as a user types them: what comes out, the one line when something is wrong, the exit code."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from conftest import SHORT_OPTIONS as QUICK, Bdgf

from landcover_bdgf.app.options import Shown
from landcover_bdgf.app.terminal import say
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.scene.simulation import SceneFiles
from landcover_bdgf.storage.cache import VARIABLE


def labels_of(scene: SceneFiles) -> list[object]:
    return ["--labels", scene.labels, "--field", "class"]


def test_the_main_job_and_the_model_on_another_scene(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [scene_files.spectral, scene_files.sar]
    assert bdgf("map", *pair, "-o", "map.tif", *labels_of(scene_files), *QUICK, "--confidence") == 0
    out = capsys.readouterr().out
    assert "overall accuracy" in out
    assert "map_steps/report/report.html" in out
    for name in (
        "map.tif",
        "map.qml",
        "map.tif.aux.xml",
        "map.tif.json",
        "map_confidence.tif",
        "model.safetensors",
    ):
        assert Path(name).is_file(), name
    for name in (
        "samples.gpkg",
        "denoiser.safetensors",
        "denoiser.csv",
        "denoiser.png",
        "report/report.html",
    ):
        assert (Path("map_steps") / name).is_file(), name
    assert bdgf("map", *pair, "-o", "again.tif", "--model", "model.safetensors", *QUICK) == 2
    assert "apply only when a model is trained. Remove them, or pass --labels." in capsys.readouterr().err
    assert bdgf("map", *pair, "-o", "again.tif", "--model", "model.safetensors", "--tile", 64, "-q") == 0
    assert Path("again.tif").read_bytes() == Path("map.tif").read_bytes()
    assert capsys.readouterr() == ("again.tif: land-cover map\n", "")
    before = Path("model.safetensors").read_bytes()
    assert bdgf("map", *pair, "-o", "second.tif", *labels_of(scene_files), *QUICK) == 6
    assert "model.safetensors: exists already" in capsys.readouterr().err
    assert Path("model.safetensors").read_bytes() == before


def test_the_steps_give_the_map_of_the_main_job(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    msi, labels = scene_files.spectral, labels_of(scene_files)
    assert bdgf("map", msi, scene_files.sar, "-o", "map.tif", *labels, *QUICK, "-q") == 0
    assert bdgf("align", msi, scene_files.sar, "-o", "sar.tif") == 0
    pair = [msi, "sar.tif"]
    assert bdgf("sample", *pair, *labels, "-o", "samples.gpkg") == 0
    assert bdgf("pretrain", *pair, "--samples", "samples.gpkg", "-o", "denoiser.safetensors", *QUICK) == 0
    given = ["--samples", "samples.gpkg", "--denoiser", "denoiser.safetensors"]
    assert bdgf("train", *pair, *given, "-o", "m.safetensors", *QUICK) == 0
    assert bdgf("map", *pair, "--model", "m.safetensors", "-o", "steps.tif") == 0
    with rasterio.open("map.tif") as whole, rasterio.open("steps.tif") as steps:
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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [1.0, float("nan")], (float("nan"),)])
def test_what_is_no_number_is_null_in_json(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    say(Shown(json=True), [], {"value": {"in": value}})
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["value"]["in"]
    assert found == (None if isinstance(value, float) else [*value[:-1], None])  # type: ignore[index]


def test_half_a_character_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    say(Shown(), ["name: \ud800a"], {})
    assert capsys.readouterr().out == "name: \N{REPLACEMENT CHARACTER}a\n"


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "landcover_bdgf", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"bdgf {version('landcover-bdgf')}\n"


def test_a_shell_completes_commands_and_options() -> None:
    words = {"_BDGF_COMPLETE": "complete_bash", "COMP_WORDS": "bdgf ma", "COMP_CWORD": "1"}
    assert run(**words).stdout.split() == ["map"]
    assert "--max-shift" in run(**words | {"COMP_WORDS": "bdgf align --ma", "COMP_CWORD": "2"}).stdout


def test_the_first_line_says_what_is_done_before_libraries_are_loaded(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bdgf("align", scene_files.spectral, scene_files.sar, "-o", "sar.tif") == 0
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == "bdgf: loading libraries"
    assert second == f"bdgf: checking {scene_files.spectral} and {scene_files.sar}"


def test_novelty_was_called_ood(bdgf: Bdgf, model: Checkpoint, scene_files: SceneFiles) -> None:
    model.save("model.safetensors")
    for name, option in (("a.tif", "--novelty"), ("b.tif", "--ood")):
        bdgf("map", scene_files.spectral, scene_files.sar, "-o", name, option)
    assert Path("a_novelty.tif").exists() == Path("b_novelty.tif").exists()


def test_help_is_quick_and_complete() -> None:
    result = run("--help", COLUMNS="80")
    for command in ("check", "align", "sample", "pretrain", "train", "map", "assess", "info", "demo"):
        assert f" {command} " in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    loaded = "import sys, landcover_bdgf.app.cli; print('torch' in sys.modules, 'rasterio' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).split() == ["False", "False"]


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["map", "{msi}", "{sar}", "-o", "m.tif"], 5, "model.safetensors: there is no such file"),
    (["map", "{msi}", "{sar}", "-o", "m.tif", "--labels", "{labels}"], 2, "--labels needs --field"),
    (["map", "{msi}", "{sar}", "-o", "m.tif", "--labels", "{labels}", "--field", "klass"], 4, "class"),
    (["map", "{msi}", "{sar}", "-o", "no/m.tif", "--labels", "{labels}", "--field", "class"], 6, "does not exist"),
    (["map", "{msi}", "nothing.tif", "-o", "m.tif", "--model", "x"], 5, "x: there is no such file"),
    (["align", "{msi}", "nothing.tif", "-o", "a.tif"], 3, "nothing.tif"),
    (["align", "{sar}", "{msi}", "-o", "a.tif"], 3, "SAR"),
    (["train", "{msi}", "{sar}"], 2, "train needs either --samples"),
    (["pretrain", "{msi}", "{sar}", "-o", "d.safetensors", "--set", "diffusion.step=3"], 2, "mean 'diffusion.steps'"),
    (["pretrain", "{msi}", "{sar}", "{msi}", "-o", "d.safetensors"], 2, "Expected pairs of images"),
    (["align", "{msi}", "{sar}", "-o", "a.tif", "--coreg", "always"], 2, "'always' is not one of"),
    (["map", "{msi}"], 2, "Missing "),
    (["paint"], 2, "No such command"),
    (["info", "nothing.safetensors"], 5, "no such file"),
    (["pretrain", "{msi}", "{sar}", "-o", "d.safetensors", "--device", "cuda:9"], 7, "is not available"),
])  # fmt: skip
def test_what_is_wrong_is_one_line(
    arguments: list[str],
    code: int,
    message: str,
    bdgf: Bdgf,
    scene_files: SceneFiles,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = {"msi": scene_files.spectral, "sar": scene_files.sar, "labels": scene_files.labels}
    assert bdgf(*[a.format(**paths) for a in arguments], "-q") == code
    out, err = capsys.readouterr()
    last = err.strip().splitlines()[-1]
    assert last.startswith("bdgf: error: ")
    assert message in last
    assert "Traceback" not in err
    assert out == ""
    assert not list(Path().glob("*.tif"))


def test_outputs_are_not_replaced_unasked(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("model.safetensors").write_text("mine")
    job = ["map", scene_files.spectral, scene_files.sar, "-o", "map.tif", *labels_of(scene_files), *QUICK]
    assert bdgf(*job) == 6
    assert "model.safetensors: exists already" in capsys.readouterr().err
    assert Path("model.safetensors").read_text() == "mine"
    assert bdgf("align", scene_files.spectral, scene_files.sar, "-o", scene_files.sar, "--overwrite") == 6
    assert "is one of the inputs" in capsys.readouterr().err


def test_several_files_are_one_image(bdgf: Bdgf, scene_files: SceneFiles, tmp_path: Path) -> None:
    with rasterio.open(scene_files.sar) as dataset:
        profile, pixels = dataset.profile, dataset.read()
    profile.update(count=1)
    (tmp_path / "sar").mkdir()
    for name, band in zip(("VV", "VH"), pixels, strict=True):
        with rasterio.open(tmp_path / "sar" / f"{name}.tif", "w", **profile) as dataset:
            dataset.write(band, 1)
    assert bdgf("align", scene_files.spectral, scene_files.sar, "-o", "one.tif") == 0
    assert bdgf("align", scene_files.spectral, "sar/VV.tif,sar/VH.tif", "-o", "two.tif") == 0
    assert bdgf("align", scene_files.spectral, "sar", "-o", "folder.tif") == 0
    with (
        rasterio.open("one.tif") as one,
        rasterio.open("two.tif") as two,
        rasterio.open("folder.tif") as folder,
    ):
        assert np.array_equal(one.read(), two.read(), equal_nan=True)
        assert sorted(folder.descriptions) == ["VH", "VV"]


def test_interrupted_training_says_how_to_go_on(
    bdgf: Bdgf, scene_files: SceneFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real Ctrl-C: exit code 130, the state kept; another training is not resumed from it."""
    words = ["pretrain", str(scene_files.spectral), str(scene_files.sar), "-o", "d.safetensors", "--threads", "1"]
    command = [sys.executable, "-m", "landcover_bdgf", *words, "--steps", "2000"]
    started: dict[str, Any] = {"cwd": tmp_path, "stderr": subprocess.PIPE, "text": True, "preexec_fn": hear_ctrl_c}
    with subprocess.Popen(command, **started) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "pretrain:" in line:  # the first line of progress
                process.send_signal(signal.SIGINT)
                break
        error = process.stderr.read()
    assert process.returncode == 130
    assert "to continue" in error
    assert (tmp_path / "d.partial.safetensors").is_file()
    assert not (tmp_path / "d.safetensors").exists()
    for options, code, message in [
        (["--resume"], 5, "belongs to another training"),
        ([], 6, "was left by an interrupted run"),
    ]:
        assert bdgf(*words, "--steps", "1999", *options) == code
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train", "pretrain"])
def test_what_lies_beside_is_replaced_by_resume(
    name: str, bdgf: Bdgf, scene_files: SceneFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped when the losses are in place and the checkpoint is not."""
    labels = labels_of(scene_files) if name == "train" else []
    command = [name, scene_files.spectral, scene_files.sar, "-o", "kept.safetensors", *labels, *QUICK, "-q"]
    replace = os.replace

    def stopped(source: Path, to: Path) -> None:
        if to == Path("kept.safetensors"):  # not its draft
            raise KeyboardInterrupt
        replace(source, to)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stopped)
        assert bdgf(*command) == 130
    assert Path("kept.csv").is_file()
    assert not Path("kept.safetensors").exists()
    losses = Path("kept.csv").read_bytes()
    assert bdgf(*command) == 6
    assert bdgf(*command, "--resume") == 0
    assert Path("kept.csv").read_bytes() == losses
    assert not Path("kept.partial.safetensors").exists()


@pytest.mark.parametrize(
    "name",
    ["model.csv", "map.qml", "map.tif.json", "map_steps/samples.gpkg", "map_steps/samples.gpkg.json",
     "map_steps/denoiser.csv", "map_steps/report/accuracy.csv"],
)  # fmt: skip
def test_resume_replaces_nothing_where_no_run_was_interrupted(
    name: str, bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = Path(name)
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    job = ["map", scene_files.spectral, scene_files.sar, "-o", "map.tif", *labels_of(scene_files), *QUICK]
    assert bdgf(*job, "--resume") == 6
    assert "Choose another name, or allow it with --overwrite" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert not Path("model.safetensors").exists()


@pytest.mark.parametrize(("name", "left"), [("train", "model.csv"), ("pretrain", "d.png")])
def test_resume_of_a_training_that_never_began_replaces_nothing(
    name: str, left: str, bdgf: Bdgf, scene_files: SceneFiles
) -> None:
    Path(left).write_text("mine")
    labels = labels_of(scene_files) if name == "train" else ["-o", "d.safetensors"]
    assert bdgf(name, scene_files.spectral, scene_files.sar, *labels, *QUICK, "--resume") == 6
    assert Path(left).read_text() == "mine"


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


def hear_ctrl_c() -> None:
    """In a child: a shell tells its background jobs to ignore it, and tests may run in one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_job_killed_again_and_again_goes_on_and_ends_alike(
    bdgf: Bdgf, scene_files: SceneFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed without warning whenever one more file of its steps has appeared."""
    job = ["map", scene_files.spectral, scene_files.sar, "-o", "map.tif", *labels_of(scene_files), *QUICK, "-q"]
    assert bdgf(*job) == 0
    whole = {name: Path(name).read_bytes() for name in ("map.tif", "model.safetensors", "map.tif.json")}
    for path in [*tmp_path.glob("map*"), *tmp_path.glob("model*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    command = [sys.executable, "-m", "landcover_bdgf", *map(str, job), "--resume"]
    for landmark in ("map_steps/samples.gpkg", "map_steps/denoiser.safetensors", "model.safetensors"):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while not Path(landmark).exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert not Path("map.tif").exists(), landmark
    capsys.readouterr()
    assert bdgf(*job[:-1], "--resume") == 0
    assert "model.safetensors: already complete, skipped" in capsys.readouterr().err
    assert {name: Path(name).read_bytes() for name in whole} == whole
    for path in tmp_path.glob("map.*"):
        path.unlink()
    shutil.rmtree("map_steps/report")
    assert bdgf(*job, "--resume", "--seed", 1) == 5
    assert "was made with a different scene" in capsys.readouterr().err


def test_shards_on_the_command_line(
    bdgf: Bdgf, model: Checkpoint, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save("model.safetensors")
    pair = [scene_files.spectral, scene_files.sar, "-o", "map.tif"]
    assert bdgf("map", *pair, "-q") == 0
    for i in (1, 2):
        assert bdgf("map", *pair, "--shard", f"{i}/2", "-q", "--overwrite") == 0
    assert bdgf("info", "map.tif.2-of-2.partial") == 0
    assert "shard: 2 of 2" in capsys.readouterr().out
    assert bdgf("mosaic", "map.tif.1-of-2.partial", "-o", "again.tif") == 6
    assert "missing: 2" in capsys.readouterr().err
    assert bdgf("mosaic", "map.tif.1-of-2.partial", "map.tif.2-of-2.partial", "-o", "again.tif") == 0
    assert Path("again.tif").read_bytes() == Path("map.tif").read_bytes()
    assert bdgf("map", *pair, "--shard", "5/4", "--overwrite") == 2
    assert "Write it like 2/4" in capsys.readouterr().err
    assert bdgf("map", *pair, *labels_of(scene_files), "--shard", "1/2", "--overwrite") == 2


@pytest.mark.parametrize(("stop", "code"), [(SystemExit(143), 143), (KeyboardInterrupt(), 130)])
def test_a_library_that_turns_a_signal_into_its_own_error_is_seen_through(
    stop: BaseException, code: int, bdgf: Bdgf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def describe(path: Path) -> None:
        try:
            raise stop
        except BaseException:
            raise ValueError("Invalid affine transformation matrix")  # noqa: B904

    monkeypatch.setattr("landcover_bdgf.app.info.describe", describe)
    assert bdgf("info", "a.tif") == code
    assert "internal error" not in capsys.readouterr().err


HOMELESS = """
import pwd, tempfile
from pathlib import Path
import landcover_bdgf

def unknown(user):
    raise KeyError(user)

def elsewhere(*arguments, dir, **options):
    if Path(dir).is_relative_to(Path(landcover_bdgf.__file__).parent):
        raise PermissionError(13, "Permission denied", dir)
    return made(*arguments, dir=dir, **options)

pwd.getpwuid = unknown
made, tempfile.TemporaryFile = tempfile.TemporaryFile, elsewhere  # by which numba finds out where it may write
from landcover_bdgf.app.cli import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="homes as POSIX knows them")
def test_a_user_without_a_home_trains_and_leaves_no_folder(scene_files: SceneFiles, tmp_path: Path) -> None:
    """As in a container, under a number without a name, where the package is read-only."""
    words = ["train", scene_files.spectral, scene_files.sar, "--labels", scene_files.labels, "--field", "class", *QUICK]
    homes = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", VARIABLE)
    alone = {name: value for name, value in os.environ.items() if name not in homes}
    command = [sys.executable, "-c", HOMELESS, *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["model.csv", "model.safetensors"]
