"""A map is written with its layers, names and record, which belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.class_map import read_class_map
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.mapping.map_files import MapContent, tell_edges, write_map_files
from landcover_bdgf.storage.records import changed_files, read_record


def test_a_map_reads_as_it_was_written(tmp_path: Path) -> None:
    grid, legend = Grid(CRS.from_epsg(32633), Affine(10, 0, 5e5, 0, -10, 5e6), (3, 4)), Legend.from_values(["a", "b"])
    codes, percent = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3, np.full((3, 4), 90, np.uint8)
    tiles = ([(window, pixels[None]) for window in grid.tiles(9)] for pixels in (codes, percent))
    path = tmp_path / "m.tif"
    content = MapContent(grid, legend, next(tiles), {"novelty": ("uint8", next(tiles))}, {"seed": 3})
    write_map_files(path, content, overwrite=False)
    found = read_class_map(path)
    assert (found.codes == codes).all()
    assert found.novelty is not None
    assert (found.novelty == percent).all()
    assert (found.grid, found.legend, found.confidence) == (grid, legend, None)
    assert changed_files(path) == []
    assert (read_record(path)["seed"], read_record(path)["layers"]) == (3, ["novelty"])


@pytest.mark.parametrize(("side", "told"), [(20, True), (400, False)])
def test_a_map_with_many_pixels_near_edges_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, side: int, told: bool
) -> None:
    caplog.set_level("INFO")
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 5e5, 0, -10, 5e6), (side, side))
    tiles = [(window, np.ones((1, side, side), np.uint8)) for window in grid.tiles(side)]
    content = MapContent(grid, Legend.from_values(["a"]), tiles, {}, {})
    write_map_files(tmp_path / "m.tif", content, overwrite=False)
    tell_edges(tmp_path / "m.tif")
    assert ("64 % of the mapped pixels lie within 4 px of the border or of a gap" in caplog.text) == told
