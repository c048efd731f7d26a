"""Two images become one scene: joint validity, linear power, the same values in any window."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from scipy import ndimage
from small_scenes import POWER, REFLECTANCE, whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.alignment import AlignSettings, align

RNG = np.random.default_rng(0)


def assert_same_tiles(one, other):
    for name in ("spectral", "sar", "valid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_pixel_is_valid_if_both_sensors_have_data(write_tif):
    spectral, sar = REFLECTANCE.copy(), POWER.copy()
    spectral[2, :, :5] = -9999
    sar[1, :8] = np.nan
    stack = align(write_tif("hsi.tif", spectral, nodata=-9999), write_tif("sar.tif", sar))
    tile = whole(stack)
    expected = np.ones((40, 50), bool)
    expected[:, :5] = expected[:8] = False
    np.testing.assert_array_equal(tile.valid, expected)
    np.testing.assert_array_equal(stack.read_valid(Window(3, 4, 9, 9)), expected[4:13, 3:12])
    assert not tile.spectral[:, ~expected].any()
    assert not tile.sar[:, ~expected].any()


@pytest.mark.parametrize("sar_options", [{}, {"pixel_m": 7.0}, {"pixel_m": 33.0}])
def test_tiles_of_any_size_hold_the_same_values(pair, sar_options):
    stack = pair(10 * np.log10(POWER), **sar_options)
    scene = whole(stack)
    assert scene.valid.any()
    for window in (*stack.grid.tiles(7), *stack.grid.tiles(33)):
        rows, cols = window.toslices()
        tile = stack.read(window)
        np.testing.assert_array_equal(tile.spectral, scene.spectral[:, rows, cols])
        np.testing.assert_array_equal(tile.sar, scene.sar[:, rows, cols])
        np.testing.assert_array_equal(tile.valid, scene.valid[rows, cols])


@pytest.mark.parametrize("pad", [0, 13, 60])
def test_beyond_the_border_the_scene_is_its_mirror_image(pair, pad):
    sar = POWER.copy()
    sar[:, 3:6, 2:4] = np.nan
    stack = pair(sar)
    scene = whole(stack)
    padded = stack.read_padded(-pad, -pad, 40 + 2 * pad, 50 + 2 * pad)
    mirrored = np.pad(scene.spectral, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
    np.testing.assert_array_equal(padded.spectral, mirrored)
    np.testing.assert_array_equal(padded.valid, np.pad(scene.valid, pad, mode="reflect"))
    assert_same_tiles(stack.read_padded(5, 6, 20, 10), stack.read(Window(6, 5, 10, 20)))


@pytest.mark.parametrize("coreg", ["off", "grid", "auto"])
def test_a_written_sar_gives_the_same_tiles(tmp_path, write_tif, coreg):
    fields = np.digitize(ndimage.gaussian_filter(RNG.standard_normal((160, 160)), 5), [-0.05, 0, 0.05])
    spectral = np.stack([level[fields] for level in RNG.random((4, 4))]).astype("float32")
    sar = np.array([0.02, 0.5, 0.08, 0.2])[fields] * RNG.gamma(4, 0.25, (2, 160, 160))
    sar = ndimage.shift(sar, (0, -1.6, 2.3), order=1, mode="nearest").clip(1e-4)
    sar[:, :9] = np.nan
    hsi = write_tif("hsi.tif", spectral)
    settings = AlignSettings(coreg=coreg)
    stack = align(hsi, write_tif("sar.tif", 10 * np.log10(sar), nodata=float("nan")), settings=settings)
    assert stack.shift.trusted
    np.testing.assert_allclose(stack.shift.offset_xy_px, (2.3, -1.6), atol=0.3)
    expected = {"off": (0, 0), "grid": (2, -2), "auto": stack.shift.offset_xy_px}[coreg]
    assert stack.applied_shift_xy_px == expected
    stack.write_sar(tmp_path / "on_grid.tif")
    again = align(hsi, tmp_path / "on_grid.tif", settings=settings)
    assert again.sar_unit == "power"
    assert_same_tiles(whole(again), whole(stack))


def test_the_fingerprint_depends_on_content_not_on_time_or_name(pair, write_tif):
    first = pair().fingerprint()
    assert pair().fingerprint() == first
    assert pair(POWER * 2).fingerprint() != first
    assert pair(settings=AlignSettings(spectral_offset=-1)).fingerprint() != first


def test_the_fingerprint_depends_on_the_position_of_the_pixels(write_tif, tmp_path):
    hsi, sar = write_tif("hsi.tif", REFLECTANCE), write_tif("sar.img", POWER, driver="ENVI")
    first = align(hsi, sar).fingerprint()
    assert align(hsi, sar, settings=AlignSettings(sar_crs="EPSG:23033")).fingerprint() != first
    stack, header = align(hsi, sar), sar.with_suffix(".hdr")
    header.write_text(header.read_text().replace("500000", "500020"))
    assert align(hsi, sar).fingerprint() != first
    with pytest.raises(RasterError, match=r"sar\.hdr: was modified while it was being read"):
        stack.check_unchanged()


def test_an_image_that_is_replaced_during_the_run_is_refused(pair, tmp_path):
    stack = pair()
    stack.check_unchanged()
    path = stack.sar.paths[0]
    (tmp_path / "new.tif").write_bytes(path.read_bytes())
    (tmp_path / "new.tif").replace(path)
    with pytest.raises(RasterError, match="was modified while it was being read"):
        stack.write_sar(tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()
    path.unlink()
    with pytest.raises(RasterError, match="was modified"):
        stack.check_unchanged()


@pytest.mark.parametrize("place", ["s1s2_chile", "s1s2_denmark"])
def test_a_pair_on_one_grid_is_read_unchanged(shared_data, place):
    settings = AlignSettings(spectral_offset=0)
    stack = align(shared_data / place / "s2_l2a.tif", shared_data / place / "s1_rtc_db.tif", settings=settings)
    tile = whole(stack)
    with rasterio.open(shared_data / place / "s2_l2a.tif") as s2, rasterio.open(stack.sar.paths[0]) as s1:
        np.testing.assert_array_equal(tile.spectral, s2.read())
        np.testing.assert_allclose(tile.sar, 10 ** (s1.read() / 10), rtol=1e-6)
    assert stack.sar_unit == "db"
    assert any("dB" in line for line in stack.describe())
