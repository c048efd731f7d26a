"""Places are written with a form that offers the classes, and say why they were chosen."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import geopandas
import numpy as np
import pytest
from surveys import LEGEND, WIDE, maps

from landcover_bdgf.labels.class_raster import open_classes
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.survey.places_file import Places, as_frame, places_lines, unlikeness, write_places

FLOATS = [np.float32(value) for value in (0.2, 0.5, 0.9)]


def places() -> Places:
    rows, cols = np.array([50, 150, 250], np.int32), np.array([60, 160, 260], np.int32)
    novelty = np.array([np.nan, 0.0, 0.04], np.float32)
    classes = np.array([0, 1, 2], np.uint16), np.array([1, 2, 3], np.uint16)
    return Places(rows, cols, np.array(FLOATS), np.array(FLOATS), novelty, *classes)


def test_the_larger_of_two_reasons_is_told(tmp_path: Path) -> None:
    assert unlikeness(np.array([np.nan, 0, 0.01, 0.05, 1], np.float32)) == pytest.approx([0, 1, 0.8, 0, 0])
    with open_classes(maps(tmp_path)[0]) as map_:
        frame = as_frame(places(), map_, side_px=5, polygons=False)
        polygons = as_frame(places(), map_, side_px=5, polygons=True)
    assert [*frame["reason"]] == ["undecided between built and crops", *["unlike the training data"] * 2]
    assert places_lines(frame) == ["2  unlike the training data", "1  undecided between built and crops"]
    assert [*frame["margin"]] == [20, 50, 90]
    rows, cols = WIDE.rowcol(frame.geometry.x, frame.geometry.y)
    assert [*rows], [*cols] == ([50, 150, 250], [60, 160, 260])
    assert (polygons.area <= 25 * 100).all()
    assert polygons.contains(frame.geometry).all()


def test_the_form_offers_the_values_of_the_labels_by_name(tmp_path: Path) -> None:
    legend = Legend.from_values([10, 20, 30, 40], {"10": "built", "20": "<crops>"})
    with open_classes(maps(tmp_path)[0]) as map_:
        frame = as_frame(places(), map_, side_px=1, polygons=True)
    write_places(frame, legend, tmp_path / "a.gpkg")
    before = (tmp_path / "a.gpkg").read_bytes()
    write_places(frame, legend, tmp_path / "a.gpkg", overwrite=True)
    assert (tmp_path / "a.gpkg").read_bytes() == before
    style = ElementTree.parse(tmp_path / "a.qml").getroot()
    offered = {each.get("name"): each.get("value") for each in style.iter("Option") if each.get("value")}
    assert offered == {"built": "10", "<crops>": "20", "30": "30", "40": "40"}
    read = geopandas.read_file(tmp_path / "a.gpkg")
    assert read["class"].isna().all()
    assert [*read.columns] == [*frame.columns]
    assert LEGEND.names[0] in read["reason"][0]
