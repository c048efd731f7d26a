"""A file of samples is read back unchanged or as edited; invalid edits and damage are refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing

import numpy as np
import pandas
import pyogrio
import pytest
import shapely

from landcover_bdgf.errors import LabelError, OutputError
from landcover_bdgf.labels import sample_file
from landcover_bdgf.labels.sample_file import read_samples, write_samples


def same(one, other):
    return one.same_as(other) and (one.grid, one.legend, one.split) == (other.grid, other.legend, other.split)


@pytest.fixture(scope="module")
def written(samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("samples") / "samples.gpkg"
    write_samples(samples, path)
    return path


@pytest.fixture
def path(written, tmp_path):
    """A file of samples to spoil."""
    return shutil.copy(written, tmp_path / "samples.gpkg")


def test_a_file_gives_back_the_same_samples(samples, tmp_path):
    write_samples(samples, tmp_path / "samples.gpkg")
    assert same(read_samples(tmp_path / "samples.gpkg"), samples)
    time.sleep(0.01)  # a GeoPackage holds the time to the millisecond
    write_samples(samples, tmp_path / "again.gpkg")
    assert (tmp_path / "again.gpkg").read_bytes() == (tmp_path / "samples.gpkg").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_samples(samples, tmp_path / "samples.gpkg")
    write_samples(samples.train, tmp_path / "samples.gpkg", overwrite=True)
    assert len(read_samples(tmp_path / "samples.gpkg").test) == 0
    assert sorted(path.name for path in tmp_path.glob("*samples*")) == ["samples.gpkg", "samples.gpkg.json"]


@pytest.mark.parametrize(("field", "value", "match"), [
    ("code", 9, "a code that its legend lacks"),
    ("part", "maybe", "neither train nor test"),
    ("class", "trees", "a point has the class trees and the code of water; make them agree"),
    ("geometry", shapely.Point(0, 0), "outside the image"),
    ("geometry", None, "has no coordinates"),
    ("part", "test", "no training point is left of bare soil, built area, crops, grassland, trees, water"),
])  # fmt: skip
def test_invalid_edits_are_refused(path, field, value, match):
    points = pyogrio.read_dataframe(path, layer="samples")
    points[field] = value
    pyogrio.write_dataframe(points, path, layer="samples")
    with pytest.raises(LabelError, match=match):
        read_samples(path)


def test_points_may_be_deleted_but_not_all_and_not_doubled(samples, path):
    points = pyogrio.read_dataframe(path, layer="samples")
    pyogrio.write_dataframe(points.iloc[5:], path, layer="samples")
    assert same(read_samples(path), samples.where(np.arange(5, len(samples))))
    pyogrio.write_dataframe(points.iloc[:0], path, layer="samples", geometry_type="Point")
    with pytest.raises(LabelError, match="it has no points"):
        read_samples(path)
    pyogrio.write_dataframe(pandas.concat([points, points.iloc[:1]]), path, layer="samples")
    with pytest.raises(LabelError, match="two points are in one pixel; delete one of them"):
        read_samples(path)


@pytest.mark.parametrize(("change", "message"), [
    ("""about = replace(about, '"format": 1', '"format": 2')""", "format: Input should be 1, found 2"),
    ("about = NULL WHERE code = 0", "JSON input should be string, bytes or bytearray"),
    ("color = NULL WHERE code = 1", "a colour is not written like #1f77b4"),
])  # fmt: skip
def test_invalid_descriptions_of_samples_are_refused(change, message, path):
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"UPDATE legend SET {change}")
    with pytest.raises(LabelError) as told:
        read_samples(path)
    assert str(told.value).startswith(f"{path}: is damaged ({message}")
    assert str(told.value).endswith("). Draw the samples again with bdgf sample.")


def test_files_that_are_not_samples_are_refused(scene_files, tmp_path):
    (tmp_path / "text.gpkg").write_text("hello")
    for path in (scene_files.labels, tmp_path / "text.gpkg", tmp_path / "none.gpkg"):
        with pytest.raises(LabelError, match="is not a file of samples"):
            read_samples(path)


def test_samples_that_read_back_differently_are_an_error(samples, tmp_path, monkeypatch):
    read = sample_file.read_samples
    monkeypatch.setattr(sample_file, "read_samples", lambda path: read(path).train)
    with pytest.raises(OutputError, match=r"s\.gpkg: reads differently"):
        write_samples(samples, tmp_path / "s.gpkg")

    def damaged(path):
        raise LabelError(None, "is damaged")

    monkeypatch.setattr(sample_file, "read_samples", damaged)
    with pytest.raises(OutputError, match=r"s\.gpkg: cannot be written, is damaged"):
        write_samples(samples, tmp_path / "s.gpkg")
    assert not os.listdir(tmp_path)
