"""Fill values that are not declared as nodata are refused where they are certain, else warned of."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import rasterio
from small_scenes import POWER, REFLECTANCE, whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.alignment import AlignSettings, align
from landcover_bdgf.scene.band_reader import ReadCounts
from landcover_bdgf.scene.value_checks import warn_of_zeros

RNG = np.random.default_rng(0)


@pytest.fixture
def no_shift(monkeypatch):
    """Without the estimate of the shift, which takes most of the time on a large scene."""
    monkeypatch.setattr("landcover_bdgf.scene.alignment.estimate_shift", lambda *_, **__: None)


def test_a_fill_value_between_the_checked_windows_is_refused_when_read(pair):
    spectral = RNG.integers(100, 3000, (2, 900, 900)).astype("float32")
    sar = RNG.gamma(4, 0.05, spectral.shape).astype("float32")
    spectral[:, 200:230, 200:230] = np.finfo("float32").min
    with pytest.raises(RasterError, match=r"hsi\.tif: contains -3\.4028235e\+38 in all .*nodata -3\.4028235e\+38"):
        pair(sar, spectral=spectral).read(Window(100, 100, 300, 300))


@pytest.mark.parametrize("where", ["hsi.tif", "sar.tif"])
def test_zeros_between_the_checked_windows_give_a_warning_at_the_end(pair, no_shift, caplog, where):
    spectral = RNG.integers(100, 3000, (2, 900, 900)).astype("int16")
    sar = RNG.gamma(4, 0.05, spectral.shape).astype("float32")
    (spectral if where == "hsi.tif" else sar)[:, 100:190, 100:190] = 0
    spectral[0, 300:400] = sar[0, 300:400] = 0  # in one band: dark
    stack = pair(sar, spectral=spectral)
    assert "in all bands" not in caplog.text
    counts = ReadCounts()
    whole(stack.counting(counts))
    warn_of_zeros(stack, counts)
    assert f"{where}: about 1 % of its pixels are 0 in all bands" in caplog.text
    assert caplog.text.count("in all bands") == 1


def test_zeros_in_scaled_images_give_a_warning(write_tif, caplog):
    hsi = REFLECTANCE.copy()
    hsi[:, :10] = 0
    path = write_tif("scaled.tif", hsi)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = [1e-4] * 4, [-0.1] * 4
    align(path, write_tif("sar.tif", POWER))
    assert "scaled.tif: about 25 % of its pixels are 0 in all bands" in caplog.text


@pytest.mark.parametrize(("where", "dtype", "fill", "said"), [
    ("hsi.tif", "int16", 0, "0"),
    ("hsi.tif", "uint16", 65535, "65535"),
    ("hsi.tif", "float64", -999.9, "-999.9"),
    ("sar.tif", "float32", 0, "0"),
    ("sar.tif", "float32", -99, "-99"),
])  # fmt: skip
def test_many_zeros_minima_or_maxima_in_all_bands_give_a_warning(pair, caplog, where, dtype, fill, said):
    images = {"hsi.tif": REFLECTANCE.astype("float64"), "sar.tif": 10 * np.log10(POWER)}
    images[where][:, :10] = fill
    images["hsi.tif"][0, 10:] = 0  # one band of many is no reason
    images[where] = images[where].astype(dtype)
    pair(images["sar.tif"], spectral=images["hsi.tif"])
    assert f"{where}: about 25 % of its pixels are {said} in all bands but not declared as nodata, so" in caplog.text
    assert f"will be classified. If they are missing data: gdal_edit.py -a_nodata {said}" in caplog.text
    assert caplog.text.count("in all bands") == 1


def test_extremes_of_few_pixels_or_one_band_give_no_warning(pair, no_shift, caplog):
    spectral, sar = np.tile(REFLECTANCE, (1, 5, 5)), np.tile(POWER[:1], (1, 5, 5))
    spectral[:, 0, :20] = 32767
    spectral[:3, 10:] = -500
    sar[:, :10] = 9  # clipped, and of one band there is nothing to compare with
    pair(sar, spectral=spectral)
    assert "in all bands" not in caplog.text


@pytest.mark.parametrize(
    ("added", "setting", "offset", "words"),
    [
        (1000, None, -1000, None), (1000, 0, 0, "offset is not removed"), (1000, -1000, -1000, None),
        (0, None, 0, None), (1500, None, 0, "offset is not removed"), (-2000, None, 0, "removed twice"),
    ],
)  # fmt: skip
def test_the_sentinel_2_offset_is_removed_where_it_is_sure(tmp_path, write_tif, caplog, added, setting, offset, words):
    for name, pixels in zip(("B2", "B3", "B4", "B8A"), REFLECTANCE, strict=True):
        write_tif(f"s2/{name}.tif", pixels + np.int16(added))
    settings = AlignSettings(spectral_offset=setting)
    stack = align(tmp_path / "s2", write_tif("sar.tif", POWER), settings=settings)
    np.testing.assert_array_equal(stack.read(Window(0, 0, 50, 40)).spectral, REFLECTANCE + added + offset)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [words in message for message in warnings] == [True] * bool(words)


def test_an_rgb_picture_gives_a_warning(pair, caplog):
    pair(spectral=RNG.integers(0, 255, (3, 40, 50), dtype=np.uint8))
    assert "is an 8-bit RGB picture" in caplog.text


def test_the_offset_is_removed_from_real_scenes_that_have_it(shared_data, no_shift, caplog):
    for place, offset in {"chile": -1000, "canada_snow": -1000, "denmark": 0, "kenya": 0}.items():
        stack = align(shared_data / f"s1s2_{place}/s2_l2a.tif", shared_data / f"s1s2_{place}/s1_rtc_db.tif")
        assert stack.spectral_offset == offset, place
    assert "offset" not in caplog.text


@pytest.mark.parametrize(("where", "value"), [("hsi.tif", 0), ("hsi.tif", 7), ("sar.tif", 0), ("sar.tif", 1)])
def test_an_image_of_one_value_is_refused(pair, where, value):
    images = {"hsi.tif": REFLECTANCE, "sar.tif": POWER} | {where: np.full((2, 40, 50), value, "float32")}
    with pytest.raises(RasterError, match=rf"{where}: is {value} wherever it has data"):
        pair(images["sar.tif"], spectral=images["hsi.tif"])


@pytest.mark.parametrize(("spectral", "warned"), [(REFLECTANCE // 1500, True), (REFLECTANCE // 100, False)])
def test_reflectance_that_was_cast_to_integers_gives_a_warning(pair, caplog, spectral, warned):
    pair(spectral=spectral.astype("uint8"))
    assert ("after a conversion to integers" in caplog.text) == warned


@pytest.mark.parametrize("together", [True, False], ids=["one file", "a file each"])
def test_pixels_without_data_in_some_bands_are_told_and_can_be_kept(write_tif, caplog, together):
    spectral = REFLECTANCE.copy()
    spectral[2:, 5:20] = 0  # a lake, whose infrared is 0
    sar = write_tif("sar.tif", POWER)
    names = ("B03", "B04", "B08", "B11")
    if together:
        hsi = write_tif("hsi.tif", spectral, nodata=0, names=names)
    else:
        hsi = [write_tif(f"{name}.tif", band, nodata=0) for name, band in zip(names, spectral, strict=True)]
    assert not whole(align(hsi, sar)).valid[5:20].any()
    assert "about 38 % of its pixels have no data in B08, B11 but in other bands" in caplog.text
    assert "`gaps=zero`" in caplog.text
    caplog.clear()
    tile = whole(align(hsi, sar, settings=AlignSettings(gaps="zero")))
    assert tile.valid.all()
    np.testing.assert_array_equal(tile.spectral, spectral)
    assert "no data" not in caplog.text
    moved = whole(align(hsi, sar, settings=AlignSettings(gaps="zero", spectral_offset=-1)))
    np.testing.assert_array_equal(moved.spectral, np.where(spectral == 0, 0, spectral - 1))
