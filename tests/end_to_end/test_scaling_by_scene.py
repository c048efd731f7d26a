"""Scaling by scene: another unit or offset of a whole scene changes nothing, and all its parts are scaled alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from conftest import QUICK
from numpy.typing import NDArray

from landcover_bdgf import (
    AlignSettings,
    Checkpoint,
    MapSettings,
    Stack,
    align,
    load_checkpoint,
    map_scene,
    mosaic,
    pretrain,
    sample,
    train,
)
from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.geo import RasterProfile
from landcover_bdgf.model import load_recipe, scaling_of, warn_of_novel_scene
from landcover_bdgf.scene.simulation import BANDS, label_polygons, simulate, write_pixels

BY_SCENE = (*QUICK, "scaling.fit=scene", "training.folds=0")
TOGETHER = (*QUICK, "training.folds=0")
SAR_BANDS = ("VV", "VH")
Written = Callable[..., Stack]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A function that writes a simulated scene in other units: both sensors have data everywhere."""

    def write(gain: float = 1, offset: float = 0, power: float = 1, shape_hw: tuple[int, int] = (96, 104)) -> Stack:
        folder, scene = tmp_path_factory.mktemp("scene"), simulate(shape_hw, seed=6)
        for name, bands, pixels in (
            ("msi.tif", BANDS, 10_000 * gain * scene.reflectance + offset),
            ("sar.tif", SAR_BANDS, power * scene.intensity),
        ):
            profile = RasterProfile("float32", len(bands), math.nan, bands, overviews="average")
            write_pixels(folder / name, scene.grid, pixels.astype(np.float32), profile)
        label_polygons(scene, seed=6).to_file(folder / "labels.gpkg")
        return align(folder / "msi.tif", folder / "sar.tif")

    return write


def trained(settings: tuple[str, ...], *stacks: Stack) -> Checkpoint:
    samples = [sample(stack, stack.spectral.paths[0].with_name("labels.gpkg"), field="class") for stack in stacks]
    return train(stacks, samples, denoiser=pretrain(stacks, load_recipe("laptop", settings)))


@pytest.fixture(scope="module")
def scene(written: Written) -> Stack:
    return written()


@pytest.fixture(scope="module")
def other(written: Written) -> Stack:
    """The same ground in another unit, with an offset, and SAR of another calibration."""
    return written(gain=2.5, offset=700, power=5)


@pytest.fixture(scope="module")
def by_scene(scene: Stack) -> Checkpoint:
    return trained(BY_SCENE, scene)


@pytest.fixture(scope="module")
def together(scene: Stack) -> Checkpoint:
    return trained(TOGETHER, scene)


def codes(model: Checkpoint, stack: Stack) -> NDArray[np.uint16]:
    return map_scene(model, stack, settings=MapSettings(force=True)).codes


def test_a_model_of_one_scene_is_the_same_either_way(scene: Stack, by_scene: Checkpoint, together: Checkpoint) -> None:
    assert together.weights.keys() == by_scene.weights.keys()
    assert all(np.array_equal(together.weights[key], by_scene.weights[key]) for key in together.weights)
    assert np.array_equal(codes(together, scene), codes(by_scene, scene))


def test_a_scene_in_another_unit_is_mapped_as_in_that_of_training(
    scene: Stack, other: Stack, by_scene: Checkpoint, together: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """Up to rounding of the values; a model that scales all scenes alike takes it for other land cover."""
    assert (codes(by_scene, other) == codes(by_scene, scene)).mean() > 0.999
    assert (codes(together, other) == codes(together, scene)).mean() < 0.9
    caplog.clear()
    warn_of_novel_scene(by_scene, other, seed=0, force=False)
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(
        "novel scene: 100 % of the pixels have spectral values unlike all that the model was trained"
    )
    assert told.endswith(
        "Scaled by its own values, it may be mapped well all the same; check the map, or train on this scene"
    )
    with pytest.raises(RasterError, match="unlike all that the model was trained on"):
        warn_of_novel_scene(together, other, seed=0, force=False)


def test_scenes_of_two_units_learn_as_one(scene: Stack, other: Stack) -> None:
    model = trained(BY_SCENE, scene, other)
    one, two = (scaling_of(model.scaling, stack) for stack in (scene, other))
    np.testing.assert_allclose(two.low, 2.5 * one.low + 700, rtol=1e-5)
    np.testing.assert_allclose(two.sar_mean, one.sar_mean + np.log(5), rtol=1e-5)
    assert (codes(model, scene) == codes(model, other)).mean() > 0.999


def test_components_are_those_of_scaled_bands(scene: Stack, other: Stack) -> None:
    few = ("spectral.max_bands=4", "spectral.max_components=3")
    scaling = pretrain([scene, other], load_recipe("laptop", (*BY_SCENE, *few))).scaling
    assert scaling.components.shape == (3, len(BANDS))
    one, two = (
        scaling_of(scaling, stack).spectral(stack.read(next(stack.grid.tiles(200))).spectral)
        for stack in (scene, other)
    )
    np.testing.assert_allclose(one, two, atol=0.01)


def test_tiles_shards_and_areas_are_scaled_as_the_whole_scene(
    by_scene: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    settings, path = MapSettings(force=True, confidence=True), tmp_path / "map.tif"
    map_scene(by_scene, wide_stack, path, settings=settings)
    whole = path.read_bytes()
    map_scene(by_scene, wide_stack, path, settings=replace(settings, tile_px=128), overwrite=True)
    assert path.read_bytes() == whole
    shards = [
        map_scene(by_scene, wide_stack, tmp_path / "parts.tif", settings=replace(settings, tile_px=128, shard=shard))
        for shard in ("1/2", "2/2")
    ]
    mosaic(shards, tmp_path / "parts.tif")
    with rasterio.open(path) as one, rasterio.open(tmp_path / "parts.tif") as joined:
        expected = one.read(1)
        assert np.array_equal(joined.read(1), expected)
    left, _, _, top = wide_stack.grid.bounds
    area = shapely.box(left + 500, top - 1500, left + 900, top - 1000)
    geopandas.GeoDataFrame(geometry=[area], crs=wide_stack.grid.crs).to_file(tmp_path / "aoi.gpkg")
    files = wide_stack.spectral.paths[0], wide_stack.sar.paths[0]
    limited = align(*files, settings=AlignSettings(aoi=str(tmp_path / "aoi.gpkg")))
    found, (row, col) = codes(by_scene, limited), limited.origin_rc
    there = expected[row : row + found.shape[0], col : col + found.shape[1]]
    assert np.array_equal(found[found > 0], there[found > 0])


def test_a_model_file_keeps_the_values_of_its_scenes(scene: Stack, by_scene: Checkpoint, tmp_path: Path) -> None:
    by_scene.save(tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    assert loaded.scaling.digest() == by_scene.scaling.digest()
    assert loaded.scaling.by_scene
    assert np.array_equal(codes(loaded, scene), codes(by_scene, scene))


def test_presto_needs_reflectance(scene: Stack) -> None:
    recipe = load_recipe("laptop", (*BY_SCENE, "features.source=presto"))
    with pytest.raises(SettingsError, match="scales each scene by its own values, but Presto needs reflectance"):
        pretrain(scene, recipe)
