"""Pixels and areas of classes do not depend on the tiles; areas are those on the ellipsoid."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.pixel_areas import PixelAreas
from landcover_bdgf.labels.class_pixels import class_sizes


@pytest.mark.parametrize(("epsg", "transform"), [
    (32633, Affine(10, 0, 300_000, 0, -10, 6_000_000)), (4326, Affine(0.01, 0, 15, 0, -0.01, 60)),
])  # fmt: skip
def test_sizes_are_those_of_all_pixels_whatever_the_tiles(epsg: int, transform: Affine) -> None:
    grid = Grid(CRS.from_epsg(epsg), transform, (60, 80))
    codes, areas = np.random.default_rng(0).integers(0, 4, (60, 80)).astype(np.uint8), PixelAreas(grid)
    of_pixels = areas.at(*np.mgrid[0:60, 0:80])
    for side_px in (16, 100):
        tiles = ((window, codes[window.toslices()]) for window in grid.tiles(side_px))
        pixels, area_m2 = class_sizes(tiles, 4, areas)
        assert pixels.tolist() == [(codes == code).sum() for code in (1, 2, 3, 4)]
        np.testing.assert_allclose(area_m2, [of_pixels[codes == code].sum() for code in (1, 2, 3, 4)], rtol=1e-6)
