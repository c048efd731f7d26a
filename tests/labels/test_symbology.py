"""Companion files hold the classes of a map, whatever their names; hostile names stay text."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import rasterio

from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.labels.class_map import legend_of_map
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.text import printable

HOSTILE = ("<script>alert(1)</script>", "\x1b[31mred\nline", "x" * 10_000, "a & b", "]]>", "<SRS>", "<Scale>")


def test_companions_contain_the_legend(tmp_path):
    legend = Legend.from_values(HOSTILE)
    write_companions(tmp_path / "map.tif", legend)
    style = ElementTree.parse(tmp_path / "map.qml").getroot()
    entries = list(style.iter("paletteEntry"))
    assert [entry.get("label") for entry in entries] == [printable(name) for name in legend.names]
    assert [int(entry.get("value", "")) for entry in entries] == list(legend.codes)
    read = legend_of_map(tmp_path / "map.tif")
    assert read.names == tuple(map(printable, legend.names))
    assert read.colors == legend.colors
    (tmp_path / "map.tif.json").write_text(json.dumps({"legend": json.loads(legend.to_json())}))
    assert legend_of_map(tmp_path / "map.tif") == legend  # the exact names are in the record


def test_gdal_reads_the_aux_xml_and_opening_a_map_gives_no_warning(write_tif, caplog):
    path = write_tif("map.tif", np.ones((4, 5), np.uint8))
    write_companions(path, Legend.from_values(HOSTILE))
    with rasterio.open(path) as dataset:
        assert any(name.endswith(".aux.xml") for name in dataset.files)
    open_raster(path).close()
    assert not caplog.text
