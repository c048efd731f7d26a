"""A class raster of another program is judged by labels as a map of bdgf is."""

import json
import re
from pathlib import Path

import geopandas
import numpy as np
import pytest
from conftest import Bdgf, WriteTif
from drawn_maps import box
from surveys import LEGEND, maps, truth, wrong

from landcover_bdgf.labels.class_map import legend_of_map
from landcover_bdgf.labels.foreign_map import as_map
from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.storage.records import read_record, write_record


def test_a_map_of_bdgf_is_used_as_it_is(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    with as_map(path) as used:
        assert (used.path, used.values, used.nodata, used.foreign) == (path, (1, 2, 3, 4), 0, False)


def test_other_codes_become_a_map_for_the_time_being(tmp_path: Path, write_tif: WriteTif) -> None:
    path = write_tif("c.tif", (10 * truth()).astype(np.int16), nodata=-1)
    with as_map(path) as used:
        assert used.path != path
        assert (used.values, used.foreign) == ((10, 20, 30, 40), True)
        assert used.nodata == 0, "-1 does not fit into a map"
        assert legend_of_map(used.path).names == ("10", "20", "30", "40")
    assert not used.path.exists()


def test_nodata_is_declared_or_a_value_that_is_free(tmp_path: Path, write_tif: WriteTif) -> None:
    codes = truth().astype(np.uint8)
    with as_map(write_tif("d.tif", codes, nodata=4)) as used:
        assert (used.values, used.nodata) == ((1, 2, 3), 4)
    names = tmp_path / "n.csv"
    names.write_text("0,sea\n1,a\n2,b\n3,c\n")
    with as_map(write_tif("z.tif", codes - 1), names) as used:
        assert (used.values, used.nodata) == ((0, 1, 2, 3), 255)


def test_a_map_of_bdgf_with_other_names_keeps_its_record_and_layers(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    write_record(path, {"training": {"count": 7}, "legend": json.loads(LEGEND.to_json())})
    (tmp_path / "map_confidence.tif").write_bytes(b"as it is")
    (tmp_path / "map_probabilities.tif").write_bytes(b"has the old names")
    legend = tmp_path / "n.csv"
    legend.write_text("".join(f"{code},{name} land\n" for code, name in enumerate(LEGEND.names, start=1)))
    with as_map(path, legend) as map_:
        used = map_.path
        assert legend_of_map(used).names == tuple(f"{name} land" for name in LEGEND.names)
        assert read_record(used)["training"] == {"count": 7}
        assert layer_path(used, "confidence").read_bytes() == b"as it is"
        assert not layer_path(used, "probabilities").exists()


def test_a_legend_has_no_effect_with_a_model(bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, path = maps(tmp_path)
    assert bdgf("assess", path, "--reference", "m.safetensors", "--legend", "n.csv", "-q") == 2
    assert "--legend: has no effect with a model as --reference. Remove it." in capsys.readouterr().err


@pytest.mark.parametrize("legend", ["n.csv", None])
def test_assess_of_any_class_raster(
    legend: str | None, bdgf: Bdgf, write_tif: WriteTif, capsys: pytest.CaptureFixture[str]
) -> None:
    codes, mapped = truth(), wrong(truth(), 0.15)
    path = write_tif("lulc.tif", (10 * mapped).astype(np.uint16))
    corners = [(30 + 40 * i, 50 + 40 * j) for i in range(6) for j in range(8)]
    names = [LEGEND.names[codes[row + 1, col + 1] - 1] for row, col in corners]
    values = names if legend else [10 * (1 + LEGEND.names.index(name)) for name in names]
    shapes = [box(row, col, 4, 4) for row, col in corners]
    geopandas.GeoDataFrame({"class": values}, geometry=shapes, crs=32633).to_file("r.gpkg")
    Path("n.csv").write_text("code,name\n" + "".join(f"{10 * c},{n}\n" for c, n in enumerate(LEGEND.names, start=1)))
    words = ["assess", path, "--reference", "r.gpkg", "--field", "class", "-o", "out", "--json"]
    assert bdgf(*words, *(["--legend", legend] if legend else [])) == 0
    found = json.loads(capsys.readouterr().out)
    inside = np.zeros(codes.shape, bool)
    for row, col in corners:
        inside[row : row + 4, col : col + 4] = True
    assert found["overall_accuracy"] == pytest.approx((mapped == codes)[inside].mean())
    assert [row["code"] for row in found["classes"]] == found["confusion_matrix"]["codes"] == [10, 20, 30, 40]
    table = Path("out/confusion.csv").read_text(encoding="utf-8-sig").splitlines()
    assert table[0].endswith(",class,10,20,30,40")
    assert [row.split(",")[0] for row in table[1:]] == ["10", "20", "30", "40"]
    assert re.findall(r"</th>\s+<td>(\d+)</td>", Path("out/report.html").read_text()) == ["10", "20", "30", "40"]
    assert "Accuracy of lulc.tif" in Path("out/report.html").read_text()
    assert bdgf("assess", path, "--reference", "missing.gpkg", "--field", "class", "-q") == 4
    assert "missing.gpkg" in capsys.readouterr().err
