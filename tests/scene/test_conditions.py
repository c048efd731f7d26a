"""The condition of a pixel tells which sensors saw it; by default a pixel that one of them missed is not used."""

from dataclasses import replace

import numpy as np
import pytest
from small_scenes import POWER, REFLECTANCE, whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.alignment import AlignSettings, align
from landcover_bdgf.scene.conditions import ALONE, BOTH, accepted, conditions, seen_by
from landcover_bdgf.scene.stack import Stack


@pytest.fixture
def gaps(write_tif) -> Stack:
    """A scene of 40 × 50 pixels without spectral data in the first 5 columns, and without SAR in the first 8 rows."""
    spectral, sar = REFLECTANCE.copy(), POWER.copy()
    spectral[:, :, :5], sar[:, :8] = -9999, np.nan
    return align(write_tif("hsi.tif", spectral, nodata=-9999), write_tif("sar.tif", sar))


@pytest.mark.parametrize(
    ("missing", "codes"),
    [("error", [0, 1, 0, 0]), ("spectral", [0, 1, 2, 0]), ("sar", [0, 1, 0, 3]), ("any", [0, 1, 2, 3])],
)  # fmt: skip
def test_codes_of_pixels_of_no_sensor_both_and_one(missing, codes):
    spectral, sar = np.array([False, True, True, False]), np.array([False, True, False, True])
    found = conditions(spectral, sar, missing)
    assert found.tolist() == codes
    assert found.dtype == np.uint8
    assert {ALONE[sensor] for sensor in accepted(missing)} == {*codes} - {0, 1}
    assert seen_by(found, None).tolist() == [code == BOTH for code in codes]
    assert seen_by(found, "sar").tolist() == [code in (1, 3) for code in codes]


def test_a_stack_reads_what_one_sensor_saw_if_it_may_be_alone(gaps):
    """Pixels of both have the values that they have without it; values of the missing sensor are 0."""
    usual = whole(gaps)
    assert usual.condition.max() == 1
    tile = whole(replace(gaps, missing="any"))
    both, of_spectral, of_sar = (tile.condition == code for code in (1, 2, 3))
    assert np.array_equal(both, usual.valid)
    assert of_spectral[:8, 5:].all()
    assert of_sar[8:, :5].all()
    assert not tile.condition[:8, :5].any()
    assert np.array_equal(tile.valid, both | of_spectral | of_sar)
    for name, seen in (("spectral", both | of_spectral), ("sar", both | of_sar)):
        values = getattr(tile, name)
        assert np.array_equal(values[:, both], getattr(usual, name)[:, both])
        assert values[:, seen].all()
        assert not values[:, ~seen].any()
    padded = replace(gaps, missing="any").read_padded(-5, -5, 50, 60)
    assert np.array_equal(padded.condition, np.pad(tile.condition, 5, mode="reflect"))


def test_maps_of_other_pixels_are_other_scenes(gaps):
    prints = {replace(gaps, missing=missing).fingerprint() for missing in ("error", "spectral", "sar", "any")}
    assert len(prints) == 4
    assert gaps.fingerprint() in prints


def test_a_scene_may_have_no_sar(write_tif):
    stack = align(write_tif("hsi.tif", REFLECTANCE), None)
    assert not stack.has_sar
    assert stack.images == (stack.spectral,)
    tile = whole(stack)
    assert (tile.condition == ALONE["spectral"]).all()
    assert tile.sar.shape == (0, 40, 50)
    assert [image["role"] for image in stack.to_dict()] == ["spectral"]
    assert "SAR: none" in stack.describe()
    assert "SAR: none" in repr(stack)
    assert "spectral bands" in stack._repr_html_()
    pixels = REFLECTANCE.copy()
    pixels[0, :20], pixels[1, 20:] = -9999, -9999
    empty = write_tif("empty.tif", pixels, nodata=-9999)
    with pytest.raises(RasterError, match=r"empty.tif: no pixel has data\. Check its nodata values"):
        align(empty, None)


def test_clouds_may_mask_all_if_the_sar_may_be_alone(write_tif):
    cloud = str(write_tif("scl.tif", np.full((40, 50), 9, np.uint8)))
    hsi, sar = write_tif("hsi.tif", REFLECTANCE), write_tif("sar.tif", POWER)
    settings = AlignSettings(mask=(cloud,))
    for missing in ("error", "spectral"):
        with pytest.raises(RasterError, match=r"scl.tif: masks all of the scene"):
            align(hsi, sar, settings=settings, missing=missing)
    stack = align(hsi, sar, settings=settings, missing="sar")
    assert stack.missing == "error"
    assert not whole(stack).valid.any()
    assert (whole(replace(stack, missing="sar")).condition == ALONE["sar"]).all()


def test_the_spectral_image_may_be_nodata_everywhere_if_the_sar_may_be_alone(write_tif):
    """Its pixels are then those of masked clouds. A SAR image without data is none."""
    sar, cloud = write_tif("sar.tif", POWER), str(write_tif("scl.tif", np.full((40, 50), 9, np.uint8)))
    clear, empty = (
        write_tif(f"{i}.tif", (i * REFLECTANCE - (1 - i) * 9999).astype("int16"), nodata=-9999) for i in (1, 0)
    )
    for missing in ("error", "spectral"):
        with pytest.raises(RasterError, match=r"0\.tif: no band is left, all are without data\. Check that it is"):
            align(empty, sar, missing=missing)
    found = whole(replace(align(empty, sar, missing="any"), missing="any"))
    masked = whole(replace(align(clear, sar, settings=AlignSettings(mask=(cloud,)), missing="sar"), missing="sar"))
    assert (found.condition == ALONE["sar"]).all()
    assert np.array_equal(found.sar, masked.sar)
    assert np.array_equal(found.spectral, masked.spectral)
    gone = write_tif("gone.tif", POWER * np.nan)
    with pytest.raises(RasterError, match=r"gone\.tif: no band is left, all are without data\. Give none in its place"):
        align(clear, gone, missing="spectral")


def test_sensors_may_have_no_pixel_in_common_if_each_may_be_alone(write_tif):
    spectral, sar = REFLECTANCE.copy(), POWER.copy()
    spectral[:, :, 25:], sar[:, :, :25] = -9999, np.nan
    pair = write_tif("hsi.tif", spectral, nodata=-9999), write_tif("sar.tif", sar)
    with pytest.raises(RasterError, match="no pixel has data in both images"):
        align(*pair)
    found = whole(replace(align(*pair, missing="any"), missing="any")).condition
    assert (found[:, :25] == ALONE["spectral"]).all()
    assert (found[:, 25:] == ALONE["sar"]).all()
