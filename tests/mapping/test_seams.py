"""The polygons of a raster are those of GDAL, whatever the height of the strips."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from rasterio.features import shapes
from scipy.ndimage import gaussian_filter

from landcover_bdgf.mapping.seams import Polygons, patches


def raster(kind: str) -> NDArray[np.uint8]:
    """Noise with patches that touch at corners and enclose each other; or smooth regions; 0 is no data."""
    rng = np.random.default_rng(3)
    if kind == "noise":
        return rng.integers(0, 4, (50, 40)).astype(np.uint8)
    smooth = gaussian_filter(rng.normal(size=(90, 70)), 3)
    return np.digitize(smooth, np.quantile(smooth, [0.1, 0.4, 0.7])).astype(np.uint8)


def drawn(codes: NDArray[np.uint8], strip: int) -> tuple[Polygons, NDArray[np.integer]]:
    found = list(patches(codes[row : row + strip] for row in range(0, len(codes), strip)))
    return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])


@pytest.mark.parametrize("kind", ["noise", "smooth"])
def test_the_height_of_strips_changes_nothing(kind: str) -> None:
    codes = raster(kind)
    whole, of_whole = drawn(codes, 1000)
    assert shapely.is_valid(whole).all()
    for strip in (1, 2, 7, 16, 49):
        polygons, of = drawn(codes, strip)
        assert np.array_equal(shapely.to_wkb(polygons), shapely.to_wkb(whole)), strip
        assert np.array_equal(of, of_whole)


@pytest.mark.parametrize("kind", ["noise", "smooth"])
def test_polygons_are_those_of_rasterio(kind: str) -> None:
    codes = raster(kind)
    polygons, values = drawn(codes, 8)
    found = list(shapes(codes, mask=codes > 0, connectivity=4))
    expected = shapely.normalize([shapely.geometry.shape(geometry) for geometry, _ in found])

    def ordered(polygons: Polygons, values: object) -> list[tuple[str, int]]:
        return sorted((polygon.wkt, int(value)) for polygon, value in zip(polygons, values, strict=True))  # type: ignore[call-overload]

    assert ordered(polygons, values) == ordered(expected, [value for _, value in found])


def test_a_patch_with_holes_and_one_that_winds_across_seams_come_out_once() -> None:
    codes = np.array([[1, 1, 1, 2], [1, 2, 1, 2], [1, 1, 1, 2], [2, 2, 2, 2], [0, 0, 0, 3]], np.uint8)
    polygons, values = drawn(codes, 1)
    assert values.tolist() == [2, 1, 2, 3]
    assert shapely.area(polygons).tolist() == [1, 8, 7, 1]
    assert shapely.get_num_interior_rings(polygons).tolist() == [0, 1, 0, 0]
    assert shapely.get_num_coordinates(polygons).tolist() == [5, 10, 7, 5]


def test_no_data_has_no_polygons() -> None:
    assert len(drawn(np.zeros((9, 5), np.uint8), 4)[0]) == 0
