"""Extra layers are read beside the sensors, all their bands, under their names."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from conftest import WriteTif
from small_scenes import POWER, REFLECTANCE, whole

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.extra import extra_sources
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.stack import Stack

RNG = np.random.default_rng(1)
TERRAIN = np.stack([RNG.uniform(-5, 900, (40, 50)), RNG.uniform(0, 60, (40, 50))]).astype("float32")


def scene(write_tif: WriteTif, *extra: str, force: bool = False) -> Stack:
    settings = AlignSettings(extra=extra, force=force)
    return align(write_tif("hsi.tif", REFLECTANCE), write_tif("sar.tif", POWER), settings=settings)


def test_bands_of_extra_layers_follow_the_spectral_ones_unchanged(write_tif: WriteTif) -> None:
    dem = write_tif("dem.tif", TERRAIN, names=("elevation", "slope"))
    embeddings = write_tif("embeddings.tif", RNG.random((5, 40, 50)).astype("float32"))
    stack = scene(write_tif, str(dem), f"tessera={embeddings}")
    assert [(image.group, image.names) for image in stack.extra] == [
        ("dem", ("elevation", "slope")), ("tessera", tuple(f"band {i}" for i in range(1, 6))),
    ]  # fmt: skip
    tile = whole(stack)
    assert tile.spectral.shape == (4 + 2 + 5, 40, 50)
    np.testing.assert_array_equal(tile.spectral[:4], REFLECTANCE)
    np.testing.assert_array_equal(tile.spectral[4:6], TERRAIN)
    assert any(line.startswith("dem: 2 bands of ") for line in stack.describe())
    assert dem in stack.files


def test_a_coarser_layer_has_the_same_values_in_any_window_and_its_gaps_are_gaps(write_tif: WriteTif) -> None:
    dem = TERRAIN[:, :14, :17].copy()
    dem[:, :4] = -9999
    stack = scene(write_tif, str(write_tif("dem.tif", dem, pixel_m=30.0, nodata=-9999)))
    tile = whole(stack)
    assert not tile.valid[:12].any()
    assert tile.valid[13:, :49].all()
    assert not tile.spectral[:, ~tile.valid].any()
    for window in stack.grid.tiles(16):
        rows, cols = window.toslices()
        np.testing.assert_array_equal(stack.read(window).spectral, tile.spectral[:, rows, cols])
        np.testing.assert_array_equal(stack.read_valid(window), tile.valid[rows, cols])


def test_the_fingerprint_depends_on_extra_layers(write_tif: WriteTif) -> None:
    path = str(write_tif("dem.tif", TERRAIN))
    prints = [scene(write_tif, *extra).fingerprint() for extra in ((), (path,), (f"other={path}",))]
    assert len(set(prints)) == 3
    stack = scene(write_tif, path)
    write_tif("dem.tif", TERRAIN + 1)
    with pytest.raises(RasterError, match=r"dem\.tif: was modified while it was being read"):
        stack.check_unchanged()


def test_names_come_from_files_or_are_given(tmp_path: Path) -> None:
    (tmp_path / "a=b.tif").touch()
    assert extra_sources(["x/dem.tif", "t=e.tif,f.tif"]) == {"dem": ["x/dem.tif"], "t": ["e.tif", "f.tif"]}
    assert extra_sources(["my dem = a b.tif", "/x/a=b.tif"]) == {"my dem": ["a b.tif"], "a=b": ["/x/a=b.tif"]}
    assert extra_sources([str(tmp_path / "a=b.tif")]) == {"a=b": [str(tmp_path / "a=b.tif")]}
    with pytest.raises(SettingsError, match=r"`extra=b/dem.tif`: is a second one named dem. Name them"):
        extra_sources(["a/dem.tif", "b/dem.tif"])


def test_a_comma_in_the_name_of_a_file_joins_nothing(tmp_path: Path) -> None:
    path = tmp_path / "dem,2020.tif"
    path.touch()
    assert extra_sources([str(path)]) == {"dem,2020": [str(path)]}
    assert extra_sources([f"dem={path}"]) == {"dem": [str(path)]}


def test_every_file_and_band_of_a_folder_is_a_layer(write_tif: WriteTif, tmp_path: Path) -> None:
    for at, name in enumerate(("elevation", "slope", "hillshade", "B8_mask")):
        write_tif(f"terrain/{name}.tif", TERRAIN[at % 2])
    (layers,) = scene(write_tif, str(tmp_path / "terrain")).extra
    assert len(layers.bands) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"origin_xy": (900_000.0, 5_000_000.0)}, r"dem.tif: does not overlap .*hsi.tif"),
        ({"pixel_m": 600.0}, "pixel sizes differ by a factor of 60"),
        ({"pixels": np.full((40, 50), 7, "int16")}, "dem.tif: is 7 wherever it has data"),
    ],
)
def test_an_unusable_layer_is_refused(write_tif: WriteTif, change: dict, message: str) -> None:
    path = write_tif("dem.tif", **{"pixels": TERRAIN, **change})
    with pytest.raises(RasterError, match=message):
        scene(write_tif, str(path))


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ([1, 2, 3, 4], True), ([10, 20, 30, 40, 50, 80], True), ([0, 1], False), (range(12), False),
        ([0.5, 1.5, 3.5], False),
    ],
)  # fmt: skip
def test_layers_of_classes_are_warned_of(write_tif: WriteTif, caplog: pytest.LogCaptureFixture, codes, told) -> None:
    layer = RNG.choice(list(codes), (2, 40, 50)).astype("float32")
    layer[0] = TERRAIN[0]
    scene(write_tif, str(write_tif("cover.tif", layer, names=("elevation", "cover"))))
    assert ("cover.tif: seems to hold classes in cover, and" in caplog.text) == told
    assert bool(caplog.messages) == told


def test_gaps_in_some_bands_of_a_layer_are_told_of_that_layer(write_tif: WriteTif, caplog) -> None:
    layer = np.concatenate([TERRAIN, TERRAIN[:1]])
    layer[1, :10] = -9999
    path = write_tif("dem.tif", layer, names=("elevation", "slope", "height"), nodata=-9999)
    assert whole(scene(write_tif, str(path))).valid.mean() == 0.75
    (said,) = caplog.messages
    assert said.startswith(f"{path}: about 25 % of its pixels have no data in slope but in other bands, and will")
    assert "`gaps=zero`" not in said


def test_a_layer_without_a_crs_gets_its_own_remedy(write_tif: WriteTif) -> None:
    with pytest.raises(RasterError, match=r"has no CRS\. Give it its CRS with gdal_edit"):
        scene(write_tif, str(write_tif("dem.tif", TERRAIN, crs=None)))


@pytest.mark.parametrize("setting", [{"extra": ("",)}, {"mask": (" ",)}, {"aoi": ""}])
def test_an_empty_name_is_refused(setting) -> None:
    with pytest.raises(SettingsError, match=r"is empty\. Name a file, or leave it out"):
        AlignSettings(**setting)


def test_the_spectral_image_is_no_extra_layer(write_tif: WriteTif, tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="is given as the spectral image and as an extra layer"):
        scene(write_tif, f"again={tmp_path / 'hsi.tif'}")


def test_a_layer_that_covers_a_part_of_the_scene_is_told(write_tif: WriteTif, caplog: pytest.LogCaptureFixture) -> None:
    path = str(write_tif("dem.tif", TERRAIN[:, :, :30]))
    with caplog.at_level(logging.WARNING):
        stack = scene(write_tif, path)
    assert "dem.tif: covers only 60 % of the scene; the rest will not be mapped." in caplog.text
    assert stack.read_valid(Window(0, 0, 50, 40)).mean() == 0.6
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        scene(write_tif, str(write_tif("dem.tif", TERRAIN)))
    assert "covers" not in caplog.text
