"""A STAC item has the place, the classes and the files of a map; without pystac it is refused before mapping."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from drawn_maps import GRID, write_map
from rasterio.crs import CRS

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo.cog import write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.labels.layers import layer_path, layer_profile
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.mapping import stac_item
from landcover_bdgf.mapping.stac_item import EXTENSIONS, check_stac, stac_path, write_stac_item

LEGEND = Legend.from_values(["open water", "wood"])


@pytest.fixture
def map_path(tmp_path: Path) -> Path:
    path = write_map(tmp_path / "m.tif", np.ones((60, 80), np.uint8), LEGEND)
    pixels = np.zeros((2, 60, 80), np.uint16)
    profile = layer_profile("probabilities", LEGEND, "uint16")
    write_raster(layer_path(path, "probabilities"), GRID, [(Window(0, 0, 80, 60), pixels)], profile=profile)
    return path


def test_the_item(map_path: Path) -> None:
    pystac = pytest.importorskip("pystac")
    made = write_stac_item(map_path, "2020-06-04")
    assert made == map_path.with_name("m.stac.json")
    values = json.loads(made.read_text())
    item = pystac.Item.from_dict(values)
    assert item.datetime.isoformat() == "2020-06-04T12:00:00+00:00"
    west, south, east, north = item.bbox
    assert (west, north) == pytest.approx((15.0, 45.15), abs=0.01)
    assert (east - west, north - south) == pytest.approx((0.0102, 0.0054), abs=2e-4)
    assert values["geometry"]["coordinates"][0][0] == values["geometry"]["coordinates"][0][-1]
    assert values["properties"]["proj:code"] == "EPSG:32633"
    assert values["properties"]["proj:shape"] == [60, 80]
    assert set(EXTENSIONS) <= set(values["stac_extensions"])
    classes = values["assets"]["map"]["classification:classes"]
    assert [(each["value"], each["name"], each["title"]) for each in classes] == [
        (1, "open_water", "open water"), (2, "wood", "wood"),
    ]  # fmt: skip
    bands = values["assets"]["probabilities"]["bands"]
    assert bands[0] == {"name": "open water", "data_type": "uint16", "nodata": 65535, "raster:scale": 0.01}
    assert write_stac_item(map_path, "2020-06-01/2020-06-30", overwrite=True) == stac_path(map_path)
    period = json.loads(made.read_text())["properties"]
    assert period["datetime"] is None
    assert (period["start_datetime"], period["end_datetime"]) == ("2020-06-01T00:00:00Z", "2020-06-30T23:59:59Z")


def test_class_names_in_any_script_differ() -> None:
    legend = Legend.from_values(["a b", "a/b", "(wet) land", "лес", "вода"])
    found = {each["title"]: each["name"] for each in stac_item.class_values(legend)}
    names = [each["name"] for each in stac_item.class_values(Legend.from_values(["a b", "a.b_3", "a/b"]))]
    assert names == ["a_b", "a_b_3", "a_b_3_3"]
    codes = {entry.name: entry.code for entry in legend.entries}
    assert found == {
        "(wet) land": "wet_land", "a b": "a_b", "a/b": f"a_b_{codes['a/b']}",
        "лес": f"class_{codes['лес']}", "вода": f"class_{codes['вода']}",
    }  # fmt: skip


def test_dates_and_the_package_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_item, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"`stac`: needs the package pystac\. Install it: pip install 'landcover"):
        check_stac("2020-06-04")
    monkeypatch.setattr(stac_item, "find_spec", lambda name: "found")
    check_stac("2020-06-04")
    for wrong in ("June", "2020-06-30/2020-06-01", "2020-01-01/2020-01-02/2020-01-03", ""):
        with pytest.raises(SettingsError, match=r"is not a date\. Give the date of the images"):
            check_stac(wrong)


def test_a_map_across_the_antimeridian_has_two_parts() -> None:
    """As RFC 7946 asks for: cut at 180°, and a box whose west is above its east."""
    grid = Grid(CRS.from_epsg(32660), Affine(100, 0, 830_000, 0, -100, 10_000), (100, 200))
    parts = stac_item._footprint(grid)
    assert len(parts) == 2
    assert [part.exterior.is_ccw for part in parts] == [True, True]
    (west, _, cut, _), (other_cut, _, east, _) = (part.bounds for part in parts)
    assert (cut, other_cut) == (180, -180)
    assert west == pytest.approx(179.965, abs=0.01)
    assert east == pytest.approx(-179.855, abs=0.01)
    assert stac_item._bbox(parts)[0::2] == pytest.approx([west, east])
    assert sum(part.area for part in parts) == pytest.approx(0.18 * 0.09, rel=0.02)


@pytest.mark.parametrize(("left", "step"), [(170.0, 0.0333333333334), (180.0, 0.01)])
def test_a_map_that_ends_at_the_antimeridian_has_one_part(left: float, step: float) -> None:
    """Its last longitude may be 180.00000000002."""
    (part,) = stac_item._footprint(Grid(CRS.from_epsg(4326), Affine(step, 0, left, 0, -step, 10), (100, 300)))
    assert part.bounds[2] - part.bounds[0] == pytest.approx(300 * step)
    assert -180 <= part.bounds[0] < part.bounds[2] <= 180


@pytest.mark.parametrize("left", [-180.0, 0.0])
def test_a_map_of_the_whole_world_is_no_strip(left: float) -> None:
    """From -180 to 180 degrees, or from 0 to 360."""
    parts = stac_item._footprint(Grid(CRS.from_epsg(4326), Affine(1, 0, left, 0, -1, 90), (180, 360)))
    assert sum(part.area for part in parts) == pytest.approx(360 * 180)
    assert stac_item._bbox(parts) == [-180, -90, 180, 90]
