"""A scene of 24 × 20 pixels with three classes, small enough for the slowest system."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.samples import Samples, Split
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.stack import Stack

SHAPE_HW = (24, 20)
GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), SHAPE_HW)


def truth() -> NDArray[np.uint16]:
    """Three bands of rows."""
    return np.repeat(np.arange(1, 4, dtype=np.uint16), (8, 8, 8))[:, None] + np.zeros(SHAPE_HW, np.uint16)


@pytest.fixture(scope="package")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """12 spectral and 2 SAR bands whose mean depends on the class."""
    rng, folder, codes = np.random.default_rng(5), tmp_path_factory.mktemp("tiny"), truth()
    levels = rng.uniform(800, 3000, (12, 4)), rng.uniform(0.02, 0.3, (2, 4))
    spectral = levels[0][:, codes] * rng.normal(1, 0.15, (12, *SHAPE_HW))
    sar = levels[1][:, codes] * rng.gamma(4, 0.25, (2, *SHAPE_HW))
    for name, pixels in (("spectral", spectral), ("sar", sar)):
        window = [(Window(0, 0, *SHAPE_HW[::-1]), pixels.astype(np.float32))]
        write_raster(folder / f"{name}.tif", GRID, window, profile=RasterProfile("float32", count=len(pixels)))
    return align(folder / "spectral.tif", folder / "sar.tif", settings=AlignSettings(coreg="off"))


@pytest.fixture(scope="package")
def tiny_samples(tiny: Stack) -> Samples:
    """20 training pixels of each class, all others for testing."""
    rng, codes = np.random.default_rng(6), truth()
    rows, cols = (places.ravel().astype(np.int32) for places in np.indices(SHAPE_HW))
    parts = np.ones(codes.size, np.uint8)
    for code in (1, 2, 3):
        parts[rng.permutation(np.flatnonzero(codes.ravel() == code))[:20]] = 0
    groups = np.arange(codes.size, dtype=np.int32)
    legend = Legend.from_values(["crops", "trees", "water"])
    return Samples(tiny.grid, legend, rows, cols, codes.ravel(), groups, parts, Split("random", 1, 0, 0.9, None))
