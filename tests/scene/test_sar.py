"""The unit of a SAR image is recognised, or taken from tags and settings; tiles are in linear power."""

from __future__ import annotations

import numpy as np
import pytest
from small_scenes import POWER, whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.alignment import AlignSettings
from landcover_bdgf.scene.sar import POWER_FLOOR

RNG = np.random.default_rng(0)


def test_power_is_read_unchanged_and_decibels_become_power(pair):
    power, db = pair(), pair(10 * np.log10(POWER))
    assert (power.sar_unit, db.sar_unit) == ("power", "db")
    np.testing.assert_allclose(whole(db).sar, POWER, rtol=1e-5)
    np.testing.assert_array_equal(whole(pair()).sar, POWER)


@pytest.mark.parametrize(("sar", "options", "asked", "words"), [
    (10 * np.log10(POWER), {}, "power", "`sar_unit=power` contradicts its values"),
    (POWER, {}, "db", "`sar_unit=db` contradicts its values"),
    (POWER, {"tags": {"SAR_UNIT": "dB"}}, None, "the unit in its tags, db, contradicts its values"),
    (10 * np.log10(POWER), {"tags": {"SAR_UNIT": "power"}}, "db", r"contradicts its tags: power\. Correct one of them"),
])  # fmt: skip
def test_a_unit_that_contradicts_values_or_tags_is_refused(pair, sar, options, asked, words):
    with pytest.raises(RasterError, match=words):
        pair(sar, AlignSettings(sar_unit=asked), **options)


def test_noise_subtracted_power_is_not_mistaken_for_db(pair):
    for sar in (POWER - np.float32(0.08), np.stack([POWER[0], POWER[1] - np.float32(0.08)])):
        assert (sar[1] < 0).mean() > 0.05
        assert pair(sar).sar_unit == "power"


def test_a_unit_in_settings_or_tags_is_used_if_the_values_allow_it(pair):
    uncalibrated = 60 + 10 * np.log10(POWER)
    assert pair(uncalibrated).sar_unit == "power"
    assert pair(uncalibrated, AlignSettings(sar_unit="db")).sar_unit == "db"
    signed = np.concatenate([POWER, RNG.standard_normal((2, 40, 50)).astype("float32")])
    assert pair(signed, AlignSettings(sar_unit="power")).sar_unit == "power"
    assert pair(uncalibrated, tags={"SAR_UNIT": "dB"}).sar_unit == "db"


@pytest.mark.parametrize("more", [(30, 45), (0, 3)])
@pytest.mark.parametrize("asked", [None, "db"])
def test_angles_and_ratios_with_db_make_no_signed_channels(pair, more, asked):
    sar = np.concatenate([10 * np.log10(POWER), RNG.uniform(*more, (1, 40, 50)).astype("float32")])
    assert pair(sar, AlignSettings(sar_unit=asked)).sar_unit == "db"


def test_db_times_a_factor_is_refused(pair):
    with pytest.raises(RasterError, match=r"sar\.tif: has a median of -\d+, too low for dB\. If it is dB times"):
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


def test_signed_channels_next_to_intensities_stay_signed(pair):
    sar = np.concatenate([POWER, RNG.standard_normal((2, 40, 50)).astype("float32")])
    stack = pair(sar)
    assert stack.sar_unit == "signed"
    assert stack.signed_names == ("band 3", "band 4")
    np.testing.assert_array_equal(whole(stack).sar, sar)
