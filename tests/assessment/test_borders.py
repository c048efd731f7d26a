"""Distances to class borders are exact, the same for any tile, and unknown where a pixel without a class decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.assessment.borders import UNKNOWN, border_bins, border_bins_at, border_shares


def by_definition(codes: NDArray[np.int64]) -> NDArray[np.int8]:
    """Pixel by pixel: the bin of the nearest other class, if it is also that of the nearest pixel that could be one."""
    height, width = codes.shape
    around = np.zeros((height + 12, width + 12), int)
    around[6:-6, 6:-6] = codes
    away = np.maximum(*np.abs(np.indices((13, 13)) - 6))
    bins = np.full(codes.shape, UNKNOWN, np.int8)
    for row, col in zip(*np.nonzero(codes), strict=True):
        window = around[row : row + 13, col : col + 13]
        differs = window != codes[row, col]
        nearest = [np.min(away[mask], initial=6) for mask in (differs & (window > 0), differs)]
        known, possible = np.digitize(nearest, (3, 6))
        if known == possible:
            bins[row, col] = known
    return bins


def test_pixels_on_both_sides_of_a_straight_border_are_at_1() -> None:
    codes = np.ones((30, 40), np.uint8)
    codes[:, 20:] = 9
    middle = border_bins(codes)[15]
    assert middle[14:26].tolist() == [2, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 2]
    assert middle[4] == UNKNOWN, "outside the image may be another class"
    assert (border_bins(np.ones((11, 11), np.uint8)) == UNKNOWN).sum() == 120


@pytest.mark.parametrize("empty", [0, 0.01, 0.5])
def test_distances_are_those_of_the_definition(empty: float) -> None:
    rng = np.random.default_rng(3)
    codes = np.kron(rng.integers(1, 4, (5, 6)), np.ones((9, 11), int))
    codes[rng.random(codes.shape) < empty] = 0
    np.testing.assert_array_equal(border_bins(codes), by_definition(codes))


def test_windows_give_what_the_whole_image_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landcover_bdgf.labels.sampling._READ_PX", 16)
    rng = np.random.default_rng(4)
    codes = np.kron(rng.integers(0, 3, (5, 6)), np.ones((9, 11), int))
    rows, cols = np.nonzero(codes)
    order = rng.permutation(len(rows))
    rows, cols = (axis[order].astype(np.int32) for axis in (rows, cols))
    read: list[Window] = []

    def tile(window: Window) -> NDArray[np.int64]:
        read.append(window)
        return codes[window.toslices()]

    found = border_bins_at(rows, cols, codes.shape, tile)
    np.testing.assert_array_equal(found, border_bins(codes)[rows, cols])
    assert max(max(window.width, window.height) for window in read) == 16 + 2 * 5


def test_shares_of_a_map_by_distance_to_its_borders(tmp_path: Path) -> None:
    """Two halves of 40 columns in 50 rows: four columns within 2 px of the border, known everywhere; six at 3 to 5 px,
    not in the two first and last rows, which may be nearer to a class outside; of the others, those 6 px from edges.
    """
    codes = np.repeat(np.array([[1, 2]], np.uint8), 40, axis=1).repeat(50, axis=0)
    path = tmp_path / "map.tif"
    profile = {"driver": "GTiff", "width": 80, "height": 50, "count": 1, "dtype": "uint8", "nodata": 0}
    with rasterio.open(path, "w", crs="EPSG:32719", transform=Affine(10, 0, 0, 0, -10, 0), **profile) as dataset:
        dataset.write(codes, 1)
    with rasterio.open(path) as dataset:
        found = border_shares(dataset)
    np.testing.assert_allclose(found * (200 + 276 + 2400), [4 * 50, 6 * 46, 60 * 40])
