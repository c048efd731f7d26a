"""The results of many scenes fit on a screen and into a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path

from landcover_bdgf.errors import RasterError
from landcover_bdgf.mapping.scene_results import SceneResult, result_lines, write_results

LOST = RasterError("b.tif", "is empty", "Copy it again.")
RESULTS = [
    SceneResult("north", 2, "mapped", Path("maps/north.tif"), 12.34, {"water": 10, "wood": 5, "bare": 30, "ice": 5}),
    SceneResult("b", 3, "failed", Path("maps/b.tif"), 0.1, warnings=("a",), error=LOST),
    SceneResult("cloudy", 4, "complete", Path("maps/cloudy.tif"), 0.2, {"water": 0, "wood": 0}, ("a", "b")),
]


def test_lines_are_in_columns_with_failures_last() -> None:
    assert result_lines(RESULTS, tell=lambda error: error.problem) == [
        "north   mapped    50 px  12 s  bare 60 %, water 20 %, wood 10 %",
        "cloudy  complete  0 px   0 s   nothing mapped                    2 warnings",
        "b: failed. is empty",
    ]
    assert result_lines(RESULTS[1:2]) == ["b: failed. b.tif: is empty. Copy it again."]


def test_a_row_for_each_scene_and_a_column_for_each_class(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path / "summary.csv")
    with (tmp_path / "summary.csv").open(newline="") as file:
        north, failed, cloudy = csv.DictReader(file)
    assert north == {
        "scene": "north", "line": "2", "status": "mapped", "map": "north.tif", "px": "50", "seconds": "12.3",
        "warnings": "0", "error": "", "water %": "20.00", "wood %": "10.00", "bare %": "60.00", "ice %": "10.00",
    }  # fmt: skip
    assert (failed["error"], failed["map"], failed["water %"]) == ("b.tif: is empty. Copy it again.", "", "")
    assert (cloudy["water %"], cloudy["bare %"]) == ("0.00", "")
    write_results(RESULTS, tmp_path / "summary.csv", tell=lambda error: error.remedy)
    assert ",Copy it again.," in (tmp_path / "summary.csv").read_text()
