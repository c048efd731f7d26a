"""Reports: the right pixels are compared; the page is whole, harmless and holds all it needs."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from conftest import Bdgf, WriteTif
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.assessment.figures import scale_bar
from landcover_bdgf.assessment.report import REPORT_FILES, ReportContext, assess
from landcover_bdgf.errors import LabelError, OutputError, RasterError, SettingsError
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid, ground_pixel_m2
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.labels.class_map import layer_path, write_companions
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.sample_file import write_samples
from landcover_bdgf.labels.samples import Samples, Split
from landcover_bdgf.storage.records import write_record

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), (60, 80))
RECORDS_OF_NOTHING = (
    "{}", "no json", '{"training": {"pixels": "x", "crs": "EPSG:4326"}}', '{"training": [1]}', '{"layers": 3}',
    "[" * 100_000, '{"a": ' + "[" * 80 + "]" * 80 + "}",
    json.dumps({"training": {"pixels": "MULTIPOINT (1 1)", "count": 1, "crs": "EPSG:32633", "clear_px": math.inf}}),
    json.dumps({"training": {"pixels": "MULTIPOINT (" + "1 1, " * 99 + "1 1)", "count": 1, "crs": "EPSG:32633"}}),
)  # fmt: skip
HOSTILE = [
    "<script>alert(1)</script>",
    "=HYPERLINK(1)",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31m",
    "y" * 10_000,
]


def trained_at(path: Path, rows: list[int], cols: list[int]) -> Path:
    """The map with a record of where it was trained."""
    x, y = GRID.xy(np.array(rows), np.array(cols))
    pixels = shapely.MultiPoint(np.stack([x, y], axis=1)).wkt
    training = {"pixels": pixels, "count": len(x), "crs": GRID.crs.to_wkt(), "clear_px": 13, "apart_px": 37}
    write_record(path, {"training": training})
    return path


def write_map(path: Path, codes: NDArray[np.uint8], legend: Legend, grid: Grid = GRID) -> Path:
    height, width = codes.shape
    profile = RasterProfile("uint8", nodata=0, colormap=legend.colors)
    write_raster(path, grid, [(Window(0, 0, width, height), codes[None])], profile=profile)
    write_companions(path, legend)
    return path


@pytest.fixture
def map_path(tmp_path: Path) -> Path:
    """Left half crops (1), right half water (2), the first 10 rows without data; trained at (30, 0)."""
    codes = np.ones(GRID.shape_hw, np.uint8)
    codes[:, 40:] = 2
    codes[:10] = 0
    path = write_map(tmp_path / "map.tif", codes, Legend.from_values(["crops", "water"]))
    return trained_at(path, [30], [0])


def reference(path: Path, classes: list[Any], corners: list[tuple[int, int]], side: int = 4) -> Path:
    shapes = []
    for row, col in corners:
        left, top = 500_000 + 10 * col, 5_000_000 - 10 * row
        shapes.append(shapely.box(left, top - 10 * side, left + 10 * side, top))
    geopandas.GeoDataFrame({"class": classes}, geometry=shapes, crs=32633).to_crs(4326).to_file(path)
    return path


def test_pixels_are_compared_where_they_lie(map_path: Path, tmp_path: Path) -> None:
    corners = [(20, 0), (20, 38), (50, 70), (0, 0), (40, 60)]
    path = reference(tmp_path / "r.gpkg", ["crops", "water", "water", "crops", "lava"], corners)
    result = assess(map_path, path, field="class")
    np.testing.assert_array_equal(result.matrix, [[16, 8], [0, 24]])
    assert result.no_data.tolist() == [16, 0]
    assert result.unknown == {"lava": 16}


def test_classes_whose_letters_differ_in_case_are_the_maps(
    map_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They were left out, and the accuracy rose where the map was wrong."""
    caplog.set_level("INFO")
    path = reference(tmp_path / "r.gpkg", ["crops", "Water", "Water"], [(20, 0), (20, 8), (50, 70)])
    result = assess(map_path, path, field="class")
    np.testing.assert_array_equal(result.matrix, [[16, 16], [0, 16]])
    assert result.unknown == {}
    assert "differ from the map's by case alone: Water as water" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "WARNING" and "case" in record.message]


@pytest.mark.parametrize(
    ("ours", "theirs", "counted"),
    [
        (["Water", "water"], ["WATER", "Water"], {"Water": 16}),
        (["water", "sand"], ["WATER", "Water"], {}),
        (["water", "sand"], ["WATER", "water"], {"water": 16}),
        (["STRASSE", "sand"], ["Straße", "Sand"], {"STRASSE": 16, "sand": 16}),
    ],
    ids=["two of the map", "two of the reference", "one alike", "one each"],
)
def test_case_counts_where_classes_differ_by_it_alone(
    tmp_path: Path, ours: list[str], theirs: list[str], counted: dict[str, int]
) -> None:
    path = write_map(tmp_path / "map.tif", np.ones(GRID.shape_hw, np.uint8), Legend.from_values([*ours, "rock"]))
    source = reference(tmp_path / "r.gpkg", [*theirs, "rock"], [(0, 0), (10, 0), (20, 0)])
    result = assess(path, source, field="class")
    found = {row["name"]: row["reference_px"] for row in result.classes() if row["reference_px"]}
    assert found == counted | {"rock": 16}
    assert sum(result.unknown.values()) == 48 - sum(found.values())


def test_pixels_of_classes_that_the_map_lacks_are_warned_of(
    map_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    classes = ["crops", "wator", "lava\x1b[31m", "7"]
    path = reference(tmp_path / "r.gpkg", classes, [(20, 0), (20, 10), (50, 70), (40, 60)])
    result = assess(map_path, path, field="class")
    told = [record.message for record in caplog.records if "not counted" in record.message]
    named = "7, lava [31m, wator (nearest in the map: water)"
    assert told == [f"75.0 % of the reference's pixels are not counted, as the map lacks their classes: {named}"]
    assert "class wator of the reference is not in the map: 16 px not counted" in str(result)
    caplog.clear()
    many = [f"{at} km" for at in range(20)]
    path = reference(tmp_path / "m.gpkg", ["crops", *many], [(20, 0), *((12 + at, 60) for at in range(20))], side=1)
    assess(map_path, path, field="class")
    assert caplog.text.count(" km") == 12
    assert "19 km and 8 more\n" in caplog.text


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ([1, 2, 3, 4, 5], True),
        ([1, 3], True),
        ([1, 2, 4], False),
        ([1, 2, 3, 9], False),
        (["1", "3", "lava"], False),
    ],
    ids=["all", "some", "classes too", "a class of its own", "text"],
)
def test_a_reference_that_may_hold_pixel_values_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, theirs: list[Any], told: bool
) -> None:
    """It is matched by class all the same: nobody can tell what it holds."""
    legend = Legend.from_values([1, 2, 4, 5, 9])
    path = write_map(tmp_path / "map.tif", np.ones(GRID.shape_hw, np.uint8), legend)
    source = reference(tmp_path / "r.gpkg", theirs, [(10 * at, 0) for at in range(len(theirs))])
    result = assess(path, source, field="class")
    lines = [record.message for record in caplog.records if "pixel values" in record.message]
    assert len(lines) == told
    mapping = "1 for class 1, 2 for class 2, 3 for class 4, 4 for class 5, 5 for class 9"
    assert all(f"held the map's pixel values ({mapping}), but is matched by class value" in line for line in lines)
    assert sum(result.unknown.values()) == 16 * len(set(map(str, theirs)) - {"1", "2", "4", "5", "9"})


def test_codes_are_shown_where_classes_are_other_numbers(map_path: Path, tmp_path: Path) -> None:
    legend = Legend.from_values([4, 9])
    path = write_map(tmp_path / "numbers.tif", np.ones(GRID.shape_hw, np.uint8), legend)
    source = reference(tmp_path / "r.gpkg", [4, 9], [(20, 0), (50, 70)])
    lines = str(assess(path, source, field="class", output=tmp_path / "report")).splitlines()
    assert lines[1].split() == ["class", "code", "reference", "producers", "users", "F1"]
    assert [line.split()[:3] for line in lines[2:4]] == [["4", "1", "16"], ["9", "2", "16"]]
    assert len({len(line) for line in lines[1:4]}) == 1
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "Code in<br>the map" in page
    assert re.search(r"</span>9</td>\s*<td>2</td>\s*<td>16</td>", page)
    with (tmp_path / "report/accuracy.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [(row["code"], row["name"]) for row in csv.DictReader(file)] == [("1", "4"), ("2", "9")]
    named = reference(tmp_path / "n.gpkg", ["crops"], [(20, 0)])
    text = str(assess(map_path, named, field="class", output=tmp_path / "report", overwrite=True))
    assert text.splitlines()[1].split()[1] == "reference"
    assert "Code in" not in (tmp_path / "report/report.html").read_text(encoding="utf-8")


def test_distance_to_training_is_told(map_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops", "crops", "water"], [(30, 12), (30, 13), (30, 70)], side=1)
    result = assess(map_path, path, field="class")
    assert result.leak == pytest.approx(1 / 3)
    assert [(b.label, b.n) for b in result.by_distance] == [
        ("0 to 12 px", 1),
        ("13 to 36 px", 1),
        ("37 to 99 px", 1),
    ]
    assert result.surroundings == pytest.approx(2 / 3)
    assert "66.7 % of the reference pixels share surroundings with training pixels" in str(result)
    assert "33.3 % of the reference windows overlap training windows" in caplog.text


def test_a_map_made_without_surroundings_says_nothing_of_them(map_path: Path, tmp_path: Path) -> None:
    record = json.loads(Path(f"{map_path}.json").read_text(encoding="utf-8"))
    del record["training"]["apart_px"]  # as records were before
    write_record(map_path, record)
    path = reference(tmp_path / "r.gpkg", ["crops"], [(30, 20)], side=1)
    result = assess(map_path, path, field="class", output=tmp_path / "report")
    assert (result.leak, result.surroundings) == (0, None)
    assert "surroundings" not in str(result)
    assert "surroundings" not in (tmp_path / "report/report.html").read_text(encoding="utf-8")


def test_confidence_is_held_against_the_truth(map_path: Path, tmp_path: Path) -> None:
    """Half of the pixels at 90 % and half at 60 %; all of the first are right, and half of the others."""
    percent = np.full(GRID.shape_hw, 90, np.uint8)
    percent[:, 40:] = 60
    write_raster(
        layer_path(map_path, "confidence"), GRID, [(Window(0, 0, 80, 60), percent[None])],
        profile=RasterProfile("uint8", nodata=255),
    )  # fmt: skip
    corners = [(20, 0), (20, 10), (20, 50), (50, 70)]
    path = reference(tmp_path / "r.gpkg", ["crops", "crops", "water", "crops"], corners)
    assert assess(map_path, path, field="class").reliability == ()  # the record does not say that it is this map's
    write_record(map_path, {"layers": ["confidence"]})
    result = assess(map_path, path, field="class", output=tmp_path / "report")
    assert [(b.n, round(b.probability, 6), b.right) for b in result.reliability] == [(32, 0.6, 0.5), (32, 0.9, 1.0)]
    assert result.to_dict()["expected_calibration_error"] == pytest.approx(0.1)
    assert "Expected calibration error 10.0" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


def test_confidence_of_another_map_is_refused_and_one_moved_away_is_no_matter(map_path: Path, tmp_path: Path) -> None:
    write_record(map_path, {"layers": ["confidence"]})
    path = reference(tmp_path / "r.gpkg", ["crops"], [(20, 0)])
    assert assess(map_path, path, field="class").reliability == ()
    other = Grid(GRID.crs, Affine(10, 0, 500_010, 0, -10, 5_000_000), GRID.shape_hw)
    write_raster(
        layer_path(map_path, "confidence"), other, [(Window(0, 0, 80, 60), np.full((1, 60, 80), 90, np.uint8))],
        profile=RasterProfile("uint8", nodata=255),
    )  # fmt: skip
    with pytest.raises(RasterError, match=r"confidence\.tif: is not the confidence of .*map\.tif"):
        assess(map_path, path, field="class")


def test_without_a_record_the_leak_is_unknown(map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops"], [(30, 8)])
    for record in RECORDS_OF_NOTHING:
        Path(f"{map_path}.json").write_text(record)
        assert assess(map_path, path, field="class").leak is None


def samples(parts: list[int]) -> Samples:
    rows, cols = np.array([20, 30, 40], np.int32), np.array([5, 50, 70], np.int32)
    legend = Legend.from_values(["water", "crops"])
    codes, groups = np.array([1, 2, 2], np.uint16), np.arange(3, dtype=np.int32)
    return Samples(GRID, legend, rows, cols, codes, groups, np.array(parts, np.uint8), Split("polygon", 9))


def test_of_samples_only_the_test_part_counts(map_path: Path, tmp_path: Path) -> None:
    held = samples([0, 0, 1])
    result = assess(trained_at(map_path, [20, 30], [5, 50]), held)
    assert (result.n, result.overall) == (1, 1.0)
    assert "held-out part of the labels that trained the map, split by polygon, at least 9 px" in result.sample
    trainable = samples([0, 1, 0])
    write_samples(trainable, tmp_path / "samples.gpkg")
    assert assess(map_path, tmp_path / "samples.gpkg").n == 1
    with pytest.raises(LabelError, match="no test part"):
        assess(map_path, samples([0, 0, 0]))


def test_samples_are_said_to_be_held_out_only_where_the_map_says_so(map_path: Path) -> None:
    held = samples([0, 0, 1])
    other = "the test part of samples, split by polygon; the map was trained on other pixels than their training part"
    assert assess(map_path, held).sample == other
    on_all = assess(trained_at(map_path, [20, 30, 40], [5, 50, 70]), held)
    assert (on_all.sample, on_all.leak) == (other, 1.0)
    trained_at(map_path, [20, 30], [5, 50])
    true = "the held-out part of the labels that trained the map, split by polygon"
    assert assess(map_path, held).sample == f"{true}, at least 9 px from every training pixel"
    moved = replace(held, rows=np.array([20, 30, 35], np.int32), cols=np.array([5, 50, 55], np.int32))
    assert assess(map_path, moved).sample == true
    write_record(map_path, {"step": "map"})
    unknown = "the test part of samples, split by polygon; which pixels the map was trained on is not known here"
    assert assess(map_path, held).sample == unknown


def test_references_that_do_not_fit_are_refused(map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["lava"], [(30, 8)])
    with pytest.raises(LabelError, match=r"none of the map's classes. It has lava; the map has crops, water"):
        assess(map_path, path, field="class")
    with pytest.raises(SettingsError, match="needs --field"):
        assess(map_path, path)
    with pytest.raises(LabelError, match=r"^\S*r\.gpkg: has no field 'klass', but class") as told:
        assess(map_path, path, field="klass")
    assert str(told.value).count("r.gpkg") == 1
    nowhere = reference(tmp_path / "n.gpkg", ["crops"], [(0, 8)])
    with pytest.raises(LabelError, match=r"map\.tif: the map has no data at any reference pixel"):
        assess(map_path, nowhere, field="class")


@pytest.mark.parametrize(
    ("file", "classes", "refused", "option", "pixels"),
    [
        ("r.gpkg", ["crops", "water"], "has 2 layers, more, other. Choose one with --layer", "--layer other", 32),
        ("r.shp", ["水体", "crops"], "", "--encoding gbk", 16),
        ("r.gpkg", ["crops", "unlabelled"], "", "--ignore-class unlabelled --ignore-class lava", 16),
        ("r.gpkg", ["crops", "water"], "", "--conflicts last", 16),
        ("r.gpkg", ["crops", "water"], "", "--conflicts error", "Mend them, or use --conflicts drop or last"),
        ("r.gpkg", ["crops", "water"], "", "--conflicts first", "--conflicts first: is unknown. Use drop, last, error"),
    ],
    ids=["layer", "encoding", "ignored", "last", "error", "unknown"],
)  # fmt: skip
def test_a_reference_is_read_as_labels_are(
    bdgf: Bdgf, map_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    file: str, classes: list[str], refused: str, option: str, pixels: int | str,
) -> None:  # fmt: skip
    """Each option that a message names is there, and does for a reference what it does for labels."""
    path = reference(tmp_path / file, classes, [(20, 0), (20, 0) if "conflicts" in option else (20, 60)])
    if "layer" in option:
        frame = geopandas.read_file(path)
        path.unlink()
        frame.iloc[:1].to_file(path, layer="more")
        frame.to_file(path, layer="other")
    if "encoding" in option:
        geopandas.read_file(path).to_file(path, encoding="gbk")
        path.with_suffix(".cpg").unlink()
        table = bytearray(path.with_suffix(".dbf").read_bytes())
        table[29] = 0  # the code page, so that nothing tells the encoding
        path.with_suffix(".dbf").write_bytes(table)
    typed = ("assess", map_path, "--reference", path, "--field", "class", "--json", "-o")
    if refused:
        assert bdgf(*typed, tmp_path / "refused") == 4
        assert refused in capsys.readouterr().err
    code = bdgf(*typed, tmp_path / "report", *option.split())
    told = capsys.readouterr()
    if isinstance(pixels, str):
        assert code in (2, 4)
        assert pixels in told.err
        return
    assert code == 0
    found = json.loads(told.out)
    assert (found["n"], found["unknown_classes"]) == (pixels, {"水体": 16} if "encoding" in option else {})


def test_rasters_that_are_no_class_maps_are_refused(write_tif: WriteTif, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["lava"], [(30, 8)])
    with pytest.raises(RasterError, match="is no class map, its pixels are float32"):
        assess(write_tif("f.tif", np.ones((60, 80), np.float32)), path, field="class")
    south_up = Affine(10, 0, 500_000, 0, 10, 4_990_000)
    with pytest.raises(RasterError, match="is south-up"):
        assess(write_tif("s.tif", np.ones((60, 80), np.uint8), transform=south_up), path, field="class")


class Page(HTMLParser):
    """What a browser would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)


def test_hostile_names_stay_text_in_every_file(tmp_path: Path) -> None:
    legend = Legend.from_values(HOSTILE)
    codes = np.arange(60 * 80).reshape(60, 80) % 5 + 1
    path = write_map(tmp_path / "map.tif", codes.astype(np.uint8), legend)
    write_record(path, {"legend": json.loads(legend.to_json())})
    source = reference(tmp_path / "r.gpkg", [*HOSTILE, "-1+1|cmd"], [(i, i) for i in range(0, 48, 8)])
    context = ReportContext(curves=[("$x^$ <b>", [3, 2, 1])], settings={"<i>": "</style><script>"}, warnings=HOSTILE)
    assess(path, source, field="class", output=tmp_path / "report", title=HOSTILE[0], context=context)
    page = Page((tmp_path / "report/report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert len(page.links) == 3
    assert all(link.startswith("data:image/") for link in page.links)
    for name in ("accuracy.csv", "confusion.csv"):
        with (tmp_path / "report" / name).open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-\D", cell)]
        assert all(cell.isprintable() for cell in cells)


def test_the_tables_hold_the_numbers(map_path: Path, tmp_path: Path) -> None:
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


def test_an_older_report_is_replaced_only_when_asked(map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops"], [(20, 38)])
    assess(map_path, path, field="class", output=tmp_path / "report")
    with pytest.raises(OutputError, match="--overwrite"):
        assess(map_path, path, field="class", output=tmp_path / "report")
    (tmp_path / "report/report.html").write_text("old")
    assess(map_path, path, field="class", output=tmp_path / "report", overwrite=True)
    assert (tmp_path / "report/report.html").read_text(encoding="utf-8") != "old"
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_a_folder_with_other_files_is_never_replaced(map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops"], [(20, 38)])
    for place, match in [
        (tmp_path, "holds other files"),
        (path, "is a file"),
        (tmp_path / "no/report", "does not exist"),
    ]:
        with pytest.raises(OutputError, match=match):
            assess(map_path, path, field="class", output=place, overwrite=True)
    assert map_path.exists()


def test_a_failure_leaves_the_old_report(map_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops"], [(20, 38)])
    assess(map_path, path, field="class", output=tmp_path / "report")
    before = (tmp_path / "report/report.html").read_bytes()
    monkeypatch.setattr(
        "landcover_bdgf.assessment.report.write_table", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full"))
    )
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


@pytest.mark.parametrize(("pixel_m", "text"), [(10, "200 m"), (1000, "20 km"), (0.5, "10 m")])
def test_scale_bars_are_round_and_at_most_a_quarter(pixel_m: float, text: str) -> None:
    bar = scale_bar(Grid(GRID.crs, Affine(pixel_m, 0, 0, 0, -pixel_m, 0), (60, 80)))
    assert bar is not None
    assert bar.text == text
    assert bar.share == pytest.approx(0.25)


def test_degrees_are_measured_at_the_middle_of_the_map() -> None:
    grid = Grid(CRS.from_epsg(4326), Affine(0.01, 0, 15, 0, -0.01, 60.5), (100, 100))
    bar = scale_bar(grid)
    assert bar is not None
    assert bar.text == "10 km"
    assert bar.share == pytest.approx(10 / (111.32 * np.cos(np.radians(60))), rel=1e-6)


def test_where_lengths_are_unknown_there_is_no_scale_bar() -> None:
    local = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    assert scale_bar(Grid(local, Affine(10, 0, 0, 0, -10, 0), (60, 80))) is None


def test_maps_in_degrees_have_no_hectares(tmp_path: Path) -> None:
    grid = Grid(CRS.from_epsg(4326), Affine(0.001, 0, 15, 0, -0.001, 45), (60, 80))
    path = write_map(tmp_path / "map.tif", np.ones((60, 80), np.uint8), Legend.from_values(["crops"]), grid)
    x, y = grid.xy([5], [5])
    frame = geopandas.GeoDataFrame({"class": ["crops"]}, geometry=shapely.points(x, y), crs=4326)
    frame.to_file(tmp_path / "r.gpkg")
    result = assess(path, tmp_path / "r.gpkg", field="class", output=tmp_path / "report")
    assert result.overall == 1
    assert "hectares are not given" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("epsg", "origin", "hectares", "bar"),
    [
        (3857, (1_600_000, 8_400_000), None, ("100 m", 0.25)),  # 60.06° N: a pixel of 10 m is 5 m wide
        (3857, (1_600_000, 300), "48.0", ("200 m", 0.25)),
        (32633, (500_000, 6_650_000), "48.0", ("200 m", 0.25)),
        (3035, (4_300_000, 3_200_000), "48.0", ("200 m", 0.25)),
        (3035, (2_700_000, 1_600_000), "48.0", ("200 m", 0.25)),  # equal-area, far from its centre
        (2225, (6_000_000, 2_000_000), "4.5", ("50 m", 0.205)),  # feet
    ],
)  # fmt: skip
def test_sizes_are_those_on_the_ground(
    tmp_path: Path, epsg: int, origin: tuple[float, float], hectares: str | None, bar: tuple[str, float]
) -> None:
    grid = Grid(CRS.from_epsg(epsg), Affine(10, 0, origin[0], 0, -10, origin[1]), (60, 80))
    path = write_map(tmp_path / "map.tif", np.ones((60, 80), np.uint8), Legend.from_values(["crops"]), grid)
    frame = geopandas.GeoDataFrame({"class": ["crops"]}, geometry=shapely.points(*grid.xy([5], [5])), crs=epsg)
    frame.to_file(tmp_path / "r.gpkg")
    assess(path, tmp_path / "r.gpkg", field="class", output=tmp_path / "report")
    page = re.sub(r"\s+", " ", (tmp_path / "report/report.html").read_text(encoding="utf-8"))
    assert ("This projection distorts areas" in page) == (hectares is None)
    assert f"<td>{hectares or '–'}</td></tr>" in page
    drawn = scale_bar(grid)
    assert drawn is not None
    assert (drawn.text, drawn.share) == (bar[0], pytest.approx(bar[1], abs=0.005))


def test_another_planet_has_neither_hectares_nor_a_scale_bar() -> None:
    moon = CRS.from_wkt(
        'PROJCS["Moon",GEOGCS["Moon",DATUM["D_Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Reference",0],'
        'UNIT["degree",0.0174532925199433]],PROJECTION["Equirectangular"],UNIT["metre",1]]'
    )
    grid = Grid(moon, Affine(10, 0, 0, 0, -10, 0), (60, 80))
    assert scale_bar(grid) is None
    assert ground_pixel_m2(grid) is None


def test_a_damaged_map_is_told(map_path: Path, tmp_path: Path) -> None:
    whole = map_path.read_bytes()
    with rasterio.open(map_path) as dataset:
        offset, size = (int(dataset.get_tag_item(f"BLOCK_{what}_0_0", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
    map_path.write_bytes(whole[:offset] + bytes([255]) * size + whole[offset + size :])
    labels = geopandas.GeoDataFrame(
        {"class": ["crops"]}, geometry=[shapely.box(500_100, 4_999_600, 500_200, 4_999_700)], crs=32633
    )
    labels.to_file(tmp_path / "labels.gpkg")
    with pytest.raises(RasterError, match=r"\.tif: cannot be read, it may be damaged"):
        assess(map_path, tmp_path / "labels.gpkg", field="class", output=tmp_path / "report")
    assert not (tmp_path / "report").exists()
