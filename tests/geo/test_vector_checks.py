"""The driver of a vector file is chosen by its content; incomplete files and other formats are refused."""

from __future__ import annotations

import shutil
import struct

import make_bad as bad
import pytest

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import read_features
from landcover_bdgf.geo.vector_checks import vector_driver

FORMATS = {
    "a.gpkg": "GPKG", "a.shp": "ESRI Shapefile", "a.geojson": "GeoJSON", "a.fgb": "FlatGeobuf", "a.kml": "LIBKML",
    "a.gdb": "OpenFileGDB", "a.geojsonl": "GeoJSONSeq", "a.sqlite": "SQLite",
}  # fmt: skip


def test_files_of_all_formats_are_read_alike(folder):
    bad.written_freely(*FORMATS.items())(folder)
    expected = sorted(read_features(folder / "labels.gpkg")["class"])
    for name, driver in FORMATS.items():
        assert vector_driver(folder / name) == driver
        found = read_features(folder / name, fields=["class"])
        assert sorted(found["class"]) == expected, name  # FlatGeobuf sorts features by place
        assert found.crs == "EPSG:4326", name
    lines = (folder / "a.geojsonl").read_bytes().splitlines()
    for text in (b"\r\n".join(lines), b"\n\n".join(lines), b"".join(b"\x1e" + line + b"\n" for line in lines)):
        (folder / "b.json").write_bytes(text)
        assert sorted(read_features(folder / "b.json")["class"]) == expected


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.parquet", b"PAR1" + bytes(99), r"in the format Parquet, which the installed GDAL does not read\. Save it as"),
    ("a.csv", b"class,x,y\n", r"is a table, which is not read\. Make points of its coordinates in QGIS"),
    ("a.gml", b"<?xml version='1.0'?><gml/>", "is GML, which is not read"),
    ("a.topojson", b'{"type": "Topology", "objects": {}, "arcs": []}', "is TopoJSON, which is not read"),
    ("a.xyz", b"hello", "is in a format that is not read. Give a Shapefile"),
    ("a.gpkg", b"", "is empty"),
])  # fmt: skip
def test_other_formats_are_refused_with_what_to_do(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabelError, match=message):
        read_features(tmp_path / name)


@pytest.mark.parametrize("change", [-3, -1, 1, 2])
def test_a_table_with_more_or_fewer_rows_than_shapes_is_refused(folder, change):
    bad.dbf_rows(change)(folder)
    with pytest.raises(LabelError, match=rf"bad\.shp: has 48 shapes, but {48 + change} rows in its \.dbf"):
        read_features(folder / "bad.shp")


def mixed(folder, *, big, small):
    """A Shapefile of 48 buffered polygons, with some of its files from one of 48 or 30 others."""
    bad.labels(lambda frame: frame.assign(geometry=frame.buffer(1e-4)), "bad.shp")(folder)
    bad.labels(lambda frame: frame[:big], "other.shp")(folder)
    for suffix in small:
        shutil.copy(folder / f"other{suffix}", folder / f"bad{suffix}")
    return folder / "bad.shp"


@pytest.mark.parametrize(("big", "small"), [(48, [".shx"]), (48, [".shp"]), (30, [".shp"])])
def test_an_index_of_another_file_is_refused(folder, big, small):
    with pytest.raises(LabelError, match=r"bad\.shp: its \.shx is that of another file"):
        read_features(mixed(folder, big=big, small=small))


def test_shapes_that_the_index_does_not_list_are_warned_about(folder, caplog):
    bad.SHAPEFILE(folder)
    bad.labels(lambda frame: frame[:30], "other.shp")(folder)
    for suffix in (".shx", ".dbf"):
        shutil.copy(folder / f"other{suffix}", folder / f"bad{suffix}")
    assert len(read_features(folder / "bad.shp")) == 30
    assert "bad.shp: holds 48 shapes, but its .shx and .dbf list 30; the others are not read" in caplog.text


def test_deleted_rows_and_wrong_record_numbers_are_read_as_by_gdal(folder):
    bad.SHAPEFILE(folder)
    expected = read_features(folder / "bad.shp")["class"].tolist()
    shapes, index = bytearray((folder / "bad.shp").read_bytes()), (folder / "bad.shx").read_bytes()
    for at in range(100, len(index), 8):  # the number of each record, from 1
        begin = 2 * struct.unpack_from(">i", index, at)[0]
        shapes[begin : begin + 4] = bytes(4)
    (folder / "bad.shp").write_bytes(shapes)
    assert read_features(folder / "bad.shp")["class"].tolist() == expected
    table = bytearray((folder / "bad.dbf").read_bytes())
    header, row = struct.unpack_from("<HH", table, 8)
    table[header + 2 * row] = ord("*")
    (folder / "bad.dbf").write_bytes(table)
    assert read_features(folder / "bad.shp")["class"].tolist() == expected[:2] + expected[3:]


def test_suffixes_in_capital_letters(folder):
    bad.SHAPEFILE(folder)
    for path in list(folder.glob("bad.*")):
        shutil.move(path, folder / f"UP{path.suffix.upper()}")
    assert len(read_features(folder / "UP.SHP")) == 48
