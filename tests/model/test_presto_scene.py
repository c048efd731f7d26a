"""Presto's inputs are reflectance, dB, place and month of the scene; scenes of other sensors are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import BdgfError, RasterError, SettingsError
from landcover_bdgf.model.presto_scene import BANDS, PrestoScene
from landcover_bdgf.model.recipe import FeatureRecipe, SpectralRecipe
from landcover_bdgf.model.scaling import scaled_cube
from landcover_bdgf.model.scaling_fit import fit_scaling
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.stack import Stack

WriteTif = Callable[..., Path]
ALL = ("B01", *BANDS)
SIZE = (40, 48)


@pytest.fixture
def digital() -> NDArray[np.int16]:
    """Reflectance × 10,000 of 11 bands."""
    rng = np.random.default_rng(0)
    return np.rint(400 + 300 * rng.random((11, *SIZE)) * np.arange(1, 12)[:, None, None]).astype(np.int16)


@pytest.fixture
def write(write_tif: WriteTif, digital: NDArray[np.int16]) -> Callable[..., Stack]:
    """A function that aligns a scene of these values, with a name for each band."""
    sar = np.random.default_rng(1).gamma(100, 0.001, (2, *SIZE)).astype(np.float32)

    def made(
        pixels: NDArray[Any] = digital, names: tuple[str, ...] = ALL, sar_names: tuple[str, ...] = ("VH", "VV"),
        name: str = "s2.tif", settings: AlignSettings | None = None, **options: Any,
    ) -> Stack:  # fmt: skip
        spectral = write_tif(name, pixels, names=names, **options)
        return align(spectral, write_tif("s1.tif", sar, names=sar_names, **options), settings=settings)

    return made


def scene_of(stack: Stack, **settings: Any) -> tuple[PrestoScene, torch.Tensor]:
    """The scene, and its inputs (17, h, w)."""
    scaling = fit_scaling([stack], SpectralRecipe(), exclude=None, seed=0)
    scene = PrestoScene.of(stack, scaling, FeatureRecipe(**settings))
    tile = stack.read(Window(0, 0, SIZE[1], SIZE[0]))
    return scene, scene.inputs(torch.from_numpy(scaled_cube(tile, scaling))[None])[0]


def expected(digital: NDArray[np.int16], stack: Stack) -> NDArray[np.float32]:
    """The inputs, from VV, VH in any order."""
    sar = stack.read(Window(0, 0, SIZE[1], SIZE[0])).sar
    sar = (10 * np.log10(sar[:: -1 if stack.sar.names[0] == "VH" else 1]) + 25) / 25
    bands = digital[1:] / 1e4
    ndvi = (bands[6] - bands[2]) / (bands[6] + bands[2])
    return np.concatenate([sar, bands, np.zeros((4, *SIZE)), ndvi[None]])


def test_inputs_are_reflectance_and_decibels(write: Callable[..., Stack], digital: NDArray[np.int16]) -> None:
    stack = write()
    _, found = scene_of(stack)
    np.testing.assert_allclose(found, expected(digital, stack), atol=2e-5)


@pytest.mark.parametrize("unit", ["offset", "reflectance"])
def test_any_unit_of_sentinel_2(unit: str, write: Callable[..., Stack], digital: NDArray[np.int16]) -> None:
    if unit == "offset":
        stack = write(digital + 1000, settings=AlignSettings(spectral_offset=-1000))
    else:
        stack = write((digital / 1e4).astype(np.float32))
    np.testing.assert_allclose(scene_of(stack)[1], expected(digital, stack), atol=2e-5)


def test_unnamed_bands_are_named_by_settings(write: Callable[..., Stack], digital: NDArray[np.int16]) -> None:
    stack = write(names=(), sar_names=())
    _, found = scene_of(stack, bands=ALL, sar_bands=("VV", "VH"))
    np.testing.assert_allclose(found, expected(digital, stack), atol=2e-5)


def test_colours_and_any_order_of_bands(write: Callable[..., Stack], digital: NDArray[np.int16]) -> None:
    colours = (
        "coastal",
        "blue",
        "green",
        "red",
        "rededge1",
        "rededge2",
        "rededge3",
        "nir",
        "nir08",
        "swir16",
        "swir22",
    )
    stack = write(digital[::-1], names=colours[::-1])
    np.testing.assert_allclose(scene_of(stack)[1], expected(digital, stack), atol=2e-5)


@pytest.mark.parametrize(("name", "south", "month", "settings"), [
    ("S2_20230604.tif", False, 6, {}), ("S2_20230604.tif", False, 9, {"month": 9}), ("s2.tif", False, 7, {}),
    ("s2.tif", True, 1, {}),
])  # fmt: skip
def test_place_and_month(
    name: str, south: bool, month: int, settings: dict[str, int], write: Callable[..., Stack]
) -> None:
    zone = "EPSG:32733" if south else "EPSG:32633"
    scene, _ = scene_of(write(name=name, crs=zone), **settings)
    assert scene.month == month - 1
    north = -44.8 if south else 45.2  # 5000 km from the origin of the zone, which is at the equator or the pole
    np.testing.assert_allclose(scene.latlon, [north, 15], atol=0.4)
    kept = PrestoScene.from_arrays(scene.arrays())
    assert all(np.array_equal(value, scene.arrays()[key]) for key, value in kept.arrays().items())


REMEDY = "name unnamed bands in `features.bands`, or do without Presto."


@pytest.mark.parametrize(("names", "problem"), [
    ((), "is not known to be of Sentinel-2, for which Presto was trained (no band names)"),
    (("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11"),
     "is not known to be of Sentinel-2, for which Presto was trained (no band names)"),
    (("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B12"), "lacks B11, which Presto needs"),
])  # fmt: skip
def test_other_sensors_are_refused(names: tuple[str, ...], problem: str, write: Callable[..., Stack]) -> None:
    stack = write(names=names)
    with pytest.raises(RasterError) as told:
        scene_of(stack)
    assert str(told.value) == f"{stack.spectral.paths[0]}: {problem}. Use a Sentinel-2 image of one date, {REMEDY}"


def test_names_in_settings_may_repeat_no_band_and_not_hide_another_sensor(write: Callable[..., Stack]) -> None:
    with pytest.raises(RasterError, match="has B02 11 times"):
        scene_of(write(names=()), bands=("B02",) * 11)
    landsat = write(name="LC08_L2SP_193027_20230604.tif", names=tuple(f"SR_B{i}" for i in range(1, 12)))
    assert landsat.spectral.sensor == "Landsat 8/9"
    with pytest.raises(RasterError, match=r"is not known to be of Sentinel-2, .* \(Landsat 8/9\)"):
        scene_of(landsat, bands=ALL)


def test_several_dates_are_refused(write: Callable[..., Stack], digital: NDArray[np.int16]) -> None:
    names = tuple(f"{band}_2023{month:02d}01" for month in (5, 8) for band in ALL)
    stack = write(np.concatenate([digital, digital + 7]), names=names)
    with pytest.raises(RasterError, match="has B02 2 times, as of several dates, and Presto needs one"):
        scene_of(stack)


@pytest.mark.parametrize(("sar_names", "missing"), [(("VV", "HH"), "VH"), ((), "VV, VH")])
def test_other_polarisations_are_refused(sar_names: tuple[str, ...], missing: str, write: Callable[..., Stack]) -> None:
    stack = write(sar_names=sar_names)
    with pytest.raises(RasterError, match=f"has no intensity {missing}, which Presto needs, but"):
        scene_of(stack)


@pytest.mark.parametrize(("settings", "kind", "problem"), [
    ({"bands": ALL[1:]}, SettingsError, r"`features\.bands`: names 10 bands, .*s2\.tif has 11: B01, B02"),
    ({"sar_bands": ("VV",)}, SettingsError, r"`features\.sar_bands`: names 1 bands, .*s1\.tif has 2: VH, VV"),
    ({"bands": ALL[::-1]}, SettingsError, r"`features\.bands`: calls B12 what .*s2\.tif calls B01"),
    ({"sar_bands": ("VV", "VH")}, SettingsError, r"`features\.sar_bands`: calls VV what .*s1\.tif calls VH"),
])  # fmt: skip
def test_wrong_names_in_settings(
    settings: dict[str, Any], kind: type[BdgfError], problem: str, write: Callable[..., Stack]
) -> None:
    with pytest.raises(kind, match=problem):
        scene_of(write(), **settings)


def test_other_units_are_refused(write: Callable[..., Stack], digital: NDArray[np.int16]) -> None:
    stack = write((digital / 20).astype(np.uint8))
    with pytest.raises(RasterError, match=r"99th percentile of at most .*, neither reflectance nor"):
        scene_of(stack)


def test_components_are_refused(stack: Stack) -> None:
    scaling = fit_scaling([stack], SpectralRecipe(max_bands=4, max_components=3), exclude=None, seed=0)
    with pytest.raises(SettingsError, match=r"`spectral\.max_bands`: reduces the .* bands to components"):
        PrestoScene.of(stack, scaling, FeatureRecipe())
