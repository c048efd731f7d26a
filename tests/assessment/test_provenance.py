"""The inputs, warnings and novelty of a map come from its record, which may be damaged, old or hostile."""

from __future__ import annotations

from typing import Any

import pytest

from landcover_bdgf.assessment.provenance import MapRecord, map_record

IMAGE: dict[str, Any] = {
    "role": "SAR", "files": [{"file": "s1.tif", "sha256": "ab"}], "bands": ["VV", "VH"], "date": "2020-06-04",
    "unit": "dB", "shift": "SAR is shifted 2.7 px to the left", "corrected_px": [0.0, 0.0],
}  # fmt: skip
SPECTRAL: dict[str, Any] = {
    "role": "spectral", "files": [{"file": "s2.tif"}], "bands": ["B02"], "sensor": "Sentinel-2", "offset": -1000.0
}  # fmt: skip
RECORD: dict[str, Any] = {
    "images": [SPECTRAL, IMAGE], "warnings": ["the SAR is off", "haze"],
    "model": {"seed": 7, "warnings": ["water has 2 training px", "haze"], "denoiser": {"warnings": ["two dates"]}},
    "training": {"labels": "polygons.shp, field class", "count": 1234, "split": "folds", "pixels": "…"},
    "novelty": {"novel_px": 3, "compared_px": 300}, "recipe": {"name": "laptop"}, "command": "bdgf map a b",
    "versions": {"landcover-bdgf": "0.1.0"},
}  # fmt: skip


def test_warnings_of_all_steps_are_told_once() -> None:
    assert map_record(RECORD).warnings == ["the SAR is off", "haze", "water has 2 training px", "two dates"]


def test_inputs_are_told_in_words() -> None:
    rows = dict(map_record(RECORD).inputs())
    assert rows["spectral image"] == [
        "s2.tif", "Sentinel-2, 1 band: B02", "date of acquisition not stated in the file",
        "1000 subtracted from all values",
    ]  # fmt: skip
    assert rows["SAR image"] == [
        "s1.tif", "2 bands: VV, VH", "acquired on 2020-06-04", "values in dB, read as linear power",
        "SAR is shifted 2.7 px to the left; not corrected",
    ]  # fmt: skip
    assert rows["Labels"] == ["polygons.shp, field class", "1,234 training pixels, split by folds"]
    assert rows["Model"] == ["recipe laptop, seed 7"]
    assert rows["Command"] == ["bdgf map a b"]
    assert "Map" not in rows
    made = {"sieve": {"min_area": "0.5ha"}, "sieved_px": 1234, "merge": ["built=roof,road"],
            "sets": {"level": 0.9, "coverage": 0.934}}  # fmt: skip
    assert dict(map_record(made).inputs())["Map"] == [
        "classes were merged: built=roof,road",
        "patches below 0.5ha got the class of their largest neighbour (1,234 px changed); accuracies from left-out "
        "labels are of the map before",
        "prediction sets of level 0.9 hold 93.4 % of left-out labels",
    ]
    corrected = map_record({"images": [IMAGE | {"corrected_px": [1.0, -2.0]}]})
    assert corrected.images[0].lines()[-1].endswith("; corrected by 1, -2 px")
    dates = [{"date": "2020-06-04", "filled": 0.0}, {"date": "2020-07-04", "filled": 0.123}]
    several = map_record({"images": [SPECTRAL | {"date": "2020-06-04/2020-07-04", "dates": dates}]})
    assert "acquired on 2020-06-04, 2020-07-04 (about 12 % filled)" in several.images[0].lines()
    bands = [f"{name}@{day['date']}" for day in dates for name in ("B02", "B03")]
    several = map_record({"images": [SPECTRAL | {"bands": bands, "dates": dates}]})
    assert several.images[0].lines()[1].endswith("2 bands at 2 dates: B02, B03")
    assert map_record({"images": [IMAGE | {"shift": "not estimated"}]}).images[0].lines()[-1] == (
        "shift not estimated; not corrected"
    )


def test_joined_maps_have_the_inputs_and_the_novel_pixels_of_all() -> None:
    joined = map_record({"maps": [RECORD, RECORD], "warnings": ["west.tif: haze"]})
    assert len(joined.images) == 4
    assert (joined.novelty.novel_px, joined.novelty.compared_px) == (6, 600)
    assert "west.tif: haze" in joined.warnings


@pytest.mark.parametrize("damaged", [
    {}, {"images": "none"}, {"warnings": [1]}, {"warnings": 3}, {"novelty": {"novel_px": -1}}, {"model": "m"},
    {"maps": [3]}, {"sets": {"level": 0.9}}, {"sieve": 3}, {"merge": [4]}, {"novelty": {"novel_px": "x"}},
])  # fmt: skip
def test_a_damaged_or_old_record_tells_nothing(damaged: dict[str, Any]) -> None:
    assert map_record(damaged) == MapRecord()


def test_texts_are_safe_to_show() -> None:
    (text,) = map_record({"warnings": ["a\nb\x1b[31m‮c" + "y" * 10_000]}).warnings
    assert text.startswith("a b [31m c")
    assert len(text) == 2000
