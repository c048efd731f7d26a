"""Companion files hold the classes of a map, whatever their names; hostile names stay text."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.labels.class_map import legend_of_map
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import companion_paths, read_companions, write_companions
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


LEGEND = Legend.from_values([311, 112], names={"311": "forest", "112": "town"})


def test_the_names_of_a_map_survive_a_copy_by_gdal(write_tif, tmp_path):
    path = write_tif("map.tif", np.ones((4, 5), np.uint8))
    write_companions(path, LEGEND)
    rasterio.shutil.copy(path, tmp_path / "copy.tif", driver="GTiff")  # as gdal_translate does
    assert legend_of_map(tmp_path / "copy.tif") == LEGEND


def changed_table(change: str, band: ElementTree.Element) -> None:
    """An attribute table as another program leaves it."""
    table, names = band.find("GDALRasterAttributeTable"), band.find("CategoryNames")
    assert table is not None
    assert names is not None
    if change == "only names":
        band.remove(table)
    elif change == "only table":
        band.remove(names)
    elif change == "counts":  # a column of pixel counts in front, and a row for no data
        definition = ElementTree.fromstring("<FieldDefn><Name>Count</Name><Type>1</Type><Usage>1</Usage></FieldDefn>")
        table.insert(0, definition)
        for row in table.iterfind("Row"):
            row.insert(0, ElementTree.fromstring("<F>17.5</F>"))
        table.append(
            ElementTree.fromstring(f"<Row>{''.join(f'<F>{cell}</F>' for cell in (5, 0, '', 0, 0, 0, ''))}</Row>")
        )
    elif change == "real codes":
        for row in table.iterfind("Row"):
            row[0].text = f"{row[0].text}.0"
    elif change == "broken codes":
        for row in table.iterfind("Row"):
            row[0].text = "1.5"


@pytest.mark.parametrize("change", ["only names", "only table", "counts", "real codes", "broken codes"])
def test_names_are_found_in_tables_of_other_programs(change, tmp_path):
    path = tmp_path / "map.tif"
    write_companions(path, LEGEND)
    aux_xml, qml = companion_paths(path)
    tree = ElementTree.parse(aux_xml)
    changed_table(change, tree.getroot()[0])
    tree.write(aux_xml)
    qml.unlink()
    found = legend_of_map(path)
    assert (found.codes, found.names) == (LEGEND.codes, LEGEND.names)
    if change not in ("only names", "broken codes"):
        assert found == LEGEND


def test_a_style_alone_gives_names_unless_it_shows_pixel_values(tmp_path):
    path = tmp_path / "map.tif"
    write_companions(path, LEGEND)
    aux_xml, qml = companion_paths(path)
    aux_xml.unlink()
    found = legend_of_map(path)
    assert (found.names, found.colors) == (LEGEND.names, LEGEND.colors)
    qml.write_text(qml.read_text().replace('label="town"', 'label="1"').replace('label="forest"', 'label="2"'))
    assert read_companions(path) == []


def test_a_table_with_other_codes_is_not_a_map_of_ours(tmp_path):
    write_companions(tmp_path / "map.tif", LEGEND)
    aux_xml, _ = companion_paths(tmp_path / "map.tif")
    aux_xml.write_text(aux_xml.read_text().replace("<F>2</F>", "<F>20</F>"))
    with pytest.raises(
        LabelError, match=r"map\.tif: is not a map of bdgf: its codes are not 1, 2, 3 and so on\. Use a"
    ):
        legend_of_map(tmp_path / "map.tif")
