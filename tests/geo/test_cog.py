"""A raster is read back after it is written."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import WriteTif
from lossy_disk import spoiled

from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo import cog
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.raster import grid_of, open_raster


@pytest.mark.parametrize(("step", "place"), [("_write_draft", 0), ("_copy_as_cog", 1)])
def test_a_disk_that_loses_pixels_is_noticed(
    step: str, place: int, tmp_path: Path, write_tif: WriteTif, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_raster(write_tif("a.tif", noise)) as dataset:
        grid, pixels = grid_of(dataset), dataset.read()
    tiles = [(window, pixels[:, window.row_off : window.row_off + window.height]) for window in grid.tiles(512)]
    profile = RasterProfile("float32", 3)
    write_raster(tmp_path / "draft.tif", grid, tiles, profile=profile)  # a name like any other
    monkeypatch.setattr(cog, step, spoiled(getattr(cog, step), place))
    with pytest.raises(OutputError, match=r"b\.tif: could not be written whole, .* Is the disk full, or damaged\?"):
        write_raster(tmp_path / "b.tif", grid, tiles, profile=profile)
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "draft.tif"]
