"""Images of several dates become one image with a group for each band; what does not belong together is refused."""

from __future__ import annotations

import gc
import logging
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from conftest import WriteTif
from small_scenes import POWER, REFLECTANCE, whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.dated_image import open_dated
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.stack import Stack

NAMES = ("B02", "B03", "B04", "B8A")
DAYS = ("2023-06-04", "2023-06-14", "2023-07-04")  # 10 and 30 days after the first
FIRST, SECOND, THIRD = (REFLECTANCE + 300 * at for at in range(3))


@pytest.fixture(autouse=True)
def quick(no_shift: None) -> None:
    """No test here is about the shift."""


def table(folder: Path, *rows: str, name: str = "dates.csv") -> Path:
    (folder / name).write_text("\n".join(["date,image,mask", *rows]) + "\n")
    return folder / name


@pytest.fixture
def three(write_tif: WriteTif, tmp_path: Path) -> Path:
    """A table of three dates: the second is masked in the left 10 columns, the first and second are nodata above."""
    clouds = np.zeros((40, 50), "uint8")
    clouds[:, :10] = 1
    second = SECOND.copy()
    first = FIRST.copy()
    first[:, :2] = second[:, :5] = -999
    write_tif("clouds.tif", clouds)
    for number, pixels in enumerate((first, second, THIRD)):
        write_tif(f"{number}.tif", pixels, names=NAMES, nodata=-999)
    return table(tmp_path, f"{DAYS[2]},2.tif,", f"{DAYS[0]},0.tif,", f"{DAYS[1]},1.tif,clouds.tif")


def aligned(write_tif: WriteTif, dates: Any, **settings: Any) -> Stack:
    return align(dates, write_tif("sar.tif", POWER, names=("VV", "VH")), settings=AlignSettings(**settings))


def test_gaps_are_filled_in_time_and_too_few_dates_leave_a_gap(write_tif: WriteTif, three: Path) -> None:
    stack = aligned(write_tif, three)
    assert stack.spectral.names == tuple(f"{name}@{day}" for day in DAYS for name in NAMES)
    tile = whole(stack)
    first, second, third = np.split(tile.spectral, 3)
    np.testing.assert_array_equal(third[:, 2:], THIRD[:, 2:])
    np.testing.assert_array_equal(first[:, 2:], FIRST[:, 2:])
    np.testing.assert_array_equal(second[:, 5:, 10:], SECOND[:, 5:, 10:])
    by_hand = FIRST + (THIRD - FIRST) / 3  # 10 of 30 days
    np.testing.assert_allclose(second[:, 2:5], by_hand[:, 2:5], rtol=1e-6)
    np.testing.assert_allclose(second[:, 5:, :10], by_hand[:, 5:, :10], rtol=1e-6)
    assert not tile.valid[:2].any()  # data at one of three dates
    assert tile.valid[2:].all()
    assert not tile.spectral[:, :2].any()


def test_values_do_not_depend_on_the_window(write_tif: WriteTif, three: Path) -> None:
    stack = aligned(write_tif, three)
    tile = whole(stack)
    for window in stack.grid.tiles(16):
        rows, cols = window.toslices()
        part = stack.read(window)
        np.testing.assert_array_equal(part.spectral, tile.spectral[:, rows, cols])
        np.testing.assert_array_equal(part.valid, tile.valid[rows, cols])


def test_without_filling_only_pixels_with_all_dates_are_valid(write_tif: WriteTif, three: Path) -> None:
    tile = whole(aligned(write_tif, three, least_dates=1.0))
    expected = np.ones((40, 50), bool)
    expected[:5] = expected[:, :10] = False
    np.testing.assert_array_equal(tile.valid, expected)


def test_what_was_filled_is_told(write_tif: WriteTif, three: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "landcover_bdgf")
    stack = aligned(write_tif, three)
    assert "0.tif: filled from the other dates: 25 % of 2023-06-14." in caplog.text
    assert "clouds.tif: 20.0 % of the scene is masked" in caplog.text
    line = (
        "dates of the spectral image: 2023-06-04, 2023-06-14 (about 25 % filled), 2023-07-04; about 5 % of the pixels"
    )
    assert any(text.startswith(line) for text in stack.describe())
    spectral = stack.to_dict()[0]
    assert spectral["date"] == "2023-06-04/2023-07-04"
    assert [(each["date"], each["filled"]) for each in spectral["dates"]] == [
        (DAYS[0], 0),
        (DAYS[1], 0.25),
        (DAYS[2], 0),
    ]
    assert spectral["dates"][1]["masked"]["share"] == 0.2
    assert not stack.warnings


def test_a_date_that_is_mostly_filled_is_warned_of(write_tif: WriteTif, tmp_path: Path) -> None:
    clouds = np.ones((40, 50), "uint8")
    clouds[:, :20] = 0
    write_tif("clouds.tif", clouds)
    for number, pixels in enumerate((FIRST, SECOND)):
        write_tif(f"{number}.tif", pixels, names=NAMES)
    dates = table(tmp_path, f"{DAYS[0]},0.tif,", f"{DAYS[1]},1.tif,clouds.tif:1")
    told = aligned(write_tif, dates).warnings
    assert told == ("1.tif: about 60 % of 2023-06-14 is filled from the other dates, and says little of its own. Leave "
                    "this date out, or check its masks.",)  # fmt: skip


def test_dates_and_gaps_and_masks_are_part_of_the_fingerprint(write_tif: WriteTif, three: Path) -> None:
    prints = {aligned(write_tif, three).fingerprint(), aligned(write_tif, three, least_dates=0.6).fingerprint()}
    text = three.read_text()
    for other in (text.replace("2023-06-14", "2023-06-15"), text.replace("clouds.tif", "")):
        three.write_text(other)
        prints.add(aligned(write_tif, three).fingerprint())
    three.write_text(f"# a comment\n{text}")
    assert len(prints) == 4
    stack = aligned(write_tif, three)
    assert stack.fingerprint() in prints
    write_tif("clouds.tif", np.ones((40, 50), "uint8"))
    with pytest.raises(RasterError, match=r"clouds\.tif: was modified while it was being read"):
        stack.check_unchanged()


def test_bands_of_other_order_and_grid_come_under_their_names_on_the_first_grid(
    write_tif: WriteTif, tmp_path: Path
) -> None:
    write_tif("0.tif", FIRST, names=NAMES)
    write_tif("1.tif", SECOND[::-1, :20, :25], names=NAMES[::-1], pixel_m=20.0)
    image = open_dated(table(tmp_path, f"{DAYS[0]},0.tif,", f"{DAYS[1]},1.tif,"))
    assert image.names[4:] == tuple(f"{name}@{DAYS[1]}" for name in NAMES)
    assert image.grid.shape_hw == (40, 50)
    values, valid = image.read(Window(0, 0, 50, 40))
    np.testing.assert_array_equal(values[:4], FIRST)
    assert valid.all()
    corners = 9.0 * SECOND[:, 0, 0] + 3.0 * SECOND[:, 0, 1] + 3.0 * SECOND[:, 1, 0] + SECOND[:, 1, 1]  # bilinear
    np.testing.assert_allclose(values[4:, 1, 1], corners / 16, rtol=1e-5)


def test_sar_of_several_dates_is_interpolated_in_power(write_tif: WriteTif, tmp_path: Path) -> None:
    power = [POWER, 2 * POWER, 4 * POWER]
    hole = np.full_like(POWER, np.nan)
    hole[:, 20:] = power[1][:, 20:]
    for number, pixels in enumerate((power[0], hole, power[2])):
        write_tif(f"s{number}.tif", 10 * np.log10(pixels), names=("VV", "VH"))
    dates = table(tmp_path, *(f"{day},s{number}.tif," for number, day in enumerate(DAYS)))
    hsi = write_tif("hsi.tif", REFLECTANCE, names=NAMES)
    stack = align(hsi, dates)
    assert (stack.sar.names[2], stack.sar_unit, stack.plain_names) == (f"VV@{DAYS[1]}", "db", ())
    tile = whole(stack)
    np.testing.assert_allclose(tile.sar[2:4, :20], (POWER + (4 * POWER - POWER) / 3)[:, :20], rtol=1e-4)
    np.testing.assert_allclose(tile.sar[2:4, 20:], 2 * POWER[:, 20:], rtol=1e-4)
    only = align(hsi, dates, settings=AlignSettings(sar_bands="VH"))
    assert only.sar.names == tuple(f"VH@{day}" for day in DAYS)
    stack.write_sar(tmp_path / "grid.tif")
    again = align(hsi, tmp_path / "grid.tif")
    assert again.sar.names == stack.sar.names
    np.testing.assert_array_equal(whole(again).sar, tile.sar)


def test_an_offset_of_some_dates_is_removed_from_them(write_tif: WriteTif, tmp_path: Path) -> None:
    dark = REFLECTANCE // 10
    for number, pixels in enumerate((dark, dark + 1000)):
        pixels[:, : 10 * number] = -999  # filled by values without the offset
        write_tif(f"{number}.tif", pixels.astype("int16"), names=NAMES, nodata=-999)
    dates = table(tmp_path, f"{DAYS[0]},0.tif,", f"{DAYS[1]},1.tif,")
    stack = aligned(write_tif, dates)
    np.testing.assert_array_equal(*np.split(whole(stack).spectral, 2))
    (told,) = stack.warnings
    assert told.startswith("1.tif: only some dates show the offset of Sentinel-2 reflectance")
    assert stack.to_dict()[0]["dates"][1]["offset"] == -1000
    kept = whole(aligned(write_tif, dates, spectral_offset=0)).spectral
    np.testing.assert_array_equal(kept[4:, 10:] - kept[:4, 10:], 1000)


def test_an_offset_of_all_dates_is_removed_from_bands_without_names(write_tif: WriteTif, tmp_path: Path) -> None:
    dark = np.concatenate([REFLECTANCE // 10] * 3)
    for number in range(2):
        write_tif(f"{number}.tif", (dark + 1000).astype("int16"))
    stack = aligned(write_tif, table(tmp_path, f"{DAYS[0]},0.tif,", f"{DAYS[1]},1.tif,"))
    np.testing.assert_array_equal(whole(stack).spectral, np.concatenate([dark, dark]))


def test_dates_come_from_names_and_a_mapping_is_a_table(write_tif: WriteTif, tmp_path: Path) -> None:
    first = write_tif("S2_20230604.tif", FIRST, names=NAMES)
    second = write_tif("S2A_MSIL2A_20230614T101601_N0509_R022_T33UUP_20230701T000000.tif", SECOND, names=NAMES)
    image = open_dated(table(tmp_path, f",{first.name},", f",{second.name},"))
    assert image.names[4] == "B02@2023-06-14"
    same = open_dated({DAYS[0]: first, date(2023, 6, 14): second})  # type: ignore[dict-item]
    assert same.names == image.names
    np.testing.assert_array_equal(whole(same)[0], whole(image)[0])


def test_the_classification_of_a_product_masks_its_date(write_tif: WriteTif, tmp_path: Path) -> None:
    for number, pixels in enumerate((FIRST, SECOND, THIRD)):
        for name, band in zip(NAMES, pixels, strict=True):
            write_tif(f"{number}/{name}.tif", band)
    scl = np.full((40, 50), 4, "uint8")
    scl[:, :10] = 9
    write_tif("1/SCL.tif", scl)
    dates = table(tmp_path, *(f"{day},{number}," for number, day in enumerate(DAYS)))
    (second,) = [each for each in aligned(write_tif, dates).to_dict()[0]["dates"] if each["filled"]]
    assert (second["date"], second["masked"]["files"][0]["classes"]) == (DAYS[1], {"cloud": 0.2})
    assert not any(each["filled"] for each in aligned(write_tif, dates, mask=("none",)).to_dict()[0]["dates"])
    write_tif("1/SCL.tif", np.full((40, 50), 9, "uint8"))
    with pytest.raises(
        RasterError, match=r"SCL\.tif: masks all of the scene\. Leave this date out, or correct its mask"
    ):
        aligned(write_tif, dates)


def test_archives_and_arrays_are_dates_too(write_tif: WriteTif, three: Path, tmp_path: Path) -> None:
    """Their temporary files live as long as the image."""
    rioxarray = pytest.importorskip("rioxarray")
    with ZipFile(tmp_path / "S2_20230604.zip", "w") as archive:
        archive.write(tmp_path / "0.tif", "0.tif")
    with rioxarray.open_rasterio(tmp_path / "1.tif") as opened:
        array = opened.assign_attrs(long_name=NAMES).load()
    mixed = open_dated({DAYS[0]: tmp_path / "S2_20230604.zip", DAYS[1]: array, DAYS[2]: tmp_path / "2.tif"})
    plain = open_dated({day: tmp_path / f"{number}.tif" for number, day in enumerate(DAYS)})
    assert mixed.names == plain.names
    gc.collect()
    mixed.close()
    for ours, theirs in zip(whole(mixed), whole(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("row", "message"), [
    (",1.tif,", r"1\.tif: \S*dates\.csv: line 3: the date of the image is not known, its names and tags hold none\. "
     "Write it into the column date"),
    ("2023-06-14,empty.tif,", r"empty\.tif: no band is left, all are without data\. Leave this date out"),
    (",20230604_20230607.tif,", r"its names hold several dates \(2023-06-04, 2023-06-07\)"),
    ("2023-06-04,1.tif,", r"1\.tif: is of 2023-06-04, as \S+0\.tif is\. Merge the two first, or leave one out"),
    ("2023-06-14,0.tif,", r"0\.tif: is given for 2023-06-04 and for 2023-06-14\. Give each date its own files"),
    ("2023-06-14,less.tif,", r"less\.tif: lacks B8A, unlike the image of 2023-06-04, \S+0\.tif\. Use the same bands"),
    ("2023-06-14,other.tif,", r"other\.tif: lacks B04 and has B05, unlike the image of 2023-06-04"),
    ("2023-06-14,far.tif,", r"far\.tif: does not overlap \S+0\.tif, so they cannot be bands of one image"),
])  # fmt: skip
def test_what_does_not_belong_together_is_refused(row: str, message: str, write_tif: WriteTif, tmp_path: Path) -> None:
    write_tif("0.tif", FIRST, names=NAMES)
    for name in ("1.tif", "20230604_20230607.tif"):
        write_tif(name, SECOND, names=NAMES)
    write_tif("empty.tif", np.zeros_like(SECOND), names=NAMES, nodata=0)
    write_tif("less.tif", SECOND[:3], names=NAMES[:3])
    write_tif("other.tif", SECOND, names=("B02", "B03", "B05", "B8A"))
    write_tif("far.tif", SECOND, names=NAMES, origin_xy=(600_000.0, 5_000_000.0))
    with pytest.raises(RasterError, match=message):
        aligned(write_tif, table(tmp_path, "2023-06-04,0.tif,", row))


def test_a_date_that_its_name_contradicts_is_warned_of(
    write_tif: WriteTif, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_tif("S2_20230604.tif", FIRST, names=NAMES)
    write_tif("S2_20230614.tif", SECOND, names=NAMES)
    open_dated(table(tmp_path, "2023-06-14,S2_20230604.tif,", "2023-06-04,S2_20230614.tif,"))
    assert "S2_20230604.tif: is given as of 2023-06-14, but its name says 2023-06-04. Check the dates." in caplog.text


def test_two_real_dates_of_both_sensors(shared_data: Path, tmp_path: Path) -> None:
    """Their bands have grids of their own; a hole in one date shows the other's values."""
    place = shared_data / "s1s2_different_grids"
    spectral = table(tmp_path, *(f",{folder}," for folder in sorted((place / "s2_l2a").iterdir(), reverse=True)))
    sar = table(tmp_path, *(f",{folder}," for folder in sorted((place / "s1").iterdir())), name="s1.csv")
    stack = align(spectral, sar)
    assert stack.spectral.sensor == "Sentinel-2"
    assert len(stack.spectral.names) == 24
    assert stack.spectral.names[0] == "B01@2020-06-04"
    assert stack.sar.names == tuple(f"{name}@{day}" for day in ("2020-06-07", "2020-09-03") for name in ("VH", "VV"))
    alone = align(place / "s2_l2a/20200604T054639_20200604T054831_T43RCP", sar)
    tile, one = whole(stack), whole(alone)
    both = tile.valid & one.valid
    assert both.mean() > 0.95
    np.testing.assert_array_equal(tile.spectral[:12, both], one.spectral[:, both])
