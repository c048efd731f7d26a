"""bdgf check describes the inputs before a long run."""

import json
from pathlib import Path

import geopandas
import pytest
import torch
from conftest import Bdgf

from landcover_bdgf.app.check import _machine
from landcover_bdgf.model.networks import scan
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.simulation import SceneFiles


def test_the_scene_the_classes_and_the_device(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", scene_files.spectral, scene_files.sar]
    assert bdgf(*words, "--labels", scene_files.labels, "--field", "class") == 0
    out, err = capsys.readouterr()
    assert "\nshift: " in out
    assert not [line for line in err.splitlines() if " shift" in line and "0 of" not in line]  # not said twice
    assert "SAR is in dB" in err
    for text in ("120 × 104 px", "dB", "valid in both sensors: 9", "bare soil", "grassland", "scan on cpu: numba"):
        assert text in out
    assert bdgf(*words) == 0
    assert "labels: not checked (pass --labels)" in capsys.readouterr().out


def test_pixels_of_one_sensor_are_told_where_they_are_many(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    """A corner of 12 × 20 pixels has no spectral data; the first two rows and the last three columns have no SAR."""
    assert bdgf("check", scene_files.spectral, scene_files.sar) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " alone: " in line]
    assert [line.split(": ")[0] for line in lines] == [
        "valid in the spectral image alone", "valid in the SAR image alone",
    ]  # fmt: skip
    assert "; not mapped, unless by map --missing sar and a model trained with --set training.one_sensor" in lines[1]
    assert bdgf("check", scene_files.spectral, scene_files.sar, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["alone"] == pytest.approx({"spectral": (2 * 100 + 92 * 3) / (104 * 120), "sar": 10 * 17 / (104 * 120)})


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
    one, two, three, head, *table, device, _ = out.splitlines()
    assert one.startswith("one: valid in both sensors 9")
    assert "classes" not in one
    assert two.startswith("two: cannot be used. broken.tif: ")
    assert " classes: " in three
    assert "bare soil" in three
    assert head.split()[:2] == ["class", "polygons"]
    assert table[-1].startswith("all ")
    assert device.startswith("device: CPU")
    assert err.endswith("scenes.csv: 1 of 3 scenes cannot be used. See the lines above.\n")
    assert bdgf("check", "scenes.csv", "--labels", labels, "--field", "class", "--json", "-q") == 1
    scenes = json.loads(capsys.readouterr().out)["scenes"]
    assert [bool(each.get("classes")) for each in scenes] == [True, False, True]


def test_labels_of_a_table_are_checked_together(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they are trained on: a scene may have a single class. Labels without a field are refused, as by map."""
    msi, sar, labels = scene_files.spectral, scene_files.sar, geopandas.read_file(scene_files.labels)
    names = labels["class"].unique()
    labels[labels["class"] == names[0]].to_file("one.gpkg")
    labels.to_file("all.gpkg")
    rows = ["hsi,sar,labels,field,output", f"{msi},{sar},one.gpkg,class,one", f"{msi},{sar},all.gpkg,class,all"]
    Path("scenes.csv").write_text("\n".join(rows))
    assert bdgf("check", "scenes.csv", "-q", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in found["classes"]} == set(names)
    Path("scenes.csv").write_text("\n".join([*rows, f"{msi},{sar},all.gpkg,,none"]))
    assert bdgf("check", "scenes.csv", "-q") == 1
    assert "none: cannot be used. all.gpkg: --field is missing" in capsys.readouterr().out
    Path("scenes.csv").write_text("\n".join(rows[:2]))
    assert bdgf("check", "scenes.csv", "-q") == 1
    out, err = capsys.readouterr()
    assert "labels: cannot be used. one.gpkg: a map needs at least two classes" in out
    assert err.endswith("scenes.csv: its labels cannot be used. See the lines above.\n")


def test_a_scene_without_sar(bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]) -> None:
    """A model can map it, but not learn from it, which is refused as by map."""
    assert bdgf("check", scene_files.spectral, "none") == 0
    out = capsys.readouterr().out
    assert "SAR: none" in out
    assert "valid in the spectral image: 98.1 %; mapped by a model trained with --set training.one_sensor=true" in out
    labels = ["--labels", scene_files.labels, "--field", "class"]
    told = []
    for words in (["check"], ["map", "-o", "map.tif"]):
        assert bdgf(*words, scene_files.spectral, "none", *labels, "-q") == 2
        told.append(capsys.readouterr().err)
    assert told[0] == told[1]
    assert "SAR none: stands for a scene without a SAR image, which a model can only map. Name a SAR image" in told[0]
    Path("scenes.csv").write_text(f"hsi,sar,labels,field\n{scene_files.spectral},none,{scene_files.labels},class\n")
    assert bdgf("check", "scenes.csv", "-q") == 1
    scene, refused, *_ = capsys.readouterr().out.splitlines()
    assert scene == "msi: valid in the spectral image 98.1 %"
    assert refused.startswith("labels: cannot be used. scenes.csv: line 2: sar is none, but a model learns from both")


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        ("", "selective scan on cuda: triton (called once, agrees with the reference)"),
        ("Failed to find C compiler.", "selective scan on cuda: torch (plain and slow, as no compiled version starts)"),
    ],
)
def test_a_gpu_and_the_scan_that_starts_there(
    failure: str, line: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("landcover_bdgf.model.device.choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr(scan, "trial", lambda name, device_type: failure if device_type == "cuda" else "")
    scan.kernel.cache_clear()
    assert _machine(Run(device="cuda")) == ["device: NVIDIA H200", line]
    assert failure in caplog.text
    scan.kernel.cache_clear()
    assert "scan on cpu: numba" in _machine(Run(device="cpu"))[1]
