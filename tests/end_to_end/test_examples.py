"""The examples and the demo run without changes, and the README shows only commands that exist."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TINY = ("diffusion.steps=2", "training.steps=3", "training.calibration_folds=0")
QUICK = [word for setting in TINY for word in ("--set", setting)]


def run(*command: object) -> str:
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # the folder of the bdgf command
    result = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": search},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_examples_in_order(tmp_path: Path) -> None:
    settings = tmp_path / "tiny.toml"
    quick = (EXAMPLES / "quick.toml").read_text()
    settings.write_text(
        quick.replace("steps = 20", "steps = 2").replace("steps = 60", "steps = 3\ncalibration_folds = 0")
    )
    scene = tmp_path / "scene"
    assert "polygons with the field 'class'" in run(sys.executable, EXAMPLES / "1_simulated_scene.py", scene)
    assert "overall accuracy" in run(sys.executable, EXAMPLES / "2_python_api.py", scene, settings)
    assert "land-cover map" in run("bash", EXAMPLES / "3_steps.sh", scene, "-c", settings)
    assert (scene / "steps_report" / "report.html").is_file()


def test_the_demo(tmp_path: Path) -> None:
    out = run(sys.executable, "-m", "landcover_bdgf", "demo", tmp_path / "demo", "-q", *QUICK)
    assert f"{tmp_path}/demo/landcover.tif: map" in out
    assert f"{tmp_path}/demo/landcover_steps/report/report.html: report" in out


def test_the_readme_shows_commands_that_exist() -> None:
    shown = {line.split()[1] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("    bdgf ")}
    text = run(sys.executable, "-m", "landcover_bdgf", "--help")
    assert all(f" {command} " in text for command in shown)
