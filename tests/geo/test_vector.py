"""Vector files are read as by pyogrio; incomplete ones are refused."""

from __future__ import annotations

import geopandas
import make_bad as bad
import pandas.testing
import pyogrio
import pytest

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
