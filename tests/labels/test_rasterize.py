"""Polygons and points are rasterised to the right pixels, each once; damaged labels are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
import shapely
from affine import Affine
from drawn_maps import GRID, box
from rasterio.crs import CRS

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import grid_of, open_raster
from landcover_bdgf.labels.rasterize import read_labels
from landcover_bdgf.labels.settings import ReadSettings


def point(row, col):
    """The centre of a pixel of GRID."""
    return box(row, col, 1, 1).centroid


def frame(values, geometries, crs="EPSG:32633"):
    return geopandas.GeoDataFrame({"class": values}, geometry=geometries, crs=crs)


def read(values, geometries, **settings):
    return read_labels(frame(values, geometries), "class", GRID, ReadSettings(**settings))


def pixels(labels):
    names = [labels.legend.entries[code - 1].name for code in labels.codes]
    return set(zip(labels.rows.tolist(), labels.cols.tolist(), names, strict=True))


@pytest.mark.parametrize(("shape", "count"), [
    (shapely.MultiPolygon([box(0, 0, 10, 10), box(2, 2, 3, 3), box(5, 5, 10, 10)]), 175),
    (shapely.Polygon(box(30, 30, 10, 10).exterior, [box(38, 38, 5, 5).exterior]), 96),
    (shapely.force_3d(box(10, 10, 5, 5) - box(11, 11, 3, 3), 7), 25 - 9),
], ids=["overlapping parts", "hole across the border", "hole and heights"])  # fmt: skip
def test_parts_and_holes_give_the_pixels_of_their_union(shape, count):
    assert len(read(["a"], [shape]).rows) == count


def test_a_gpkg_with_unsaved_changes_in_its_journal_is_refused(tmp_path):
    path = tmp_path / "a.gpkg"
    frame(["water"], [box(0, 0, 2, 2)]).to_file(path)
    (tmp_path / "a.gpkg-journal").write_bytes(bytes(28) + b"rest")
    assert len(read_labels(path, "class", GRID).rows) == 4
    (tmp_path / "a.gpkg-journal").write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7")
    with pytest.raises(LabelError, match=r"has unsaved changes in a\.gpkg-journal"):
        read_labels(path, "class", GRID)


def test_a_polygon_that_is_all_hole_is_skipped():
    labels = read(["a", "b"], [shapely.Polygon(box(0, 0, 4, 4).exterior, [box(0, 0, 4, 4).exterior]), box(9, 9, 2, 2)])
    assert {what: number for what, number in labels.counts.items() if number} == {"skipped, too invalid to repair": 1}
    assert len(labels.rows) == 4


def test_polygons_across_the_antimeridian():
    grid = Grid(CRS.from_epsg(4326), Affine(0.001, 0, 179.9, 0, -0.001, -16), (200, 200))
    square = shapely.box(179.98, -16.04, 180.02, -16)
    halves = shapely.MultiPolygon([shapely.box(179.98, -16.04, 180, -16), shapely.box(-180, -16.04, -179.98, -16)])
    for shape in (square, halves, shapely.transform(square, lambda xy: xy - [360, 0])):
        assert len(read_labels(frame(["reef"], [shape], "EPSG:4326"), "class", grid).rows) == 40 * 40
    in_metres = geopandas.GeoSeries([square], crs=4326).segmentize(0.001).to_crs(3460)
    labels = read_labels(frame(["reef"], list(in_metres), "EPSG:3460"), "class", grid)
    assert abs(len(labels.rows) - 40 * 40) <= 40


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.geojson"])
def test_polygons_get_the_pixels_whose_centres_they_contain(tmp_path, name):
    polygons = frame(["water", "crops"], [box(2.4, 3.4, 2, 3), box(50, 70, 1, 1)])
    polygons.to_crs(4326 if name == "a.geojson" else 32633).to_file(tmp_path / name)
    labels = read_labels(tmp_path / name, "class", GRID)
    water = {(r, c, "water") for r in (2, 3) for c in (3, 4, 5)}
    assert pixels(labels) == water | {(50, 70, "crops")}
    assert set(labels.groups[labels.rows < 10]) == {0}


def test_points_get_the_pixel_that_contains_them():
    labels = read(["a", "b"], [point(0, 0), shapely.MultiPoint([point(59, 79), point(5, 6)])])
    assert pixels(labels) == {(0, 0, "a"), (59, 79, "b"), (5, 6, "b")}
    assert labels.only_points


def test_large_polygons_are_rasterised_without_seams(monkeypatch):
    disc = [point(30, 40).buffer(250)]
    whole = pixels(read(["a"], disc))
    monkeypatch.setattr("landcover_bdgf.labels.burn._BURN_PX", 7)
    assert pixels(read(["a"], disc)) == whole


def test_skipped_and_repaired_features_are_counted(caplog):
    bow_tie = shapely.Polygon([(500_200, 4_999_800), (500_260, 4_999_740), (500_260, 4_999_800), (500_200, 4_999_740)])
    values = ["a", "a", None, "  ", "a", "a", "a", "a"]
    shapes = [box(0, 0, 2, 2), None, point(1, 9), point(2, 9), bow_tie, box(-5, 0, 6, 1), box(99, 0, 1, 1)]
    labels = read(values, [*shapes, box(30.1, 30.1, 0.3, 0.3)])
    found = {what: number for what, number in labels.counts.items() if number}
    assert found == {
        "skipped, no geometry": 1,
        "skipped, no class": 2,
        "repaired, invalid geometry": 1,
        "outside the image": 1,
        "cut off at the edge of the image": 1,
        "too small or thin to hold a pixel centre": 1,
    }
    assert ": 8 features: 1 skipped, no geometry; 2 skipped, no class" in caplog.text


@pytest.mark.parametrize(("conflicts", "left"), [("drop", {"a": 6, "b": 6}), ("last", {"a": 6, "b": 9})])
def test_overlaps_of_two_classes_follow_the_conflict_rule(conflicts, left):
    overlapping = ["a", "a", "b"], [box(0, 0, 3, 3), box(0, 0, 3, 1), box(0, 2, 3, 3)]
    labels = read(*overlapping, conflicts=conflicts)
    names = [name for *_, name in pixels(labels)]
    assert {name: names.count(name) for name in "ab"} == left
    assert len(names) == len(labels.rows)
    with pytest.raises(LabelError, match="3 pixels lie in features of different classes, first in features 0, 2"):
        read(*overlapping, conflicts="error")


@pytest.mark.parametrize(
    ("values", "names"),
    [([6.0, -1.0, 0.0], ("-1", "0", "6")), ([2, 10, 1], ("1", "2", "10")), (["b", "a", "ü"], ("a", "b", "ü"))],
)
def test_classes_are_text_or_whole_numbers(values, names):
    points = [point(i, i) for i in range(3)]
    assert read(values, points).legend.names == names
    assert read(values, points, ignore_class=(names[0],)).legend.names == names[1:]


def test_spellings_that_look_alike_are_one_class(caplog):
    """Accents encoded in two ways, and spaces; classes that differ in case are distinct, with a warning."""
    names = ["for\u00eat", "fore\u0302t", "bare soil", " bare \u00a0 soil", "Eau", "eau"]
    shapes = [box(5 * i, 0, 2, 2) for i in range(len(names))]
    assert read(names, shapes).legend.names == ("Eau", "bare soil", "eau", "for\u00eat")
    assert "the classes Eau and eau differ only in case" in caplog.text
    assert "soil and" not in caplog.text
    read(["w\u0430ter", "water", "crops", "crops\u200b"], shapes[:4])
    assert "differ only by letters that look alike (U+0430 cyrillic small letter a)" in caplog.text
    assert "differ only by letters that look alike (U+200B zero width space)" in caplog.text
    assert "for\u00eat" not in read(names, shapes, ignore_class=("fore\u0302t",)).legend.names


@pytest.mark.parametrize(
    ("values", "told"), [([0, 1, 2], "class 0"), ([-1, 3, 4], "class -1"), ([1, 2, 3], ""), (["0", "a", "b"], "")]
)
def test_a_class_0_or_below_is_warned_about(values, told, caplog):
    read(values, [box(5 * i, 0, 2, 2) for i in range(3)])
    assert (f"{told} often means 'no label'. If so, exclude it with `ignore_" in caplog.text) is bool(told)


@pytest.mark.parametrize("word", [
    "nan", "NaN", "None", "<Null>", "NULL", "(null)", "NA", "<NA>", "#N/A", "N/A", "-", "?", "unclassified", "No Data",
])  # fmt: skip
@pytest.mark.parametrize("others", [["water", "crops"], [1, 2], ["0", "a"]])
def test_a_word_for_nothing_is_asked_about(word, others, caplog):
    read([word, *others], [box(5 * i, 0, 2, 2) for i in range(3)])
    option = word if word.isalpha() or word in ("-", "N/A") else f"'{word}'"
    assert f"class {word} often means 'no label'. If so, exclude it with `ignore_class={option}`" in caplog.text


def test_all_words_for_nothing_are_asked_about_at_once(caplog):
    read(["nan", "0", "2", "<Null>"], [box(5 * i, 0, 2, 2) for i in range(4)])
    options = "`ignore_class=0`, `ignore_class='<Null>'`, `ignore_class=nan`"
    assert f"the classes 0, <Null>, nan often mean 'no label'. If so, exclude them with {options}" in caplog.text


def test_a_name_that_holds_a_word_for_nothing_is_not_asked_about(caplog):
    read(["nanoplankton", "Non-forest", "other", "NAT. PARK"], [box(5 * i, 0, 2, 2) for i in range(4)])
    assert "no label" not in caplog.text


def test_files_that_are_not_labels_are_refused(tmp_path):
    for name, content in (("empty.shp", b""), ("text.shp", b"hello"), ("cut.shp", b"{")):
        (tmp_path / name).write_bytes(content)
    pyogrio.write_dataframe(pandas.DataFrame({"class": ["a"]}), tmp_path / "table.gpkg")
    for name, match in {
        "none.shp": "does not exist", ".": "is not a file", "empty.shp": "is empty", "cut.shp": "cannot be read",
        "text.shp": "in a format that is not read", "table.gpkg": "has no layer with a geometry",
    }.items():  # fmt: skip
        with pytest.raises(LabelError, match=match):
            read_labels(tmp_path / name, "class", GRID)


def test_the_layer_is_chosen_and_an_unknown_field_refused_with_a_suggestion(tmp_path):
    path = tmp_path / "a.gpkg"
    for layer in ("plots", "more"):
        frame(["a"], [point(0, 0)]).to_file(path, layer=layer)
    assert len(read_labels(path, "class", GRID, ReadSettings(layer="more")).rows) == 1
    with pytest.raises(LabelError, match=r"has no field 'Clas', but class. Did you mean class\?"):
        read_labels(path, "Clas", GRID, ReadSettings(layer="more"))


def test_a_layer_of_polygons_declared_as_curves_is_read_without_a_warning(tmp_path):
    path = tmp_path / "a.gpkg"
    frame(["a"], [box(0, 0, 2, 2)]).to_file(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE gpkg_geometry_columns SET geometry_type_name = 'CURVEPOLYGON'")
    assert len(read_labels(path, "class", GRID).rows) == 4


def test_polygons_of_hong_kong_give_the_published_raster(shared_data):
    folder = shared_data / "lcz_hong_kong"
    with open_raster(folder / "lcz_ground_truth.tif") as dataset:
        truth, grid = dataset.read(1), grid_of(dataset)
    labels = read_labels(folder / "polygons/singleparts.shp", "VALUE", grid, ReadSettings(ignore_class=("0",)))
    burnt = np.zeros_like(truth)
    burnt[labels.rows, labels.cols] = np.array(labels.legend.names, int)[labels.codes - 1]
    np.testing.assert_array_equal(burnt, truth)


def test_points_of_potsdam_are_found_in_a_file_with_two_layers(shared_data):
    folder = shared_data / "enmap_potsdam"
    with open_raster(folder / "labels.tif") as dataset:
        grid = grid_of(dataset)
    labels = read_labels(folder / "landcover_points.gpkg", "level_2", grid)
    assert labels.only_points
    assert "water" in labels.legend.names
    assert len(labels.rows) + labels.counts["outside the image"] == 120


def test_exchanged_coordinates_are_told():
    west, south, *_ = GRID.bounds_in(CRS.from_epsg(4326))
    for place, says in (
        ((south + 0.001, west + 0.001), "Latitude and longitude seem to be exchanged"),
        ((9, 9), "Check"),
    ):
        with pytest.raises(LabelError, match=f"no feature holds a pixel of the image.*{says}"):
            read_labels(frame(["a"], [shapely.Point(place)], crs=4326), "class", GRID)
