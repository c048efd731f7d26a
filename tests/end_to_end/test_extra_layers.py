"""A model that was trained with extra layers asks for them again, and sees when their values change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import SHORT_OPTIONS, Bdgf, commands_in
from scipy.ndimage import gaussian_filter

from landcover_bdgf.scene.simulation import SceneFiles

LAYERS = ["--extra", "dem.tif", "--extra", "tessera=embeddings.tif"]
SCENE = ["msi.tif", "sar_db.tif"]


def write_layer(path: Path, count: int, scale: float = 1.0) -> None:
    """Smooth layers on the grid of the scene, at half its resolution."""
    rng = np.random.default_rng(count)
    with rasterio.open("msi.tif") as image:
        transform = image.transform * image.transform.scale(2)
        profile = {"crs": image.crs, "transform": transform, "width": image.width // 2, "height": image.height // 2}
    fields = [gaussian_filter(rng.standard_normal((profile["height"], profile["width"])), 3) for _ in range(count)]
    with rasterio.open(path, "w", driver="GTiff", count=count, dtype="float32", **profile) as file:
        file.write((scale * np.stack(fields)).astype("float32"))


@pytest.fixture(scope="module")
def made(scene_files: SceneFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scene, its extra layers, a map and a model of both."""
    folder = tmp_path_factory.mktemp("layers")
    for file in (scene_files.spectral, scene_files.sar, scene_files.labels):
        shutil.copy(file, folder)
    labels = ["--labels", scene_files.labels.name, "--field", "class", *SHORT_OPTIONS]
    with commands_in(folder) as bdgf:
        write_layer(folder / "dem.tif", 1)
        write_layer(folder / "embeddings.tif", 9)
        assert bdgf("map", *SCENE, "-o", "map.tif", "--model", "model.safetensors", *labels, *LAYERS) == 0
    return folder


@pytest.fixture
def trained(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True)


def test_a_model_asks_for_its_extra_layers_again(trained: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*options: object) -> str:
        capsys.readouterr()
        code = bdgf("map", *SCENE, "-o", "again.tif", "--overwrite", *options)
        return f"{code} {capsys.readouterr().err}"

    assert told(*LAYERS).startswith("0 ")
    assert (trained / "again.tif").read_bytes() == (trained / "map.tif").read_bytes()
    missing = "extra layers differ: expected dem, tessera, the scene has"
    assert f"{missing} none. Pass each: --extra dem=FILE." in told()
    assert f"{missing} dem. Pass each: --extra tessera=FILE." in told(*LAYERS[:2])
    third = ["--extra", "third=dem.tif"]
    text = f"{missing} dem, tessera, third; not used by the model: third. Leave them out, or train with them."
    assert text in told(*LAYERS, *third)
    fewer = trained / "fewer.tif"
    write_layer(fewer, 8)
    assert "bands of tessera differ: bands are numbered, not named; missing: band 9" in told(
        *LAYERS[:3], "tessera=fewer.tif"
    )


def test_layers_of_another_scale_are_told(trained: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    def warned(options: list[str]) -> list[str]:
        capsys.readouterr()
        assert bdgf("map", *SCENE, "-o", "again.tif", "--overwrite", "--force", *options) == 0
        return [line for line in capsys.readouterr().err.splitlines() if "novel scene" in line]

    assert warned(LAYERS) == []
    write_layer(trained / "small.tif", 9, scale=0.1)
    (line,) = warned([*LAYERS[:3], "tessera=small.tif"])
    assert "all tessera values vary only 0.1 times as much as those that the model was trained on" in line
    write_layer(trained / "large.tif", 9, scale=10)
    (line,) = warned([*LAYERS[:3], "tessera=large.tif"])
    assert "% of the pixels have tessera values unlike all that the model was trained on" in line


def test_info_lists_them_and_no_output_replaces_them(
    trained: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert bdgf("info", "model.safetensors", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bands of dem"] == "band 1"
    assert found["bands after reduction"] == 10 + 1 + 9
    assert bdgf("map", *SCENE, "-o", "dem.tif", "--overwrite", *LAYERS) != 0
    assert "dem.tif" in capsys.readouterr().err
