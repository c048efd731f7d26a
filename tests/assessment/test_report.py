"""The report contains the numbers, and names from files stay text in it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from conftest import WriteTif
from drawn_maps import GRID, reference, trained_at, write_map
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.assessment import report
from landcover_bdgf.assessment.figures import scale_bar
from landcover_bdgf.assessment.report import REPORT_FILES, assess
from landcover_bdgf.assessment.report_page import ReportContext
from landcover_bdgf.errors import OutputError, RasterError
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.labels.left_out import LeftOut
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.storage.records import write_record

HOSTILE = ["<script>alert(1)</script>", "=HYPERLINK(1)", '"><img src=x onerror=alert(1)>', "\x1b[31m", "y" * 10_000]


def write_confidence(map_path: Path, percent: NDArray[np.uint8], grid: Grid = GRID) -> None:
    profile = RasterProfile("uint8", nodata=255)
    write_raster(layer_path(map_path, "confidence"), grid, [(Window(0, 0, 80, 60), percent[None])], profile=profile)


def test_codes_are_shown_if_classes_are_other_numbers(map_path: Path, tmp_path: Path) -> None:
    legend = Legend.from_values([4, 9])
    path = write_map(tmp_path / "numbers.tif", np.ones(GRID.shape_hw, np.uint8), legend)
    source = reference(tmp_path / "r.gpkg", [4, 9], [(20, 0), (50, 70)])
    lines = str(assess(path, source, field="class", output=tmp_path / "report")).splitlines()
    assert lines[1].split() == ["class", "code", "reference", "producers", "users", "F1"]
    assert [line.split()[:3] for line in lines[2:4]] == [["4", "1", "16"], ["9", "2", "16"]]
    assert len({len(line) for line in lines[1:4]}) == 1
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "Code in<br>the map" in page
    assert re.search(r"</span>9 <span.*</th>\s*<td>2</td>\s*<td>0.0", page)
    with (tmp_path / "report/accuracy.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [(row["code"], row["name"]) for row in csv.DictReader(file)] == [("1", "4"), ("2", "9")]
    named = reference(tmp_path / "n.gpkg", ["crops"], [(20, 0)])
    text = str(assess(map_path, named, field="class", output=tmp_path / "report", overwrite=True))
    assert text.splitlines()[1].split()[1] == "reference"
    assert "Code in" not in (tmp_path / "report/report.html").read_text(encoding="utf-8")


def test_the_share_near_borders_and_gaps_is_reported(map_path: Path, tmp_path: Path) -> None:
    """60 × 80 px, the first 10 rows without data: 50 × 80 are mapped, and 42 × 72 of them are farther from an edge."""
    source = reference(tmp_path / "r.gpkg", ["crops"], [(20, 0)])
    result = assess(map_path, source, field="class", output=tmp_path / "report")
    assert result.edges == pytest.approx(1 - 42 * 72 / 4000)
    figures = json.loads((tmp_path / "report/accuracy.json").read_text(encoding="utf-8"))
    assert (figures["edge_px"], figures["edge_share"]) == (4, pytest.approx(result.edges))
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "24.4\N{NO-BREAK SPACE}% of the mapped pixels lie within 4\N{NO-BREAK SPACE}px" in page


def test_distance_to_training_is_reported(map_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops", "crops", "water"], [(30, 12), (30, 13), (30, 70)], side=1)
    result = assess(map_path, path, field="class")
    assert result.leak == pytest.approx(1 / 3)
    assert [(b.label, b.n) for b in result.by_distance] == [("0 to 12 px", 1), ("13 to 36 px", 1), ("37 to 99 px", 1)]
    assert result.surroundings == pytest.approx(2 / 3)
    assert "66.7 % of the reference pixels share surroundings with training pixels" in str(result)
    assert "33.3 % of the reference windows overlap training windows" in caplog.text


@pytest.mark.parametrize("guided", [True, False])
def test_what_guidance_is_worth_is_told(guided: bool, map_path: Path, tmp_path: Path) -> None:
    """Of 8 polygons of 5 px, all are right, and one would be wrong without guidance."""
    n, groups = 40, np.repeat(np.arange(8, dtype=np.int32), 5)
    codes = np.ones(n, np.uint16)
    unguided = np.where((groups == 0) & guided, 2, codes).astype(np.uint16)
    places = np.arange(n, dtype=np.int32)
    found = LeftOut(
        places, places, codes, codes, np.ones(n, np.float32), np.full(n, 9, np.float32), (groups % 2).astype(np.uint8),
        groups, unguided,
    )  # fmt: skip
    result = assess(map_path, found, output=tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert ("worth +12.5 percentage points" in page) == guided
    figures = json.loads((tmp_path / "report/accuracy.json").read_text(encoding="utf-8"))
    if guided:
        assert result.guidance == pytest.approx((0.125, 0.125 - 2.3646 / 8, 0.125 + 2.3646 / 8), abs=1e-4)
        assert figures["guidance"]["gain"] == 0.125
        assert "(95 % interval −17.1 to +42.1)" in " ".join(page.split())
    else:
        assert result.guidance is figures["guidance"] is None


@pytest.mark.parametrize(("corners", "side", "of", "numbers"), [
    ([(20, 32), (20, 50)], 12, "map", [(48, 0.5), (60, 0.6), (180, 1.0)]),  # the map changes at column 40
    ([(12, 9), (12, 39)], 30, "reference", [(120, 0.75), (156, 1.0), (800, 1.0), (724, 1.0)]),  # column 39 is wrong
    ([(12, 0), (12, 64)], 8, "", []),  # nothing is near a border of either
])  # fmt: skip
def test_accuracy_by_distance_to_class_borders(
    map_path: Path, tmp_path: Path, corners: list[tuple[int, int]], side: int, of: str, numbers: list[tuple[int, float]]
) -> None:
    """Of the reference where its polygons touch, of the map where they lie apart, and no table without all bins."""
    path = reference(tmp_path / "r.gpkg", ["crops", "water"], corners, side=side)
    result = assess(map_path, path, field="class", output=tmp_path / "report")
    assert (result.borders_of, [(b.n, b.overall) for b in result.by_border]) == (of, numbers)
    assert sum(n for n, _ in numbers) == (result.n if of else 0)  # the rows are those of all reference pixels
    figures = json.loads((tmp_path / "report/accuracy.json").read_text(encoding="utf-8"))
    assert (figures.get("borders_of", ""), len(figures.get("by_distance_to_border", ()))) == (of, len(numbers))
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert ("Nearest other class" in page) == bool(of)
    assert (f"from a class border of the {of}" in str(result)) == bool(of)


def test_reliability_of_the_confidence_layer(map_path: Path, tmp_path: Path) -> None:
    """Half of the pixels at 90 % and half at 60 %; all of the first are right, and half of the others."""
    percent = np.full(GRID.shape_hw, 90, np.uint8)
    percent[:, 40:] = 60
    write_confidence(map_path, percent)
    corners = [(20, 0), (20, 10), (20, 50), (50, 70)]
    path = reference(tmp_path / "r.gpkg", ["crops", "crops", "water", "crops"], corners)
    assert assess(map_path, path, field="class").reliability == ()  # the record does not say that it is this map's
    write_record(map_path, {"layers": ["confidence"]})
    result = assess(map_path, path, field="class", output=tmp_path / "report")
    assert [(b.n, round(b.probability, 6), b.right) for b in result.reliability] == [(32, 0.6, 0.5), (32, 0.9, 1.0)]
    assert result.to_dict()["expected_calibration_error"] == pytest.approx(0.1)
    assert "Expected calibration error: 10.0 percentage points" in (tmp_path / "report/report.html").read_text(
        encoding="utf-8"
    )


def test_confidence_may_be_missing_but_not_of_another_map(map_path: Path, tmp_path: Path) -> None:
    write_record(map_path, {"layers": ["confidence"]})
    path = reference(tmp_path / "r.gpkg", ["crops"], [(20, 0)])
    assert assess(map_path, path, field="class").reliability == ()
    other = Grid(GRID.crs, Affine(10, 0, 500_010, 0, -10, 5_000_000), GRID.shape_hw)
    write_confidence(map_path, np.full(GRID.shape_hw, 90, np.uint8), other)
    with pytest.raises(RasterError, match=r"confidence\.tif: is not the confidence of .*map\.tif"):
        assess(map_path, path, field="class")


def test_a_south_up_map_is_refused(write_tif: WriteTif, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["lava"], [(30, 8)])
    south_up = Affine(10, 0, 500_000, 0, 10, 4_990_000)
    with pytest.raises(RasterError, match="is south-up"):
        assess(write_tif("s.tif", np.ones((60, 80), np.uint8), transform=south_up), path, field="class")


def test_hostile_names_stay_text_in_all_files(tmp_path: Path) -> None:
    legend = Legend.from_values(HOSTILE)
    codes = np.arange(60 * 80).reshape(60, 80) % 5 + 1
    path = write_map(tmp_path / "map.tif", codes.astype(np.uint8), legend)
    write_record(path, {"legend": json.loads(legend.to_json()), "warnings": HOSTILE})
    source = reference(tmp_path / "r.gpkg", [*HOSTILE, "-1+1|cmd"], [(i, i) for i in range(0, 48, 8)])
    context = ReportContext(curves=[("$x^$ <b>", [3, 2, 1])], settings={"<i>": "</style><script>"})
    assess(path, source, field="class", output=tmp_path / "report", context=replace(context, title=HOSTILE[0]))
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|i)\b|<[^>]* on\w+=", page)
    links = re.findall(r"<[^>]* (?:src|href|srcset|data)=[\"']?([^\"'> ]+)", page)
    assert [link[:11] for link in links] == 3 * ["data:image/"]
    for name in ("accuracy.csv", "confusion.csv"):
        with (tmp_path / "report" / name).open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-\D", cell)]
        assert all(cell.isprintable() for cell in cells)


def test_the_files_contain_the_numbers(map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops", "water"], [(20, 38), (50, 70)])
    result = assess(map_path, path, field="class", output=tmp_path / "report")
    assert sorted(file.name for file in (tmp_path / "report").iterdir()) == sorted(REPORT_FILES)
    assert json.loads((tmp_path / "report/accuracy.json").read_text()) == result.to_dict()
    text = (tmp_path / "report/confusion.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[1:] == ["1,crops,8,0", "2,water,8,16"]
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "75.0\N{NO-BREAK SPACE}%" in page
    assert "not from a probability" in re.sub(r"\s+", " ", page)


def test_the_same_numbers_give_the_same_page(map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops", "water"], [(20, 38), (50, 70)])
    context = ReportContext(curves=[("loss", list(np.linspace(2, 1, 200)))])
    for name in ("one", "two"):
        assess(map_path, path, field="class", output=tmp_path / name, context=context)
    for name in REPORT_FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_only_a_report_is_replaced_and_only_with_overwrite(map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops"], [(20, 38)])
    page = tmp_path / "report/report.html"
    assess(map_path, path, field="class", output=page.parent)
    with pytest.raises(OutputError, match="overwrite"):
        assess(map_path, path, field="class", output=page.parent)
    page.write_text("old")
    assess(map_path, path, field="class", output=page.parent, overwrite=True)
    assert page.read_text(encoding="utf-8") != "old"
    for place, match in ((tmp_path, "contains other files"), (path, "is a file"), (tmp_path / "a/b", "does not exist")):
        with pytest.raises(OutputError, match=match):
            assess(map_path, path, field="class", output=place, overwrite=True)


def test_a_failure_leaves_the_old_report(map_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops"], [(20, 38)])
    assess(map_path, path, field="class", output=tmp_path / "report")
    before = (tmp_path / "report/report.html").read_bytes()
    full = Mock(side_effect=OSError(28, "disk full"))
    monkeypatch.setattr("landcover_bdgf.assessment.report.write_table", full)
    with pytest.raises(OutputError, match="disk full"):
        assess(map_path, path, field="class", output=tmp_path / "report", overwrite=True)
    assert (tmp_path / "report/report.html").read_bytes() == before
    assert not list(tmp_path.glob(".report*"))


def test_many_classes_in_many_scripts_make_a_page(tmp_path: Path) -> None:
    legend = Legend.from_values([f"{'水' * (i % 5)} class {i}" for i in range(200)])
    codes = (np.arange(60 * 80).reshape(60, 80) % 200 + 1).astype(np.uint8)
    path = write_map(tmp_path / "map.tif", codes, legend)
    source = reference(tmp_path / "r.gpkg", list(legend.names[:9]), [(i, i) for i in range(0, 54, 6)])
    assess(path, source, field="class", output=tmp_path / "report")
    assert (tmp_path / "report/report.html").stat().st_size < 2_000_000


@pytest.mark.parametrize(("epsg", "origin", "pixel", "hectares", "bar"), [
    (3857, (1_600_000, 8_400_000), 10, "<td>12.0</td></tr>", ("100 m", 0.25)),  # 60.06° N: 5 m wide
    (3857, (1_600_000, 300), 10, "<td>47.7</td></tr>", ("200 m", 0.25)),
    (32633, (500_000, 6_650_000), 10, "<td>48.0</td></tr>", ("200 m", 0.25)),
    (3035, (4_300_000, 3_200_000), 10, "<td>48.0</td></tr>", ("200 m", 0.25)),
    (3035, (2_700_000, 1_600_000), 10, "<td>48.0</td></tr>", ("200 m", 0.25)),  # equal-area, far from its centre
    (2225, (6_000_000, 2_000_000), 10, "<td>4.5</td></tr>", ("50 m", 0.205)),  # feet
    (4326, (15, 45), 0.001, "<td>4,208</td></tr>", ("1 km", 0.159)),
])  # fmt: skip
def test_hectares_and_scale_bars_are_true_on_the_ground(
    tmp_path: Path, epsg: int, origin: tuple[float, float], pixel: float, hectares: str, bar: tuple[str, float]
) -> None:
    grid = Grid(CRS.from_epsg(epsg), Affine(pixel, 0, origin[0], 0, -pixel, origin[1]), (60, 80))
    path = write_map(tmp_path / "map.tif", np.ones((60, 80), np.uint8), Legend.from_values(["crops"]), grid)
    frame = geopandas.GeoDataFrame({"class": ["crops"]}, geometry=shapely.points(*grid.xy([5], [5])), crs=epsg)
    assert assess(path, frame, field="class", output=tmp_path / "report").overall == 1
    page = re.sub(r"\s+", " ", (tmp_path / "report/report.html").read_text(encoding="utf-8"))
    assert hectares in page
    drawn = scale_bar(grid)
    assert drawn is not None
    assert (drawn.text, drawn.share) == (bar[0], pytest.approx(bar[1], abs=0.005))


def test_a_damaged_map_is_refused(map_path: Path, tmp_path: Path) -> None:
    whole = map_path.read_bytes()
    with rasterio.open(map_path) as dataset:
        offset, size = (int(dataset.get_tag_item(f"BLOCK_{what}_0_0", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
    map_path.write_bytes(whole[:offset] + bytes([255]) * size + whole[offset + size :])
    path = reference(tmp_path / "labels.gpkg", ["crops"], [(30, 10)])
    with pytest.raises(RasterError, match=r"\.tif: cannot be read, it may be damaged"):
        assess(map_path, path, field="class", output=tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("here", [True, False])
def test_errors_are_drawn_only_on_the_map_of_their_scene(
    here: bool, map_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A model maps other scenes, too, where its labels are not."""
    drawn: list[int] = []
    monkeypatch.setattr(report, "render", lambda dataset, result, places, **_: drawn.append(len(places.right)) or "")
    at, codes = np.arange(8, dtype=np.int32), np.ones(8, np.uint16)
    trained_at(map_path, [*at], [*(at + (0 if here else 3))])
    found = LeftOut(
        at, at, codes, codes, np.ones(8, np.float32), np.full(8, 9, np.float32), (at % 2).astype(np.uint8), at, codes
    )
    assert assess(map_path, found, output=tmp_path / "report").n == 8
    assert drawn == [8 if here else 0]
    assert ("the map shows another scene than the labels of its model" in caplog.text) == (not here)
