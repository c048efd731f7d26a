"""The unit of a SAR image is recognised, or believed where it is said; tiles are in linear power."""

from __future__ import annotations

import numpy as np
import pytest

from landcover_bdgf.errors import RasterError
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


@pytest.fixture
def pair(write_tif):
    """A function that writes a spectral and a SAR image, and aligns them."""

    def make(sar=POWER, settings=None, spectral=REFLECTANCE, **options):
        paths = write_tif("hsi.tif", spectral), write_tif("sar.tif", sar, **options)
        return align(*paths, settings=settings)

    return make


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
