"""Labels have the field with the class; without a field, the error lists them with their values."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pytest
from shapely import Point

from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.labels.fields import check_field
from landcover_bdgf.labels.settings import ReadSettings


@pytest.fixture
def points(tmp_path: Path) -> Path:
    names = ["wood"] * 20 + ["water"] * 9 + [None]
    table = {"cover": names, "number": range(30), "empty": [None] * 30, "odd\x1b[1m": ["a\nb"] * 30}
    frame = geopandas.GeoDataFrame(table, geometry=[Point(0, i) for i in range(30)], crs=32633)
    frame.to_file(tmp_path / "points.gpkg", engine="pyogrio")
    return tmp_path / "points.gpkg"


def test_a_field_that_is_there(points: Path) -> None:
    check_field(points, "cover", settings=ReadSettings())


def test_without_a_field_all_are_listed_with_their_values(points: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        check_field(points, None, settings=ReadSettings())
    assert str(caught.value) == (
        f"{points}: `field` is missing, the field that holds the class. Choose from (with the number of features): "
        "cover: wood (20), water (9); number: 0 (1), 1 (1), 2 (1), 3 (1), 4 (1), 5 (1) and 24 more; "
        "empty: no values; odd [1m: a b (30)."
    )


def test_labels_without_fields(tmp_path: Path) -> None:
    geopandas.GeoDataFrame(geometry=[Point(0, 0)], crs=32633).to_file(tmp_path / "bare.gpkg")
    with pytest.raises(SettingsError, match=r"`field` is missing.*It has no field with a name of its own"):
        check_field(tmp_path / "bare.gpkg", None, settings=ReadSettings())


def test_another_field_or_file_or_layer(points: Path) -> None:
    with pytest.raises(LabelError, match=r"has no field 'Cover', but cover, number.* Did you mean cover"):
        check_field(points, "Cover", settings=ReadSettings())
    with pytest.raises(LabelError, match="has no layer 'other', but points"):
        check_field(points, "cover", settings=ReadSettings(layer="other"))
    with pytest.raises(LabelError, match=r"none\.gpkg: does not exist"):
        check_field(points.with_name("none.gpkg"), None, settings=ReadSettings())
