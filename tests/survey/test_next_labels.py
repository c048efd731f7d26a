"""Places to label next lie where the model is undecided or the ground unlike the training data, spread over the map."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from conftest import Bdgf
from drawn_maps import write_map
from numpy.typing import NDArray
from surveys import LEGEND, WIDE, truth

from landcover_bdgf.errors import OutputError, RasterError
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.labels import class_raster
from landcover_bdgf.storage.records import write_record
from landcover_bdgf.survey import next_labels
from landcover_bdgf.survey.next_labels import where
from landcover_bdgf.survey.settings import WhereSettings

HEIGHT, WIDTH = WIDE.shape_hw


def write_layer(path: Path, pixels: NDArray[Any], names: tuple[str, ...] = ()) -> Path:
    """A layer of the map as bdgf writes it."""
    profile = RasterProfile(str(pixels.dtype), len(pixels), int(np.iinfo(pixels.dtype).max), names)
    write_raster(path, WIDE, [(Window(0, 0, WIDTH, HEIGHT), pixels)], profile=profile)
    return path


@pytest.fixture
def sure(tmp_path: Path) -> NDArray[np.uint8]:
    """Writes the true map with a corner without data; the probabilities (4, h, w) of a model that is sure of it."""
    codes = truth()
    codes[:40, :60] = 0
    write_map(tmp_path / "map.tif", codes, LEGEND, WIDE)
    shares = np.where(codes == np.arange(1, 5)[:, None, None], 97, 1).astype(np.uint8)
    shares[:, codes == 0] = 255
    return shares


def pixels_of(frame: geopandas.GeoDataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = frame.geometry.centroid
    return WIDE.rowcol(points.x.to_numpy(), points.y.to_numpy())


def undecided(shares: NDArray[np.uint8], rows: slice, cols: slice) -> NDArray[np.uint8]:
    """Crops and trees are as likely in a part of the map."""
    shares = shares.copy()
    part = shares[:, rows, cols]
    part[:, part[0] != 255] = np.array([2, 48, 47, 3], np.uint8)[:, None]
    return shares


def test_places_are_where_the_margin_is_small(sure: NDArray[np.uint8], tmp_path: Path) -> None:
    shares = undecided(sure, slice(100, 200), slice(0, 400))
    path = write_layer(tmp_path / "p.tif", shares, LEGEND.names)
    found = where(tmp_path / "map.tif", path, WhereSettings(number=20), polygons=False)
    rows, cols = pixels_of(found)
    assert ((rows >= 102) & (rows < 198)).sum() >= 18  # of a third of the map
    assert np.ptp(cols) > 300
    first = found.iloc[0]
    assert first["reason"] == "undecided between crops and trees"
    assert first["margin"] == 1
    assert np.isnan(first["novelty"])
    assert first["class"] is None
    assert {*found["map_class"]} <= {*LEGEND.names}
    assert found.crs == "EPSG:32633"


def test_places_of_a_map_that_is_undecided_everywhere_are_spread_over_it(
    sure: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = write_layer(tmp_path / "p.tif", undecided(sure, slice(None), slice(None)), LEGEND.names)
    found = where(tmp_path / "map.tif", path, WhereSettings(number=30), polygons=False)
    positions = np.stack(pixels_of(found), axis=1)
    apart = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    assert len(found) == 30
    assert apart.min() > 0.5 * np.sqrt(HEIGHT * WIDTH / 30)  # random places: 5 px
    quarters = np.unique(2 * (positions[:, 0] > HEIGHT / 2) + (positions[:, 1] > WIDTH / 2), return_counts=True)[1]
    assert quarters.min() >= 5


def test_places_unlike_the_training_data_come_before_sure_ones(sure: NDArray[np.uint8], tmp_path: Path) -> None:
    novelty = np.full((1, HEIGHT, WIDTH), 60, np.uint8)
    novelty[:, 200:240, 300:340] = 0
    write_layer(tmp_path / "map_novelty.tif", novelty)
    path = write_layer(tmp_path / "p.tif", sure, LEGEND.names)
    found = where(tmp_path / "map.tif", path, WhereSettings(number=10), polygons=False)
    rows, cols = pixels_of(found)
    novel = (found["reason"] == "unlike the training data").to_numpy()
    assert novel[0]
    assert novel.sum() >= 2
    assert ((rows >= 195) & (rows < 245) & (cols >= 295) & (cols < 345))[novel].all()
    assert found.loc[0, "novelty"] == 0


def test_polygons_hold_pixels_of_one_class_without_gaps_training_pixels_and_overlaps(
    sure: NDArray[np.uint8], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    trained = rng.integers(0, HEIGHT, 300), rng.integers(0, WIDTH, 300)
    points = shapely.MultiPoint(np.stack(WIDE.xy(*trained), axis=1)).wkt
    write_record(tmp_path / "map.tif", {"training": {"pixels": points, "count": 300, "crs": WIDE.crs.to_wkt()}})
    path = write_layer(tmp_path / "p.tif", undecided(sure, slice(None), slice(None)), LEGEND.names)
    found = where(tmp_path / "map.tif", path, WhereSettings(number=400), output=tmp_path / "places.gpkg")
    codes = truth()
    assert shapely.area(shapely.union_all(found.geometry)) == pytest.approx(found.area.sum())
    inside = shapely.STRtree(found.geometry).query(shapely.points(*WIDE.xy(*trained)), predicate="within")
    assert inside.size == 0
    rows, cols = np.indices((HEIGHT, WIDTH))
    x, y = WIDE.xy(rows.ravel(), cols.ravel())
    pixel, place = shapely.STRtree(found.geometry).query(shapely.points(x, y), predicate="within")
    assert np.array_equal(np.bincount(place), np.round(found.area / 100))
    names = np.array(["", *LEGEND.names])[codes.ravel()[pixel]]
    assert (names == found["map_class"].to_numpy()[place]).all()
    assert not ((rows.ravel() < 40) & (cols.ravel() < 60))[pixel].any()  # no data there
    read = geopandas.read_file(tmp_path / "places.gpkg")
    assert read.geometry.geom_equals(found.geometry).all()


def test_the_strips_and_the_data_type_change_nothing(
    sure: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = np.where(sure == 255, 255, np.random.default_rng(0).integers(0, 100, sure.shape)).astype(np.uint8)
    settings = WhereSettings(number=12)
    path = write_layer(tmp_path / "p.tif", shares, LEGEND.names)
    whole = where(tmp_path / "map.tif", path, settings)
    for module in (class_raster, next_labels):
        monkeypatch.setattr(module, "STRIP_ROWS", 7)
    assert where(tmp_path / "map.tif", path, settings).equals(whole)
    fine = np.where(shares == 255, 65_535, 100 * shares.astype(np.uint16)).astype(np.uint16)
    scaled = write_layer(tmp_path / "fine.tif", fine, LEGEND.names)
    with rasterio.open(scaled, "r+", IGNORE_COG_LAYOUT_BREAK=True) as file:
        file.scales = (0.01,) * 4
    assert where(tmp_path / "map.tif", scaled, settings).equals(whole)


def test_layers_of_another_map_and_too_many_places(
    sure: NDArray[np.uint8], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = write_layer(tmp_path / "other.tif", sure, ("built", "trees", "crops", "water"))
    with pytest.raises(RasterError, match=r"other.tif: has the bands built, trees, crops, water, but the classes of"):
        where(tmp_path / "map.tif", other)
    path = write_layer(tmp_path / "p.tif", sure, LEGEND.names)
    found = where(tmp_path / "map.tif", path, WhereSettings(number=100, side_px=81), polygons=False)
    assert len(found) < 20
    assert f"only {len(found)} of 100 places fit; use a smaller" in caplog.text


def test_a_sieved_map_has_another_class_beside_its_own_and_one_reason_for_both_orders(
    sure: NDArray[np.uint8], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shares = undecided(sure, slice(None), slice(None))
    shares[:, :, 200:] = np.where(shares[:, :, 200:] == 48, 46, shares[:, :, 200:])  # trees before crops in the east
    (tmp_path / "map.tif").unlink()
    write_map(tmp_path / "map.tif", np.full(WIDE.shape_hw, 3, np.uint8), LEGEND, WIDE)  # trees
    write_record(tmp_path / "map.tif", {"sieved_px": 7})
    caplog.set_level("INFO")
    path = write_layer(tmp_path / "p.tif", shares, LEGEND.names)
    found = where(tmp_path / "map.tif", path, WhereSettings(number=30), polygons=False)
    assert {*found["reason"]} == {"undecided between crops and trees"}
    assert {*found["map_class"]} == {"trees"}
    assert {*found["second_class"]} == {"crops"}
    assert "map.tif: was sieved, so map_class may be another class than the most probable one" in caplog.text


def test_the_command(sure: NDArray[np.uint8], tmp_path: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    write_layer(tmp_path / "p.tif", undecided(sure, slice(0, 300), slice(100, 300)), LEGEND.names)
    words = ["where", "map.tif", "--probabilities", "p.tif", "-n", 5]
    assert bdgf(*words, "-o", "places.gpkg") == 0
    assert "5  undecided between crops and trees" in capsys.readouterr().out
    assert bdgf(*words, "--points", "-o", "points.gpkg") == 0
    assert bdgf("where", "map.tif", "-o", "own.gpkg") == 3
    assert "map_probabilities.tif: does not exist. Map again with --probabilities" in capsys.readouterr().err
    shutil.copy("p.tif", "map_probabilities.tif")
    assert bdgf("where", "map.tif", "-n", 5, "-o", "own.gpkg") == 0
    assert geopandas.read_file("own.gpkg").equals(geopandas.read_file("places.gpkg"))
    assert {*geopandas.read_file("points.gpkg").geom_type} == {"Point"}
    assert bdgf(*words, "-o", "places.gpkg") == 6
    assert bdgf(*words, "-o", "map.gpkg", "--overwrite") == 6
    assert "map.qml: is one of the inputs" in capsys.readouterr().err
    with pytest.raises(OutputError, match=r"map.qml: is one of the inputs"):
        where(tmp_path / "map.tif", tmp_path / "p.tif", output=tmp_path / "map.gpkg", overwrite=True)
    assert bdgf(*words, "--side", 4, "-o", "even.gpkg") == 2
    assert "--side 4: is even. Use 5." in capsys.readouterr().err
