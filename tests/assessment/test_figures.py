"""Scale bars are round and true on the ground."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from drawn_maps import GRID
from rasterio.crs import CRS

from landcover_bdgf.assessment.figures import scale_bar
from landcover_bdgf.geo.grid import Grid


@pytest.mark.parametrize(("pixel_m", "text"), [(10, "200 m"), (1000, "20 km"), (0.5, "10 m")])
def test_scale_bars_are_round_and_at_most_a_quarter_of_the_width(pixel_m: float, text: str) -> None:
    bar = scale_bar(Grid(GRID.crs, Affine(pixel_m, 0, 0, 0, -pixel_m, 0), (60, 80)))
    assert bar is not None
    assert bar.text == text
    assert bar.share == pytest.approx(0.25)


def test_scale_bars_in_degrees_are_true_at_the_middle_of_the_map() -> None:
    grid = Grid(CRS.from_epsg(4326), Affine(0.01, 0, 15, 0, -0.01, 60.5), (100, 100))
    bar = scale_bar(grid)
    assert bar is not None
    assert bar.text == "10 km"
    assert bar.share == pytest.approx(10 / (111.32 * np.cos(np.radians(60))), rel=1e-6)


MOON = (
    'PROJCS["Moon",GEOGCS["Moon",DATUM["D_Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Reference",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Equirectangular"],UNIT["metre",1]]'
)


@pytest.mark.parametrize("wkt", ['LOCAL_CS["site",UNIT["metre",1]]', MOON])
def test_unknown_lengths_give_no_scale_bar(wkt: str) -> None:
    grid = Grid(CRS.from_wkt(wkt), Affine(10, 0, 0, 0, -10, 0), (60, 80))
    assert scale_bar(grid) is None
