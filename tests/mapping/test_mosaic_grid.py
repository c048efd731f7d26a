"""A mosaic has the CRS of most of its maps and the pixels of the first of them; others are read at its pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from conftest import WriteTif
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.mapping import mosaic_grid as module
from landcover_bdgf.mapping.finished_maps import open_map
from landcover_bdgf.mapping.mosaic_grid import PlacedMap, mosaic_grid
from landcover_bdgf.mapping.settings import MosaicSettings

X, Y = 500_000.0, 5_000_000.0
TO_32 = pyproj.Transformer.from_crs(32633, 32632, always_xy=True)


@pytest.fixture
def opened(write_tif: WriteTif, tmp_path: Path) -> Iterator[Any]:
    """A function that writes and opens a map."""
    with ExitStack() as stack:

        def write(name: str, codes: Any = None, **options: Any) -> Any:
            codes = np.ones((20, 30), np.uint8) if codes is None else codes
            path = write_tif(f"{name}.tif", codes, nodata=0, **options)
            write_companions(path, Legend.from_values(range(1, 10)))
            return open_map(path, stack, layers=True)

        yield write


def test_the_crs_of_most_maps_and_the_pixels_of_the_first_of_them(opened: Any) -> None:
    west = opened("w", crs="EPSG:32632", origin_xy=TO_32.transform(X, Y))
    maps = [west, opened("a", origin_xy=(X + 3, Y)), opened("b", origin_xy=(X + 1003, Y + 7))]
    grid = mosaic_grid(maps, MosaicSettings())
    assert grid.crs.to_epsg() == 32633
    assert ((grid.transform.c - X - 3) / 10).is_integer()
    assert ((grid.transform.f - Y) / 10).is_integer()
    for each in maps:
        left, bottom, right, top = each.grid.bounds_in(grid.crs)
        assert grid.bounds[0] <= left
        assert grid.bounds[1] <= bottom
        assert grid.bounds[2] >= right
        assert grid.bounds[3] >= top
    assert mosaic_grid(maps[:2], MosaicSettings()).crs.to_epsg() == 32632, "of two, the first"


def test_maps_of_one_lattice_are_not_enlarged(opened: Any) -> None:
    grid = mosaic_grid([opened("a"), opened("b", origin_xy=(X + 200, Y - 100))], MosaicSettings())
    assert (grid.bounds, grid.shape_hw) == ((X, Y - 300, X + 500, Y), (30, 50))


def test_crs_and_resolution_of_the_settings(opened: Any) -> None:
    one = opened("a", origin_xy=(X + 3, Y))
    grid = mosaic_grid([one], MosaicSettings(crs="EPSG:3035", resolution=25))
    assert grid.crs.to_epsg() == 3035
    assert grid.resolution_xy == (25, 25)
    assert (grid.transform.c / 25).is_integer(), "corners at multiples of the resolution"
    assert mosaic_grid([one], MosaicSettings(resolution=10)).transform.c == X + 3, "its own pixels"
    degrees = mosaic_grid([one], MosaicSettings(crs="EPSG:4326"))
    assert degrees.resolution_xy[0] == pytest.approx(10 / 100_000, rel=0.3)
    with pytest.raises(SettingsError, match="`crs=EPSG:0`: is not a known CRS"):
        mosaic_grid([one], MosaicSettings(crs="EPSG:0"))
    with pytest.raises(RasterError, match=r"a\.tif: has no place in the CRS of the mosaic"):
        mosaic_grid([one], MosaicSettings(crs="+proj=ortho +lon_0=180", resolution=10))


def test_a_much_finer_map_is_read_in_parts(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(0).integers(1, 9, (120, 90)).astype(np.uint8)
    fine = opened("a", codes)
    grid = mosaic_grid([fine], MosaicSettings(resolution=40))
    placed, whole = PlacedMap.of(fine, grid), Window(0, 0, grid.shape_hw[1], grid.shape_hw[0])
    at_once = placed.codes(whole)
    monkeypatch.setattr(module, "_READ_AT_ONCE_PX", 500)
    assert (placed.codes(whole) == at_once).all()
    assert (at_once[:, :22] == codes[2::4, 2::4][:, :22]).all()
    assert not at_once[:, 22].any(), "its centre is beyond the map"


def test_coordinates_are_interpolated_where_that_is_exact(opened: Any) -> None:
    """In degrees and on cells as large as a country they are not."""
    utm, degrees = opened("a", crs="EPSG:32632"), opened("b", crs="EPSG:4326", origin_xy=(14, 45), pixel_m=1e-4)
    grid = mosaic_grid([utm], MosaicSettings(crs="EPSG:32633", resolution=10))
    placed = PlacedMap.of(utm, grid)
    assert placed.step_px == 64
    rows, cols = np.arange(-7, 150), np.arange(3, 200)
    exact = module._rowcols(utm.grid, grid, rows, cols)
    assert np.abs(np.subtract(module._interpolated(utm.grid, grid, rows, cols, 64), exact)).max() < 0.02
    assert PlacedMap.of(degrees, mosaic_grid([utm, degrees], MosaicSettings())).step_px == 1
    large = opened("c", crs="EPSG:3035", origin_xy=(1_000_000, 5_000_000), pixel_m=50_000)
    assert PlacedMap.of(large, mosaic_grid([large], MosaicSettings(crs="EPSG:3857"))).step_px < 64


def test_windows_beside_a_map_are_empty(opened: Any) -> None:
    one, other = opened("a"), opened("b", origin_xy=(X + 1000, Y))
    grid = mosaic_grid([one, other], MosaicSettings())
    placed = PlacedMap.of(one, grid)
    assert placed.touches(Window(29, 0, 5, 5))
    assert not placed.touches(Window(30, 0, 5, 5))
    assert placed.codes(Window(29, 0, 2, 1)).tolist() == [[1, 0]]
    assert not placed.codes(Window(50, 0, 5, 5)).any()
