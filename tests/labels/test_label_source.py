"""A GeoDataFrame is read in the same way as a file of labels, and messages name it."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas
import pytest
from drawn_maps import GRID, box

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.rasterize import read_labels

BOXES = [box(0, 0, 2, 3), box(5, 10, 5, 5)]


def frame(values, crs="EPSG:32633"):
    return geopandas.GeoDataFrame({"class": values}, geometry=BOXES, crs=crs)


def test_crs_index_and_geometry_column_do_not_change_the_labels():
    expected = read_labels(frame(["water", "crops"]), "class", GRID)
    other = frame(["water", "crops"]).to_crs("EPSG:4326").set_index(pandas.Index([9, 4])).rename_geometry("shape")
    found = read_labels(other, "class", GRID)
    assert len(found.rows) == 6 + 25
    for name in ("rows", "cols", "codes", "groups"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert list(found.features.columns) == ["class"]


@pytest.mark.parametrize(("values", "names"), [
    (pandas.Categorical(["water", "crops"]), ("crops", "water")),
    (pandas.array([6, 2], dtype="Int64"), ("2", "6")),
    (pandas.array([6.0, None], dtype="Float64"), ("6",)),
])  # fmt: skip
def test_classes_in_the_types_of_pandas(values, names):
    assert read_labels(frame(values), "class", GRID).legend.names == names


@pytest.mark.parametrize(("labels", "message"), [
    (frame(["a", "b"], crs=None), r'GeoDataFrame: has no CRS\. Set it with set_crs\("EPSG:…"\)\.'),
    (frame(["a", "b"])[:0], "GeoDataFrame: has no features"),
    (geopandas.GeoDataFrame({"class": ["a"]}), r"GeoDataFrame: has no geometry\. Set it with set_geometry\."),
    (pandas.DataFrame({"class": ["a"]}), "GeoDataFrame: has no geometry"),
    (frame([1.5, 2]), r"GeoDataFrame: the field class holds fractions such as 1\.5"),
])  # fmt: skip
def test_messages_name_the_geodataframe(labels, message):
    with pytest.raises(LabelError, match=message):
        read_labels(labels, "class", GRID)
