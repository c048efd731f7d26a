"""Areas of pixels are those on the ellipsoid, in every CRS."""

import numpy as np
import pyproj
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.pixel_areas import PixelAreas

GEOD = pyproj.Geod(ellps="WGS84")


def grid(epsg: int, left: float, top: float, step: float, shape_hw: tuple[int, int] = (40, 50)) -> Grid:
    return Grid(CRS.from_epsg(epsg), Affine(step, 0, left, 0, -step, top), shape_hw)


def geodesic_m2(place: Grid, row: int, col: int, points: int = 50) -> float:
    """Area of a pixel whose sides are lines of many geodesics."""
    t = np.linspace(0, 1, points)
    rows = np.concatenate([np.zeros(points), t, np.ones(points), 1 - t]) + row - 0.5
    cols = np.concatenate([t, np.ones(points), 1 - t, np.zeros(points)]) + col - 0.5
    x, y = place.xy(rows, cols)
    lon, lat = pyproj.Transformer.from_crs(place.crs.to_wkt(), "EPSG:4326", always_xy=True).transform(x, y)
    return abs(GEOD.polygon_area_perimeter(lon, lat)[0])


@pytest.mark.parametrize(("epsg", "left", "top", "step"), [
    (4326, 10.0, 60.0, 0.01), (4326, -0.2, 0.2, 0.01), (4326, 179.8, -70.0, 0.01), (32633, 300_000, 6_000_000, 10),
    (32633, 800_000, 1_000_000, 30), (3857, 1_000_000, 8_000_000, 100), (3035, 4_000_000, 3_000_000, 100),
    (3031, -1_000_000, 500_000, 500),
])  # fmt: skip
def test_areas_are_those_of_geodesic_polygons(epsg: int, left: float, top: float, step: float) -> None:
    place = grid(epsg, left, top, step)
    found = np.broadcast_to(PixelAreas(place).of(Window(0, 0, 50, 40)), (40, 50))
    for row, col in ((0, 0), (20, 25), (39, 49)):
        assert found[row, col] == pytest.approx(geodesic_m2(place, row, col), rel=1e-6)
        assert PixelAreas(place).at(row, col) == pytest.approx(found[row, col], rel=1e-6)


def test_the_whole_ellipsoid() -> None:
    world = Grid(CRS.from_epsg(4326), Affine(1, 0, -180, 0, -1, 90), (180, 360))
    total = 360 * PixelAreas(world).of(Window(0, 0, 360, 180)).sum()
    assert total == pytest.approx(510_065_621.724e6, rel=1e-10)  # WGS 84: 510,065,621.724 km²


def test_a_utm_pixel_of_10_m_is_100_m2_within_a_thousandth_and_web_mercator_is_not() -> None:
    utm = PixelAreas(grid(32633, 500_000, 5_000_000, 10)).of(Window(0, 0, 50, 40))
    assert np.allclose(utm, 100 / 0.9996**2, rtol=1e-5)
    mercator = PixelAreas(grid(3857, 1_000_000, 8_399_738, 10)).of(Window(0, 0, 50, 40))
    assert mercator.mean() == pytest.approx(25, rel=0.01)  # at 60° N


def test_windows_agree_with_the_whole() -> None:
    areas = PixelAreas(grid(32633, 300_000, 6_000_000, 1000, (300, 500)))
    whole = areas.of(Window(0, 0, 500, 300))
    assert np.allclose(areas.of(Window(100, 250, 400, 50)), whole[250:, 100:], rtol=1e-6)


def test_a_local_crs_is_planar() -> None:
    local = CRS.from_wkt('LOCAL_CS["site",UNIT["foot",0.3048]]')
    place = Grid(local, Affine(2, 0, 0, 0, -3, 0), (4, 5))
    assert np.allclose(PixelAreas(place).of(Window(0, 0, 5, 4)), 6 * 0.3048**2)
    assert np.allclose(PixelAreas(place).at([0, 1], [0, 1]), 6 * 0.3048**2)


def test_a_projection_of_a_geographic_crs_in_grads() -> None:
    """NTF (Paris) counts longitudes in grads: PROJ gives them back in grads, not in degrees."""
    lambert = PixelAreas(grid(27572, 600_000, 2_400_000, 30)).of(Window(0, 0, 50, 40))
    assert lambert[0] == pytest.approx(900, rel=2e-3)
