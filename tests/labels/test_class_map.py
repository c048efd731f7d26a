"""A map is drawn in the colours of its classes, and refused without their names."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import rasterio
from drawn_maps import pixels, write_map

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.class_map import changed_map_files, codes_picture, legend_of_map
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import companion_paths
from landcover_bdgf.storage.records import write_record

LEGEND = Legend.from_values(["water", "wood"])


def test_codes_are_drawn_in_their_colours_and_no_data_is_transparent():
    drawn = pixels(codes_picture(np.array([[0, 1], [2, 1]]), {1: (10, 20, 30), 2: (200, 0, 0)}))
    assert drawn.tolist() == [[[0, 0, 0, 0], [10, 20, 30, 255]], [[200, 0, 0, 255], [10, 20, 30, 255]]]


def test_a_map_without_names_is_refused(tmp_path):
    (tmp_path / "broken.tif.aux.xml").write_text("<PAMDataset><PAMRasterBand>")
    for name in ("none.tif", "broken.tif"):
        with pytest.raises(LabelError, match=r"has no class names, .* Copy the \.aux\.xml of the map .* bdgf mosaic"):
            legend_of_map(tmp_path / name)


def test_statistics_that_gdal_adds_are_no_change_of_a_map_but_other_classes_are(tmp_path):
    path = write_map(tmp_path / "m.tif", np.ones((60, 80), np.uint8), LEGEND)
    aux_xml, qml = companion_paths(path)
    write_record(path, {"legend": json.loads(LEGEND.to_json())}, beside=[aux_xml, qml])
    before = aux_xml.read_text()
    with rasterio.open(path) as dataset, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stats() is recommended, which does not write them
        dataset.statistics(1, approx=False)  # as gdalinfo -stats, and QGIS
    assert "STATISTICS_MEAN" in aux_xml.read_text()
    assert changed_map_files(path) == []
    aux_xml.write_text(before.replace("<F>wood</F>", "<F>woods</F>", 1))
    assert changed_map_files(path) == ["m.tif.aux.xml"]
    aux_xml.write_text(before.replace("<Category>wood<", "<Category>woods<"))
    assert changed_map_files(path) == ["m.tif.aux.xml"]
    aux_xml.unlink()
    assert changed_map_files(path) == ["m.tif.aux.xml"]
    qml.unlink()
    assert changed_map_files(path) == ["m.qml", "m.tif.aux.xml"]
