"""Labels: polygons and points become the right pixels, once; damage is told, never guessed at."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import grid_of, open_raster
from landcover_bdgf.labels.rasterize import Labels, read_labels
from landcover_bdgf.labels.settings import ReadSettings

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), (60, 80))


def box(row: float, col: float, height: float, width: float) -> shapely.Polygon:
    """A rectangle of pixels of GRID."""
    left, top = 500_000 + 10 * col, 5_000_000 - 10 * row
    return shapely.box(left, top - 10 * height, left + 10 * width, top)


def point(row: int, col: int) -> shapely.Point:
    """The centre of a pixel of GRID."""
    return box(row, col, 1, 1).centroid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(path: Path, values: list[Any], geometries: list[Any], **options: Any) -> Path:
    frame = geopandas.GeoDataFrame({"class": values}, geometry=geometries, crs=options.pop("crs", "EPSG:32633"))
    frame.to_file(path, engine="pyogrio", **options)
    return path


def pixels(labels: Labels) -> set[tuple[int, int, str]]:
    names = [labels.legend.entries[code - 1].name for code in labels.codes]
    return set(zip(labels.rows.tolist(), labels.cols.tolist(), names, strict=True))


def test_overlapping_parts_and_holes_beyond_the_border_hold_what_their_union_holds(folder: Path) -> None:
    twice = shapely.MultiPolygon([box(0, 0, 10, 10), box(2, 2, 3, 3), box(5, 5, 10, 10)])
    bitten = shapely.Polygon(box(30, 30, 10, 10).exterior, [box(38, 38, 5, 5).exterior])
    labels = read_labels(write(folder / "a.gpkg", ["water", "crops"], [twice, bitten]), "class", GRID)
    assert (labels.codes == labels.legend.code_of("water")).sum() == 175
    assert (labels.codes == labels.legend.code_of("crops")).sum() == 96


def test_a_journal_that_is_done_with_hides_nothing(folder: Path) -> None:
    path = write(folder / "a.gpkg", ["water"], [box(0, 0, 2, 2)])
    (folder / "a.gpkg-journal").write_bytes(bytes(28) + b"rest")
    assert len(read_labels(path, "class", GRID).rows) == 4
    (folder / "a.gpkg-journal").write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7")
    with pytest.raises(LabelError, match=r"has changes in a\.gpkg-journal that are not in it yet"):
        read_labels(path, "class", GRID)


def test_a_hole_as_large_as_what_is_round_it_leaves_nothing(folder: Path) -> None:
    nothing = shapely.Polygon(box(0, 0, 4, 4).exterior, [box(0, 0, 4, 4).exterior])
    labels = read_labels(write(folder / "a.gpkg", ["a", "b"], [nothing, box(9, 9, 2, 2)]), "class", GRID)
    assert labels.counts["skipped, too invalid to repair"] == 1
    assert len(labels.rows) == 4


def test_polygons_across_the_antimeridian(folder: Path) -> None:
    grid = Grid(CRS.from_epsg(4326), Affine(0.001, 0, 179.9, 0, -0.001, -16), (200, 200))
    square = shapely.box(179.98, -16.04, 180.02, -16)
    halves = shapely.MultiPolygon([shapely.box(179.98, -16.04, 180, -16), shapely.box(-180, -16.04, -179.98, -16)])
    for shape in (square, halves, shapely.transform(square, lambda xy: xy - [360, 0])):
        labels = read_labels(write(folder / "a.geojson", ["reef"], [shape], crs="EPSG:4326"), "class", grid)
        assert len(labels.rows) == 40 * 40
    in_metres = geopandas.GeoSeries([square], crs=4326).segmentize(0.001).to_crs(3460)
    labels = read_labels(write(folder / "b.gpkg", ["reef"], list(in_metres), crs="EPSG:3460"), "class", grid)
    assert abs(len(labels.rows) - 40 * 40) <= 40


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.geojson"])
def test_polygons_get_the_pixels_whose_centres_they_hold(folder: Path, name: str) -> None:
    crs = "EPSG:4326" if name == "a.geojson" else "EPSG:32633"
    frame = geopandas.GeoDataFrame(
        {"class": ["water", "crops"]}, geometry=[box(2.4, 3.4, 2, 3), box(50, 70, 1, 1)], crs=32633
    ).to_crs(crs)
    frame.to_file(folder / name, engine="pyogrio")
    labels = read_labels(folder / name, "class", GRID)
    water = {(r, c, "water") for r in (2, 3) for c in (3, 4, 5)}
    assert pixels(labels) == water | {(50, 70, "crops")}
    assert set(labels.groups[labels.rows < 10]) == {0}


def test_points_get_the_pixel_they_lie_in(folder: Path) -> None:
    path = write(folder / "p.gpkg", ["a", "b"], [point(0, 0), shapely.MultiPoint([point(59, 79), point(5, 6)])])
    labels = read_labels(path, "class", GRID)
    assert pixels(labels) == {(0, 0, "a"), (59, 79, "b"), (5, 6, "b")}
    assert labels.only_points


def test_holes_and_heights_are_respected(folder: Path) -> None:
    ring = box(10, 10, 5, 5) - box(11, 11, 3, 3)
    labels = read_labels(write(folder / "a.gpkg", ["a"], [shapely.force_3d(ring, 7)]), "class", GRID)
    assert len(labels.rows) == 25 - 9


def test_large_polygons_are_burnt_in_pieces_without_seams(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "a.gpkg", ["a"], [point(30, 40).buffer(250)])
    whole = read_labels(path, "class", GRID)
    monkeypatch.setattr("landcover_bdgf.labels.rasterize._BURN_PX", 7)
    assert pixels(read_labels(path, "class", GRID)) == pixels(whole)


def test_what_is_skipped_and_mended_is_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    bow_tie = shapely.Polygon([(500_200, 4_999_800), (500_260, 4_999_740), (500_260, 4_999_800), (500_200, 4_999_740)])
    values = ["a", "a", None, "  ", "a", "a", "a", "a"]
    shapes = [box(0, 0, 2, 2), None, point(1, 9), point(2, 9), bow_tie, box(-5, 0, 6, 1), box(99, 0, 1, 1)]
    path = write(folder / "a.gpkg", values, [*shapes, box(30.1, 30.1, 0.3, 0.3)])
    labels = read_labels(path, "class", GRID)
    found = {what: number for what, number in labels.counts.items() if number}
    assert found == {
        "skipped, no geometry": 1,
        "skipped, no class": 2,
        "repaired, invalid geometry": 1,
        "outside the image": 1,
        "partly outside the image, clipped": 1,
        "too small or thin to hold a pixel centre": 1,
    }
    assert "of 8 features: 1 skipped, no geometry; 2 skipped, no class" in caplog.text


@pytest.mark.parametrize(("conflicts", "left"), [("drop", {"a": 6, "b": 6}), ("last", {"a": 6, "b": 9})])
def test_overlaps_of_two_classes_follow_the_rule(folder: Path, conflicts: str, left: dict[str, int]) -> None:
    shapes = [box(0, 0, 3, 3), box(0, 0, 3, 1), box(0, 2, 3, 3)]
    path = write(folder / "a.gpkg", ["a", "a", "b"], shapes)
    labels = read_labels(path, "class", GRID, ReadSettings(conflicts=conflicts))
    names = [name for *_, name in pixels(labels)]
    assert {name: names.count(name) for name in "ab"} == left
    assert len(names) == len(labels.rows)
    with pytest.raises(LabelError, match="3 pixels lie in features of different classes, first in features 0, 2"):
        read_labels(path, "class", GRID, ReadSettings(conflicts="error"))


@pytest.mark.parametrize(
    ("values", "names"),
    [([6.0, -1.0, 0.0], ("-1", "0", "6")), ([2, 10, 1], ("1", "2", "10")), (["b", "a", "ü"], ("a", "b", "ü"))],
)
def test_classes_are_text_or_whole_numbers(folder: Path, values: list[Any], names: tuple[str, ...]) -> None:
    path = write(folder / "a.gpkg", values, [point(i, i) for i in range(3)])
    assert read_labels(path, "class", GRID).legend.names == names
    assert read_labels(path, "class", GRID, ReadSettings(ignore_class=(names[0],))).legend.names == names[1:]


def test_what_looks_alike_is_one_class(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Accents written in two ways, and blanks; another case is another class, and asked about."""
    names = ["for\u00eat", "fore\u0302t", "bare soil", " bare \u00a0 soil", "Eau", "eau"]
    path = write(folder / "a.gpkg", names, [box(5 * i, 0, 2, 2) for i in range(len(names))])
    labels = read_labels(path, "class", GRID)
    assert labels.legend.names == ("Eau", "bare soil", "eau", "for\u00eat")
    assert "the classes Eau and eau differ only in case" in caplog.text
    assert "soil and" not in caplog.text
    fewer = read_labels(path, "class", GRID, ReadSettings(ignore_class=("fore\u0302t",)))
    assert "for\u00eat" not in fewer.legend.names


@pytest.mark.parametrize(
    ("values", "told"), [([0, 1, 2], "class 0"), ([-1, 3, 4], "class -1"), ([1, 2, 3], ""), (["0", "a", "b"], "")]
)
def test_a_class_0_is_asked_about(values: list[Any], told: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(folder / "a.gpkg", values, [box(5 * i, 0, 2, 2) for i in range(3)])
    read_labels(path, "class", GRID)
    assert (f"{told} often means 'no label'. If so, exclude it with `ignore_" in caplog.text) is bool(told)


def test_texts_of_another_encoding(folder: Path) -> None:
    path = write(folder / "a.shp", ["水体", "林地"], [point(0, 0), point(5, 5)], encoding="gbk")
    path.with_suffix(".cpg").unlink()
    assert set(read_labels(path, "class", GRID, ReadSettings(encoding="gbk")).legend.names) == {"水体", "林地"}


def refuse(path: Path, match: str, field: str = "class", **options: Any) -> None:
    with pytest.raises(LabelError, match=match) as caught:
        read_labels(path, field, GRID, ReadSettings(**options))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_labels_are_refused(folder: Path) -> None:
    refuse(folder / "none.shp", "does not exist")
    refuse(folder, "is not a file")
    for head in (b"II*\x00", b"MM\x00*", b"II+\x00", b"\x00\x00\x00\x0cjP  "):
        (folder / "a.tif").write_bytes(head)
        refuse(folder / "a.tif", r"a\.tif: is a raster. Make polygons of it first, with gdal_polygonize.py")
    for content, match in [(b"", "is empty"), (b"hello", "none of these formats"), (b"{", "cannot be read")]:
        (folder / "a.shp").write_bytes(content)
        refuse(folder / "a.shp", match)
    (folder / "a.shp").write_text("<OGRVRTDataSource/>")
    refuse(folder / "a.shp", "none of these formats")
    (folder / "a.json").write_text(json.dumps({"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline"}))
    refuse(folder / "a.json", "none of these formats")


@pytest.mark.parametrize(
    ("suffix", "match"),
    [(".prj", "no CRS, its .prj is missing"), (".dbf", "its .dbf"), (".shx", "its .shx is missing")],
)
def test_a_shapefile_needs_its_companions(folder: Path, suffix: str, match: str) -> None:
    path = write(folder / "a.shp", ["a"], [point(0, 0)])
    path.with_suffix(suffix).unlink()
    refuse(path, match)


@pytest.mark.parametrize("suffix", [".shp", ".dbf"])
def test_a_shapefile_that_lost_its_end_is_found_out(folder: Path, suffix: str) -> None:
    path = write(folder / "a.shp", ["a"] * 9, [box(i, i, 1, 1) for i in range(9)])
    part = path.with_suffix(suffix)
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    refuse(path, "is cut off")


def test_layers_and_fields_are_named_when_they_are_wrong(folder: Path) -> None:
    path = write(folder / "a.gpkg", ["a"], [point(0, 0)], layer="field_plots")
    refuse(path, r"has no field 'Clas', but class. Did you mean class\?", field="Clas")
    write(path, ["a"], [point(0, 0)], layer="more", mode="a")
    refuse(path, "has 2 layers, field_plots, more. Choose one with `layer`")
    refuse(path, "Did you mean field_plots", layer="field_plot")
    assert len(read_labels(path, "class", GRID, ReadSettings(layer="more")).rows) == 1


def test_a_layer_declared_as_curves_is_read_without_a_word_of_python(folder: Path) -> None:
    """As some programs declare what holds polygons; a warning of Python is an error in tests."""
    path = write(folder / "a.gpkg", ["a"], [box(0, 0, 2, 2)])
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE gpkg_geometry_columns SET geometry_type_name = 'CURVEPOLYGON'")
    assert len(read_labels(path, "class", GRID).rows) == 4


def test_features_that_cannot_be_labels_are_refused(folder: Path) -> None:
    refuse(
        write(folder / "l.gpkg", ["a"], [shapely.LineString([(500_000, 5_000_000), (500_100, 4_999_900)])]), "1 lines"
    )
    refuse(write(folder / "f.gpkg", [0.5, 1.0], [point(0, 0), point(1, 1)]), "fractions such as 0.5")
    refuse(write(folder / "n.gpkg", [None], [point(0, 0)]), "none of its 1 features")
    pyogrio.write_dataframe(pandas.DataFrame({"class": ["a"]}), folder / "t.gpkg", layer="t")
    refuse(folder / "t.gpkg", "has no layer with a geometry")
    frame = geopandas.GeoDataFrame({"class": []}, geometry=[], crs=32633)
    frame.to_file(folder / "e.gpkg", engine="pyogrio")
    refuse(folder / "e.gpkg", "has no features")


def test_labels_of_another_place_are_refused_with_both_boxes(folder: Path) -> None:
    refuse(
        write(folder / "a.gpkg", ["a"], [box(9000, 0, 5, 5)]), r"cover 15\.0000….*the image 15\.0000….*Check the CRS"
    )


def test_hong_kong_polygons_give_back_the_published_labels(shared_data: Path) -> None:
    folder = shared_data / "lcz_hong_kong"
    with open_raster(folder / "lcz_ground_truth.tif") as dataset:
        truth, grid = dataset.read(1), grid_of(dataset)
    labels = read_labels(folder / "polygons/singleparts.shp", "VALUE", grid, ReadSettings(ignore_class=("0",)))
    burnt = np.zeros_like(truth)
    burnt[labels.rows, labels.cols] = np.array(labels.legend.names, int)[labels.codes - 1]
    np.testing.assert_array_equal(burnt, truth)


def test_potsdam_points_are_found_in_a_file_with_two_layers(shared_data: Path) -> None:
    folder = shared_data / "enmap_potsdam"
    with open_raster(folder / "labels.tif") as dataset:
        grid = grid_of(dataset)
    labels = read_labels(folder / "landcover_points.gpkg", "level_2", grid)
    assert labels.only_points
    assert "water" in labels.legend.names
    assert len(labels.rows) + labels.counts["outside the image"] == 120
