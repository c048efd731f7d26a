"""The commands as a user types them: output, error line, exit code."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from conftest import SHORT_OPTIONS as QUICK, Bdgf

from landcover_bdgf.app.options import Shown
from landcover_bdgf.app.terminal import say
from landcover_bdgf.scene.simulation import SceneFiles
from landcover_bdgf.storage.cache import VARIABLE
from landcover_bdgf.training import loop


def labels_of(scene: SceneFiles) -> list[object]:
    return ["--labels", scene.labels, "--field", "class"]


def test_the_main_job_and_the_map_from_its_model(
    bdgf: Bdgf, scene_files: SceneFiles, finished_job: Path, job_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = (finished_job / "out.txt").read_text()
    assert "overall accuracy" in out
    assert "map_steps/report/report.html" in out
    written = {str(path.relative_to(finished_job)) for path in finished_job.rglob("*")}
    assert written >= {
        "map.tif", "map.qml", "map.tif.aux.xml", "map.tif.json", "map_confidence.tif", "model.safetensors",
        "map_steps/samples.gpkg", "map_steps/denoiser.safetensors", "map_steps/denoiser.csv", "map_steps/denoiser.png",
        "map_steps/report/report.html",
    }  # fmt: skip
    before = Path(shutil.copy(finished_job / "model.safetensors", "model.safetensors")).read_bytes()
    again = ["map", scene_files.spectral, scene_files.sar, "-o", "again.tif", "--model", "model.safetensors"]
    assert bdgf(*again, *QUICK) == 2
    assert "apply only when a model is trained. Remove them, or pass --labels." in capsys.readouterr().err
    assert bdgf(*again, "--tile", 64, "-q") == 0
    assert Path("again.tif").read_bytes() == (finished_job / "map.tif").read_bytes()
    assert capsys.readouterr() == ("again.tif: land-cover map\n", "")
    assert bdgf(*job_words) == 6
    assert "model.safetensors: exists already" in capsys.readouterr().err
    assert Path("model.safetensors").read_bytes() == before


def test_the_steps_give_the_map_of_the_main_job(
    bdgf: Bdgf, scene_files: SceneFiles, finished_job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    msi, labels = scene_files.spectral, labels_of(scene_files)
    assert bdgf("align", msi, scene_files.sar, "-o", "sar.tif") == 0
    pair = [msi, "sar.tif"]
    assert bdgf("sample", *pair, *labels, "-o", "samples.gpkg") == 0
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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [1.0, float("nan")], (float("nan"),)])
def test_nan_and_infinity_are_null_in_json(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    say(Shown(json=True), [], {"value": {"in": value}})
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["value"]["in"]
    assert found == (None if isinstance(value, float) else [*value[:-1], None])  # type: ignore[index]


def test_a_lone_surrogate_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
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


def test_log_lines_come_before_libraries_are_loaded(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bdgf("align", scene_files.spectral, scene_files.sar, "-o", "sar.tif") == 0
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == "bdgf: loading libraries"
    assert second == f"bdgf: checking {scene_files.spectral} and {scene_files.sar}"


def test_ood_is_an_alias_of_novelty(bdgf: Bdgf, finished_job: Path, scene_files: SceneFiles) -> None:
    model = ["--model", finished_job / "model.safetensors"]
    for name, option in (("a.tif", "--novelty"), ("b.tif", "--ood")):
        assert bdgf("map", scene_files.spectral, scene_files.sar, "-o", name, option, *model) == 0
    assert Path("a_novelty.tif").read_bytes() == Path("b_novelty.tif").read_bytes()


def test_help_lists_the_commands_in_80_columns() -> None:
    result = run("--help", COLUMNS="80")
    for command in ("check", "align", "sample", "pretrain", "train", "map", "assess", "info", "demo"):
        assert f" {command} " in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


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
def test_an_error_is_one_line_with_its_exit_code(
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


def test_outputs_are_not_replaced_without_overwrite(
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


@pytest.mark.parametrize("name", ["train", "pretrain"])
def test_resume_replaces_companions_of_an_interrupted_run(
    name: str, bdgf: Bdgf, scene_files: SceneFiles, finished_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped when the losses are in place and the checkpoint is not."""
    steps = finished_job / "map_steps"
    given = ["--samples", steps / "samples.gpkg"]
    given += ["--denoiser", steps / "denoiser.safetensors"] if name == "train" else []
    command = [name, scene_files.spectral, scene_files.sar, "-o", "kept.safetensors", *given, *QUICK, "-q"]
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


# Runs a job in a child with everything imported, kills it when a file has appeared, and again for the next file.
KILLED = """
import os, signal, sys, time
from pathlib import Path
from landcover_bdgf.geo.gdal_env import lock
lock()
import landcover_bdgf.app.job, torch._dynamo
import landcover_bdgf.training.denoiser_picture as picture
picture.STEP = 2
from landcover_bdgf.app.cli import main
landmarks = sys.argv.pop(1).split(",")
for landmark in landmarks:
    if not (child := os.fork()):
        main()
    while not Path(landmark).exists() and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not Path("map.tif").exists(), landmark
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_job_resumes_to_the_same_map(
    bdgf: Bdgf, finished_job: Path, job_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed without warning whenever one more file of its steps has appeared."""
    landmarks = "map_steps/samples.gpkg,map_steps/denoiser.safetensors,model.safetensors"
    alone = os.environ | {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    job = [*job_words, "--resume"]
    subprocess.run([sys.executable, "-c", KILLED, landmarks, *job, "-q"], env=alone, check=True, timeout=300)
    assert bdgf(*job) == 0
    assert "model.safetensors: already complete, skipped" in capsys.readouterr().err
    for name in ("map.tif", "model.safetensors", "map.tif.json"):
        assert Path(name).read_bytes() == (finished_job / name).read_bytes(), name
    for path in Path().glob("map*.*"):
        path.unlink()
    shutil.rmtree("map_steps/report")
    assert bdgf(*job, "--seed", 1) == 5
    assert "was made with a different scene" in capsys.readouterr().err


def test_shards_on_the_command_line(
    bdgf: Bdgf, finished_job: Path, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(finished_job / "model.safetensors", "model.safetensors")
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
def test_a_signal_hidden_by_an_error_of_a_library_is_found(
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


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX home folders")
def test_a_user_without_a_home_trains_and_leaves_no_folder(scene_files: SceneFiles, tmp_path: Path) -> None:
    """As in a container, under a number without a name, where the package is read-only."""
    images = [scene_files.spectral, scene_files.sar]
    # without Mamba, whose kernels take the longest to compile
    words = ["train", *images, *labels_of(scene_files), *QUICK, "--set", "fusion.branches=cnn"]
    homes = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", VARIABLE)
    alone = {name: value for name, value in os.environ.items() if name not in homes}
    command = [sys.executable, "-c", HOMELESS, *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["model.csv", "model.safetensors"]
