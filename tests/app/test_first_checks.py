"""Mistakes as users type them: `check` and `map` give the same answer, before they estimate the shift or train."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from conftest import Bdgf
from numpy.typing import NDArray

from landcover_bdgf.scene.simulation import SceneFiles

ORDER = "Give the HSI/MSI first and the SAR second."


@pytest.fixture
def typed(scene_files: SceneFiles, tmp_path: Path) -> dict[str, str]:
    """Good files, and the same without names of bands."""
    with rasterio.open(scene_files.spectral) as file:
        spectral, profile = file.read().astype("float32"), file.profile | {"dtype": "float32", "nodata": None}
    with rasterio.open(scene_files.sar) as file:
        db, db_profile = file.read(), file.profile

    def write(name: str, pixels: NDArray[np.float32], like: rasterio.profiles.Profile) -> str:
        with rasterio.open(tmp_path / name, "w", **like | {"count": len(pixels)}) as file:
            file.write(pixels)
        return name

    return {
        "msi": str(scene_files.spectral), "sar": str(scene_files.sar), "labels": str(scene_files.labels),
        "unnamed": write("unnamed.tif", 1e-4 * np.maximum(spectral, 1), profile),
        "unnamed_db": write("unnamed_db.tif", db, db_profile),
        "many_db": write("many_db.tif", np.repeat(db, 6, axis=0), db_profile),
        "copy": write("copy.tif", db, db_profile), "field": "--labels {labels} --field class",
    }  # fmt: skip


@pytest.mark.parametrize(("words", "code", "says"), [
    ("{sar} {msi}", 3, "sar_db.tif: is given as the spectral image but has SAR bands (VV, VH). " + ORDER),
    ("{unnamed_db} {unnamed}", 3, "unnamed.tif: is given as the SAR image but looks spectral: 10 bands, none named"),
    ("{msi} {msi}", 3, "msi.tif: is given as both images. " + ORDER),
    ("{unnamed_db} {copy}", 3, "copy.tif: is given as both images. " + ORDER),
    ("{msi} {unnamed}", 3, "unnamed.tif: is given as the SAR image but looks spectral: 10 bands, none named"),
    ("{many_db} {sar}", 3, "many_db.tif: has values like SAR in dB: 98 % are below -1. " + ORDER),
    ("{msi} none.tif", 3, "none.tif: does not exist. Check its name and the folder you are in."),
    ("{msi} VV.tif,VH.tif", 3, "VV.tif: does not exist. Check its name and the folder you are in."),
    ("{msi} {sar} --labels {labels}", 2, "labels.gpkg: --field is missing, the field that holds the class. Choose from "
     "(with the number of features): class: built area ("),
    ("{msi} {sar} --labels {labels} --field clas", 4, "labels.gpkg: has no field 'clas', but class. Did you mean"),
    ("{msi} {sar} --labels none.shp --field class", 4, "none.shp: does not exist. Check its name"),
    ("{msi} {sar} {field} --device cuda:9", 7, "--device cuda:9: is not available on this machine. Use --device cpu."),
    ("{msi} {sar} {field} --device gpu", 2, "--device gpu: is unknown. Use auto, cpu, cuda or cuda:0."),
    ("{msi} {sar} {field} --set training.stepz=3", 2, "--set training.stepz=3: unknown setting 'training.stepz'."),
])  # fmt: skip
def test_check_and_map_refuse_a_mistake_in_the_same_words(
    words: str, code: int, says: str, bdgf: Bdgf, typed: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def too_late(*arguments: object, **options: object) -> None:
        raise AssertionError("the shift was estimated first")

    monkeypatch.setattr("landcover_bdgf.scene.alignment.estimate_shift", too_late)
    if "--labels" not in words and "{field}" not in words:
        words += " {field}"
    given = words.replace("{field}", typed["field"]).format(**typed).split()
    said = []
    for command in (["check", *given], ["map", *given, "-o", "map.tif"]):
        assert bdgf(*command) == code
        said.append(capfd.readouterr().err.splitlines()[-1])
    assert says in said[0]
    assert said[0] == said[1]


@pytest.mark.parametrize(("output", "says"), [
    ("there.tif", "there.tif: exists already. Choose another name, or allow it with --overwrite."),
    ("nowhere/map.tif", "nowhere/map.tif: the folder nowhere does not exist. Create it first."),
])  # fmt: skip
@pytest.mark.parametrize("more", ["{field}", "--model model.safetensors"])
def test_an_output_is_refused_first_of_all(
    output: str, says: str, more: str, bdgf: Bdgf, typed: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    Path("there.tif").write_text("mine")
    given = more.replace("{field}", typed["field"]).format(**typed).split()
    assert bdgf("map", "none.tif", "none.tif", *given, "-o", output) == 6
    assert capfd.readouterr().err.splitlines() == ["bdgf: loading libraries", f"bdgf: error: {says}"]


@pytest.mark.parametrize(("images", "field", "code", "says"), [
    (("msi", "sar"), "clas", 4, "has no field 'clas'"),
    (("sar", "msi"), "class", 3, "Give the HSI/MSI first and the SAR second."),
])  # fmt: skip
def test_wrong_fields_and_images_are_told_before_torch_is_loaded(
    images: tuple[str, str], field: str, code: int, says: str, typed: dict[str, str], tmp_path: Path
) -> None:
    words = ["map", *(typed[image] for image in images), "--labels", typed["labels"], "--field", field, "-o", "map.tif"]
    assert says in told_without_torch(words, tmp_path, code)


def test_maps_of_a_table_that_exist_are_told_before_torch_is_loaded(typed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "scenes.csv").write_text(f"hsi,sar,output\n{typed['msi']},{typed['sar']},north")
    (tmp_path / "maps").mkdir()
    for name in ("maps/north.tif", "model.safetensors"):
        (tmp_path / name).write_text("mine")
    words = ["map", "scenes.csv", "-o", "maps", "--model", "model.safetensors"]
    assert "maps/north.tif: exists already. Skip finished maps with --resume, " in told_without_torch(
        words, tmp_path, 6
    )
    (tmp_path / "file").write_text("mine")
    words[3] = "file"
    assert "file: is a file, the maps of a table go into a folder." in told_without_torch(words, tmp_path, 6)


def told_without_torch(words: list[str], folder: Path, code: int) -> str:
    """Standard error of a command that ends with an exit code before PyTorch is loaded."""
    program = "import sys, atexit; atexit.register(lambda: print('torch' in sys.modules));"
    program += "from landcover_bdgf.app.cli import main; main()"
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == code, done.stderr
    assert done.stdout == "False\n"
    return done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_gpu_that_is_not_there(bdgf: Bdgf, typed: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    for command in ("check", "pretrain"):
        output = ["-o", "d.safetensors"] if command == "pretrain" else []
        assert bdgf(command, typed["msi"], typed["sar"], "--device", "cuda", *output) == 7
        assert "--device cuda: is not available on this machine. Use --device cpu." in capfd.readouterr().err
