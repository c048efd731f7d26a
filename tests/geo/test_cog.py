"""A written raster reads back unchanged, is reproducible byte for byte, and is published completely or not at all."""

from __future__ import annotations

import os
import resource

import numpy as np
import pytest
import rasterio
from affine import Affine
from lossy_disk import spoiled
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo import cog
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import grid_of

UTM = CRS.from_epsg(32633)
GRID = Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_000_000), (70, 90))


def cut(pixels, tile_px):
    """Tiles of an array, as mapping hands them to write_raster."""
    for window in GRID.tiles(tile_px):
        rows, cols = window.toslices()
        yield window, pixels[:, rows, cols]


CODES = np.random.default_rng(1).integers(0, 4, (1, 70, 90)).astype("uint8")
COLORS = {0: (0, 0, 0), 1: (0, 0, 255), 2: (0, 99, 0), 3: (255, 0, 0)}
CLASSES = RasterProfile("uint8", nodata=0, band_names=("land cover",), colormap=COLORS, tags={"MODEL": "laptop"})


def test_a_written_map_keeps_pixels_nodata_colours_names_and_tags(tmp_path):
    path = tmp_path / "map.tif"
    write_raster(path, GRID, cut(CODES, 32), profile=CLASSES)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), CODES)
        assert grid_of(file) == GRID
        assert file.nodata == 0
        assert file.colormap(1)[3] == (255, 0, 0, 255)
        assert file.descriptions == ("land cover",)
        assert file.tags()["MODEL"] == "laptop"
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
    assert list(tmp_path.iterdir()) == [path]


def test_a_map_has_the_same_bytes_whatever_its_tiles_and_threads(tmp_path):
    for tile_px, threads in ((16, "1"), (33, "4"), (1000, "ALL_CPUS")):
        with rasterio.Env(GDAL_NUM_THREADS=threads):
            write_raster(tmp_path / f"{tile_px}.tif", GRID, cut(CODES, tile_px), profile=CLASSES)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_overviews_of_classes_hold_only_classes(tmp_path):
    grid = Grid(UTM, GRID.transform, (1200, 1200))
    codes = np.where(np.random.default_rng(2).random((1, 1200, 1200)) < 0.7, 1, 9).astype("uint8")
    write_raster(tmp_path / "map.tif", grid, [(Window(0, 0, 1200, 1200), codes)], profile=RasterProfile("uint8"))
    with rasterio.open(tmp_path / "map.tif", overview_level=0) as overview:
        assert set(np.unique(overview.read())) == {1, 9}
        assert (overview.read() == 1).mean() > 0.75


def test_floats_are_kept_with_nan_as_nodata(tmp_path):
    power = np.random.default_rng(3).random((2, 70, 90)).astype("float32")
    power[:, :9] = np.nan
    profile = RasterProfile("float32", count=2, nodata=float("nan"), band_names=("VV", "VH"), overviews="average")
    write_raster(tmp_path / "sar.tif", GRID, cut(power, 64), profile=profile)
    with rasterio.open(tmp_path / "sar.tif") as file:
        np.testing.assert_array_equal(file.read(), power)
        assert np.isnan(file.nodata)
        assert file.descriptions == ("VV", "VH")


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def tiles():
        yield from list(cut(CODES, 32))[:3]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_raster(tmp_path / "map.tif", GRID, tiles(), profile=CLASSES)
    with pytest.raises(ValueError, match="tiles cover"):
        write_raster(tmp_path / "map.tif", GRID, list(cut(CODES, 32))[:3], profile=CLASSES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit_bytes", [0, 5_000])
def test_a_write_cut_short_by_the_system_publishes_nothing(tmp_path, limit_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        with pytest.raises(OutputError, match="could not be written whole"):
            write_raster(tmp_path / "map.tif", GRID, cut(CODES, 32), profile=CLASSES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("step", "place"), [("_write_draft", 0), ("_copy_as_cog", 1)])
def test_a_disk_that_loses_pixels_is_detected(step, place, tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).random((3, 70, 90), dtype=np.float32)
    profile = RasterProfile("float32", 3)
    write_raster(tmp_path / "draft.tif", GRID, cut(pixels, 512), profile=profile)  # a name like any other
    monkeypatch.setattr(cog, step, spoiled(getattr(cog, step), place))
    with pytest.raises(OutputError, match=r"b\.tif: could not be written whole, .* Is the disk full, or damaged\?"):
        write_raster(tmp_path / "b.tif", GRID, cut(pixels, 512), profile=profile)
    assert os.listdir(tmp_path) == ["draft.tif"]
