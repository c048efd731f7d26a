"""Two images become one scene: joint validity, linear power, the same values in any window."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform
from scipy import ndimage

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.alignment import AlignSettings, align
from landcover_bdgf.scene.sar import POWER_FLOOR
from landcover_bdgf.scene.stack import Stack

RNG = np.random.default_rng(0)
REFLECTANCE = RNG.integers(100, 3000, (4, 40, 50)).astype("int16")
POWER = RNG.gamma(4, 0.05, (2, 40, 50)).astype("float32")


def whole(stack: Stack):
    height, width = stack.grid.shape_hw
    return stack.read(Window(0, 0, width, height))


def assert_same_tiles(one, other):
    for name in ("spectral", "sar", "valid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.fixture
def pair(write_tif):
    """A function that writes a spectral and a SAR image, and aligns them."""

    def make(sar=POWER, settings=None, spectral=REFLECTANCE, **options):
        paths = write_tif("hsi.tif", spectral), write_tif("sar.tif", sar, **options)
        return align(*paths, settings=settings)

    return make


# Units


def test_power_is_read_as_it_is(pair):
    stack = pair()
    assert stack.sar_unit == "power"
    np.testing.assert_array_equal(whole(stack).sar, POWER)


def test_decibels_are_recognised_and_become_power(pair):
    stack = pair(10 * np.log10(POWER))
    assert stack.sar_unit == "db"
    np.testing.assert_allclose(whole(stack).sar, POWER, rtol=1e-5)


@pytest.mark.parametrize(
    ("sar", "options", "asked", "words"),
    [
        (10 * np.log10(POWER), {}, "power", "--sar-unit says power"),
        (POWER, {}, "db", "--sar-unit says db"),
        (POWER, {"tags": {"SAR_UNIT": "dB"}}, None, "tags say db"),
    ],
)
def test_a_unit_that_contradicts_the_values_is_refused(pair, sar, options, asked, words):
    with pytest.raises(RasterError, match=words):
        pair(sar, AlignSettings(sar_unit=asked), **options)


def test_a_unit_asked_for_and_another_stated_is_refused(pair):
    with pytest.raises(RasterError, match=r"--sar-unit says db, its tags say power\. Correct one of them"):
        pair(10 * np.log10(POWER), AlignSettings(sar_unit="db"), tags={"SAR_UNIT": "power"})


def test_a_stated_unit_is_believed(pair):
    assert pair(10 * np.log10(POWER), tags={"SAR_UNIT": "dB"}).sar_unit == "db"


def test_power_less_its_noise_is_no_db_though_some_is_negative(pair):
    for sar in (POWER - np.float32(0.08), np.stack([POWER[0], POWER[1] - np.float32(0.08)])):
        assert (sar[1] < 0).mean() > 0.05
        assert pair(sar).sar_unit == "power"


def test_what_the_user_says_of_the_unit_counts_where_values_allow_it(pair):
    uncalibrated = 60 + 10 * np.log10(POWER)
    assert pair(uncalibrated).sar_unit == "power"
    assert pair(uncalibrated, AlignSettings(sar_unit="db")).sar_unit == "db"
    signed = np.concatenate([POWER, RNG.standard_normal((2, 40, 50)).astype("float32")])
    assert pair(signed, AlignSettings(sar_unit="power")).sar_unit == "power"


@pytest.mark.parametrize("more", [(30, 45), (0, 3)])
@pytest.mark.parametrize("asked", [None, "db"])
def test_angles_and_ratios_beside_db_make_no_signed_channels(pair, more, asked):
    sar = np.concatenate([10 * np.log10(POWER), RNG.uniform(*more, (1, 40, 50)).astype("float32")])
    assert pair(sar, AlignSettings(sar_unit=asked)).sar_unit == "db"


def test_db_times_a_factor_is_refused(pair):
    with pytest.raises(RasterError, match=r"sar\.tif: has values about -\d+, too low for dB\. Is it dB times a factor"):
        pair((1000 * np.log10(POWER)).astype("int16"))


def test_power_of_zero_or_less_is_floored_and_counted(pair, caplog):
    caplog.set_level("INFO")
    sar = POWER.copy()
    sar[0, :2] = 0
    sar[1, 0] = -0.001
    tile = whole(pair(sar))
    assert (tile.sar[0, :2] == np.float32(POWER_FLOOR)).all()
    assert tile.valid.all()
    assert "0 or negative" in caplog.text


def test_signed_channels_beside_intensities_stay_signed(pair):
    sar = np.concatenate([POWER, RNG.standard_normal((2, 40, 50)).astype("float32")])
    stack = pair(sar)
    assert stack.sar_unit == "signed"
    assert stack.signed_names == ("band 3", "band 4")
    np.testing.assert_array_equal(whole(stack).sar, sar)


# Validity


def test_a_pixel_is_valid_if_both_sensors_have_it(write_tif):
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


def test_mostly_masked_scenes_are_warned_of_and_empty_ones_refused(pair, caplog):
    sar = POWER.copy()
    sar[:, 10:] = np.nan
    pair(sar)
    assert "75 % of the scene" in caplog.text
    spectral = REFLECTANCE.astype("float32")
    spectral[:, :10] = np.nan
    with pytest.raises(RasterError, match="no pixel has data in both"):
        pair(sar, spectral=spectral)


def test_data_that_no_sample_of_windows_meets_is_found_all_the_same(pair):
    shape = (2, 900, 900)
    spectral, sar = np.full(shape, np.nan, np.float32), RNG.gamma(4, 0.05, shape).astype(np.float32)
    with pytest.raises(RasterError, match=r"hsi\.tif: no band is left, they hold no data"):
        pair(sar, spectral=spectral)
    spectral[:, 200:230, 200:230] = 500  # between the nine windows at the corners, edges and centre
    assert pair(sar, spectral=spectral).read_valid(Window(200, 200, 30, 30)).all()


# Windows


@pytest.mark.parametrize("sar_options", [{}, {"pixel_m": 7.0}, {"pixel_m": 33.0}])
def test_tiles_of_any_size_hold_the_same_values(pair, sar_options):
    stack = pair(10 * np.log10(POWER), **sar_options)
    scene = whole(stack)
    assert scene.valid.any()
    for tile_px in (7, 16, 33):
        for window in stack.grid.tiles(tile_px):
            rows, cols = window.toslices()
            tile = stack.read(window)
            np.testing.assert_array_equal(tile.spectral, scene.spectral[:, rows, cols])
            np.testing.assert_array_equal(tile.sar, scene.sar[:, rows, cols])
            np.testing.assert_array_equal(tile.valid, scene.valid[rows, cols])


@pytest.mark.parametrize("pad", [0, 1, 13, 60])
def test_beyond_the_border_the_scene_is_its_mirror_image(pair, pad):
    sar = POWER.copy()
    sar[:, 3:6, 2:4] = np.nan
    stack = pair(sar)
    scene = whole(stack)
    padded = stack.read_padded(-pad, -pad, 40 + 2 * pad, 50 + 2 * pad)
    mirrored = np.pad(scene.spectral, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
    np.testing.assert_array_equal(padded.spectral, mirrored)
    np.testing.assert_array_equal(padded.valid, np.pad(scene.valid, pad, mode="reflect"))


def test_a_scene_of_one_row_is_its_own_mirror_image(pair):
    stack = pair(POWER[:, :1], spectral=REFLECTANCE[:, :1])
    np.testing.assert_array_equal(stack.read_padded(-3, 0, 7, 50).sar, POWER[:, [0] * 7])


def test_a_padded_window_inside_the_scene_is_the_window(pair):
    stack = pair()
    assert_same_tiles(stack.read_padded(5, 6, 20, 10), stack.read(Window(6, 5, 10, 20)))


# Places


def test_images_of_different_places_are_refused_with_their_distance(pair):
    with pytest.raises(RasterError, match=r"does not overlap .*° E.*99\.\d km apart"):
        pair(origin_xy=(600_000, 5_000_000))


@pytest.mark.parametrize("tiled", ["spectral", "sar", "both"])
def test_tiles_of_one_image_are_to_be_joined_first(write_tif, tiled):
    """As Google Earth Engine exports large images; they were said to hold no data, or to be of different places."""

    def image(kind, pixels):
        if tiled not in (kind, "both"):
            return write_tif(f"{kind}.tif", pixels)
        for at, cut in ((0, pixels[..., :25]), (25, pixels[..., 25:])):
            name = f"{kind}/export-0000000000-{at:010d}.tif"
            path = write_tif(name, cut, origin_xy=(500_000.0 + 10 * at, 5_000_000.0))
        return path.parent

    words = r"0025\.tif: does not overlap \S+0000\.tif, so they are no bands of one image. If they are its tiles, join"
    with pytest.raises(RasterError, match=words):
        align(image("spectral", REFLECTANCE), image("sar", POWER))


def test_files_of_one_image_that_meet_in_part_are_one_image(write_tif):
    """Nor are bands of which one lies in a part of the other."""
    first, second = write_tif("a/a.tif", REFLECTANCE[:2]), write_tif("a/b.tif", REFLECTANCE[2:, :, :30])
    align([first, second], write_tif("sar.tif", POWER))


def test_a_sliver_of_overlap_is_refused(pair):
    with pytest.raises(RasterError, match="covers only"):
        pair(origin_xy=(500_498, 5_000_000))


def test_a_sar_in_another_crs_lands_on_its_place(write_tif):
    hsi = write_tif("hsi.tif", REFLECTANCE)
    degrees = Affine(1e-4, 0, 14.998, 0, -1e-4, 45.158)
    rows, cols = np.mgrid[:200, :200]
    x, y = transform(
        "EPSG:4326",
        "EPSG:32633",
        (14.998 + 1e-4 * (cols + 0.5)).ravel(),
        (45.158 - 1e-4 * (rows + 0.5)).ravel(),
    )
    plane = (np.reshape(x, rows.shape) - 499_000) * 1e-4 + (5_001_000 - np.reshape(y, rows.shape)) * 1e-4
    stack = align(hsi, write_tif("sar.tif", plane.astype("float32"), transform=degrees, crs="EPSG:4326"))
    tile = whole(stack)
    inside = tile.valid
    assert inside.mean() > 0.5
    x, y = stack.grid.xy(*np.nonzero(inside))
    np.testing.assert_allclose(tile.sar[0, inside], (x - 499_000 + 5_001_000 - y) * 1e-4, atol=1e-4)


def test_resolutions_too_far_apart_need_force(write_tif):
    hsi = write_tif("hsi.tif", REFLECTANCE)
    sar = write_tif("sar.tif", POWER, pixel_m=600)
    with pytest.raises(RasterError, match="factor of 60"):
        align(hsi, sar)
    assert whole(align(hsi, sar, settings=AlignSettings(force=True))).valid.any()


def test_swapped_images_are_noticed(write_tif):
    sar = write_tif("sar.tif", POWER, names=("VV", "VH"))
    hsi = write_tif("hsi.tif", REFLECTANCE)
    with pytest.raises(RasterError, match="Give the HSI/MSI first"):
        align(sar, hsi)
    sentinel_2 = write_tif("s2.tif", REFLECTANCE, names=("B02", "B03", "B04", "B08"))
    with pytest.raises(RasterError, match="is given as the SAR image but is Sentinel-2"):
        align(hsi, sentinel_2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"coreg": "yes"}, "`coreg=yes`: must be off, grid or auto"),
        ({"sar_unit": "dBm"}, "`sar_unit=dBm`: must be db or power"),
        ({"max_shift_px": 0}, "`max_shift_px=0`: must be above 0"),
    ],
)
def test_unknown_settings_are_refused(settings, words):
    with pytest.raises(SettingsError, match=words):
        AlignSettings(**settings)


def test_a_crs_can_be_given_and_must_exist(pair):
    assert pair(settings=AlignSettings(sar_crs="EPSG:32633"), crs=None).grid.crs.to_epsg() == 32633
    with pytest.raises(SettingsError, match="no known CRS"):
        pair(settings=AlignSettings(sar_crs="EPSG:nowhere"))


# Spectral content


@pytest.mark.parametrize(
    ("added", "offset", "words"),
    [(1000, 0, "offset is not removed"), (1000, -1000, None), (0, 0, None), (-2000, 0, "removed twice")],
)
def test_a_wrong_sentinel_2_offset_is_warned_of(tmp_path, write_tif, caplog, added, offset, words):
    for name, pixels in zip(("B2", "B3", "B4", "B8A"), REFLECTANCE, strict=True):
        write_tif(f"s2/{name}.tif", pixels + np.int16(added))
    settings = AlignSettings(spectral_offset=offset)
    stack = align(tmp_path / "s2", write_tif("sar.tif", POWER), settings=settings)
    np.testing.assert_array_equal(whole(stack).spectral, REFLECTANCE + added + offset)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == bool(words)
    assert all(words in message for message in warnings)


def test_a_picture_given_as_image_is_warned_of(pair, caplog):
    pair(spectral=RNG.integers(0, 255, (3, 40, 50), dtype=np.uint8))
    assert "is a picture" in caplog.text


# Outputs


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


def test_a_sar_that_was_written_unmoved_can_be_moved(tmp_path, write_tif, caplog):
    fields = np.digitize(ndimage.gaussian_filter(RNG.standard_normal((160, 160)), 5), [-0.05, 0, 0.05])
    hsi = write_tif("hsi.tif", np.stack([level[fields] for level in RNG.random((4, 4))]).astype("float32"))
    sar = np.array([0.02, 0.5, 0.08, 0.2])[fields] * RNG.gamma(4, 0.25, (2, 160, 160))
    align(hsi, write_tif("sar.tif", ndimage.shift(sar, (0, -3, 4), mode="nearest"))).write_sar(tmp_path / "off.tif")
    again = align(hsi, tmp_path / "off.tif", settings=AlignSettings(coreg="grid"))
    assert again.applied_shift_xy_px == (4, -3)
    again.write_sar(tmp_path / "moved.tif")
    with rasterio.open(tmp_path / "moved.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:  # moved to a wrong place
        file.transform = file.transform @ Affine.translation(4, 0)
    caplog.clear()
    moved = align(hsi, tmp_path / "moved.tif", settings=AlignSettings(coreg="grid"))
    assert moved.applied_shift_xy_px == (0, 0)
    assert "px off the spectral image. Look at both; it was moved before, so align the original again." in caplog.text


def test_a_trusted_shift_that_is_not_applied_is_warned_of_and_one_applied_is_gone(shared_data, caplog):
    scene = shared_data / "s1s2_different_grids"
    paths = (
        scene / "s2_l2a/20200604T054639_20200604T054831_T43RCP",
        scene / "s1/S1A_IW_GRDH_1SDV_20200607T010800_20200607T010825_032904_03CFBA_D457",
    )
    before = align(*paths)
    assert "px off the spectral image" in caplog.text
    assert before.shift.length_px > 3
    after = align(*paths, settings=AlignSettings(coreg="auto"))
    assert after.applied_shift_xy_px == before.shift.offset_xy_px
    assert whole(after).valid.mean() > 0.95


def test_the_fingerprint_follows_content_not_time_or_name(pair, write_tif):
    first = pair().fingerprint()
    assert pair().fingerprint() == first
    assert pair(POWER * 2).fingerprint() != first
    assert pair(settings=AlignSettings(spectral_offset=-1)).fingerprint() != first


def test_the_fingerprint_follows_what_places_the_pixels(write_tif, tmp_path):
    hsi, sar = write_tif("hsi.tif", REFLECTANCE), write_tif("sar.img", POWER, driver="ENVI")
    first = align(hsi, sar).fingerprint()
    assert align(hsi, sar, settings=AlignSettings(sar_crs="EPSG:23033")).fingerprint() != first
    stack, header = align(hsi, sar), sar.with_suffix(".hdr")
    header.write_text(header.read_text().replace("500000", "500020"))
    assert align(hsi, sar).fingerprint() != first
    with pytest.raises(RasterError, match=r"sar\.hdr: was changed or replaced while it was read"):
        stack.check_unchanged()


def test_an_image_that_is_replaced_meanwhile_makes_nothing(pair, tmp_path):
    stack = pair()
    stack.check_unchanged()
    path = stack.sar.paths[0]
    (tmp_path / "new.tif").write_bytes(path.read_bytes())
    (tmp_path / "new.tif").replace(path)
    with pytest.raises(RasterError, match="was changed or replaced while it was read"):
        stack.write_sar(tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()
    path.unlink()
    with pytest.raises(RasterError, match="was changed or replaced"):
        stack.check_unchanged()


# Real scenes


@pytest.mark.parametrize("place", ["s1s2_chile", "s1s2_denmark"])
def test_a_pair_on_one_grid_is_read_as_it_is(shared_data, place):
    stack = align(shared_data / place / "s2_l2a.tif", shared_data / place / "s1_rtc_db.tif")
    tile = whole(stack)
    with rasterio.open(shared_data / place / "s2_l2a.tif") as s2, rasterio.open(stack.sar.paths[0]) as s1:
        np.testing.assert_array_equal(tile.spectral, s2.read())
        np.testing.assert_allclose(tile.sar, 10 ** (s1.read() / 10), rtol=1e-6)
    assert stack.sar_unit == "db"
    assert any("dB" in line for line in stack.describe())


def test_only_scenes_with_the_offset_are_warned_of(shared_data, caplog):
    for place, has_offset in {"chile": True, "canada_snow": True, "denmark": False, "kenya": False}.items():
        caplog.clear()
        align(shared_data / f"s1s2_{place}/s2_l2a.tif", shared_data / f"s1s2_{place}/s1_rtc_db.tif")
        assert ("offset is not removed" in caplog.text) is has_offset, place


def test_potsdam_keeps_its_gaps(shared_data, write_tif):
    hsi = shared_data / "enmap_potsdam/enmap.tif"
    with rasterio.open(hsi) as file:
        gaps = file.read(60) == -32768
        options = {"crs": file.crs, "transform": file.transform}
    sar = RNG.gamma(4, 0.05, (2, *gaps.shape)).astype("float32")
    stack = align(hsi, write_tif("sar.tif", sar, **options))
    tile = whole(stack)
    assert tile.spectral.shape == (218, 192, 160)
    assert not tile.valid[gaps].any()
    assert tile.valid.mean() > 0.55


def test_hong_kong_reads_as_a_folder(shared_data, write_tif):
    folder = shared_data / "lcz_hong_kong/landsat8/LC81220442015291LGN00"
    sar = RNG.gamma(4, 0.05, (1, 529, 528)).astype("float32")
    with rasterio.open(next(folder.glob("*_B1.tif"))) as file:
        path = write_tif("sar.tif", sar, crs=file.crs, transform=file.transform)
    stack = align(folder, path)
    assert len(stack.spectral.bands) == 9
    assert 0.8 < whole(stack).valid.mean() < 0.83
