"""The day of an image is read where products keep it, and nowhere else."""

from __future__ import annotations

import logging
from datetime import date

import numpy as np
import pytest

from landcover_bdgf.scene.image import open_image
from landcover_bdgf.scene.pair_checks import date_of, warn_of_dates

PIXELS = np.ones((2, 4, 4), "float32")


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("S2A_MSIL2A_20200604T054639_N0500_R120_T43RCP_20230401T101010.tif", date(2020, 6, 4)),
        ("S1A_IW_GRDH_1SDV_20200607T010800_20200607T010825_032904.tif", date(2020, 6, 7)),
        ("LC81220442013333LGN00.tif", date(2013, 11, 29)),
        ("LC08_L2SP_122044_20131129_20200912_02_T1.tif", date(2013, 11, 29)),
        ("s2 2021-03-05.tif", date(2021, 3, 5)),
        ("field_20201399.tif", None),
        ("field_20200231.tif", None),
        ("T1120200604.tif", None),
    ],
)
def test_names_of_products_tell_the_day(write_tif, name, day):
    assert date_of(open_image(write_tif(name, PIXELS))) == day


def test_a_tag_of_the_sensing_counts_before_the_name(write_tif):
    tags = {"datetime": "2017-10-30T05:32:30.000", "TIFFTAG_DATETIME": "2024:01:01 00:00:00"}
    assert date_of(open_image(write_tif("x_20200604.tif", PIXELS, tags=tags))) == date(2017, 10, 30)


def test_when_a_file_was_made_is_no_day_of_sensing(write_tif):
    assert date_of(open_image(write_tif("a.tif", PIXELS, tags={"TIFFTAG_DATETIME": "2024:01:01 00:00:00"}))) is None


def test_a_folder_of_bands_is_named_by_its_day(tmp_path, write_tif):
    for name in ("B2.tif", "B3.tif"):
        write_tif(f"20200604T054639_T43RCP/{name}", PIXELS[0])
    assert date_of(open_image(tmp_path / "20200604T054639_T43RCP")) == date(2020, 6, 4)


@pytest.mark.parametrize(("day", "warned"), [("20200703", False), ("20200705", True), ("20200101", True)])
def test_images_more_than_30_days_apart_are_worth_a_warning(write_tif, caplog, day, warned):
    spectral, sar = (open_image(write_tif(name, PIXELS)) for name in ("s2_20200604.tif", f"s1_{day}.tif"))
    with caplog.at_level(logging.WARNING):
        warn_of_dates(spectral, sar)
    assert ("days apart" in caplog.text) == warned
