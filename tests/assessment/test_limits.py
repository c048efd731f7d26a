"""What a map was limited to is read from its record; a damaged record gives nothing."""

from typing import Any

import pytest

from landcover_bdgf.assessment.limits import map_limits

AREA = {"file": "aoi.gpkg", "pixels": 12, "share": 0.0321}
MASKED = {
    "share": 0.123,
    "files": [
        {"file": "scl.tif", "share": 0.113, "classes": {"cloud": 0.081, "shadow": 0.032}},
        {"file": "water.tif", "share": 0.01, "classes": {}},
    ],
    "mapped": False,
}
BY = "by scl.tif (cloud 8.1 %, shadow 3.2 %); water.tif."


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        ({}, []),
        ({"masked": MASKED}, [f"12.3 % of the scene was masked and is 0 in the map, {BY}"]),
        (
            {"masked": MASKED | {"mapped": True}, "area": AREA},
            [
                "The map is limited to aoi.gpkg, 3.21 % of the image; it is 0 elsewhere.",
                f"12.3 % of the area was masked and is classified all the same, {BY}",
            ],
        ),
    ],
)
def test_limits_as_text(record: dict[str, Any], lines: list[str]) -> None:
    assert map_limits(record).lines() == lines


@pytest.mark.parametrize(
    "record", [{"masked": 1}, {"masked": MASKED | {"share": 7}}, {"area": {"file": []}}, {"area": float("nan")}]
)
def test_a_damaged_record_has_no_limits(record: dict[str, Any]) -> None:
    assert map_limits(record).lines() == []
