"""The share of pixels near edges is exact, whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import WriteTif
from scipy.ndimage import distance_transform_cdt

from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.labels import map_edges
from landcover_bdgf.labels.map_edges import edge_share


@pytest.mark.parametrize("tile_px", [3, 16, 1024])
@pytest.mark.parametrize("gaps", [0, 0.003, 0.9, 1])
def test_pixels_within_4_px_of_a_gap_or_the_border_are_counted(
    write_tif: WriteTif, monkeypatch: pytest.MonkeyPatch, tile_px: int, gaps: float
) -> None:
    rng = np.random.default_rng(1)
    codes = np.where(rng.random((50, 61)) < gaps, 0, rng.integers(1, 5, (50, 61))).astype("uint8")
    distances = distance_transform_cdt(np.pad(codes, 1) != 0, metric="chessboard")[1:-1, 1:-1]
    expected = (distances[codes != 0] <= 4).mean() if (codes != 0).any() else np.nan
    monkeypatch.setattr(map_edges, "_READ_PX", tile_px)
    with open_raster(write_tif("map.tif", codes)) as dataset:
        assert edge_share(dataset) == pytest.approx(expected, nan_ok=True)
    with open_raster(write_tif("warped.tif", np.where(codes == 0, 255, codes).astype("uint8"), nodata=255)) as dataset:
        assert edge_share(dataset) == pytest.approx(expected, nan_ok=True)
    if gaps == 0:
        assert expected == pytest.approx(1 - 42 * 53 / (50 * 61))
