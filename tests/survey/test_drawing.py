"""Designs of all kinds are drawn from a map, and described."""

from pathlib import Path

import geopandas
import numpy as np
import pytest
from conftest import Bdgf, WriteTif
from surveys import LEGEND, maps, truth

from landcover_bdgf.errors import OutputError, SettingsError
from landcover_bdgf.survey.drawing import design, design_lines, design_values
from landcover_bdgf.survey.points_file import read_design
from landcover_bdgf.survey.settings import DesignSettings


def test_a_simple_sample_is_one_stratum(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    found = design(path, DesignSettings(points=200, sampling="simple"))
    assert (found.names, found.pixels.tolist(), len(found)) == (("whole map",), [300 * 400 - 600], 200)
    assert found.about.strata == "none"
    assert np.allclose(found.inclusion, 200 / 119_400)


def test_a_simple_sample_may_have_few_points(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    assert len(design(path, DesignSettings(points=20, sampling="simple"))) == 20
    with pytest.raises(SettingsError, match="too few for 1 stratum of at least 2 points"):
        design(path, DesignSettings(points=1, sampling="simple"))


def test_a_systematic_sample_is_a_grid(tmp_path: Path) -> None:
    true, _ = maps(tmp_path)
    found = design(true, DesignSettings(points=300, sampling="systematic", seed=1))
    assert set(np.diff(np.unique(found.rows))) == {20}
    assert set(np.diff(np.unique(found.cols))) == {20}
    assert len(found) == found.points[0] == 300


def test_strata_of_another_raster(tmp_path: Path) -> None:
    true, path = maps(tmp_path)
    found = design(path, DesignSettings(points=200, strata=str(true), allocation="equal"))
    assert (truth()[found.rows, found.cols] == found.codes[found.stratum]).all()
    assert (found.about.strata, found.about.strata_file) == ("raster", "truth.tif")
    assert found.points.tolist() == [50] * 4


def test_a_raster_of_plain_codes(write_tif: WriteTif) -> None:
    codes = (10 * truth()).astype(np.uint16)
    found = design(write_tif("c.tif", codes), DesignSettings(points=120))
    assert found.names == ("10", "20", "30", "40")
    assert [int((codes == code).sum()) for code in (10, 20, 30, 40)] == found.pixels.tolist()


def test_strata_have_the_codes_of_the_raster_even_0(write_tif: WriteTif, tmp_path: Path) -> None:
    codes = np.array([0, 4, 5, 9], np.uint8)[truth() - 1]
    path = write_tif("c.tif", codes)
    (tmp_path / "n.csv").write_text("code,name\n0,built\n4,crops\n5,trees\n9,water\n")
    settings = DesignSettings(points=120, min_per_class=10, legend=str(tmp_path / "n.csv"))
    found = design(path, settings, output=tmp_path / "p.gpkg")
    written = geopandas.read_file(tmp_path / "p.gpkg", layer="points")
    assert np.array_equal(written["stratum"], codes[written["row"], written["col"]])
    assert [row["code"] for row in design_values(found)["strata"]] == [0, 4, 5, 9]  # type: ignore[attr-defined]
    assert read_design(tmp_path / "p.gpkg").names == LEGEND.names


def test_a_target_is_reached_as_announced(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    settings = DesignSettings(target_se=0.03, expected="0.85")
    found = design(path, settings)
    lines = design_lines(found, settings)
    assert lines[0].split() == ["stratum", "pixels", "share", "points"]
    assert [line.split()[0] for line in lines[1:5]] == [*LEGEND.names]
    assert f"{len(found)} points; expected standard error of the overall accuracy 3.0 %" in lines[5]
    values = design_values(found)
    assert values["points"] == len(found)
    assert sum(stratum["hectares"] for stratum in values["strata"]) == pytest.approx(1194, rel=0.002)  # type: ignore[attr-defined]


def test_the_command_writes_points_style_and_pictures(
    bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, path = maps(tmp_path)
    words = ["design", path, "-n", 120, "-o", "points.gpkg", "--chips", path, "-q"]
    assert bdgf(*words) == 0
    out, err = capsys.readouterr()
    assert "points.gpkg: points; fill in the field reference" in out
    assert err == ""
    assert all((tmp_path / f"points.{ending}").is_file() for ending in ("gpkg", "qml", "html"))
    assert bdgf(*words) == 6
    assert "points.gpkg: exists already" in capsys.readouterr().err
    style = (tmp_path / "map.qml").read_bytes()
    assert bdgf("design", path, "-n", 120, "-o", "map.gpkg", "-q", "--overwrite") == 6
    assert "map.qml: is one of the inputs. Choose another name." in capsys.readouterr().err
    with pytest.raises(OutputError, match=r"map.qml: is one of the inputs"):
        design(path, DesignSettings(points=120), output=tmp_path / "map.gpkg", overwrite=True)
    assert (tmp_path / "map.qml").read_bytes() == style
    assert bdgf("design", path, "-o", "p.gpkg", "-q") == 2
    assert (
        "the number of points is missing or given twice. Give one of --points, --target-se and a CSV as --allocation."
        in capsys.readouterr().err
    )
