"""bdgf check describes the inputs before a long run."""

import json
from pathlib import Path

import pytest
from conftest import Bdgf

from landcover_bdgf.scene.simulation import SceneFiles


def test_the_scene_the_classes_and_the_device(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", scene_files.spectral, scene_files.sar]
    assert bdgf(*words, "--labels", scene_files.labels, "--field", "class") == 0
    out = capsys.readouterr().out
    for text in ("120 × 104 px", "dB", "valid in both sensors: 9", "bare soil", "grassland", "scan on cpu: numba"):
        assert text in out
    assert bdgf(*words) == 0
    assert "labels: not checked (pass --labels)" in capsys.readouterr().out


def test_the_device_that_a_run_would_use(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", scene_files.spectral, scene_files.sar, "--threads", 3, "--json"]
    assert bdgf(*words) == 0
    assert json.loads(capsys.readouterr().out)["machine"][0] == "device: CPU, 3 threads"


def test_every_scene_of_a_table_has_a_line(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that cannot be used; labels of a row win over those of the command line."""
    Path("broken.tif").write_text("no image")
    msi, sar, labels = scene_files.spectral, scene_files.sar, scene_files.labels
    rows = [f"{msi},{sar},,,one", f"broken.tif,{sar},,,two", f"{msi},{sar},{labels},class,three"]
    Path("scenes.csv").write_text("\n".join(["hsi,sar,labels,field,output", *rows]))
    assert bdgf("check", "scenes.csv", "-q") == 1
    out, err = capsys.readouterr()
    one, two, three, device, _ = out.splitlines()
    assert one.startswith("one: valid in both sensors 9")
    assert "classes" not in one
    assert two.startswith("two: cannot be used. broken.tif: ")
    assert " classes: " in three
    assert "bare soil" in three
    assert device.startswith("device: CPU")
    assert err.endswith("scenes.csv: 1 of 3 scenes cannot be used. See the lines above.\n")
    assert bdgf("check", "scenes.csv", "--labels", labels, "--field", "class", "--json", "-q") == 1
    scenes = json.loads(capsys.readouterr().out)["scenes"]
    assert [bool(each.get("classes")) for each in scenes] == [True, False, True]
