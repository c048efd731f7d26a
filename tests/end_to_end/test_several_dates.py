"""A scene of several dates is mapped as any other: any tile size, shards and mosaic give the same map."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import SHORT_OPTIONS, Bdgf, commands_in

from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.mapping.partial_map import PartialMap
from landcover_bdgf.model.map_layers import Classified
from landcover_bdgf.scene.simulation import simulate, write_scene

SCENE = ["dates.csv", "sar.csv"]
WITH_MODEL = ["--model", "model.safetensors"]


def write_date(source: Path, path: Path, *, seed: int) -> None:
    """A copy of an image with another noise."""
    with rasterio.open(source) as image:
        pixels, profile, names = image.read(), image.profile, image.descriptions
    change = np.random.default_rng(seed).normal(0, 20 if profile["dtype"] == "int16" else 1, pixels.shape)
    noisy = np.where(pixels == profile["nodata"], pixels, pixels + change).astype(profile["dtype"])
    with rasterio.open(path, "w", **profile) as file:
        file.write(noisy)
        for index, name in enumerate(names, 1):
            file.set_band_description(index, name)


def write_table(path: Path, *rows: str) -> None:
    path.write_text("\n".join(["date,image,mask", *rows]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two dates of both sensors, clouds in one, and a map and a model of them; 262 × 50 pixels."""
    folder = tmp_path_factory.mktemp("dates")
    files = write_scene(simulate((262, 50), seed=3), folder, seed=3)
    for number in (1, 2):
        write_date(files.spectral, folder / f"s2_{number}.tif", seed=number)
        write_date(files.sar, folder / f"s1_{number}.tif", seed=number)
    with rasterio.open(folder / "s2_1.tif") as image:
        profile = image.profile | {"count": 1, "dtype": "uint8", "nodata": None}
    clouds = np.zeros((1, profile["height"], profile["width"]), "uint8")
    clouds[:, 20:120, 5:25] = 1
    with rasterio.open(folder / "clouds.tif", "w", **profile) as file:
        file.write(clouds)
    write_table(folder / "dates.csv", "2023-06-04,s2_1.tif,", "2023-07-14,s2_2.tif,clouds.tif")
    write_table(folder / "sar.csv", "2023-06-05,s1_1.tif,", "2023-07-11,s1_2.tif,")
    labels = ["--labels", "labels.gpkg", "--field", "class", *SHORT_OPTIONS]
    with commands_in(folder) as bdgf:
        assert bdgf("map", *SCENE, "-o", "map.tif", *WITH_MODEL, *labels) == 0
    return folder


@pytest.fixture
def mapped(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True)


def test_any_tile_size_and_shards_give_the_same_map(mapped: Path, bdgf: Bdgf) -> None:
    assert bdgf("map", *SCENE, "-o", "tiles.tif", *WITH_MODEL, "--tile", 128) == 0
    for shard in ("1/2", "2/2"):
        assert bdgf("map", *SCENE, "-o", "parts.tif", *WITH_MODEL, "--tile", 128, "--shard", shard) == 0
    assert bdgf("mosaic", *mapped.glob("parts.tif.*.partial"), "-o", "parts.tif") == 0
    expected = (mapped / "map.tif").read_bytes()
    assert (mapped / "tiles.tif").read_bytes() == expected
    with rasterio.open(mapped / "parts.tif") as parts, rasterio.open(mapped / "map.tif") as whole:
        np.testing.assert_array_equal(parts.read(), whole.read())
        codes = whole.read(1)
    assert codes[20:120, 5:25].all()  # clouds of one date


def test_an_interrupted_map_is_resumed(
    mapped: Path, bdgf: Bdgf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(partial: PartialMap, window: Window, piece: Classified) -> Path:
        if window.row_off:
            raise OutputError(partial.path, "the disk is full", "Free some space.")
        return add(partial, window, piece)

    add, words = PartialMap.add, ["map", *SCENE, "-o", "again.tif", *WITH_MODEL, "--tile", 128]
    with monkeypatch.context() as patch:
        patch.setattr(PartialMap, "add", full)
        assert bdgf(*words) == 6
    assert [file.name for file in (mapped / "again.tif.partial").glob("*.npz")] == ["0_0.npz"]
    assert "the disk is full" in capsys.readouterr().err
    table = (mapped / "dates.csv").read_text()
    (mapped / "dates.csv").write_text(table.replace("2023-07-14", "2023-07-15"))
    assert bdgf(*words, "--resume") == 6, "gaps are filled from other days"
    assert "belongs to another run: other images, mask, area or alignment" in capsys.readouterr().err
    (mapped / "dates.csv").write_text(table)
    assert bdgf(*words, "--resume") == 0
    assert (mapped / "again.tif").read_bytes() == (mapped / "map.tif").read_bytes()


def test_the_record_tells_the_dates_and_what_was_filled(mapped: Path, bdgf: Bdgf) -> None:
    spectral, sar = json.loads((mapped / "map.tif.json").read_text())["images"]
    assert [day["date"] for day in sar["dates"]] == ["2023-06-05", "2023-07-11"]
    assert spectral["dates"][0]["filled"] == 0
    assert spectral["dates"][1]["filled"] == pytest.approx(100 * 20 / (262 * 50), abs=0.02)
    assert {"B04@2023-06-04", "B04@2023-07-14"} < {*spectral["bands"]}


def test_a_model_of_two_dates_takes_two_dates(mapped: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*scene: str) -> str:
        capsys.readouterr()
        code = bdgf("map", *scene, "-o", "other.tif", *WITH_MODEL, "--overwrite")
        return f"{code} {capsys.readouterr().err}"

    text = (mapped / "dates.csv").read_text()
    (mapped / "other.csv").write_text(text.replace("2023-06", "2024-06").replace("2023-07-14", "2024-09-02"))
    found = told("other.csv", "sar.csv")
    assert found.startswith("0 ")
    assert "other parts of the year: 2023-07-14 in training, 2024-09-02 here (51 days)" in found
    assert "spectral bands differ: expected 2 dates (2023-06-04, 2023-07-14), the image has one date." in told(
        "s2_1.tif", "sar.csv"
    )
    assert "SAR bands differ: expected 2 dates (2023-06-05, 2023-07-11), the image has one date." in told(
        "dates.csv", "s1_1.tif"
    )


def test_images_of_a_table_are_not_overwritten(mapped: Path, bdgf: Bdgf) -> None:
    before = (mapped / "s2_2.tif").read_bytes()
    assert bdgf("map", *SCENE, "-o", "s2_2.tif", *WITH_MODEL, "--overwrite") != 0
    assert (mapped / "s2_2.tif").read_bytes() == before


def test_a_table_of_scenes_names_tables_of_dates(mapped: Path, bdgf: Bdgf) -> None:
    (mapped / "scenes.csv").write_text("hsi,sar,output\ndates.csv,sar.csv,one\n")
    (mapped / "maps").mkdir()
    assert bdgf("map", "scenes.csv", "-o", "maps", *WITH_MODEL) == 0
    assert (mapped / "maps/one.tif").read_bytes() == (mapped / "map.tif").read_bytes()
