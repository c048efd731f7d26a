"""The examples run without changes."""

import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import Bdgf

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
# As bdgf on the PATH of a script: notes its folder and its arguments.
NOTE = '#!/usr/bin/env bash\nprintf \'%q \' "$PWD" "$@" >> $COMMANDS\necho >> $COMMANDS\n'


def test_examples_in_order(
    bdgf: Bdgf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, which has everything imported: also the commands of the shell script, noted by a stand-in."""
    settings, scene = tmp_path / "tiny.toml", tmp_path / "scene"
    quick = (EXAMPLES / "quick.toml").read_text()
    quick = quick.replace("steps = 20", "steps = 2\nwidth = 0.0625")
    quick = quick.replace("steps = 60", "steps = 3\nfolds = 2")
    settings.write_text(quick + '[fusion]\nbranches = ["cnn"]\n[context]\nsizes_px = []\n')
    of_scene = (("2_python_api.py", scene, settings), ("4_label_next.py", scene, settings))
    for name, *words in (("1_simulated_scene.py", scene), *of_scene):
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    out = capsys.readouterr().out
    assert "polygons with the field 'class'" in out
    assert "overall accuracy" in out
    assert "turn 1: 12 polygons" in out
    assert "turn 2: 24 polygons" in out
    assert "undecided between " in out
    (tmp_path / "bdgf").write_text(NOTE)
    (tmp_path / "bdgf").chmod(0o755)
    noted = tmp_path / "commands"
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "COMMANDS": str(noted)}
    subprocess.run(["bash", EXAMPLES / "3_steps.sh", scene, "-c", settings], env=environment, check=True)
    for line in noted.read_text().splitlines():
        folder, *words = shlex.split(line)
        monkeypatch.chdir(folder)
        assert bdgf(*words) == 0, line
    assert "land-cover map" in capsys.readouterr().out
    assert (scene / "steps_report" / "report.html").is_file()
    monkeypatch.chdir(scene)
    noted.unlink()
    for task in "12":  # as an array job of Slurm does
        array = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
        words = ["msi.tif", "sar_db.tif", "model.safetensors", "parts.tif"]
        subprocess.run(["bash", EXAMPLES / "5_slurm.sh", *words], env=environment | array, check=True)
    for line in noted.read_text().splitlines():
        assert bdgf(*shlex.split(line)[1:]) == 0, line
    assert bdgf("mosaic", *sorted(scene.glob("parts.tif.*-of-2.partial")), "-o", "parts.tif") == 0
    code = [sys.executable, EXAMPLES / "7_dask.py", scene]
    assert "land-cover map" in subprocess.run(code, env=environment, check=True, capture_output=True, text=True).stdout
    assert (scene / "by_dask.tif").read_bytes() == (scene / "parts.tif").read_bytes()


def test_the_pods_of_kubernetes_map_each_part_once(tmp_path: Path) -> None:
    job = yaml.safe_load((EXAMPLES / "6_kubernetes.yaml").read_text())["spec"]
    (pod,) = job["template"]["spec"]["containers"]
    (tmp_path / "bdgf").write_text(NOTE)
    (tmp_path / "bdgf").chmod(0o755)
    noted = tmp_path / "commands"
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "COMMANDS": str(noted)}
    for index in range(job["completions"]):
        number = {"JOB_COMPLETION_INDEX": str(index)}
        subprocess.run([*pod["command"], *pod["args"]], env=environment | number, cwd=tmp_path, check=True)
    shards = [shlex.split(line)[-2:] for line in noted.read_text().splitlines()]
    assert shards == [["--shard", f"{number}/4"] for number in (1, 2, 3, 4)]
