"""Points are read back as they were drawn, with their labels; what is no sample of ours, or was edited, is refused."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
from surveys import LEGEND, labelled, maps, truth

from landcover_bdgf.errors import LabelError, OutputError
from landcover_bdgf.survey.drawing import design
from landcover_bdgf.survey.points_file import read_design, write_design
from landcover_bdgf.survey.settings import DesignSettings

SETTINGS = DesignSettings(points=120, min_per_class=10, seed=4)


@contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as a database, without triggers, which need functions of SpatiaLite."""
    with closing(sqlite3.connect(path)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        yield database
        database.commit()


@pytest.fixture
def points(tmp_path: Path) -> Path:
    _, path = maps(tmp_path)
    design(path, SETTINGS, output=tmp_path / "points.gpkg")
    return tmp_path / "points.gpkg"


def test_points_read_back_with_their_labels(points: Path, tmp_path: Path) -> None:
    drawn = design(tmp_path / "map.tif", SETTINGS)
    empty = read_design(points)
    assert empty.reference == (None,) * 120
    write_design(labelled(drawn, truth()), tmp_path / "labelled.gpkg")
    found = read_design(tmp_path / "labelled.gpkg")
    assert found.reference == labelled(drawn, truth()).reference
    for name in ("rows", "cols", "stratum", "codes", "pixels", "points"):
        assert np.array_equal(getattr(found, name), getattr(drawn, name)), name
    assert np.allclose(found.area_m2, drawn.area_m2)
    assert found.about == drawn.about
    assert np.allclose(found.inclusion, (drawn.points / drawn.pixels)[drawn.stratum])


def test_labels_are_read_like_those_of_polygons(points: Path) -> None:
    with edited(points) as database:
        database.execute("UPDATE points SET reference = 'Fore\u0302t  dense ' WHERE id = 1")
    assert read_design(points).reference[0] == "Forêt dense"  # type: ignore[index]


def test_the_same_seed_gives_the_same_bytes(points: Path, tmp_path: Path) -> None:
    design(tmp_path / "map.tif", SETTINGS, output=tmp_path / "again.gpkg")
    assert points.read_bytes() == (tmp_path / "again.gpkg").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        design(tmp_path / "map.tif", SETTINGS, output=points)


def test_gis_see_points_an_empty_field_and_a_style(points: Path) -> None:
    frame = geopandas.read_file(points, layer="points")
    assert [*frame.columns] == ["id", "stratum", "stratum_name", "inclusion_probability", "row", "col", "reference",
                                "comment", "geometry"]  # fmt: skip
    assert frame["reference"].isna().all()
    assert pyogrio.read_info(points, layer="points")["dtypes"][6] == "object"  # text, though all are empty
    assert frame["id"].tolist() == [*range(1, 121)]
    assert len(set(frame["stratum_name"][:20])) > 2  # in random order
    styles = pyogrio.read_dataframe(points, layer="layer_styles")
    assert styles["f_table_name"].tolist() == ["points"]
    assert styles["f_geometry_column"].tolist() == [pyogrio.read_info(points, layer="points")["geometry_name"]]
    assert styles["useAsDefault"].tolist() == [True]
    assert styles["styleQML"][0] == points.with_suffix(".qml").read_text()


def test_labels_are_text_or_numbers_and_may_be_in_another_field(points: Path) -> None:
    with edited(points) as database:
        database.execute("ALTER TABLE points ADD COLUMN mine REAL")
        database.execute("UPDATE points SET mine = 3.0 WHERE id = 1")
        database.execute("UPDATE points SET reference = ' water ', comment = 'clear' WHERE id = 2")
        database.execute("UPDATE points SET reference = '  ' WHERE id = 3")
    assert read_design(points, "mine").reference == ("3", *(None,) * 119)
    assert read_design(points).reference == (None, "water", *(None,) * 118)
    with pytest.raises(LabelError, match=r"has no field 'class', but id, stratum, .*mine"):
        read_design(points, "class")


def test_points_may_come_back_in_another_crs(points: Path, tmp_path: Path) -> None:
    frame, table = (pyogrio.read_dataframe(points, layer=name) for name in ("points", "design"))
    frame.to_crs(4326).to_file(tmp_path / "wgs84.gpkg", layer="points")
    pyogrio.write_dataframe(table, tmp_path / "wgs84.gpkg", layer="design", append=True)
    assert np.array_equal(read_design(tmp_path / "wgs84.gpkg").rows, read_design(points).rows)
    with edited(tmp_path / "wgs84.gpkg") as database:
        database.execute("UPDATE points SET col = col + 1 WHERE id = 7")
    with pytest.raises(LabelError, match=r"has 1 point\(s\) outside their pixels"):
        read_design(tmp_path / "wgs84.gpkg")


def test_points_that_were_added_are_counted(points: Path, tmp_path: Path) -> None:
    frame, table = (pyogrio.read_dataframe(points, layer=name) for name in ("points", "design"))
    added = frame[:20][["reference", "geometry"]]
    pandas.concat([frame, added]).to_file(tmp_path / "more.gpkg", layer="points")
    pyogrio.write_dataframe(table, tmp_path / "more.gpkg", layer="design", append=True)
    with pytest.raises(LabelError, match=r"has 20 point\(s\) without stratum, row or col, .* 120 were drawn. Remove"):
        read_design(tmp_path / "more.gpkg")


@pytest.mark.parametrize(("change", "says"), [
    ("DELETE FROM points WHERE id = 7", "points in stratum .* were drawn. Restore them"),
    ("UPDATE points SET inclusion_probability = inclusion_probability * 1.01 WHERE id = 7", "they were changed"),
    ("UPDATE points SET row = row + 1 WHERE id = 7", "1 point.s. outside their pixels, they were moved"),
    ("UPDATE points SET row = (SELECT row FROM points WHERE id = 8), col = (SELECT col FROM points WHERE id = 8)"
     " WHERE id = 7", "two points in one pixel"),
    ("UPDATE points SET stratum = 9 WHERE id = 7", "points of strata that its table design lacks"),
    ("UPDATE points SET stratum = CASE stratum WHEN 2 THEN 3 ELSE 2 END WHERE id = 7", "were drawn"),
    ("DELETE FROM design WHERE stratum = 2", "points of strata that its table design lacks"),
    ("UPDATE design SET pixels = pixels * 2 WHERE stratum = 2", "they were changed"),
    ("UPDATE design SET pixels = 'x' WHERE stratum = 2", "is damaged"),
    ("UPDATE design SET about = '{}' WHERE stratum = 0", "is damaged"),
])  # fmt: skip
def test_a_sample_that_was_changed_is_refused(change: str, says: str, points: Path) -> None:
    with edited(points) as database:
        database.execute(change)
    with pytest.raises(LabelError, match=says) as caught:
        read_design(points)
    assert caught.value.path == points


def test_points_of_other_origin_are_refused(points: Path, tmp_path: Path) -> None:
    frame = geopandas.read_file(points, layer="points")
    frame.drop(columns=["inclusion_probability"]).to_file(tmp_path / "other.gpkg", layer="points")
    frame.to_file(tmp_path / "no_strata.gpkg", layer="points")
    frame.to_file(tmp_path / "points.geojson")
    for name in ("other.gpkg", "no_strata.gpkg", "points.geojson"):
        with pytest.raises(
            LabelError, match=r"it has no inclusion probabilities and strata\. If it is a copy .* by the field id"
        ):
            read_design(tmp_path / name)
    with pytest.raises(LabelError, match=r"does not exist"):
        read_design(tmp_path / "missing.gpkg")


def test_how_it_was_drawn_is_in_the_file(points: Path) -> None:
    table = pyogrio.read_dataframe(points, layer="design")
    about = json.loads(table["about"][0])
    assert (about["map"], about["sampling"], about["strata"], about["seed"]) == ("map.tif", "stratified", "classes", 4)
    assert table["name"].tolist()[1:] == [*LEGEND.names]
    assert table["points"].sum() == 120
