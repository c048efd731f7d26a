"""Legend files of several programs are read; what is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.legend_file import LegendRow, read_legend_file
from landcover_bdgf.labels.symbology import companion_paths, write_companions

RED, BLUE = (255, 0, 0), (0, 0, 255)
SLD = """<StyledLayerDescriptor xmlns="http://www.opengis.net/sld" xmlns:sld="http://www.opengis.net/sld">
<sld:ColorMap type="values"><sld:ColorMapEntry quantity="1" color="#ff0000" label="roof"/>
<sld:ColorMapEntry quantity="2.0" color="#0000ff"/></sld:ColorMap></StyledLayerDescriptor>"""


@pytest.mark.parametrize(("text", "second"), [
    ("value,name,color\n1,roof,#ff0000\n2,water,#0000FF\n", "water"),
    ("Code;Label;Red;Green;Blue\n1;roof;255;0;0\n2;water;0;0;255\n", "water"),
    ("1,roof,ff0000\n2,water,0000ff80\n", "water"),
    ("name\tvalue\tcolour\n\nroof\t1\t#ff0000\nwater\t2\t#0000ff\n", "water"),
    ("value,name,color\n1,roof,#ff0000,\n2,\"water, deep\",#0000ff\n", "water, deep"),
    ("code,class,color\n1,roof,#ff0000\n2,water,#0000ff\n", "water"),
    ("Value,Class_Name,color\n1,roof,#ff0000\n2,water,#0000ff\n", "water"),
    ("class,name,color\n1,roof,#ff0000\n2,water,#0000ff\n", "water"),
    ("code,description,hex\n1,roof,#ff0000\n2,water,#0000ff\n", "water"),
    ("\ufeffvalue,color\n1,#ff0000\n2,#0000ff\n", "2"),
])  # fmt: skip
def test_csv_files_with_any_delimiter_and_columns(text: str, second: str, tmp_path: Path) -> None:
    (tmp_path / "legend.csv").write_text(text, encoding="utf-8")
    first, found = read_legend_file(tmp_path / "legend.csv")
    assert (first.key, first.color) == ("1", RED)
    assert found == LegendRow("2", second, BLUE)


def test_a_class_is_its_name_whatever_describes_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("class,color,description\nforest,#00ff00,Trees taller than 5 m\n")
    assert read_legend_file(tmp_path / "a.csv") == [LegendRow("forest", "forest", (0, 255, 0))]


def test_large_values_keep_their_digits(tmp_path: Path) -> None:
    (tmp_path / "a.sld").write_text(SLD.replace('"2.0"', '"1234567"'))
    assert read_legend_file(tmp_path / "a.sld")[1] == LegendRow("1234567", "1234567", BLUE)


def test_styles(tmp_path: Path) -> None:
    (tmp_path / "a.sld").write_text(SLD)
    assert read_legend_file(tmp_path / "a.sld") == [LegendRow("1", "roof", RED), LegendRow("2", "2", BLUE)]
    legend = Legend.from_values(["water", "wood"])
    write_companions(tmp_path / "m.tif", legend)
    rows = [LegendRow(str(e.code), e.name, e.color) for e in legend.entries]
    assert read_legend_file(companion_paths(tmp_path / "m.tif")[1]) == rows


@pytest.mark.parametrize(("name", "text", "message"), [
    ("a.csv", "", "holds no classes"), ("a.qml", "<qgis/>", "holds no classes"),
    ("a.csv", "value,name,color\n1,roof,red\n", "is not a legend .'red' is not a colour like #1f77b4."),
    ("a.csv", "value,name\n1,Land, with trees\n", "is not a legend .the row of '1' has more cells than the first row"),
    ("a.csv", "1,roof\n2,Land, with trees\n", "is not a legend .the row of '2' has more cells"),
    ("a.csv", "code,name,red,green,blue\n1,roof,300,0,0\n", "is not a legend"), ("a.sld", "<a>", "is not a legend"),
])  # fmt: skip
def test_what_is_no_legend_is_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelError, match=rf"{name}: {message}"):
        read_legend_file(tmp_path / name)
    with pytest.raises(LabelError, match=r"none\.csv: does not exist"):
        read_legend_file(tmp_path / "none.csv")
