"""Classes of any names get codes, colours and companion files; hostile names stay text."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.labels.class_map import legend_of_map
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.text import printable

HOSTILE = ("<script>alert(1)</script>", "\x1b[31mred\nline", "x" * 10_000, "a & b", "]]>", "<SRS>", "<Scale>")


def test_integers_are_sorted_as_numbers_and_text_as_text():
    assert Legend.from_values([17, 4, -1, 10, 4]).names == ("-1", "4", "10", "17")
    assert Legend.from_values(["10", "9", "trees"]).names == ("9", "10", "trees")
    assert Legend.from_values(["water", "crops"]).codes == (1, 2)


def test_integer_classes_with_other_codes_in_maps_are_renumbered():
    assert Legend.from_values([1, 2, 5]).renumbered
    assert not Legend.from_values([1, 2, 3]).renumbered
    assert not Legend.from_values(["01", "2"]).renumbered
    assert not Legend.from_values([7, "crops"]).renumbered
    assert Legend.from_values([7, 8], names={"7": "water", "8": "crops"}).renumbered


def test_a_class_is_found_by_its_value_then_by_its_name():
    legend = Legend.from_values([1, 2], names={"1": "water", "2": "1"})
    assert legend.names == ("water", "1")
    assert (legend.code_of(1), legend.code_of("water"), legend.code_of("ice")) == (1, 1, None)


def test_known_words_have_their_usual_colours():
    legend = Legend.from_values(["Water", "Evergreen forest", "built area"])
    red, green, blue = (np.array(legend.colors[code]) for code in (1, 2, 3))  # sorted: Evergreen, Water, built
    assert red.argmax() == 1
    assert green.argmax() == 2
    assert blue.argmax() == 0


@pytest.mark.parametrize("values", [range(65_535), ["water", "lake", "river", "open water"]])
def test_all_classes_have_different_colours(values):
    legend = Legend.from_values(values)
    assert len(set(legend.colors.values())) == len(legend.entries)


def test_the_dtype_of_a_map_grows_with_the_classes():
    assert Legend.from_values(range(254)).dtype == np.uint8
    assert Legend.from_values(range(255)).dtype == np.uint16
    with pytest.raises(LabelError, match="at most 65535 are allowed"):
        Legend.from_values(range(65_536))


def test_removing_a_class_closes_the_gap_and_keeps_the_colours():
    legend = Legend.from_values(["a", "b", "c"])
    left = legend.without([2])
    assert (left.names, left.codes) == (("a", "c"), (1, 2))
    assert left.entries[1].color == legend.entries[2].color


@pytest.mark.parametrize(("old", "new", "message"), [
    ('"code": 1', '"code": 2', "its codes are not 1, 2, 3 and so on"),
    ('"name": "water"', '"name": null', "0.name: Input should be a valid string, found None"),
    ("[", "", ""),
])  # fmt: skip
def test_a_damaged_legend_is_refused(old, new, message):
    text = Legend.from_values(["water"]).to_json()
    assert old in text
    with pytest.raises(LabelError, match=f"the legend is damaged: {message}"):
        Legend.from_json(text.replace(old, new))


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


def test_a_map_without_names_is_refused(tmp_path):
    (tmp_path / "broken.tif.aux.xml").write_text("<PAMDataset><PAMRasterBand>")
    for name in ("none.tif", "broken.tif"):
        with pytest.raises(LabelError, match="has no class names"):
            legend_of_map(tmp_path / name)
