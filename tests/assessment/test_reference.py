"""Reference pixels get the classes of the map, and their description states only known facts."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from conftest import Bdgf
from drawn_maps import GRID, reference, trained_at, write_map

from landcover_bdgf.assessment.reference import ReferenceFile
from landcover_bdgf.assessment.report import assess
from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.sample_file import write_samples
from landcover_bdgf.labels.samples import Samples, Split
from landcover_bdgf.labels.settings import ReferenceSettings
from landcover_bdgf.storage.records import write_record


def samples(parts: list[int]) -> Samples:
    rows, cols = np.array([20, 30, 40], np.int32), np.array([5, 50, 70], np.int32)
    legend = Legend.from_values(["water", "crops"])
    codes, groups = np.array([1, 2, 2], np.uint16), np.arange(3, dtype=np.int32)
    return Samples(GRID, legend, rows, cols, codes, groups, np.array(parts, np.uint8), Split("polygon", 9))


def test_pixels_are_compared_at_their_locations(map_path: Path, tmp_path: Path) -> None:
    corners = [(20, 0), (20, 38), (50, 70), (0, 0), (40, 60)]
    path = reference(tmp_path / "r.gpkg", ["crops", "water", "water", "crops", "lava"], corners)
    result = assess(map_path, path, field="class")
    np.testing.assert_array_equal(result.matrix, [[16, 8, 0], [0, 24, 16], [0, 0, 0]])
    assert result.no_data.tolist() == [16, 0, 0]
    assert result.unknown == {"lava": 16}


def test_pixels_of_a_class_that_the_map_lacks_are_errors(map_path: Path, tmp_path: Path) -> None:
    """16 px of each of three classes, those of lava mapped as crops; expected by hand from the matrix of all three."""
    path = reference(tmp_path / "r.gpkg", ["crops", "water", "lava"], [(20, 0), (50, 70), (40, 10)])
    result = assess(map_path, path, field="class", output=tmp_path / "report")
    assert (result.n, result.overall, result.average, result.kappa) == pytest.approx((48, 2 / 3, 2 / 3, 0.5))
    figures = json.loads((tmp_path / "report/accuracy.json").read_text(encoding="utf-8"))
    shares = [(row["name"], row["code"], row["producers"], row["users"], row["f1"]) for row in figures["classes"]]
    assert shares == [("crops", 1, 1, 0.5, pytest.approx(2 / 3)), ("water", 2, 1, 1, 1), ("lava", None, 0, None, 0)]
    assert figures["confusion_matrix"]["codes"] == [1, 2, None]
    assert figures["most_confused"] == ["lava mapped as crops: 16 of 16 reference px (100.0 %)"]
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "Class lava of the reference is not in the map: 16\N{NO-BREAK SPACE}px count as wrong." in page
    table = (tmp_path / "report/confusion.csv").read_text(encoding="utf-8-sig")
    assert ["", "lava", "0", "0", "0"] in list(csv.reader(table.splitlines()))
    assert assess(map_path, ReferenceFile(path, ReferenceSettings(ignore_class=("lava",))), field="class").overall == 1


def test_classes_that_differ_only_in_case_are_matched(
    map_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If they were not, right pixels would count as wrong."""
    caplog.set_level("INFO")
    path = reference(tmp_path / "r.gpkg", ["crops", "Water", "Water"], [(20, 0), (20, 8), (50, 70)])
    result = assess(map_path, path, field="class")
    np.testing.assert_array_equal(result.matrix, [[16, 16], [0, 16]])
    assert result.unknown == {}
    assert "differ from the map's only in case: Water as water" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "WARNING" and "case" in record.message]


@pytest.mark.parametrize(("ours", "theirs", "counted"), [
    (["Water", "water"], ["WATER", "Water"], {"Water": 16}),
    (["water", "sand"], ["WATER", "Water"], {}),
    (["water", "sand"], ["WATER", "water"], {"water": 16}),
    (["STRASSE", "sand"], ["Straße", "Sand"], {"STRASSE": 16, "sand": 16}),
])  # fmt: skip
def test_case_matters_if_several_classes_differ_only_in_case(
    tmp_path: Path, ours: list[str], theirs: list[str], counted: dict[str, int]
) -> None:
    path = write_map(tmp_path / "map.tif", np.ones(GRID.shape_hw, np.uint8), Legend.from_values([*ours, "rock"]))
    source = reference(tmp_path / "r.gpkg", [*theirs, "rock"], [(0, 0), (10, 0), (20, 0)])
    result = assess(path, source, field="class")
    found = {row["name"]: row["reference_px"] for row in result.classes() if row["code"] and row["reference_px"]}
    assert found == counted | {"rock": 16}
    assert sum(result.unknown.values()) == 48 - sum(found.values())


def test_a_warning_lists_classes_that_the_map_lacks(
    map_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    classes = ["crops", "wator", "lava\x1b[31m", "7"]
    path = reference(tmp_path / "r.gpkg", classes, [(20, 0), (20, 10), (50, 70), (40, 60)])
    result = assess(map_path, path, field="class")
    told = [record.message for record in caplog.records if "count as wrong" in record.message]
    named = "7, lava [31m, wator (nearest in the map: water)"
    assert len(told) == 1
    assert told[0].startswith(
        f"75.0 % of the reference pixels count as wrong, as the map lacks their classes: {named}. "
    )
    assert "class wator of the reference is not in the map: 16 px count as wrong" in str(result)


def test_a_reference_finer_than_the_map_is_told_to_join_its_classes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Roof and pavement, where the map has built area."""
    path = write_map(
        tmp_path / "map.tif", np.ones(GRID.shape_hw, np.uint8), Legend.from_values(["built area", "water"])
    )
    labels = reference(tmp_path / "r.gpkg", ["roof", "pavement", "water"], [(0, 0), (10, 0), (20, 0)])
    assert assess(path, labels, field="class").overall == 0
    assert "if they are finer than those of the map, join them with `merge`" in caplog.text
    caplog.clear()
    joined = ReferenceFile(labels, ReferenceSettings(merge=("built area=roof,pavement",)))
    result = assess(path, joined, field="class")
    np.testing.assert_array_equal(result.matrix, [[32, 16], [0, 0]])
    assert not caplog.records


@pytest.mark.parametrize(
    ("theirs", "told"),
    [([1, 2, 3, 4, 5], True), ([1, 3], True), ([1, 2, 4], False), ([1, 2, 3, 9], False), (["1", "3", "lava"], False)],
)
def test_a_reference_that_may_contain_pixel_values_gives_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, theirs: list[Any], told: bool
) -> None:
    """It is still matched by class, as the content of the field is not known."""
    legend = Legend.from_values([1, 2, 4, 5, 9])
    path = write_map(tmp_path / "map.tif", np.ones(GRID.shape_hw, np.uint8), legend)
    source = reference(tmp_path / "r.gpkg", theirs, [(10 * at, 0) for at in range(len(theirs))])
    result = assess(path, source, field="class")
    lines = [record.message for record in caplog.records if "pixel values" in record.message]
    assert len(lines) == told
    mapping = "1 for class 1, 2 for class 2, 3 for class 4, 4 for class 5, 5 for class 9"
    assert all(f"hold the map's pixel values ({mapping}), but is matched by class value" in line for line in lines)
    assert sum(result.unknown.values()) == 16 * len(set(map(str, theirs)) - {"1", "2", "4", "5", "9"})


@pytest.mark.parametrize("record", ["{}", "no json", '{"training": [1]}'])
def test_without_a_usable_record_the_leak_is_unknown(record: str, map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["crops"], [(30, 8)])
    Path(f"{map_path}.json").write_text(record)
    assert assess(map_path, path, field="class").leak is None


def test_only_the_test_part_of_samples_is_used(map_path: Path, tmp_path: Path) -> None:
    result = assess(map_path, samples([0, 0, 1]))
    assert (result.n, result.overall) == (1, 1.0)
    write_samples(samples([0, 1, 0]), tmp_path / "samples.gpkg")
    assert assess(map_path, tmp_path / "samples.gpkg").n == 1
    with pytest.raises(LabelError, match="no test part"):
        assess(map_path, samples([0, 0, 0]))


def test_samples_are_called_held_out_only_if_the_record_of_the_map_confirms_it(map_path: Path) -> None:
    held = samples([0, 0, 1])
    other = "the test part of samples, split by polygon; the map was trained on pixels other than their training part"
    assert assess(map_path, held).sample == other
    on_all = assess(trained_at(map_path, [20, 30, 40], [5, 50, 70]), held)
    assert (on_all.sample, on_all.leak) == (other, 1.0)
    trained_at(map_path, [20, 30], [5, 50])
    true = "the held-out part of the labels that the map was trained with, split by polygon"
    assert assess(map_path, held).sample == f"{true}, at least 9 px from every training pixel"
    moved = replace(held, rows=np.array([20, 30, 35], np.int32), cols=np.array([5, 50, 55], np.int32))
    assert assess(map_path, moved).sample == true
    write_record(map_path, {"step": "map"})
    unknown = "the test part of samples, split by polygon; the training pixels of the map are not known"
    assert assess(map_path, held).sample == unknown


def test_references_that_do_not_match_the_map_are_refused(map_path: Path, tmp_path: Path) -> None:
    path = reference(tmp_path / "r.gpkg", ["lava"], [(30, 8)])
    with pytest.raises(LabelError, match=r"none of the map's classes. It has lava; the map has crops, water"):
        assess(map_path, path, field="class")
    with pytest.raises(SettingsError, match=r"`field` is missing, .* Choose from .* class: lava \(1\)"):
        assess(map_path, path)
    nowhere = reference(tmp_path / "n.gpkg", ["crops"], [(0, 8)])
    with pytest.raises(LabelError, match=r"map\.tif: the map has no data at any reference pixel"):
        assess(map_path, nowhere, field="class")


@pytest.mark.parametrize(("file", "classes", "refused", "option", "pixels"), [
        ("r.gpkg", ["crops", "water"], "has 2 layers, more, other. Choose one with --layer", "--layer other", 32),
        ("r.shp", ["水体", "crops"], "", "--encoding gbk", 32),
        ("r.gpkg", ["crops", "unlabelled"], "", "--ignore-class unlabelled --ignore-class lava", 16),
        ("r.gpkg", ["crops", "water"], "", "--conflicts last", 16),
        ("r.gpkg", ["crops", "water"], "", "--conflicts error", "Correct them, or use --conflicts drop or"),
])  # fmt: skip
def test_read_settings_apply_to_a_reference(
    bdgf: Bdgf, map_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    file: str, classes: list[str], refused: str, option: str, pixels: int | str,
) -> None:  # fmt: skip
    """Each option in a message exists, and has the same effect on a reference as on labels."""
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
        assert code == 4
        assert pixels in told.err
        return
    assert code == 0
    found = json.loads(told.out)
    assert (found["n"], found["unknown_classes"]) == (pixels, {"水体": 16} if "encoding" in option else {})
