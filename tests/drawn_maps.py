"""Class maps of 60 × 80 pixels with their legends and records, reference polygons on them, and pixels of pictures."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from affine import Affine
from matplotlib.image import imread
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.storage.records import write_record

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), (60, 80))


def trained_at(path: Path, rows: list[int], cols: list[int]) -> Path:
    """The map with a record of where it was trained."""
    x, y = GRID.xy(np.array(rows), np.array(cols))
    pixels = shapely.MultiPoint(np.stack([x, y], axis=1)).wkt
    training = {"pixels": pixels, "count": len(x), "crs": GRID.crs.to_wkt(), "clear_px": 13, "apart_px": 37}
    write_record(path, {"training": training})
    return path


def write_map(path: Path, codes: NDArray[np.uint8], legend: Legend, grid: Grid = GRID) -> Path:
    height, width = codes.shape
    profile = RasterProfile("uint8", nodata=0, colormap=legend.colors)
    write_raster(path, grid, [(Window(0, 0, width, height), codes[None])], profile=profile)
    write_companions(path, legend)
    return path


def box(row: float, col: float, height: float, width: float) -> shapely.Polygon:
    """A rectangle of pixels of GRID."""
    left, top = 500_000 + 10 * col, 5_000_000 - 10 * row
    return shapely.box(left, top - 10 * height, left + 10 * width, top)


def reference(path: Path, classes: list[Any], corners: list[tuple[int, int]], side: int = 4) -> Path:
    shapes = [box(*corner, side, side) for corner in corners]
    geopandas.GeoDataFrame({"class": classes}, geometry=shapes, crs=32633).to_crs(4326).to_file(path)
    return path


def pixels(uri: str) -> NDArray[np.uint8]:
    """The pixels of a PNG data URI, RGBA."""
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.round(255 * imread(io.BytesIO(content), format="png")).astype(np.uint8)
