"""The dates of a scene stand for those of the training, in order; another number of them is refused."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date

import pytest

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.checkpoint import BandName, Checkpoint
from landcover_bdgf.model.compatibility import match_stack
from landcover_bdgf.model.matching_dates import days_apart, with_dates_of
from landcover_bdgf.scene.stack import Stack

TRAINED = ("2023-06-04", "2023-07-19")


def names(*days: str, bands: tuple[str, ...] = ("B02", "B03")) -> list[str]:
    return [f"{band}@{day}" for day in days for band in bands]


def matched(*days: str) -> list[str]:
    wanted = tuple(BandName(name) for name in names(*TRAINED))
    return [band.name for band in with_dates_of(wanted, names(*days), "model: spectral bands")]


def test_dates_of_another_year_are_matched_in_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "landcover_bdgf")
    assert matched(*TRAINED) == names(*TRAINED)
    assert not caplog.records
    assert matched("2024-06-20", "2024-07-01") == names("2024-06-20", "2024-07-01")
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "dates are matched in order: 2023-06-04 by 2024-06-20, 2023-07-19 by 2024-07-01" in caplog.text


def test_another_season_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    matched("2024-06-04", "2024-09-17")
    (record,) = caplog.records
    assert "other parts of the year: 2023-07-19 in training, 2024-09-17 here (61 days)" in record.getMessage()
    assert days_apart(date(2022, 12, 25), date(2024, 1, 5)) == 11


@pytest.mark.parametrize(("days", "message"), [
    (("2024-06-04",), r"expected 2 dates \(2023-06-04, 2023-07-19\), the image has one date \(2024-06-04\)\. Use"),
    ((*TRAINED, "2023-08-01"), r"the image has 3 dates \(2023-06-04, 2023-07-19, 2023-08-01\)\. Use images of 2 dates"),
    ((), "the image has one date"),
])  # fmt: skip
def test_another_number_of_dates_is_refused(days: tuple[str, ...], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        matched(*days)
    with pytest.raises(CheckpointError, match=r"expected one date, the image has 2 dates"):
        with_dates_of((BandName("B02"),), names(*TRAINED), "model")


def test_bands_are_matched_within_their_date_by_name_and_wavelength(model: Checkpoint, stack: Stack) -> None:
    """Of several dates, a wavelength is there several times."""
    wanted = tuple(BandName(name, nm) for name, nm in zip(names(*TRAINED), (492.4, 559.8) * 2, strict=True))
    first = stack.spectral.bands[0]
    found = zip(names("2024-06-20", "2024-07-01", bands=("x3", "x2")), (559.8, 492.4) * 2, strict=True)
    bands = tuple(replace(first, name=name, wavelength_nm=nm) for name, nm in found)
    scene = replace(stack, spectral=replace(stack.spectral, bands=bands))
    chosen = match_stack(scene, wanted, model.sar_bands, name="model").spectral.names
    assert chosen == ("x2@2024-06-20", "x3@2024-06-20", "x2@2024-07-01", "x3@2024-07-01")
    unnamed = tuple(BandName(f"band {number}@{day}") for day in TRAINED for number in (1, 2))
    bands = tuple(replace(first, name=f"band {n}@{day}", wavelength_nm=None) for day in TRAINED for n in (1, 3))
    scene = replace(stack, spectral=replace(stack.spectral, bands=bands))
    with pytest.raises(CheckpointError, match="bands are numbered, not named; missing: band 2@2023-06-04"):
        match_stack(scene, unnamed, model.sar_bands, name="model")
