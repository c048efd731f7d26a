"""The date in the name of a band is read as it was written, and nothing else is taken for one."""

from __future__ import annotations

from datetime import date

import pytest

from landcover_bdgf.scene.bands import BandText, band_names, band_wavelengths_nm, sensor_of
from landcover_bdgf.scene.dated_names import band_and_day, dated_name, days_of

DAY = date(2023, 6, 4)


def test_a_name_and_its_parts() -> None:
    assert dated_name("B04", DAY) == "B04@2023-06-04"
    assert band_and_day("B04@2023-06-04") == ("B04", DAY)
    assert band_and_day("me@home@2023-06-04") == ("me@home", DAY)
    assert days_of(["VV@2023-06-04", "VH@2023-06-04", "VV@2022-01-01", "dem"]) == (date(2022, 1, 1), DAY)


@pytest.mark.parametrize("name", ["B04", "@2023-06-04", "B04@20230604", "B04@2023-13-01", "a@b", ""])
def test_other_names_have_no_date(name: str) -> None:
    assert band_and_day(name) == (name, None)


def test_a_file_of_dated_bands_keeps_its_names_and_knows_its_sensor() -> None:
    texts = [
        BandText("stack", False, f"{band}@{day}") for day in ("2023-06-04", "2023-07-01") for band in ("B04", "B8A")
    ]
    assert band_names(texts) == [text.description for text in texts]
    assert sensor_of(texts) == "Sentinel-2"
    assert band_wavelengths_nm(texts) == [664.6, 864.7] * 2
