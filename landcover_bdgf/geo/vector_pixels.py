"""Vector geometries in pixels of a grid."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.errors import CRSError

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo.crs import recorded_crs
from landcover_bdgf.geo.grid import Grid, warn_of_datum
from landcover_bdgf.storage import PathLike

_AT_ONCE = 10_000  # geometries to convert


def to_pixels(path: PathLike, geometries: NDArray[np.object_], wkt: str, grid: Grid) -> None:
    """Convert an array of geometries from a CRS, in place to save memory, to pixels; heights are dropped.

    x is the column, y the row, (0, 0) the corner of the first pixel. Each vertex is converted by itself. LabelError,
    for ``path``, if its CRS cannot be read or converted.
    """
    try:
        crs = recorded_crs(wkt)
    except (CRSError, ValueError) as error:
        raise LabelError(path, "its CRS cannot be read", "Give it one in QGIS (Set layer CRS).") from error

    def convert(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, cols = grid.rowcol_of(xy[:, 0], xy[:, 1], crs)
        return np.stack([cols + 0.5, rows + 0.5], axis=1)

    try:
        for start in range(0, len(geometries), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            geometries[some] = shapely.transform(geometries[some], convert)
        warn_of_datum(path, crs, grid)
    except RasterError as error:
        raise LabelError(path, error.problem, error.remedy) from error
