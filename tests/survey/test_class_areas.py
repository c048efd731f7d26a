"""Areas of classes, in total and by zone, are those of the pixels on the ellipsoid."""

import csv
import json
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from conftest import Bdgf, WriteTif
from drawn_maps import box, write_map
from rasterio.crs import CRS
from surveys import LEGEND, WIDE, maps, truth

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels import class_raster
from landcover_bdgf.survey import class_areas
from landcover_bdgf.survey.class_areas import areas


def zones(path: Path, names: list[str], shapes: list[shapely.Polygon], crs: int = 32633) -> Path:
    geopandas.GeoDataFrame({"name": names}, geometry=shapes, crs=32633).to_crs(crs).to_file(path)
    return path


def test_a_projected_map(tmp_path: Path) -> None:
    true, _ = maps(tmp_path)
    rows = areas(true)
    assert [(row.name, row.code, row.pixels) for row in rows] == [
        (name, code, int((truth() == code).sum())) for code, name in enumerate(LEGEND.names, start=1)
    ]
    assert [row.hectares for row in rows] == pytest.approx([row.pixels / 100 for row in rows], rel=0.001)
    assert sum(row.share or 0 for row in rows) == pytest.approx(1)


def test_a_geographic_map_has_smaller_pixels_farther_north(tmp_path: Path) -> None:
    world = Grid(CRS.from_epsg(4326), Affine(1, 0, -180, 0, -1, 90), (180, 360))
    codes = np.ones((180, 360), np.uint8)
    codes[60:120] = 2  # 30° S to 30° N
    found = areas(write_map(tmp_path / "w.tif", codes, LEGEND, world))
    assert sum(row.hectares for row in found) == pytest.approx(510_065_621.724 * 100, rel=1e-9)
    equal_area = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True)
    (_, half), (_, pole) = equal_area.transform(0, 30), equal_area.transform(0, 90)
    assert found[1].share == pytest.approx(half / pole, rel=1e-9)


def test_zones_in_any_crs_that_may_overlap_and_share_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = maps(tmp_path)
    shapes = [box(10, 20, 100, 120), box(150, 200, 30, 300), box(50, 60, 100, 100), box(1000, 0, 5, 5)]
    file = zones(tmp_path / "z.gpkg", ["a", "b", "a", "far"], shapes, 4326)
    with class_raster.open_classes(path) as map_:
        codes = map_.read()
    inside = {"a": np.zeros((300, 400), bool), "b": np.zeros((300, 400), bool), "far": np.zeros((300, 400), bool)}
    inside["a"][10:110, 20:140] = True
    inside["a"][50:150, 60:160] = True
    inside["b"][150:180, 200:400] = True  # it reaches over the border
    for rows_at_once in (512, 7):
        monkeypatch.setattr(class_areas, "STRIP_ROWS", rows_at_once)
        rows = areas(path, zones=file, field="name")
        assert [row.zone for row in rows[::4]] == ["whole map", "a", "b", "far"]
        for row in rows[4:]:
            assert row.pixels == (codes[inside[row.zone]] == row.code).sum()
            assert row.share is None if row.zone == "far" else row.share >= 0  # type: ignore[operator]
    assert [row.zone for row in areas(path, zones=file)[4::4]] == ["1", "2", "3", "4"]


def test_zones_on_both_sides_of_the_antimeridian(tmp_path: Path) -> None:
    """Longitudes of a zone east of it are those of the map, which go on beyond 180°."""
    fiji = Grid(CRS.from_epsg(4326), Affine(0.01, 0, 179.5, 0, -0.01, -17), (50, 100))
    path = write_map(tmp_path / "fiji.tif", np.ones((50, 100), np.uint8), LEGEND, fiji)
    east, west = shapely.box(-179.9, -17.3, -179.6, -17.1), shapely.box(179.6, -17.3, 179.9, -17.1)
    zones = {"name": ["east", "both"]}
    geometry = [east, shapely.MultiPolygon([east, west])]
    geopandas.GeoDataFrame(zones, geometry=geometry, crs=4326).to_file(tmp_path / "z.gpkg")
    rows = areas(path, zones=tmp_path / "z.gpkg", field="name")
    assert {row.zone: row.pixels for row in rows if row.pixels} == {"whole map": 5000, "east": 600, "both": 1200}


def test_zones_across_the_seam_of_a_map_from_0_to_360_degrees(tmp_path: Path) -> None:
    world = Grid(CRS.from_epsg(4326), Affine(1, 0, 0, 0, -1, 90), (180, 360))
    path = write_map(tmp_path / "w.tif", np.ones((180, 360), np.uint8), LEGEND, world)
    zones = {"name": ["islands", "world"]}
    geometry = [shapely.box(-8, 50, 2, 59), shapely.box(-180, -90, 180, 90)]
    geopandas.GeoDataFrame(zones, geometry=geometry, crs=4326).to_file(tmp_path / "z.gpkg")
    rows = areas(path, zones=tmp_path / "z.gpkg", field="name")
    assert {row.zone: row.pixels for row in rows if row.pixels} == {"whole map": 64_800, "islands": 90, "world": 64_800}


def test_what_is_no_zone_is_refused(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    points = geopandas.GeoDataFrame({"name": ["a"]}, geometry=[shapely.Point(500_100, 4_999_900)], crs=32633)
    points.to_file(tmp_path / "p.gpkg")
    with pytest.raises(LabelError, match=r"1 features are not polygons. Remove the points and lines."):
        areas(path, zones=tmp_path / "p.gpkg")
    file = zones(tmp_path / "z.gpkg", ["a"], [box(10, 20, 100, 120)])
    with pytest.raises(LabelError, match="has no field 'nam'"):
        areas(path, zones=file, field="nam")


def test_what_repairs_leave_of_a_polygon_is_not_burnt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    true, _ = maps(tmp_path)
    left, top = 500_000, 5_000_000
    ring = [(left, top), (left + 100, top), (left + 2000, top - 1000), (left + 100, top), (left + 100, top - 100)]
    spike = shapely.Polygon([*ring, (left, top - 100)])
    flat = shapely.Polygon([(left, top - 55), (left + 3000, top - 55), (left + 1000, top - 55)])
    found = areas(true, zones=zones(tmp_path / "z.gpkg", ["spike", "flat"], [spike, flat]), field="name")
    pixels = {name: sum(row.pixels for row in found if row.zone == name) for name in ("spike", "flat")}
    assert pixels == {"spike": 100, "flat": 0}
    assert "zone flat has no pixel with data" in caplog.text


def test_names_of_zones_are_those_of_the_field(tmp_path: Path) -> None:
    true, _ = maps(tmp_path)
    frame = geopandas.GeoDataFrame({"number": [1.0, 2.0]}, geometry=[box(0, 0, 9, 9), box(9, 9, 9, 9)], crs=32633)
    frame.to_file(tmp_path / "n.gpkg")
    assert [row.zone for row in areas(true, zones=tmp_path / "n.gpkg", field="number")[4::4]] == ["1", "2"]
    frame.assign(number=["a", None]).to_file(tmp_path / "m.gpkg")
    with pytest.raises(LabelError, match=r"m.gpkg: 1 zone\(s\) have no name in the field number. Name them"):
        areas(true, zones=tmp_path / "m.gpkg", field="number")
    frame.assign(number=["a", "whole map"]).to_file(tmp_path / "t.gpkg")
    with pytest.raises(LabelError, match=r"a zone is called 'whole map', as the total is. Rename it"):
        areas(true, zones=tmp_path / "t.gpkg", field="number")


def test_as_typed(bdgf: Bdgf, tmp_path: Path, write_tif: WriteTif, capsys: pytest.CaptureFixture[str]) -> None:
    codes = (10 * truth()).astype(np.uint8)
    path = write_tif("c.tif", codes)
    Path("names.csv").write_text("code,name\n10,built\n20,crops\n30,trees\n40,water\n")
    file = zones(tmp_path / "z.gpkg", ["=cmd", "b"], [box(0, 0, 100, 100), box(100, 100, 100, 100)])
    words = ["areas", path, "--legend", "names.csv", "--zones", file, "--field", "name", "-o", "areas.csv"]
    assert bdgf(*words, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert json.loads(Path("areas.json").read_text()) == values
    assert [zone["zone"] for zone in values] == ["whole map", "=cmd", "b"]
    assert values[0]["hectares"] == pytest.approx(1200, rel=0.002)
    assert [each["code"] for each in values[0]["classes"]] == [10, 20, 30, 40]
    with Path("areas.csv").open(encoding="utf-8-sig") as table:
        rows = list(csv.DictReader(table))
    assert [row["zone"] for row in rows[::4]] == ["whole map", "'=cmd", "b"]  # no formula
    assert float(rows[0]["hectares"]) == values[0]["classes"][0]["hectares"]
    assert bdgf(*words, "-q") == 6
    assert bdgf("areas", path, "-q") == 0
    assert "10" in capsys.readouterr().out
    assert bdgf("areas", path, "--field", "name", "-q") == 2
    assert "--field: applies only with --zones" in capsys.readouterr().err
    assert WIDE.shape_hw == codes.shape
