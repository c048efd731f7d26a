"""Raster files: opened by a short list of formats, placed on the ground, written whole or not at all.

The nouns it stands on are re-exported here: ``Grid`` (grid.py), ``check_output`` and ``atomic_output``
(output.py).
"""

from __future__ import annotations

import logging
import math
import os
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # what rasterio.shutil lets through
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

from landcover_bdgf.door import check_proportions, check_whole, raster_driver, unread, warn_of_aux_xml
from landcover_bdgf.errors import OutputError, RasterError, opening
from landcover_bdgf.gcps import placed_by_points
from landcover_bdgf.gdal import RASTER_DRIVERS, alone
from landcover_bdgf.grid import Grid, crs_name, same_crs
from landcover_bdgf.storage import PathLike, atomic_output, check_free_space, check_output, draft_folder, is_remote

__all__ = [
    "Grid",
    "PathLike",
    "RasterProfile",
    "Window",
    "atomic_output",
    "check_output",
    "envi_pixels",
    "grid_of",
    "is_south_up",
    "open_raster",
    "read_band",
    "write_raster",
]

TILE_PX = 512

log = logging.getLogger("landcover_bdgf")


@opening(RasterError)
def open_raster(path: PathLike, *, vrt: bool = False, warp_gcps: bool = False) -> DatasetReader:
    """Open a raster for reading: GeoTIFF, COG, ENVI or JPEG 2000. No file beside it has a say but ENVI's header.

    Parameters
    ----------
    path : path
        Also a path of GDAL's virtual file systems (``/vsis3/…``), which a user has typed.
    vrt : bool
        Also GDAL's VRT, which may name any other file.
    warp_gcps : bool
        An image that only ground-control points place is read through them (gcps.py).

    Raises
    ------
    RasterError
        If the file is missing, a folder, empty, cut off, not one of these formats, or holds no pixels or too many.
    """
    path = envi_pixels(Path(path))
    if is_remote(str(path)) or (vrt and path.suffix.lower() == ".vrt"):
        dataset = _open(path, (*RASTER_DRIVERS, "VRT") if vrt else RASTER_DRIVERS)
        check_proportions(dataset, str(path))
    else:
        dataset = _open(path, (raster_driver(path),))
        check_whole(dataset, path)
        warn_of_aux_xml(path)
    if not (warp_gcps and dataset.transform.is_identity and dataset.gcps[0]):
        return dataset
    placed = placed_by_points(dataset)
    check_proportions(placed, str(path))
    return placed


def grid_of(dataset: DatasetReader, *, crs: CRS | None = None) -> Grid:
    """The north-up grid of an open raster; a south-up file gets the grid of its flipped rows.

    Parameters
    ----------
    dataset : rasterio.io.DatasetReader
    crs : rasterio.crs.CRS, optional
        What the user knows: it stands in for a missing CRS, and overrules the one in the file.

    Raises
    ------
    RasterError
        If the file has no CRS, no position, only ground-control points or RPCs, a rotated transform,
        or pixels without a size.
    """
    transform = dataset.transform
    _check_position(dataset)
    _check_transform(dataset)
    _check_crs(dataset)
    if crs and dataset.crs and not same_crs(crs, dataset.crs):
        log.warning("%s: says %s, taken as %s as asked.", dataset.name, crs_name(dataset.crs), crs_name(crs))
    crs = crs or dataset.crs
    if not crs:
        raise RasterError(
            f"{dataset.name}: has no CRS{unread(dataset)}. Give it one with gdal_edit.py -a_srs, or pass --hsi-crs or "
            "--sar-crs EPSG:… if you know it."
        )
    top = transform.f + transform.e * dataset.height if is_south_up(dataset) else transform.f
    north_up = Affine(transform.a, 0.0, transform.c, 0.0, -abs(transform.e), top)
    return Grid(crs, north_up, dataset.shape)


def _check_crs(dataset: DatasetReader) -> None:
    """Refuse a CRS that GDAL reads and cannot write."""
    try:
        if dataset.crs:
            dataset.crs.to_wkt()
    except CRSError as error:
        raise RasterError(
            f"{dataset.name}: its CRS cannot be read. Give it another with gdal_edit.py -a_srs."
        ) from error


def read_band(dataset: DatasetReader, window: Window | None = None, **options: Any) -> NDArray[Any]:
    """The first band of a raster of classes, or a window of it; ``options`` are those of ``dataset.read``.

    Raises
    ------
    RasterError
        The file is damaged there.
    """
    try:
        return dataset.read(1, window=window, **options)
    except RasterioError as error:
        raise RasterError(
            f"{dataset.name}: cannot be read, it may be damaged. Copy it again, or make it anew."
        ) from error


def is_south_up(dataset: DatasetReader) -> bool:
    """Whether the first row of the file is its southernmost."""
    return bool(dataset.transform.e > 0)


@dataclass(frozen=True)
class RasterProfile:
    """What a raster to be written is like.

    Attributes
    ----------
    dtype : str
        Of the pixels, such as ``"uint8"``.
    count : int
        Number of bands.
    nodata : float, optional
    band_names : tuple of str
        Empty, or one for each band.
    colormap : mapping of int to (red, green, blue), optional
        0 to 255; for one band of uint8 or uint16.
    overviews : "mode" or "average"
        How smaller versions are made: "mode" for classes, "average" for quantities.
    tags : mapping of str to str
        Written into the file.
    """

    dtype: str
    count: int = 1
    nodata: float | None = None
    band_names: tuple[str, ...] = ()
    colormap: Mapping[int, tuple[int, int, int]] | None = None
    overviews: Literal["mode", "average"] = "mode"
    tags: Mapping[str, str] = field(default_factory=dict)


def write_raster(
    path: PathLike,
    grid: Grid,
    tiles: Iterable[tuple[Window, NDArray[Any]]],
    *,
    profile: RasterProfile,
    overwrite: bool = False,
) -> None:
    """Write a cloud-optimised GeoTIFF from tiles, in bounded memory; the same tiles give the same bytes.

    The tiles go into an uncompressed draft (compressed blocks would be written again and again by tiles
    that do not match them), which GDAL's COG driver then copies. The copy is read back and compared with
    checksums of what was handed in, which tells of the draft too, because GDAL reports no error when the
    disk fills up and leaves files that read as zeros.

    Parameters
    ----------
    path : path of the file
    grid : Grid
    tiles : iterable of (Window, array (count, height, width))
        In any order; together they cover the grid once.
    profile : RasterProfile
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        If the file cannot be written whole.
    """
    height, width = grid.shape_hw
    draft_bytes = height * width * profile.count * np.dtype(profile.dtype).itemsize
    with atomic_output(path, overwrite=overwrite) as finished, draft_folder(finished) as folder:
        check_free_space(path, 2 * draft_bytes)
        draft, copy = folder / "draft.tif", folder / "cog.tif"  # short names, as GDAL adds to them on the way
        try:
            checksums = _write_draft(draft, grid, tiles, profile)
            _copy_as_cog(draft, copy, profile)
            _verify(copy, checksums)
            os.replace(copy, finished)
        except (RasterioError, CPLE_BaseError, _DamageError) as error:
            raise OutputError(f"{path}: could not be written whole, {error}. Is the disk full, or damaged?") from error


class _DamageError(Exception):
    """What was written does not read back."""


Checksums = list[tuple[Window, int]]


def _write_draft(
    path: Path, grid: Grid, tiles: Iterable[tuple[Window, NDArray[Any]]], profile: RasterProfile
) -> Checksums:
    checksums = []
    with _create(path, grid, profile) as draft:
        for window, pixels in tiles:
            pixels = np.ascontiguousarray(pixels, dtype=profile.dtype)
            draft.write(pixels, window=window)
            checksums.append((window, _checksum(pixels)))
    covered = sum(window.height * window.width for window, _ in checksums)
    if covered != math.prod(grid.shape_hw):
        raise ValueError(f"tiles cover {covered} px of a grid of {math.prod(grid.shape_hw)} px")
    return checksums


def _create(path: Path, grid: Grid, profile: RasterProfile) -> DatasetWriter:
    height, width = grid.shape_hw
    draft = rasterio.open(
        path,
        "w",
        driver="GTiff",
        crs=grid.crs,
        transform=grid.transform,
        height=height,
        width=width,
        count=profile.count,
        dtype=profile.dtype,
        nodata=profile.nodata,
        tiled=True,
        blockxsize=TILE_PX,
        blockysize=TILE_PX,
        interleave="band",
        bigtiff="if_safer",
    )
    draft.update_tags(**profile.tags)
    for index, name in enumerate(profile.band_names, start=1):
        draft.set_band_description(index, name)
    if profile.colormap is not None:
        draft.write_colormap(1, {code: (*rgb, 255) for code, rgb in profile.colormap.items()})
        draft.colorinterp = (ColorInterp.palette,)
    return draft


def _copy_as_cog(draft: Path, finished: Path, profile: RasterProfile) -> None:
    # Threads are pinned because they may change the order of the blocks in the file. Differences
    # between neighbouring class codes mean nothing, so no predictor there.
    rasterio.shutil.copy(
        draft,
        finished,
        driver="COG",
        COMPRESS="DEFLATE",
        PREDICTOR="NO" if profile.overviews == "mode" else "YES",
        BLOCKSIZE=TILE_PX,
        OVERVIEW_RESAMPLING=profile.overviews.upper(),
        OVERVIEWS="IGNORE_EXISTING",
        BIGTIFF="IF_SAFER",
        NUM_THREADS=1,
    )


def _verify(path: Path, checksums: Checksums) -> None:
    try:
        dataset = open_raster(path)
    except RasterError as error:
        raise _DamageError("it does not open again") from error
    with dataset:
        for window, checksum in checksums:
            if _checksum(dataset.read(window=window)) != checksum:
                raise _DamageError(f"row {window.row_off}, column {window.col_off} reads differently")


def _checksum(pixels: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).data)


def _open(path: Path, drivers: Sequence[str]) -> DatasetReader:
    """Try formats one by one, as rasterio 1.4 takes only one at a time."""
    reason: Exception | None = None
    for driver in drivers:
        try:
            # What rasterio says about missing georeferences, grid_of says better.
            with warnings.catch_warnings(), rasterio.Env(**alone(driver)):
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                return rasterio.open(path, driver=driver, sharing=False)
        except (RasterioError, UnicodeDecodeError) as error:  # the latter of texts in a damaged header
            reason = reason or error
    raise RasterError(
        f"{path}: cannot be read as GeoTIFF, ENVI or JPEG 2000. Is it whole, and of one of these formats?"
    ) from reason


def envi_pixels(path: Path) -> Path:
    """The pixels of an ENVI image that was named by its header."""
    if path.suffix.lower() != ".hdr":
        return path
    candidates = (path.with_suffix(suffix) for suffix in ("", ".img", ".dat", ".bsq", ".bil", ".bip"))
    return next((file for file in candidates if file.is_file()), path)


def _check_position(dataset: DatasetReader) -> None:
    """Refuse rasters that are not placed by an affine transform."""
    if not dataset.transform.is_identity:
        return
    if dataset.gcps[0]:
        raise RasterError(
            f"{dataset.name}: is placed only by {len(dataset.gcps[0])} ground-control points, as "
            "Sentinel-1 GRD is delivered. Terrain-correct it first, for example with SNAP; --warp-gcps places it by "
            "these points alone, slopes up to hundreds of metres off."
        )
    if dataset.rpcs:
        raise RasterError(
            f"{dataset.name}: is placed only by RPCs. Orthorectify it first with gdalwarp -rpc and an elevation model."
        )
    raise RasterError(f"{dataset.name}: has no position on the ground{unread(dataset)}. Georeference it first.")


def _check_transform(dataset: DatasetReader) -> None:
    transform, (height, width) = dataset.transform, dataset.shape
    if not all(map(math.isfinite, transform)) or transform.a * transform.e == 0:
        raise RasterError(
            f"{dataset.name}: has pixels of {transform.a} × {transform.e}, which is no size. Georeference it again."
        )
    # A shear that moves no corner by a hundredth of a pixel is rounding.
    if max(abs(transform.b * height / transform.a), abs(transform.d * width / transform.e)) > 0.01:
        raise RasterError(f"{dataset.name}: is rotated or sheared. Make it north-up first with gdalwarp.")
    if transform.a < 0:
        raise RasterError(f"{dataset.name}: is mirrored, its columns run west. Make it north-up with gdalwarp.")
