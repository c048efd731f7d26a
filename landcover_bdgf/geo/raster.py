"""Opening raster files of a few formats, and their grids."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError, opening
from landcover_bdgf.geo.crs import crs_name, same_crs
from landcover_bdgf.geo.crs_beside import crs_beside
from landcover_bdgf.geo.gcps import placed_by_points
from landcover_bdgf.geo.gdal_env import RASTER_DRIVERS, alone
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.hdf5_image import is_hdf5, open_hdf5
from landcover_bdgf.geo.pages import as_bands, pages_of
from landcover_bdgf.geo.raster_checks import (
    check_proportions,
    check_whole,
    position_beside,
    raster_driver,
    unreadable_crs_beside,
    warn_of_aux_xml,
)
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, is_remote


@opening(RasterError)
def open_raster(path: PathLike, *, vrt: bool = False, warp_gcps: bool = False) -> DatasetReader:
    """Open a raster for reading: GeoTIFF, COG, ENVI, JPEG 2000, or a product of PRISMA or EMIT in HDF5.

    Files next to it are ignored, except ENVI headers. The bands of a TIFF are those of all its pages.

    Parameters
    ----------
    path : path
        Also a path of GDAL's virtual file systems (``/vsis3/…``), if the user typed it.
    vrt : bool
        Also open VRT, which may refer to any other file.
    warp_gcps : bool
        Georeference images by their ground-control points if they have no transform (gcps.py).

    Raises
    ------
    RasterError
        If the file is missing, a folder, empty, truncated, of another format, or has no pixels or too many.
    """
    path = envi_pixels(Path(path))
    if is_remote(str(path)) or (vrt and path.suffix.lower() == ".vrt"):
        dataset = _open(path, (*RASTER_DRIVERS, "VRT") if vrt else RASTER_DRIVERS)
        check_proportions(dataset, str(path))
    elif is_hdf5(path):
        dataset = open_hdf5(path)
    else:
        dataset = _open(path, (raster_driver(path),))
        pages = pages_of(dataset)
        for page in pages:
            check_whole(page, path)
        dataset = as_bands(dataset, pages) if len(pages) > 1 else dataset
        warn_of_aux_xml(path, has_crs=bool(dataset.crs))
    if not (warp_gcps and dataset.transform.is_identity and dataset.gcps[0]):
        return dataset
    placed = placed_by_points(dataset)
    check_proportions(placed, str(path))
    return placed


MOST_LONGITUDE = 540  # one turn further than 180, as scenes across the antimeridian are counted
LEAST_METRES = 0.01  # no pixel of a projected image is smaller


def grid_of(dataset: DatasetReader, *, crs: CRS | None = None, instead: str = "") -> Grid:
    """The north-up grid of an open raster; a south-up file gets the grid of its flipped rows.

    Parameters
    ----------
    dataset : rasterio.io.DatasetReader
    crs : rasterio.crs.CRS, optional
        Used instead of the CRS of the file, if any.
    instead : str
        What else would give it a CRS, for the remedy of an error.

    Raises
    ------
    RasterError
        If neither the file nor its ``.prj`` or ``.aux.xml`` has a CRS; or if the file has no position, only
        ground-control points or RPCs, a rotated or invalid transform, or coordinates that are not in the unit of the
        CRS.
    """
    transform = dataset.transform
    _check_position(dataset)
    _check_transform(dataset)
    try:
        if dataset.crs:
            dataset.crs.to_wkt()  # GDAL can read some CRS that it cannot write
    except CRSError as error:
        remedy = "Give it another with gdal_edit.py -a_srs."
        raise RasterError(dataset.name, "its CRS cannot be read", remedy) from error
    if crs and dataset.crs and not same_crs(crs, dataset.crs):
        names = crs_name(dataset.crs), crs_name(crs)
        log.warning("%s: its CRS is %s, read as %s as requested.", Path(dataset.name), *names)
    crs = crs or dataset.crs
    if not crs and (beside := crs_beside(Path(dataset.name))):
        crs = beside[0]
        log.info("%s: has no CRS, that of %s is used, %s.", Path(dataset.name), beside[1].name, crs_name(crs))
    if not crs:
        raise RasterError(
            dataset.name,
            f"has no CRS{unreadable_crs_beside(dataset)}",
            f"Give it one with gdal_edit.py -a_srs{instead}.",
        )
    top = transform.f + transform.e * dataset.height if is_south_up(dataset) else transform.f
    north_up = Affine(transform.a, 0.0, transform.c, 0.0, -abs(transform.e), top)
    grid = Grid(crs, north_up, dataset.shape)
    _check_units(dataset.name, grid, instead)
    return grid


def _check_units(name: str, grid: Grid, instead: str) -> None:
    """RasterError for metres in a CRS of degrees, or degrees in a CRS of metres."""
    left, bottom, right, top = grid.bounds
    reach = f"x from {left:.6g} to {right:.6g} and y from {bottom:.6g} to {top:.6g}"
    remedy = f"Give it the right CRS with gdal_edit.py -a_srs{instead}."
    if grid.crs.is_geographic and (max(abs(left), abs(right)) > MOST_LONGITUDE or max(abs(bottom), abs(top)) > 91):
        raise RasterError(name, f"has {reach}, which are not degrees, but its CRS is {crs_name(grid.crs)}", remedy)
    if grid.crs.is_projected and grid.transform.a < LEAST_METRES and max(map(abs, grid.bounds)) <= MOST_LONGITUDE:
        raise RasterError(name, f"has {reach}, which look like degrees, but its CRS is {crs_name(grid.crs)}", remedy)


def read_band(dataset: DatasetReader, window: Window | None = None, **options: Any) -> NDArray[Any]:
    """The first band of a raster or a window of it; ``options`` as in ``dataset.read``; RasterError if damaged."""
    return read_bands(dataset, window, 1, **options)


def read_bands(
    dataset: DatasetReader, window: Window | None = None, indexes: int | None = None, **options: Any
) -> NDArray[Any]:
    """All bands of a raster (b, h, w), or one (h, w); else as :func:`read_band`."""
    try:
        return dataset.read(indexes, window=window, **options)
    except RasterioError as error:
        remedy = "Copy it again, or create it again."
        raise RasterError(dataset.name, "cannot be read, it may be damaged", remedy) from error


def is_south_up(dataset: DatasetReader) -> bool:
    """Whether the first row of the file is its southernmost."""
    return bool(dataset.transform.e > 0)


def _open(path: Path, drivers: Sequence[str]) -> DatasetReader:
    """Try formats one by one, because rasterio 1.4 accepts only one driver."""
    reason: Exception | None = None
    for driver in drivers:
        try:
            # grid_of has a better message for missing georeferences.
            with warnings.catch_warnings(), rasterio.Env(**alone(driver)):
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                return rasterio.open(path, driver=driver, sharing=False)
        except (RasterioError, UnicodeDecodeError) as error:  # UnicodeDecodeError: damaged header
            reason = reason or error
    raise RasterError(
        path, "cannot be read as GeoTIFF, ENVI or JPEG 2000", "Is it complete, and in one of these formats?"
    ) from reason


def envi_pixels(path: Path) -> Path:
    """The pixel file of an ENVI image, if ``path`` is its header."""
    if path.suffix.lower() != ".hdr":
        return path
    candidates = (path.with_suffix(suffix) for suffix in ("", ".img", ".dat", ".bsq", ".bil", ".bip"))
    return next((file for file in candidates if file.is_file()), path)


def _check_position(dataset: DatasetReader) -> None:
    """Refuse rasters without an affine transform."""
    if not dataset.transform.is_identity:
        return
    if dataset.gcps[0]:
        raise RasterError(
            dataset.name,
            f"has only {len(dataset.gcps[0])} ground-control points for its position, like Sentinel-1 GRD products",
            "Terrain-correct it first, for example with SNAP; `warp_gcps` georeferences it by these points alone, "
            "with errors of up to hundreds of metres on slopes.",
        )
    if dataset.rpcs:
        raise RasterError(
            dataset.name,
            "has only RPCs for its position",
            "Orthorectify it first with gdalwarp -rpc and an elevation model.",
        )
    path, beside = Path(dataset.name), position_beside(dataset)
    remedy = f"Georeference it first{f': gdal_translate {path.name} {path.stem}_placed.tif' if beside else ''}."
    raise RasterError(dataset.name, f"has no position on the ground{beside}", remedy)


def _check_transform(dataset: DatasetReader) -> None:
    transform, (height, width) = dataset.transform, dataset.shape
    if not all(map(math.isfinite, transform)) or transform.a * transform.e == 0:
        raise RasterError(
            dataset.name, f"has an invalid pixel size of {transform.a} × {transform.e}", "Georeference it again."
        )
    # A shear of less than a hundredth of a pixel is due to rounding.
    if max(abs(transform.b * height / transform.a), abs(transform.d * width / transform.e)) > 0.01:
        raise RasterError(dataset.name, "is rotated or sheared", "Make it north-up first with gdalwarp.")
    if transform.a < 0:
        raise RasterError(dataset.name, "is mirrored, its columns run west", "Make it north-up with gdalwarp.")
