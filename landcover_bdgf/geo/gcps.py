"""Images georeferenced only by ground-control points (GCPs), such as Sentinel-1 GRD, read on a north-up grid.

GDAL's warper is not used: it needs the VRT driver (gdal_env.py), and its values depend on the window (resampling.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # raised by the spline
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.transform import GCPTransformer
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster_checks import pixel_dtype
from landcover_bdgf.progress import log

MOST_POINTS = 2000  # Sentinel-1 has about 200; the spline of n costs n³ once, and n for each pixel
# Largest error of the inverse spline, as a share of the image, beyond a pixel of rounding. Consistent points have none,
# in mountains too (GDAL 3.10).
MOST_MISSED = 0.001

REMEDY = "Terrain-correct it first, for example with SNAP."
STEPS = 32  # of the lattice over the image from which its extent is computed


class PlacedByPoints:
    """A dataset on a north-up grid in the CRS of its GCPs; all other properties are those of the file.

    Nearest neighbour, so that dB values are not interpolated. Without nodata in the file, it is 0 for integers and NaN
    for floats.
    """

    def __init__(self, dataset: DatasetReader) -> None:
        self._dataset = dataset
        points, self.crs = dataset.gcps
        self._spline = GCPTransformer(points, tps=True)
        self.transform, self.shape = _grid(self._spline, dataset.shape)
        self.height, self.width = self.shape
        self.nodatavals = tuple(
            (math.nan if pixel_dtype(dtype).kind in "fc" else 0) if nodata is None else nodata
            for nodata, dtype in zip(dataset.nodatavals, dataset.dtypes, strict=True)
        )
        self.gcps: tuple[list[Any], CRS | None] = [], None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def read(self, indexes: Sequence[int], *, window: Window) -> NDArray[Any]:
        """Values (bands, h, w) of a window of the grid."""
        fill = [self.nodatavals[index - 1] for index in indexes]
        dtype = pixel_dtype(self._dataset.dtypes[indexes[0] - 1])
        return self._nearest(lambda inside: self._dataset.read(indexes, window=inside), fill, dtype, window)

    def read_masks(self, indexes: Sequence[int], *, window: Window) -> NDArray[Any]:
        """Masks (bands, h, w) of a window of the grid, 0 outside the image."""
        fill = [0] * len(indexes)
        return self._nearest(lambda inside: self._dataset.read_masks(indexes, window=inside), fill, "uint8", window)

    def _nearest(
        self, read: Callable[[Window], NDArray[Any]], fill: Sequence[float], dtype: str | np.dtype[Any], window: Window
    ) -> NDArray[Any]:
        x = self.transform.c + self.transform.a * (window.col_off + np.arange(window.width) + 0.5)
        y = self.transform.f + self.transform.e * (window.row_off + np.arange(window.height) + 0.5)
        places = np.meshgrid(x, y)
        rows, cols = (found.reshape(len(y), len(x)) for found in self._spline.rowcol(*map(np.ravel, places)))
        height, width = self._dataset.shape
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        values = np.empty((len(fill), *inside.shape), dtype)
        values[:] = np.array(fill, dtype)[:, None, None]
        if inside.any():
            rows, cols = rows[inside], cols[inside]
            part = Window.from_slices((rows.min(), rows.max() + 1), (cols.min(), cols.max() + 1))
            values[:, inside] = read(part)[:, rows - part.row_off, cols - part.col_off]
        return values


def placed_by_points(dataset: DatasetReader) -> DatasetReader:
    """The image georeferenced by a thin-plate spline of its GCPs; RasterError if they are unusable."""
    points, crs = dataset.gcps
    if not crs:
        raise RasterError(dataset.name, "its ground-control points have no CRS", REMEDY)
    if len(points) > MOST_POINTS:
        raise RasterError(
            dataset.name,
            f"has {len(points)} ground-control points, at most {MOST_POINTS} are used",
            "Warp it first with gdalwarp -tps.",
        )
    try:
        placed = PlacedByPoints(dataset)
    except (RasterioError, CPLE_BaseError, ValueError) as error:
        problem = "its ground-control points are degenerate or contradict one another"
        raise RasterError(dataset.name, problem, REMEDY) from error
    log.warning(
        "%s: is georeferenced by its %d ground-control points without terrain correction, with errors of up to "
        "hundreds of metres on slopes. Check the reported shift and compare both images.",
        Path(dataset.name),
        len(points),
    )
    return cast(DatasetReader, placed)


def _grid(spline: GCPTransformer, shape_hw: tuple[int, int]) -> tuple[Affine, tuple[int, int]]:
    """A north-up grid that covers the image, with pixels of about the same size; ValueError if there is none."""
    lattice = [np.linspace(0, size, STEPS + 1) for size in shape_hw]
    rows, cols = np.meshgrid(*lattice, indexing="ij")
    x, y = (found.reshape(rows.shape) for found in spline.xy(rows.ravel(), cols.ravel(), offset="ul"))
    pixel = [
        float(np.median(np.hypot(np.diff(axis, axis=0)[:, 1:] / shape_hw[0], np.diff(axis, axis=1)[1:] / shape_hw[1])))
        * STEPS
        for axis in (x, y)
    ]
    extent = [float(np.ptp(axis)) for axis in (x, y)]
    if not np.isfinite([*pixel, *extent]).all() or min(pixel) <= 0:
        raise ValueError("no pixel size")
    with np.errstate(invalid="ignore"):  # beyond the range of integers
        back = zip(spline.rowcol(x.ravel(), y.ravel()), (rows.ravel(), cols.ravel()), shape_hw, strict=True)
        missed = [float(np.abs(found - place).max() - 1) / size for found, place, size in back]
    if max(missed) > MOST_MISSED:
        raise ValueError("the points contradict one another")
    width, height = (max(1, math.ceil(size / step - 0.01)) for size, step in zip(extent, pixel, strict=True))
    return Affine(pixel[0], 0, float(x.min()), 0, -pixel[1], float(y.max())), (height, width)
