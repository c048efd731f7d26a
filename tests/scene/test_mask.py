"""Pixels are masked by rasters on any grid; what is masked is said by class, and what cannot be meant is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_scenes import POWER, REFLECTANCE, whole

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.mask import mask_path
from landcover_bdgf.scene.settings import AlignSettings

CLASSES = np.full((20, 25), 4, np.uint8)  # of 20 m, on a scene of 10 m
CLASSES[2:6, 3:9], CLASSES[10, 10], CLASSES[11, 11], CLASSES[0, 0], CLASSES[19, 20:] = 9, 3, 10, 1, 11
CLOUDY = np.isin(CLASSES, (0, 1, 3, 8, 9, 10)).repeat(2, 0).repeat(2, 1)
SAID = "5.4 % of the scene is masked: cloud 4.8 %, saturated 0.2 %, shadow 0.2 %, cirrus 0.2 %"


@pytest.fixture
def masked(write_tif, tmp_path, monkeypatch):
    """A function that aligns the small scene, with masks."""
    monkeypatch.chdir(tmp_path)
    paths = write_tif("hsi.tif", REFLECTANCE), write_tif("sar.tif", POWER)

    def make(*masks, **settings):
        return align(*paths, settings=AlignSettings(mask=masks, **settings))

    return make


def test_clouds_and_shadows_of_a_classification_are_masked(masked, write_tif, caplog):
    write_tif("scl.tif", CLASSES, pixel_m=20)
    with caplog.at_level("INFO"):
        stack = masked("scl.tif")
    assert f"scl.tif: {SAID}." in caplog.messages
    assert f"mask: scl.tif: {SAID}" in stack.describe()
    tile, plain = whole(stack), whole(masked())
    assert np.array_equal(tile.valid, plain.valid & ~CLOUDY)
    assert not tile.spectral[:, CLOUDY].any()
    assert np.array_equal(tile.spectral[:, ~CLOUDY], plain.spectral[:, ~CLOUDY])
    assert stack.mask.share == CLOUDY.mean()
    assert stack.fingerprint() != masked().fingerprint()
    assert not any("warning" in record.levelname.lower() for record in caplog.records if "scl" in record.message)


@pytest.mark.parametrize("window", [(0, 0, 40, 50), (3, 7, 9, 11), (39, 49, 1, 1), (-2, -3, 45, 55)])
def test_masked_pixels_do_not_depend_on_the_window(masked, write_tif, window):
    write_tif("scl.tif", CLASSES, pixel_m=20, origin_xy=(500_003.0, 5_000_011.0))
    stack = masked("scl.tif")
    row, col, height, width = window
    part, all_ = stack.read_padded(row, col, height, width), stack.read_padded(-5, -5, 55, 65)
    assert np.array_equal(part.valid, all_.valid[row + 5 :, col + 5 :][:height, :width])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("m.tif", range(1, 100)),
        ("m.tif:3,9", (3, 9)),
        ("m.tif:8-10", (8, 9, 10)),
        ("m.tif:1,3, 9-11", (1, 3, 9, 10, 11)),
    ],
)
def test_values_are_named_in_lists_and_ranges(masked, write_tif, text, values):
    codes = np.where(CLASSES == 4, 0, CLASSES)
    write_tif("m.tif", codes, pixel_m=20)
    assert np.array_equal(whole(masked(text)).valid, ~np.isin(codes, values).repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("scl.tif:3,8", "scl.tif"), (r"C:\x\scl.tif", r"C:\x\scl.tif"), (r"C:\x\scl.tif:3,8", r"C:\x\scl.tif"),
        ("C:/x/scl.tif:3,8-10", "C:/x/scl.tif"), ("none", "none"), ("a:b.tif", "a:b.tif"),
        ("https://x.org/scl.tif:3", "/vsicurl/https:/x.org/scl.tif"),
    ],
)  # fmt: skip
def test_the_file_is_told_from_the_values(text, path):
    assert mask_path(text) == path


def test_several_masks_are_joined(masked, write_tif):
    one, other = np.zeros((40, 50), np.uint8), np.zeros((40, 50), np.uint8)
    one[:5], other[:, :7] = 1, 2
    write_tif("one.tif", one), write_tif("other.tif", other)
    stack = masked("one.tif", "other.tif:2")
    assert np.array_equal(whole(stack).valid, (one == 0) & (other == 0))
    assert stack.limits()["masked"]["share"] == ((one != 0) | (other != 0)).mean()


@pytest.mark.parametrize("nodata", [None, 0, 255])
def test_where_the_mask_has_no_data_nothing_is_masked(masked, write_tif, caplog, nodata):
    codes = np.zeros((40, 30), np.uint8)  # of 50 columns
    codes[:, 10:20] = 1
    codes[:, 20:] = nodata or 0
    write_tif("m.tif", codes, nodata=nodata)
    assert np.flatnonzero(~whole(masked("m.tif")).valid.all(axis=0)).tolist() == list(range(10, 20))
    said = f"m.tif: has no data in {60 if nodata == 255 else 40} % of the scene; nothing is masked there."
    assert said + (" To mask its nodata value too, name it: m.tif:255." if nodata == 255 else "") in caplog.messages


@pytest.mark.parametrize("clear", [np.nan, 255])
def test_a_mask_that_has_data_only_where_it_masks_is_not_warned_of(masked, write_tif, caplog, clear):
    values = np.where(CLOUDY, 1, clear).astype("float32")
    write_tif("m.tif", values, nodata=clear)
    assert np.array_equal(whole(masked("m.tif")).valid, ~CLOUDY)
    assert not caplog.messages


def test_all_values_but_0_are_warned_of_where_they_are_most(masked, write_tif, caplog):
    write_tif("m.tif", np.where(CLOUDY, 0, 1 + np.arange(50) % 2).astype(np.uint8))
    stack = masked("m.tif")
    assert np.array_equal(whole(stack).valid, CLOUDY)
    assert set(stack.mask.files[0].classes) == {"value 1", "value 2"}
    said = "m.tif: masks 95 % of the scene, all values but 0. If these are the pixels to keep, name the others, as in "
    assert said + "m.tif:0." in caplog.messages
    caplog.clear()
    masked("m.tif:1-3")
    assert not caplog.messages


def test_the_classification_in_a_list_or_an_archive_is_a_mask(write_tif, tmp_path):
    files = [write_tif(f"p/{name}.tif", REFLECTANCE[i]) for i, name in enumerate(("B02", "B03"))]
    files.append(write_tif("p/SCL.tif", CLASSES, pixel_m=20))
    with zipfile.ZipFile(tmp_path / "s2.zip", "w") as archive:
        for file in files:
            archive.write(file, f"S2A_20200604/{file.name}")
    sar = write_tif("sar.tif", POWER)
    for source in (files, [tmp_path / "p", files[-1]], tmp_path / "s2.zip"):
        stack = align(source, sar)
        assert stack.spectral.names == ("B02", "B03")
        assert np.array_equal(whole(stack).valid, ~CLOUDY)
        assert any(f"SCL.tif: {SAID}" in line for line in stack.describe())
    assert f"mask: {tmp_path / 's2.zip'}/S2A_20200604/SCL.tif: {SAID}" in stack.describe()
    assert align(files, sar, settings=AlignSettings(mask=("none",))).mask is None


def test_the_product_masks_itself(write_tif, tmp_path, caplog):
    for i in range(2):
        write_tif(f"p/T33UUU_20200604T102031_B0{i + 2}_10m.tif", REFLECTANCE[i])
    for metres, classes in ((20, CLASSES), (60, CLASSES[:7, :9])):
        write_tif(f"p/T33UUU_20200604T102031_SCL_{metres}m.tif", classes, pixel_m=metres)
    sar = write_tif("sar.tif", POWER)
    with caplog.at_level("INFO"):
        stack = align(tmp_path / "p", sar)
    assert np.array_equal(whole(stack).valid, ~CLOUDY)
    scl = tmp_path / "p/T33UUU_20200604T102031_SCL_20m.tif"
    assert f"{scl}: {SAID}. `mask=none` keeps these pixels." in caplog.messages
    assert f"not read as bands: {scl.name}, " in caplog.text
    assert "skipped" not in caplog.text  # it is used, as the mask
    assert whole(align(tmp_path / "p", sar, settings=AlignSettings(mask=("none",)))).valid.all()
    own = np.where(np.arange(50) < 5, 1, 0).astype(np.uint8) * np.ones((40, 1), np.uint8)
    more = str(write_tif("water.tif", own))
    both = align(tmp_path / "p", sar, settings=AlignSettings(mask=(more,)))
    assert np.array_equal(whole(both).valid, ~CLOUDY & (own == 0))
    only = align(tmp_path / "p", sar, settings=AlignSettings(mask=(f"{scl}:3",)))  # another choice of its classes
    assert np.array_equal(whole(only).valid, (CLASSES != 3).repeat(2, 0).repeat(2, 1))


def test_a_band_described_as_classification_masks(write_tif):
    bands = np.concatenate([REFLECTANCE, CLASSES.repeat(2, 0).repeat(2, 1)[None].astype("int16")])
    names = ("B02", "B03", "B04", "B08", "SCL")
    stack = align(write_tif("s2.tif", bands, names=names), write_tif("sar.tif", POWER))
    assert stack.spectral.names == names[:4]
    assert np.array_equal(whole(stack).valid, ~CLOUDY)


def test_a_product_whose_classification_is_none_is_not_masked(write_tif, caplog):
    bands = np.concatenate([REFLECTANCE, REFLECTANCE[:1]])
    stack = align(write_tif("s2.tif", bands, names=("B02", "B03", "B04", "B08", "SCL")), write_tif("sar.tif", POWER))
    assert stack.mask is None
    assert any("it is not used as a mask" in message for message in caplog.messages)


@pytest.mark.parametrize("value", [3, 0])
def test_a_mask_without_its_values_is_warned_of(masked, write_tif, caplog, value):
    write_tif("m.tif", np.full((40, 50), 7 if value else 0, np.uint8))
    assert whole(masked(f"m.tif:{value}" if value else "m.tif")).valid.all()
    assert "m.tif: holds none of the values to mask in the scene, so nothing is masked." in caplog.messages


def test_a_clear_scene_is_not_warned_of(write_tif, caplog):
    bands = np.concatenate([REFLECTANCE, np.full((1, 40, 50), 4, "int16")])
    align(write_tif("s2.tif", bands, names=("B02", "B03", "B04", "B08", "SCL")), write_tif("sar.tif", POWER))
    assert not [message for message in caplog.messages if "mask" in message]


FAR = {"origin_xy": (600_000.0, 5_000_000.0)}
REFUSED = [
    ("m.tif", np.ones((40, 50), np.uint8), {}, "masks all of the scene, is it inverted?"),
    ("m.tif", np.ones((40, 50), np.uint8), FAR, "does not overlap .*hsi.tif: the mask covers 16.2"),
    ("scl.tif", np.full((40, 50), 37, np.uint8), {}, "is a scene classification by its name, but holds 37"),
    ("m.tif", np.full((40, 50), 0.37, np.float32), {}, "holds fractions such as 0.37"),
    ("m.tif", np.ones((3, 40, 50), np.uint8), {}, "has 3 bands, and none is described as SCL"),
    ("m.tif", np.ones((40, 50), np.uint8), {"crs": None}, "has no CRS"),
    ("absent.tif", None, {}, "absent.tif"),
    ("m.tif", np.arange(2000, dtype="int16").reshape(40, 50), {}, "holds 1999 values besides 0, as probabilities or"),
    (
        "m.tif",
        np.arange(1, 2001, dtype="int16").reshape(40, 50) % 9 + 1,
        {"nodata": 1},
        "masks all pixels where it has",
    ),
    ("clouds.gpkg", None, {}, "is a file of polygons, but a mask is a raster"),
]


@pytest.mark.parametrize(("name", "pixels", "options", "message"), REFUSED)
def test_masks_that_cannot_be_meant_are_refused(masked, write_tif, name, pixels, options, message):
    if pixels is not None:
        write_tif(name, pixels, **options)
    with pytest.raises(RasterError, match=message) as error:
        masked(name)
    assert "hsi_crs" not in str(error.value)


@pytest.mark.parametrize("values", ["3,x", "8-3", "", "3;4"])
def test_unreadable_values_are_refused(masked, write_tif, values):
    write_tif("m.tif", CLASSES)
    with pytest.raises(SettingsError, match="its values cannot be read"):
        masked(f"m.tif:{values}")


def test_a_mask_that_leaves_no_data_is_refused(write_tif, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    half = REFLECTANCE.copy()
    half[:, :, 20:] = -9999
    mask = np.zeros((40, 50), np.uint8)
    mask[:, :20] = 1
    write_tif("m.tif", mask)
    with pytest.raises(RasterError, match="no pixel with data in both images is left unmasked"):
        align(
            write_tif("hsi.tif", half, nodata=-9999),
            write_tif("sar.tif", POWER),
            settings=AlignSettings(mask=("m.tif",)),
        )


def test_a_mask_that_changes_is_noticed(masked, write_tif):
    path = write_tif("scl.tif", CLASSES, pixel_m=20)
    stack = masked("scl.tif")
    stack.check_unchanged()
    assert Path("scl.tif") in stack.files
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(RasterError, match=r"scl\.tif: was modified"):
        stack.check_unchanged()
