"""Images that do not belong together are refused; acquisition dates are read from tags and product names."""

from __future__ import annotations

import logging
from datetime import date

import numpy as np
import pytest
from small_scenes import POWER, REFLECTANCE

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.alignment import AlignSettings, align
from landcover_bdgf.scene.image import open_image
from landcover_bdgf.scene.pair_checks import date_of, warn_of_dates

PIXELS = np.ones((2, 4, 4), "float32")


@pytest.mark.parametrize(("name", "day"), [
    ("S2A_MSIL2A_20200604T054639_N0500_R120_T43RCP_20230401T101010.tif", date(2020, 6, 4)),
    ("S1A_IW_GRDH_1SDV_20200607T010800_20200607T010825_032904.tif", date(2020, 6, 7)),
    ("LC81220442013333LGN00.tif", date(2013, 11, 29)),
    ("LC08_L2SP_122044_20131129_20200912_02_T1.tif", date(2013, 11, 29)),
    ("s2 2021-03-05.tif", date(2021, 3, 5)),
    ("field_20201399.tif", None),
    ("field_20200231.tif", None),
    ("T1120200604.tif", None),
])  # fmt: skip
def test_the_date_is_read_from_product_names(write_tif, name, day):
    assert date_of(open_image(write_tif(name, PIXELS))) == day


def test_the_date_of_a_folder_is_read_from_its_name(tmp_path, write_tif):
    for name in ("B2.tif", "B3.tif"):
        write_tif(f"20200604T054639_T43RCP/{name}", PIXELS[0])
    assert date_of(open_image(tmp_path / "20200604T054639_T43RCP")) == date(2020, 6, 4)


@pytest.mark.parametrize(("others", "day"), [((), date(2020, 6, 4)), (("sar.tif",), None)])
def test_the_name_of_a_folder_is_that_of_its_only_raster(tmp_path, write_tif, others, day):
    for name in ("scene.tif", *others):
        write_tif(f"site_20200604/{name}", PIXELS)
    assert date_of(open_image(tmp_path / "site_20200604/scene.tif")) == day


def test_an_acquisition_tag_precedes_the_name(write_tif):
    tags = {"datetime": "2017-10-30T05:32:30.000", "TIFFTAG_DATETIME": "2024:01:01 00:00:00"}
    assert date_of(open_image(write_tif("x_20200604.tif", PIXELS, tags=tags))) == date(2017, 10, 30)
    del tags["datetime"]  # TIFFTAG_DATETIME is when the file was written
    assert date_of(open_image(write_tif("a.tif", PIXELS, tags=tags))) is None


@pytest.mark.parametrize(("day", "warned"), [("20200703", False), ("20200705", True), ("20200101", True)])
def test_images_more_than_30_days_apart_give_a_warning(write_tif, caplog, day, warned):
    spectral, sar = (open_image(write_tif(name, PIXELS)) for name in ("s2_20200604.tif", f"s1_{day}.tif"))
    with caplog.at_level(logging.WARNING):
        warn_of_dates(spectral, sar)
    assert ("days apart" in caplog.text) == warned


@pytest.mark.parametrize(("east", "words"), [
    (600_000, r"does not overlap .*° E.*99\.\d km"), (1_700_000, r"\d{4} km apart"), (500_498, "covers only"),
])  # fmt: skip
def test_images_that_hardly_overlap_are_refused(pair, east, words):
    with pytest.raises(RasterError, match=words):
        pair(origin_xy=(east, 5_000_000))


@pytest.mark.parametrize("tiled", ["spectral", "sar"])
def test_tiles_of_one_image_must_be_merged_first(write_tif, tiled):
    """Google Earth Engine exports large images as tiles."""
    pixels = {"spectral": REFLECTANCE, "sar": POWER}
    images = {kind: write_tif(f"{kind}.tif", array) for kind, array in pixels.items()}
    images[tiled] = [
        write_tif(f"a-{at:010d}.tif", pixels[tiled][..., at : at + 25], origin_xy=(500_000 + 10 * at, 5_000_000))
        for at in (0, 25)
    ]
    words = r"0025\.tif: does not overlap \S+0000\.tif, so they cannot be bands of one image. If they are tiles, merge"
    with pytest.raises(RasterError, match=words):
        align(images["spectral"], images["sar"])


def test_files_that_overlap_in_part_are_one_image(write_tif):
    first, second = write_tif("a/a.tif", REFLECTANCE[:2]), write_tif("a/b.tif", REFLECTANCE[2:, :, :30])
    align([first, second], write_tif("sar.tif", POWER))


def test_resolutions_too_far_apart_need_force(write_tif):
    hsi, sar = write_tif("hsi.tif", REFLECTANCE), write_tif("sar.tif", POWER, pixel_m=600)
    with pytest.raises(RasterError, match="factor of 60"):
        align(hsi, sar)
    assert align(hsi, sar, settings=AlignSettings(force=True)).read_valid(Window(0, 0, 50, 40)).any()


def test_swapped_images_are_refused(write_tif):
    sar = write_tif("sar.tif", POWER, names=("VV", "VH"))
    hsi = write_tif("hsi.tif", REFLECTANCE)
    with pytest.raises(RasterError, match="Give the HSI/MSI first"):
        align(sar, hsi)
    sentinel_2 = write_tif("s2.tif", REFLECTANCE, names=("B02", "B03", "B04", "B08"))
    with pytest.raises(RasterError, match="is given as the SAR image but is Sentinel-2"):
        align(hsi, sentinel_2)


@pytest.mark.parametrize(("spectral", "sar", "words"), [
    (REFLECTANCE, np.tile(REFLECTANCE, (3, 1, 1)), "sar.tif: is given as the SAR image but looks spectral: 12 bands"),
    (10 * np.log10(POWER), REFLECTANCE[:2], "hsi.tif: has values like SAR in dB"),
    (10 * np.log10(POWER), np.tile(REFLECTANCE, (3, 1, 1)), "looks spectral"),
])  # fmt: skip
def test_swapped_images_without_names_are_refused(pair, spectral, sar, words):
    with pytest.raises(RasterError, match=words):
        pair(sar, spectral=spectral)


@pytest.mark.parametrize(("sar", "names", "words"), [
    (POWER, ("VV", "VH"), r"radar\.tif: is given as the spectral image but has SAR bands \(VV, VH\)\. "),
    (10 * np.log10(POWER), (), r"radar\.tif: has values like SAR in dB: \d+ % are below -1\. "),
])  # fmt: skip
def test_a_sar_file_among_spectral_files_is_refused(write_tif, sar, names, words):
    first = write_tif("both/bands.tif", REFLECTANCE, names=("B02", "B03", "B04", "B08") if names else ())
    write_tif("both/radar.tif", sar, names=names)
    with pytest.raises(RasterError, match=words + "Name the spectral files alone, joined by commas"):
        align(first.parent, None)


def test_one_file_for_both_images_is_refused(write_tif):
    path = write_tif("a.tif", REFLECTANCE)
    with pytest.raises(RasterError, match="is given as both images"):
        align(path, path)
