"""The unit of a SAR image is recognised, or taken from tags and settings; tiles are in linear power."""

from __future__ import annotations

import re

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


DB = (10 * np.log10(POWER)).astype("float32")
SLOPE, BELOW_SEA = np.full((1, 40, 50), 7, "float32"), -4 + RNG.random((1, 40, 50), "float32")
RATIO = np.exp(RNG.normal(0, 8, (1, 40, 50))).astype("float32")  # of linear values, some of them huge


@pytest.mark.parametrize(("sar", "name", "unit"), [
    (DB, "elevation", "db"), (DB, "VV_VH_ratio", "db"), (DB, "VV/VH", "db"), (POWER, "elevation", "power"),
    (POWER, "NDPI_VV_VH", "power"), (POWER, "coherence_VV", "power"), (DB, "localIncidenceAngle", "db"),
])  # fmt: skip
@pytest.mark.parametrize("values", [SLOPE, BELOW_SEA, RATIO, 500 * SLOPE])
def test_channels_beside_polarisations_are_left_out_or_kept_as_they_are(pair, caplog, sar, name, unit, values):
    caplog.set_level("INFO")
    layers = np.concatenate([sar, values])
    stack = pair(layers, names=("VV", "VH", name))
    assert (stack.sar.names, stack.sar_unit, stack.plain_names) == (("VV", "VH"), unit, ())
    assert "left out" in caplog.text
    assert name in caplog.text
    np.testing.assert_allclose(whole(stack).sar, POWER, rtol=1e-4)
    kept = pair(layers, AlignSettings(sar_bands=f"VV,VH,{name}"), names=("VV", "VH", name))
    assert (kept.sar_unit, kept.plain_names) == (unit, (name,))
    tile = whole(kept)
    assert tile.valid.all()
    np.testing.assert_allclose(tile.sar[:2], POWER, rtol=1e-4)
    np.testing.assert_array_equal(tile.sar[2], values[0])


def test_polarisations_of_several_dates_are_intensities(pair):
    names = ("Gamma0_VV_20230604", "Gamma0_VV_20230616", "Gamma0_VH_20230604")
    stack = pair(np.concatenate([DB, DB[1:]]), names=names)
    assert (stack.sar.names, stack.plain_names) == ((*names[:2], "VH"), ())


def test_more_unnamed_channels_than_polarisations_are_refused(pair):
    """They may be bands of a spectral image, or dates in an unknown order."""
    many = np.concatenate([DB, DB, DB]) + RNG.normal(0, 1, (6, 40, 50)).astype("float32")
    with pytest.raises(RasterError, match=r"6 bands, none named by its polarisation\. .*as a row of a table of dates"):
        pair(many)
    assert len(pair(many, AlignSettings(sar_unit="db")).sar.names) == 6
    assert len(pair(many, names=tuple(f"pass {number}" for number in range(6))).sar.names) == 6
    assert len(pair(many[:4]).sar.names) == 4


def test_an_unnamed_channel_unlike_the_others_is_left_out_and_a_tie_is_refused(pair, caplog):
    assert pair(np.concatenate([DB, 40 * SLOPE])).sar.names == ("band 1", "band 2")
    assert "left out band 3: not an intensity like band 1, band 2" in caplog.text
    with pytest.raises(RasterError, match=r"band 1 looks like dB, but band 2 does not\. Name the bands VV, VH"):
        pair(np.concatenate([DB[:1], RATIO]))
    with pytest.raises(
        RasterError,
        match=r"has channels in dB \(VV\) and others in linear power \(VH\)\. List those of one unit in `sar_bands`",
    ):
        pair(np.concatenate([DB[:1], POWER[:1]]), names=("VV", "VH"))
    several = np.concatenate([DB, 400 * RATIO, 40 * SLOPE, 90 * RATIO])  # not by majority
    with pytest.raises(RasterError, match=r"band 1, band 2 looks like dB, but band 3, band 5 does not"):
        pair(several)
    with pytest.raises(RasterError, match=r"`sar_bands=HH`: there is no such channel\. Choose from VV, VH"):
        pair(DB, AlignSettings(sar_bands="HH"), names=("VV", "VH"))


@pytest.mark.parametrize(("stored", "warned"), [
    (np.clip((DB + 35) / 40 * 254 + 1, 1, 255).astype("uint8"), True), (((DB + 50) * 100).astype("uint16"), True),
    ((1000 * POWER).astype("uint16"), False), ((1000 * np.sqrt(POWER)).astype("uint16"), False),
], ids=["bytes", "dB × 100", "power", "amplitude"])  # fmt: skip
def test_stretched_values_are_neither_db_nor_power(pair, caplog, stored, warned):
    pair(stored, names=("VV", "VH"))
    assert ("neither linear power nor dB" in caplog.text) == warned


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
    assert (stack.sar_unit, stack.plain_names) == ("power", ("band 3", "band 4"))
    np.testing.assert_array_equal(whole(stack).sar, sar)


VV_VH = ("VV", "VH")
SIGNED = RNG.standard_normal((2, 40, 50)).astype("float32")
ONE = RNG.random((1, 40, 50), "float32")  # coherence, entropy, a mask


def beside(sar, other, *names):
    return np.concatenate([sar, *[other] * (len(names) - len(sar))]), names


@pytest.mark.parametrize(("layers", "unit", "used", "plain"), [
    (beside(DB, ONE, *VV_VH, "coh_VV"), "db", VV_VH, ()),
    (beside(DB, 40 * SLOPE, *VV_VH, "incidence_angle_VV"), "db", VV_VH, ()),
    (beside(POWER, ONE, *VV_VH, "theta"), "power", VV_VH, ()),
    (beside(POWER, ONE, *VV_VH, "H", "alpha", "anisotropy"), "power", VV_VH, ()),
    (beside(POWER, ONE, *VV_VH, "RVI", "VVVH_logratio"), "power", VV_VH, ()),
    (beside(DB, ONE, *VV_VH, "VV_contrast", "VH_savg", "Sigma0_VV_GLCMMean"), "db", VV_VH, ()),
    (beside(DB, SIGNED[:1], *VV_VH, "Phase_ifg_VV"), "db", VV_VH, ()),
    (beside(POWER, SIGNED[:1], *VV_VH, "i_VV", "q_VV"), "power", VV_VH, ()),
    (beside(DB, ONE, *VV_VH, "VV_count", "layover_mask"), "db", VV_VH, ()),
    (beside(POWER, np.sqrt(POWER[:1]), "Intensity_VV", "Intensity_VH", "Amplitude_VV"), "power",
     VV_VH, ()),
    (beside(DB, DB[:1], "VV_asc", "VH_asc", "VV_desc"), "db", ("VV_asc", "VH", "VV_desc"), ()),
    (beside(DB, DB[:1], "VV_2023-01-01", "VH_2023-01-01", "VV_2023-01-13"), "db",
     ("VV_2023-01-01", "VH", "VV_2023-01-13"), ()),
    (beside(DB, DB[:1], "Sigma0_VV_db", "Sigma0_VH_db", "Gamma0_VV_db"), "db",
     ("Sigma0_VV_db", "VH", "Gamma0_VV_db"), ()),
    (beside(DB, 40 * SLOPE, *VV_VH, "VV_elevation"), "db", VV_VH, ()),
    (beside(POWER, ONE, *VV_VH, "VV_norm"), "power", VV_VH, ()),
    (beside(DB, ONE, "VV_median", "VH_median", "VV_range"), "db", VV_VH, ()),
    (beside(POWER, ONE, "VV_noise_removed", "VH_noise_removed"), "power", VV_VH, ()),
    (beside(POWER, SIGNED[:1] + 1, "C11", "C22", "C12_real", "C12_imag"), "power",
     ("C11", "C22", "C12_real", "C12_imag"), ("C12_real", "C12_imag")),
    (beside(POWER, ONE, "C11", "C22", "entropy"), "power", ("C11", "C22"), ()),
])  # fmt: skip
def test_channels_of_other_kinds_are_told_by_their_names(pair, layers, unit, used, plain):
    values, names = layers
    stack = pair(values, names=names)
    assert (stack.sar_unit, stack.sar.names, stack.plain_names) == (unit, used, plain)


@pytest.mark.parametrize(("sar", "names", "asked", "words"), [
    (SIGNED, ("i_VV", "q_VV"), None, "has no intensity among its channels, i_VV, q_VV"),
    (np.concatenate([ONE, 40 * ONE]), ("entropy", "alpha"), None, "has no intensity among its channels"),
    (np.concatenate([DB[:1], POWER[1:]]), VV_VH, "db", "`sar_unit=db` contradicts the values of VH: 0% are negative"),
    (np.concatenate([DB[:1], 100 * DB[1:]]), VV_VH, None, "too low for dB"),
])  # fmt: skip
def test_channels_of_several_units_or_without_intensity_are_refused(pair, sar, names, asked, words):
    with pytest.raises(RasterError, match=words):
        pair(sar, AlignSettings(sar_unit=asked), names=names)


@pytest.mark.parametrize(("sar", "names", "warning"), [
    ((-100 * (DB - [[[5]], [[12]]])).astype("uint16"), VV_VH, "VH is above VV in 9. % of the pixels"),
    (POWER * [[[1]], [[9]]], ("HH", "HV"), "HV is above HH"),
    (np.sqrt(POWER), ("Amplitude_VV", "Amplitude_VH"), "is amplitude by its name, but read as power"),
    (POWER * [[[9]], [[1]]], VV_VH, None),
])  # fmt: skip
def test_names_that_the_values_contradict_are_warned_of(pair, caplog, sar, names, warning):
    pair(sar.astype("float32") if sar.dtype.kind == "f" else sar, names=names)
    found = [
        record.getMessage()
        for record in caplog.records
        if "the pixels, as it is" in record.getMessage() or "by its name" in record.getMessage()
    ]
    assert bool(found) == (warning is not None)
    assert warning is None or re.search(warning, found[0])


def test_what_the_user_does_not_list_is_said_to_be_left_out_for_that(pair, caplog):
    caplog.set_level("INFO")
    assert pair(DB, AlignSettings(sar_bands="VH"), names=("VV", "VH")).sar.names == ("VH",)
    assert "left out VV, which `sar_bands` does not list." in caplog.text
