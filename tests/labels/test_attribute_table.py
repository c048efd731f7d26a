"""Classes of attribute tables of other programs: columns by usage or name, colours in bytes or shares."""

from __future__ import annotations

from pathlib import Path

import pandas
import pyogrio
import pytest

from landcover_bdgf.labels.attribute_table import Column, read_vat, table_rows, with_colors


def write_vat(raster: Path, **columns: list[object]) -> None:
    """A .vat.dbf as ArcGIS writes it, next to a raster."""
    pyogrio.write_dataframe(pandas.DataFrame(columns), raster.parent / "t.shp", driver="ESRI Shapefile")
    for suffix in ("dbf", "cpg"):
        (raster.parent / f"t.{suffix}").rename(f"{raster}.vat.{suffix}")


def test_a_table_of_arcgis(tmp_path: Path) -> None:
    path = tmp_path / "c.tif"
    names = ["Forêt", "eau"]
    write_vat(path, Value=[311, 512], Count=[7.0, 9.0], CLASS_NAME=names, Red=[0.5, 0.0], Green=[1.0, 0], Blue=[0.0, 1])
    assert read_vat(path) == [
        {"code": 311, "name": "Forêt", "color": [128, 255, 0], "value": "Forêt"},
        {"code": 512, "name": "eau", "color": [0, 0, 255], "value": "eau"},
    ]
    assert read_vat(tmp_path / "other.tif") == []


def test_a_damaged_table_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path(f"{tmp_path}/c.tif.vat.dbf").write_bytes(b"no table")
    assert read_vat(tmp_path / "c.tif") == []
    assert "its class names are not used" in caplog.text


def test_usages_go_before_names() -> None:
    columns = [Column("Name", "0"), Column("Kind", "2"), Column("OBJECTID", "0"), Column("Code", "5")]
    rows = table_rows(columns, [["x", "Wald", "1", "7.0"]])
    assert [(row["code"], row["name"], row["color"]) for row in rows] == [(7, "Wald", None)]
    assert table_rows(columns, [["x", "Wald", "1", "7.5"]]) == []
    assert table_rows([Column("Value"), Column("Count")], [["1", "2"]]) == []


def test_bytes_are_not_shares() -> None:
    columns = [Column(name) for name in ("Value", "Class", "Red", "Green", "Blue")]
    assert table_rows(columns, [["1", "a", "1", "0", "1"]])[0]["color"] == [1, 0, 1]


def test_colours_come_from_the_table_then_from_the_raster_then_from_the_name() -> None:
    rows = [{"code": c, "name": n, "color": k} for c, n, k in ((2, "water", None), (1, "a", [1, 2, 3]), (3, "b", None))]
    found = with_colors(rows, {1: (9, 9, 9), 3: (7, 7, 7)})
    assert [row["code"] for row in found] == [1, 2, 3]
    assert [row["color"] for row in found] == [[1, 2, 3], [37, 112, 200], [7, 7, 7]]
