"""Small patches are replaced as rasterio does, unless their class is kept; areas are turned into pixels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from affine import Affine
from drawn_maps import GRID
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import sieve as gdal_sieve

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.mapping.patches import Sieve, least_pixels
from landcover_bdgf.mapping.settings import MapSettings, SieveSettings

LEGEND = Legend.from_values(["bare", "water", "wood"])
CODES = np.random.default_rng(0).choice([0, 1, 1, 1, 2, 3, 3, 3], GRID.shape_hw).astype(np.uint8)


def sieved(sieve: Sieve, tile_px: int, folder: Path) -> tuple[NDArray[np.uint8], Counter[str]]:
    counts, result = Counter[str](), np.zeros_like(CODES)
    tiles = ((window, CODES[window.toslices()][None]) for window in GRID.tiles(tile_px))
    for window, pixels in sieve.sieved(tiles, GRID, np.dtype("uint8"), folder=folder, counts=counts):
        result[window.toslices()] = pixels[0]
    return result, counts


@pytest.mark.parametrize("connectivity", ["4", "8"])
def test_the_result_is_that_of_rasterio_for_any_tiles(connectivity: Literal["4", "8"], tmp_path: Path) -> None:
    chosen = Sieve.of(SieveSettings("9px", connectivity=connectivity), LEGEND, GRID)
    assert chosen is not None
    expected = gdal_sieve(CODES, 9, mask=CODES > 0, connectivity=int(connectivity))
    for tile_px in (7, 100):
        found, counts = sieved(chosen, tile_px, tmp_path)
        assert np.array_equal(found, expected)
        assert counts == {"changed": (expected != CODES).sum(), "mapped": (CODES > 0).sum()}
    assert np.array_equal(expected == 0, CODES == 0)


def test_a_kept_class_loses_no_pixel(tmp_path: Path) -> None:
    chosen = Sieve.of(SieveSettings("9px", keep=("Water",)), LEGEND, GRID)
    assert chosen is not None
    found, _ = sieved(chosen, 100, tmp_path)
    plain, _ = sieved(Sieve(9, (), 4), 100, tmp_path)
    water = CODES == 2
    assert (found[water] == 2).all()
    assert not (plain[water] == 2).all()
    assert np.array_equal(found[~water], plain[~water])


@pytest.mark.parametrize(("area", "pixels"), [
    ("20px", 20), ("1.5 px", 2), ("0.5ha", 50), ("0.5 HA", 50), ("5000m2", 50), ("101 m²", 2), ("1m2", 1),
])  # fmt: skip
def test_areas_are_turned_into_pixels_of_100_m2(area: str, pixels: int) -> None:
    assert least_pixels(area, GRID) == pixels


def test_areas_in_degrees_count_on_the_ground() -> None:
    """At 60° N, a degree of longitude is about 55.8 km, one of latitude 111.4 km."""
    grid = Grid(CRS.from_epsg(4326), Affine(0.001, 0, 20, 0, -0.001, 60), (10, 10))
    assert least_pixels("10ha", grid) == pytest.approx(100_000 / (55.8 * 111.4), abs=1)


@pytest.mark.parametrize("area", ["", "5", "0ha", "-1px", "5 acres"])
def test_what_is_no_area_is_refused(area: str) -> None:
    with pytest.raises(SettingsError, match=r"is not an area\. Write it like 0\.5ha, 5000m2 or 20px"):
        least_pixels(area, GRID)


def test_unknown_classes_and_options_without_effect_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"`keep=sea`: is not a class\. The classes are bare, water, wood"):
        Sieve.of(SieveSettings("9px", keep=("sea",)), LEGEND, GRID)
    assert Sieve.of(SieveSettings("9px", keep=("wood, bare", "water")), LEGEND, GRID) == Sieve(9, (3, 1, 2), 4)
    with pytest.raises(SettingsError, match="`keep`: applies only with `min_area`"):
        MapSettings(keep=("water",))
