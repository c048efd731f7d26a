"""Class rasters of any program: names from a record, an attribute table, a style, a CSV, or the codes themselves."""

from pathlib import Path

import numpy as np
import pandas
import pyogrio
import pytest
import rasterio
from conftest import WriteTif
from drawn_maps import GRID, write_map

from landcover_bdgf.errors import BdgfError
from landcover_bdgf.labels.class_raster import codes_of, open_classes
from landcover_bdgf.labels.legend import Legend

VALUES = np.array([[10, 20, 20, 0], [30, 10, 95, 0]], np.uint8)
TABLE = """<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable>
<FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
<FieldDefn index="1"><Name>Class</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
<Row index="0"><F>10</F><F>Tree cover</F></Row><Row index="1"><F>20</F><F>Shrubland</F></Row>
<Row index="2"><F>30</F><F>Grassland</F></Row><Row index="3"><F>95</F><F>Mangroves</F></Row>
</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"""
STYLE = '<qgis><paletteEntry value="{}" label="{}" color="#{}"/></qgis>'
NAMES = ("Tree cover", "Shrubland", "Grassland", "Mangroves")


def test_a_map_of_bdgf_keeps_its_codes(tmp_path: Path) -> None:
    codes = np.arange(4800, dtype=np.uint8).reshape(60, 80) % 4
    with open_classes(write_map(tmp_path / "m.tif", codes, Legend.from_values(["5", "7", "9"]))) as map_:
        assert np.array_equal(map_.read(), codes)
        assert (map_.legend.names, map_.values, map_.grid.same_as(GRID)) == (("5", "7", "9"), (1, 2, 3), True)
        rows, cols = np.array([3, 59, 0], np.int32), np.array([5, 79, 0], np.int32)
        assert map_.codes_at(rows, cols).tolist() == codes[rows, cols].tolist()


@pytest.mark.parametrize("kind", ["table", "vat", "categories", "csv", "headless csv", "qml"])
def test_names_of_other_programs(kind: str, tmp_path: Path, write_tif: WriteTif) -> None:
    path, legend = write_tif("c.tif", VALUES), None
    if kind == "table":
        Path(f"{path}.aux.xml").write_text(TABLE)
    elif kind == "vat":
        table = pandas.DataFrame({"VALUE": [95, 10, 20, 30], "COUNT": 1, "Class_Name": [NAMES[3], *NAMES[:3]]})
        pyogrio.write_dataframe(table, tmp_path / "t.shp", driver="ESRI Shapefile")
        (tmp_path / "t.dbf").rename(f"{path}.vat.dbf")
    elif kind == "categories":
        names = [{10: NAMES[0], 20: NAMES[1], 30: NAMES[2], 95: NAMES[3]}.get(code, "") for code in range(96)]
        texts = "".join(f"<Category>{name}</Category>" for name in names)
        band = f'<PAMRasterBand band="1"><CategoryNames>{texts}</CategoryNames></PAMRasterBand>'
        Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>")
    elif kind == "qml":
        legend = tmp_path / "style.qml"
        entries = zip((10, 20, 30, 95), NAMES, strict=True)
        legend.write_text(
            "<qgis>"
            + "".join(f'<paletteEntry value="{v}" label="{n}" color="#00{v}00"/>' for v, n in entries)
            + "</qgis>"
        )
    else:
        legend = tmp_path / "names.csv"
        head = "code,name\n" if kind == "csv" else ""
        legend.write_text(head + "95,Mangroves\n10,Tree cover\n20,Shrubland\n30,Grassland\n", encoding="utf-8-sig")
    with open_classes(path, legend) as map_:
        assert map_.legend.names == NAMES
        assert map_.values == (10, 20, 30, 95)
        assert map_.read().tolist() == [[1, 2, 2, 0], [3, 1, 4, 0]]
        assert map_.named
        if kind == "qml":
            assert map_.legend.entries[3].color == (0, 0x95, 0)


def test_without_names_the_codes_are_the_names(write_tif: WriteTif) -> None:
    with open_classes(write_tif("c.tif", VALUES.astype(np.int32) * 3)) as map_:
        assert (map_.legend.names, map_.named) == (("30", "60", "90", "285"), False)
        assert map_.read().tolist() == [[1, 2, 2, 0], [3, 1, 4, 0]]
        assert codes_of(map_.legend, np.array(["90", "30", "7"], object)).tolist() == [3, 1, 0]


@pytest.mark.parametrize(("code", "says"), [(-1, "names code -1, expected codes"), (20, "names code 20 twice")])
def test_codes_next_to_a_raster_are_checked(code: int, says: str, write_tif: WriteTif) -> None:
    path = write_tif("c.tif", VALUES)
    Path(f"{path}.aux.xml").write_text(TABLE.replace("<F>95</F>", f"<F>{code}</F>"))
    with pytest.raises(BdgfError, match=rf"c\.tif: {says}"), open_classes(path):
        pass


def test_colours_are_those_of_the_colour_table(write_tif: WriteTif) -> None:
    path = write_tif("c.tif", VALUES)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {10: (1, 2, 3, 255), 95: (7, 8, 9, 255)})
    with open_classes(path) as map_:
        assert [entry.color for entry in map_.legend.entries][::3] == [(1, 2, 3), (7, 8, 9)]
        assert map_.legend.entries[1].color != (0, 0, 0)
    Path(f"{path}.aux.xml").write_text(TABLE)
    with open_classes(path) as map_:
        assert (map_.legend.names, map_.legend.entries[0].color) == (NAMES, (1, 2, 3))


def test_nodata_is_what_the_raster_declares(tmp_path: Path, write_tif: WriteTif) -> None:
    declared = np.array([[0, 1, -1], [2, 1, 0]], np.int16)
    with open_classes(write_tif("d.tif", declared, nodata=-1)) as map_:
        assert map_.legend.names == ("0", "1", "2")
        assert map_.read().tolist() == [[1, 2, 0], [3, 2, 1]]
    names = tmp_path / "n.csv"
    names.write_text("0,sea\n1,land\n2,lake\n")
    with open_classes(write_tif("u.tif", declared.clip(0).astype(np.uint8)), names) as map_:
        assert map_.read().tolist() == [[1, 2, 1], [3, 2, 1]]  # a legend that names 0


def test_labels_match_names_and_values_in_any_case() -> None:
    legend = Legend.from_values(["1", "2"], {"1": "Water", "2": "Trees"})
    assert codes_of(legend, np.array(["water", "2", "TREES", "swamp", ""], object)).tolist() == [1, 2, 2, 0, 0]
    accents = Legend.from_values(["Forêt  dense ", "eau"])
    assert codes_of(accents, np.array(["Fore\u0302t dense", "eau "], object)).tolist() == [1, 2]


@pytest.mark.parametrize(("pixels", "text", "says"), [
    (np.ones((2, 2), np.float32), None, "is not a class map: it has 1 band.s. of float32"),
    (np.ones((3, 2, 2), np.uint8), None, "is not a class map: it has 3 band.s. of uint8"),
    (np.zeros((2, 2), np.uint8), None, "has no data"),
    (np.full((2, 2), -5, np.int16), None, "has codes -5 to -5, expected 0 to 65534"),
    (np.full((2, 2), 70_000, np.int32), None, "has codes 70000 to 70000"),
    (np.ones((2, 2), np.uint8), "code,name\n", "holds no classes"),
    (np.ones((2, 2), np.uint8), "1,a\n1,b\n", "names code 1 twice. List each code once"),
    (np.ones((2, 2), np.uint8), "1,a\n70000,b\n", "names code 70000, expected codes from 0 to 65534"),
    (np.ones((2, 2), np.uint8), "1,Forest\n2,water\n3,Forest \n", "csv: two classes are named Forest. Give each"),
    (np.ones((2, 2), np.uint8), "1,a\nx,b\n", "has a class without a code"),
    (np.ones((2, 2), np.uint8), "2,a\n", "contains code 1, which its legend does not name"),
])  # fmt: skip
def test_what_is_no_class_raster_or_legend_is_refused(
    pixels: np.ndarray, text: str | None, says: str, tmp_path: Path, write_tif: WriteTif
) -> None:
    legend = None
    if text is not None:
        legend = tmp_path / "names.csv"
        legend.write_text(text)
    with pytest.raises(BdgfError, match=says), open_classes(write_tif("c.tif", pixels), legend) as map_:
        map_.read()


@pytest.mark.parametrize("nodata", [None, 255])
def test_a_companion_file_may_name_code_0(nodata: int | None, write_tif: WriteTif) -> None:
    path = write_tif("dw.tif", np.array([[0, 1, 0], [2, 1, 0]], np.uint8), nodata=nodata)
    entries = zip(("water", "trees", "grass"), ("419bdf", "397d49", "88b053"), strict=True)
    rows = "".join(f'<paletteEntry value="{v}" label="{n}" color="#{c}"/>' for v, (n, c) in enumerate(entries))
    path.with_suffix(".qml").write_text(f"<qgis>{rows}</qgis>")
    with open_classes(path) as map_:
        assert (map_.legend.names, map_.values) == (("water", "trees", "grass"), (0, 1, 2))
        assert map_.legend.entries[0].color == (0x41, 0x9B, 0xDF)
        assert map_.read().tolist() == [[1, 2, 1], [3, 2, 1]]


@pytest.mark.parametrize(("names", "warned"), [("0,No data\n1,land\n", 0), ("1,land\n", 1)])
def test_code_0_is_no_data_if_it_is_called_that_or_has_no_name(
    names: str, warned: int, tmp_path: Path, write_tif: WriteTif, caplog: pytest.LogCaptureFixture
) -> None:
    legend = tmp_path / "names.csv"
    legend.write_text(names)
    with open_classes(write_tif("c.tif", np.array([[0, 1]], np.uint8)), legend) as map_:
        assert map_.legend.names == ("land",)
        assert map_.read().tolist() == [[0, 1]]
    assert caplog.text.count("declares no nodata, so 0 is taken as no data") == warned


@pytest.mark.parametrize(("name", "codes"), [("0", [[1, 2, 0]]), ("unclassified", [[0, 1, 0]])])
def test_code_0_next_to_a_declared_nodata_is_a_class_called_0_or_no_data(
    name: str, codes: list[list[int]], tmp_path: Path, write_tif: WriteTif
) -> None:
    legend = tmp_path / "names.csv"
    legend.write_text(f"0,{name}\n1,land\n")
    with open_classes(write_tif("c.tif", np.array([[0, 1, 255]], np.uint8), nodata=255), legend) as map_:
        assert map_.read().tolist() == codes
