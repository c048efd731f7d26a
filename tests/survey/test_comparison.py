"""Two maps at the same pixels: the exact test, and a difference with an interval that follows the design."""

import json
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
from conftest import Bdgf, WriteTif
from drawn_maps import box, write_map
from scipy.stats import binom
from surveys import LEGEND, WIDE, labelled, maps, truth, write_labelled, wrong

from landcover_bdgf.errors import BdgfError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.survey.comparison import Comparison, compare
from landcover_bdgf.survey.drawing import design
from landcover_bdgf.survey.settings import DesignSettings


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A map with 15 % of its pixels drawn anew, and one with 40 %."""
    return maps(tmp_path)[1], write_map(tmp_path / "worse.tif", wrong(truth(), 0.4, seed=9), LEGEND, WIDE)


def test_points_of_a_design(pair: tuple[Path, Path]) -> None:
    points = labelled(design(pair[0], DesignSettings(points=900, allocation="equal")), truth())
    found = compare(*pair, reference=points)
    codes = truth()[points.rows, points.cols]
    first, second = (wrong(truth(), *how)[points.rows, points.cols] == codes for how in ((0.15, 1), (0.4, 9)))
    counts = found.both_right, found.only_first, found.only_second, found.both_wrong
    assert counts == (
        (first & second).sum(),
        (first & ~second).sum(),
        (~first & second).sum(),
        (~first & ~second).sum(),
    )
    discordant, least = found.only_first + found.only_second, min(found.only_first, found.only_second)
    assert found.p_value == pytest.approx(2 * binom.cdf(least, discordant, 0.5))
    weights = (points.pixels / points.points)[points.stratum]
    assert found.difference == pytest.approx(np.average(first.astype(int) - second, weights=weights), abs=1e-4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < wrong_share() < found.high
    assert (found.n, found.weighted, found.independent) == (900, True, True)
    assert found.verdict == "map.tif is more accurate than worse.tif"
    turned = compare(*pair[::-1], reference=points)
    assert (turned.difference, turned.p_value) == pytest.approx((-found.difference, found.p_value))
    assert turned.verdict == found.verdict


def wrong_share() -> float:
    """The true difference of the overall accuracies."""
    inside = np.ones((300, 400), bool)
    inside[:20, :30] = False
    first, second = wrong(truth(), 0.15, 1) == truth(), wrong(truth(), 0.4, 9) == truth()
    return float(first[inside].mean() - second[inside].mean())


def test_the_interval_covers_the_true_difference_in_95_of_100_samples(pair: tuple[Path, Path]) -> None:
    true, hits = wrong_share(), 0
    for seed in range(60):
        points = design(pair[0], DesignSettings(points=300, allocation="equal", seed=seed))
        found = compare(*pair, reference=labelled(points, truth()))
        hits += found.low <= true <= found.high  # type: ignore[operator]
    assert hits >= 52  # 57 are expected; fewer than 52 in one of 70 tests


def test_polygons_are_drawn_again_whole(pair: tuple[Path, Path], tmp_path: Path) -> None:
    corners = [(30 + 40 * i, 50 + 40 * j) for i in range(6) for j in range(8)]
    names = [LEGEND.names[truth()[row + 1, col + 1] - 1] for row, col in corners]
    shapes = [box(row, col, 4, 4) for row, col in corners]
    geopandas.GeoDataFrame({"class": names}, geometry=shapes, crs=32633).to_file(tmp_path / "r.gpkg")
    found = compare(*pair, reference=tmp_path / "r.gpkg", field="class")
    assert (found.n, found.groups, found.weighted, found.independent) == (48 * 16, 48, False, False)
    assert "768 pixels of 48 polygons are not independent" in str(found)
    assert found.low is not None
    assert found.low > 0


def test_a_map_and_itself_do_not_differ(pair: tuple[Path, Path]) -> None:
    points = labelled(design(pair[0], DesignSettings(points=150)), truth())
    found = compare(pair[0], pair[0], reference=points)
    assert (found.p_value, found.difference, found.low, found.high) == (1.0, 0.0, None, None)
    words = "map.tif and map.tif are right at the same reference pixels, which cannot tell them apart"
    assert found.verdict == words
    assert "difference +0.0 percentage points\n" in str(found), "no interval"


def test_classes_are_matched_by_name_whatever_their_codes(pair: tuple[Path, Path], tmp_path: Path) -> None:
    turned = Legend.from_values(["a", "b", "c", "d"], {"a": "water", "b": "trees", "c": "crops", "d": "built"})
    other = write_map(tmp_path / "turned.tif", (5 - truth()).astype(np.uint8), turned, WIDE)
    points = labelled(design(pair[0], DesignSettings(points=150)), truth())
    assert compare(other, pair[0], reference=points).first_overall == 1.0


def test_labels_of_other_classes_and_pixels_without_data_are_said_or_refused(
    pair: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    points = labelled(design(pair[1], DesignSettings(points=900)), truth())
    found = compare(*pair, reference=points)
    gap = int(((points.rows < 20) & (points.cols < 30)).sum())
    assert (found.without_data, found.n) == (gap, 900 - gap)
    assert "has no class" not in caplog.text
    compare(*pair, reference=replace(points, reference=("swamp", *(points.reference or ())[1:])))
    assert f"{pair[0]}: has no class swamp; 1 reference px of it count as wrong" in caplog.text
    with pytest.raises(BdgfError, match="has none of the classes of the reference"):
        compare(*pair, reference=replace(points, reference=("swamp",) * 900))


def test_what_one_polygon_or_maps_of_different_places_cannot_tell(pair: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "r.gpkg"
    name = LEGEND.names[truth()[101, 101] - 1]
    geopandas.GeoDataFrame({"class": [name]}, geometry=[box(100, 100, 4, 4)], crs=32633).to_file(file)
    assert compare(*pair, reference=file, field="class").verdict == "with one polygon the maps cannot be compared"
    empty = write_map(tmp_path / "empty.tif", np.zeros((300, 400), np.uint8), LEGEND, WIDE)
    with pytest.raises(BdgfError, match=r"map.tif: has no data at any reference pixel where empty.tif has data"):
        compare(pair[0], empty, reference=file, field="class")


def test_as_typed(bdgf: Bdgf, pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_labelled(design(pair[0], DesignSettings(points=200)), tmp_path / "p.gpkg", truth())
    assert bdgf("assess", pair[0], "--compare", pair[1], "--design", file, "-o", "out", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["verdict"] == "map.tif is more accurate than worse.tif"
    assert json.loads(Path("out/comparison.json").read_text()) == values
    assert "Map.tif is more accurate" not in (page := Path("out/report.html").read_text())
    assert "map.tif is more accurate than worse.tif." in page
    assert bdgf("assess", pair[0], "--compare", pair[1], "--reference", file, "-q") == 2
    weighted = "p.gpkg: holds points of bdgf design, whose weights --reference would ignore. Give it as --design."
    assert weighted in capsys.readouterr().err
    assert bdgf("assess", pair[0], "--reference", file, "-q") == 2
    assert weighted in capsys.readouterr().err
    assert bdgf("assess", pair[0], "--compare", pair[1], "--reference", "m.safetensors", "-q") == 2
    assert "m.safetensors: is a model, whose labels judge only the map that it made" in capsys.readouterr().err


def test_few_differences_are_no_difference_if_the_test_says_so() -> None:
    """4 against 0 of 200: the normal interval excludes 0, the exact test has p = 0.125."""
    found = Comparison(
        first="a.tif", second="b.tif", n=200, both_right=150, only_first=4, only_second=0, both_wrong=46,
        p_value=0.125, first_overall=0.77, second_overall=0.75, difference=0.02, low=0.0006, high=0.039,
        weighted=True, groups=200, without_data=0,
    )  # fmt: skip
    assert found.verdict == "no significant difference between a.tif and b.tif"
    assert replace(found, only_first=12, p_value=0.0005).verdict == "a.tif is more accurate than b.tif"


def test_a_legend_names_the_classes_of_both_maps(bdgf: Bdgf, tmp_path: Path, write_tif: WriteTif) -> None:
    one, two = (write_tif(f"{name}.tif", 10 * codes) for name, codes in (("a", truth()), ("b", wrong(truth(), 0.4))))
    rows = "".join(f"{10 * code},{name}\n" for code, name in enumerate(LEGEND.names, start=1))
    (tmp_path / "n.csv").write_text(f"code,name\n{rows}")
    settings = DesignSettings(points=200, legend=str(tmp_path / "n.csv"))
    file = write_labelled(design(one, settings), tmp_path / "p.gpkg", truth())
    words = ["assess", one, "--compare", two, "--design", file, "-q"]
    assert bdgf(*words) == 4
    assert bdgf(*words, "--legend", tmp_path / "n.csv") == 0
