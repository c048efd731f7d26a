"""The report has the figures of the result, in a page, JSON and tables."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import Bdgf
from surveys import maps, truth, write_labelled

from landcover_bdgf.survey.assessing import assess_design
from landcover_bdgf.survey.drawing import design
from landcover_bdgf.survey.points_file import read_design
from landcover_bdgf.survey.settings import DesignSettings


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """The map, and its labelled points."""
    _, path = maps(tmp_path)
    drawn = design(path, DesignSettings(points=300))
    return path, write_labelled(drawn, tmp_path / "p.gpkg", truth())


def test_files_and_figures(files: tuple[Path, Path], tmp_path: Path) -> None:
    found = assess_design(*files, output=tmp_path / "report")
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert written == {"report.html", "accuracy.json", "accuracy.csv", "confusion.csv"}
    assert json.loads((tmp_path / "report/accuracy.json").read_text()) == json.loads(json.dumps(found.to_dict()))
    with (tmp_path / "report/accuracy.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["built", "crops", "trees", "water"]
    for row, expected in zip(rows, found.classes, strict=True):
        assert float(row["users_value"]) == expected.users.value
        assert float(row["producers_exact_low"]) == expected.producers.exact_low
        assert float(row["area_value_ha"]) == pytest.approx((expected.share.value or 0) * found.hectares)
    with (tmp_path / "report/confusion.csv").open(encoding="utf-8-sig") as file:
        matrix = list(csv.reader(file))
    assert [[int(cell) for cell in row[2:]] for row in matrix[1:5]] == found.counts.tolist()
    assert [[float(cell) for cell in row[2:]] for row in matrix[5:]] == found.shares.tolist()


def test_the_page_is_sound_and_readable_without_eyes_and_in_the_dark(files: tuple[Path, Path], tmp_path: Path) -> None:
    found = assess_design(*files, output=tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text()
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert not re.search("https?://|<script", page)
    checked = Checked()
    checked.feed(page)
    assert checked.open == []
    assert checked.without_scope == 0
    text = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert f"<dd>{100 * (found.overall.value or 0):.1f}\N{NO-BREAK SPACE}%</dd>" in page
    assert "Estimated from a stratified random sample of 300 points, seed 0, drawn from map.tif" in text
    assert all(f">{name}<" in page for name in ("trees", "water")) or "trees" in text


def test_bars_show_the_interval_that_the_row_tells(tmp_path: Path) -> None:
    """Of a class with few points the exact one, of the others the normal one."""
    _, path = maps(tmp_path)
    points = write_labelled(design(path, DesignSettings(points=900)), tmp_path / "p.gpkg", truth())
    found = assess_design(path, points, output=tmp_path / "report")
    bars = re.findall(r'aria-label="([\d.]+)\s%\sto\s([\d.]+)\s%"', (tmp_path / "report/report.html").read_text())
    assert {row.few for row in found.classes} == {False, True}
    for row, (low, high) in zip(found.classes, bars, strict=True):
        share = row.share
        wanted = (share.exact_low, share.exact_high) if row.few else (share.low, share.high)
        assert (low, high) == tuple(f"{100 * (each or 0):.1f}" for each in wanted)


class Checked(HTMLParser):
    """Tags that are never closed, and header cells without a scope."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.without_scope = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)
        self.without_scope += tag == "th" and "scope" not in dict(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_from_a_design_to_areas_as_typed(bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Points are drawn, labelled by a script, and give intervals that hold the areas of the true map."""
    maps(tmp_path)
    assert bdgf("design", "map.tif", "-n", 600, "-o", "points.gpkg", "-q") == 0
    capsys.readouterr()
    write_labelled(read_design("points.gpkg"), tmp_path / "points.gpkg", truth())
    assert bdgf("assess", "map.tif", "--design", "points.gpkg", "--field", "reference", "-o", "out", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values == json.loads(Path("out/accuracy.json").read_text())
    assert bdgf("areas", "truth.tif", "--json") == 0
    known = json.loads(capsys.readouterr().out)[0]["classes"]
    for found, true in zip(values["classes"], known, strict=True):
        assert found["hectares_low"] - 6 <= true["hectares"] <= found["hectares_high"] + 6  # 6 ha have no map data


def test_what_assess_needs(bdgf: Bdgf, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    path, points = files
    assert bdgf("assess", path, "--design", points, "-q") == 0
    assert "overall accuracy" in capsys.readouterr().out
    assert bdgf("assess", path, "--design", points, "-o", "report", "-q") == 0
    assert bdgf("assess", path, "--design", points, "-o", "report", "-q") == 6
    assert "already contains a report" in capsys.readouterr().err
    for words, says in [
        ((), "assess needs either --reference or --design"),
        (("--design", points, "--reference", points), "assess needs either --reference or --design"),
        (("--design", points, "--layer", "x"), "--layer: applies only with --reference."),
    ]:
        assert bdgf("assess", path, *words, "-q") == 2
        assert says in capsys.readouterr().err
    assert bdgf("assess", path, "--design", path, "-q") == 4
