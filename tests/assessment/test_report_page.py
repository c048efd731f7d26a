"""The page says the whole truth first, and is made for screens, paper and screen readers."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import WriteTif
from drawn_maps import GRID, reference
from rasterio.crs import CRS

from landcover_bdgf.assessment.report import assess
from landcover_bdgf.assessment.report_page import Expert, ReportContext, class_areas
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.labels.class_map import layer_path
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.storage.records import read_record, write_record
from landcover_bdgf.survey.class_areas import areas

WARNING = 's1.tif: seems to be shifted by 2.7 px. `coreg="auto"` corrects it'


class Tags(HTMLParser):
    """Start tags of a page with their attributes, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.found.append((tag, dict(attrs)))


def written(map_path: Path, folder: Path, **values: Any) -> str:
    """The page of a report of a map with these entries in its record."""
    write_record(map_path, read_record(map_path) | values)
    source = reference(folder / "r.gpkg", ["crops", "water"], [(20, 38), (50, 70)])
    context = ReportContext(experts=[Expert("pixel", "the pixel alone", 1, 1)])
    assess(map_path, source, field="class", output=folder / "report", context=context)
    return (folder / "report/report.html").read_text(encoding="utf-8")


def test_warnings_come_before_everything_but_the_main_figures(map_path: Path, tmp_path: Path) -> None:
    page = written(map_path, tmp_path, warnings=[WARNING], model={"warnings": ["water has 2 training px"]})
    assert ">2 warnings</h2>" in page
    assert "<code>coreg=&#34;auto&#34;</code>" in page
    assert page.index("water has 2 training px") < page.index("Limits of these figures") < page.index("<img")
    figures = json.loads((tmp_path / "report/accuracy.json").read_text(encoding="utf-8"))
    assert figures["warnings"] == [WARNING, "water has 2 training px"]


def test_without_warnings_there_is_no_box(map_path: Path, tmp_path: Path) -> None:
    page = written(map_path, tmp_path)
    assert 'id="warnings"' not in page
    assert "The record of the map does not name its images" in page


def test_inputs_and_verdicts_are_in_page_and_figures(map_path: Path, tmp_path: Path) -> None:
    image = {"role": "SAR", "files": [{"file": "s1.tif", "sha256": "abc"}], "bands": ["VV"], "unit": "dB"}
    page = written(
        map_path, tmp_path, images=[image], novelty={"novel_px": 94, "compared_px": 100}, command="bdgf map 'a 2 px'"
    )
    assert "values in dB, read as linear power" in page
    assert "<code>bdgf map &#39;a 2 px&#39;</code>" in page  # to copy
    assert "The model does not know this scene: 94.0\N{NO-BREAK SPACE}%" in page
    assert "abc" not in page
    figures = json.loads((tmp_path / "report/accuracy.json").read_text(encoding="utf-8"))
    assert figures["images"][0]["files"] == [{"file": "s1.tif", "sha256": "abc"}]
    assert figures["verdicts"]["novelty"].startswith("The model does not know this scene")
    assert figures["command"] == "bdgf map 'a 2 px'"


def test_a_screen_reader_finds_its_way(map_path: Path, tmp_path: Path) -> None:
    tags = Tags(written(map_path, tmp_path, warnings=[WARNING])).found
    names = [tag for tag, _ in tags]
    assert ("html", {"lang": "en"}) in tags
    assert {"header", "main"} <= set(names)
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in tags if tag == "th")
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    sections = [attributes["aria-labelledby"] for tag, attributes in tags if tag == "section"]
    assert set(sections) <= set(ids)


def test_the_page_follows_the_reader(map_path: Path, tmp_path: Path) -> None:
    page = written(map_path, tmp_path)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert "@media (max-width: 46rem)" in page
    assert 'name="viewport"' in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)  # nothing is loaded


def test_the_matrix_has_margins(map_path: Path, tmp_path: Path) -> None:
    """Crops: 8 px of 4 × 4 are right, the others lie right of column 40, as all 16 of water do."""
    page = written(map_path, tmp_path)
    table = page[page.index('<table class="matrix">') :]
    cells = [
        re.sub(r"\s", " ", cell) for cell in re.findall(r"<td[^>]*>([^<]*)</td>", table[: table.index("</table>")])
    ]
    assert cells == [
        "8", "0", "8", "8 of 8", "8", "16", "24", "66.7 %", "16", "16", "32", "", "50.0 %", "100.0 %", "", "75.0 %",
    ]  # fmt: skip
    assert "crops mapped as water: 8 of 16 reference px (50.0\N{NO-BREAK SPACE}%)" in page
    assert "Quantity disagreement, 25.0\N{NO-BREAK SPACE}%" in page


def test_the_image_and_the_layers_are_shown(map_path: Path, tmp_path: Path, write_tif: WriteTif) -> None:
    image = write_tif("s2.tif", np.random.default_rng(0).random((4, *GRID.shape_hw)).astype(np.float32))
    layer = np.full(GRID.shape_hw, 90, np.uint8)
    profile = RasterProfile("uint8", nodata=255)
    write_raster(layer_path(map_path, "confidence"), GRID, [(Window(0, 0, 80, 60), layer[None])], profile=profile)
    source = reference(tmp_path / "r.gpkg", ["crops"], [(20, 0)])
    for layers, count in (([], 3), (["confidence"], 4)):
        write_record(map_path, {"layers": layers})
        context = ReportContext(image=image)
        assess(map_path, source, field="class", output=tmp_path / "report", overwrite=True, context=context)
        page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
        assert page.count("<figcaption>") == count
        assert "red, green, blue: band 3, band 2, band 1" in page


def test_the_corners_of_the_map_are_told(map_path: Path, tmp_path: Path) -> None:
    page = written(map_path, tmp_path)
    left, _, _, top = GRID.bounds
    assert f"Upper left {left:.0f}, {top:.0f}" in page
    assert "Longitude" in page


@pytest.mark.parametrize("epsg", [32633, 4326])
def test_areas_are_those_of_bdgf_areas_for_any_nodata(map_path: Path, epsg: int) -> None:
    """A pixel whose code is not in the legend has no class."""
    with rasterio.open(map_path) as dataset:
        codes, legend = dataset.read(), Legend.from_values(["crops", "water"])
    transform = GRID.transform if epsg == 32633 else Affine(0.01, 0, 15, 0, -0.01, 60)
    grid = Grid(CRS.from_epsg(epsg), transform, GRID.shape_hw)
    for nodata in (0, 200, 255):
        path = map_path.with_name(f"{nodata}.tif")
        pixels = np.where(codes == 0, nodata, codes).astype(np.uint8)
        window = Window(0, 0, 80, 60)
        write_raster(path, grid, [(window, pixels)], profile=RasterProfile("uint8", nodata=nodata))
        write_companions(path, legend)
        with rasterio.open(path) as dataset:
            found = class_areas(dataset, legend)
        expected = areas(path)
        assert [row["pixels"] for row in found] == [row.pixels for row in expected] == [2000, 2000]
        assert [row["hectares"] for row in found] == pytest.approx([row.hectares for row in expected])
        assert [row["share"] for row in found] == pytest.approx([row.share for row in expected])
    with rasterio.open(path) as dataset:
        assert [row["share"] for row in class_areas(dataset, Legend.from_values(["crops"]))] == [1]
