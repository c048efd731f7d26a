"""Vector files are read as by pyogrio; incomplete ones are refused."""

from __future__ import annotations

import geopandas
import make_bad as bad
import numpy as np
import pandas.testing
import pyogrio
import pytest
import shapely

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.vector import read_features, read_layers


@pytest.mark.parametrize("name", ["bad.gpkg", "bad.shp", "bad.geojson"])
def test_features_are_those_that_pyogrio_reads(folder, name):
    values = {"code": [1, 2, 3], "share": [0.5, 1.5, -2.0], "note": ["ä", None, "-"]}
    bad.labels(lambda frame: frame[:3].assign(**values), name)(folder)
    expected = pyogrio.read_dataframe(folder / name)
    found = read_features(folder / name)
    assert found.crs == expected.crs
    assert found.geometry.geom_equals_exact(expected.geometry, 0).all()
    pandas.testing.assert_frame_equal(found.drop(columns="geometry"), expected.drop(columns="geometry"))


def test_a_feature_without_geometry_keeps_its_place(folder):
    bad.geojson(bad.features(("a", None), ("b", bad.square(1, 1))))(folder)
    assert read_features(folder / "bad.geojson").geometry.isna().tolist() == [True, False]


def test_a_geopackage_closed_by_qgis_is_read_and_not_changed(folder):
    bad.database("PRAGMA journal_mode = WAL")(folder)
    assert len(read_features(folder / "bad.gpkg")) == 48
    assert {path.name for path in folder.iterdir()} == {"labels.gpkg", "bad.gpkg"}


def test_layers_are_read_by_name(folder):
    path = folder / "labels.gpkg"
    geopandas.read_file(path)[:3].to_file(path, layer="more")
    with pytest.raises(LabelError, match=r"has 2 layers, labels, more\. Choose one with `layer`"):
        read_features(path)
    with pytest.raises(LabelError, match=r"has no layer 'mor', but labels, more\. Did you mean more\?"):
        read_features(path, layer="mor")
    assert len(read_features(path, layer="more")) == 3
    assert list(read_layers(path, ["more", "none"])) == ["more"]


@pytest.mark.parametrize("day", [b"20230230", b"20231301", b"00000601", b"30062023", b"unknown ", b"20230600"])
def test_an_impossible_date_is_text_and_stops_no_other_field(folder, day):
    frame, path = geopandas.read_file(folder / "labels.gpkg"), folder / "bad.shp"
    columns = [frame["class"].to_numpy(object), np.full(len(frame), "2023-06-01", "datetime64[D]")]
    shapes = {"geometry": shapely.to_wkb(frame.geometry.to_numpy()), "geometry_type": "Polygon", "crs": "EPSG:32633"}
    pyogrio.raw.write(path, field_data=columns, fields=["class", "seen"], **shapes)
    table = (folder / "bad.dbf").read_bytes()
    (folder / "bad.dbf").write_bytes(table.replace(b"20230601", day, 1))
    assert read_features(path, fields=["class"])["class"].tolist() == frame["class"].tolist()
    seen = read_features(path)["seen"]
    assert seen[0] != seen[1]
    assert set(seen[1:]) == {"2023-06-01"}
    assert all(isinstance(text, str) for text in seen)


def test_fields_of_one_name_are_refused_if_asked_for(folder, caplog):
    bad.two_fields(folder)
    with pytest.raises(LabelError, match=r"has 2 fields named 'class'\. Rename or remove all but one"):
        read_features(folder / "bad.shp", fields=["class"])
    assert "class" not in read_features(folder / "bad.shp")
    assert "has several fields named class, which are not read" in caplog.text
    assert len(read_features(folder / "bad.shp", fields=[])) == 48


def test_a_field_called_geometry_is_a_field(folder):
    bad.geojson(bad.features(("a", bad.square(1, 1))).replace('"class"', '"geometry"'))(folder)
    found = read_features(folder / "bad.geojson")
    assert found["geometry"].tolist() == ["a"]
    assert found.geometry.area.tolist() == [3600]


@pytest.mark.parametrize(("kind", "order"), [(0, [0, 1, 3, 2]), (1, [0, 1, 2, 3])], ids=["strip", "fan"])
def test_strips_and_fans_of_a_multipatch_are_refused(folder, kind, order):
    bad.multipatch(kind, order)(folder)
    with pytest.raises(LabelError, match=r"holds multipatch features .* not read\. Convert them to polygons"):
        read_features(folder / "bad.shp")


@pytest.mark.parametrize("kind", [2, 4, 5])
def test_rings_of_a_multipatch_are_polygons(folder, kind):
    bad.multipatch(kind, [0, 1, 2, 3, 0])(folder)
    expected = read_features(folder / "labels.gpkg")
    assert read_features(folder / "bad.shp").geometry.envelope.geom_equals(expected.geometry.envelope).all()
