"""Writing cloud-optimised GeoTIFFs, which are read back and verified."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # raised by rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError, RasterError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.storage import PathLike, atomic_output, check_free_space, draft_folder

TILE_PX = 512


@dataclass(frozen=True)
class RasterProfile:
    """Properties of a raster to be written.

    Attributes
    ----------
    dtype : str
        Data type of the pixels, such as ``"uint8"``.
    count : int
        Number of bands.
    nodata : float, optional
    band_names : tuple of str
        Empty, or one name for each band.
    colormap : mapping of int to (red, green, blue), optional
        0 to 255; for a single band of uint8 or uint16.
    overviews : "mode" or "average"
        Resampling of the overviews: "mode" for classes, "average" for quantities.
    tags : mapping of str to str
        Written into the file.
    scale : float
        What a pixel value is multiplied by for its meaning, in the unit of the band.
    """

    dtype: str
    count: int = 1
    nodata: float | None = None
    band_names: tuple[str, ...] = ()
    colormap: Mapping[int, tuple[int, int, int]] | None = None
    overviews: Literal["mode", "average"] = "mode"
    tags: Mapping[str, str] = field(default_factory=dict)
    scale: float = 1.0


def write_raster(
    path: PathLike,
    grid: Grid,
    tiles: Iterable[tuple[Window, NDArray[Any]]],
    *,
    profile: RasterProfile,
    overwrite: bool = False,
) -> None:
    """Write a cloud-optimised GeoTIFF from tiles, in bounded memory; the same tiles give the same bytes.

    The tiles go into an uncompressed draft (tiles that do not match compressed blocks would rewrite them repeatedly),
    which GDAL's COG driver copies. The copy is read back and compared with checksums of the tiles, because GDAL reports
    no error on a full disk and leaves files that read as zeros.

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
    """
    height, width = grid.shape_hw
    draft_bytes = height * width * profile.count * np.dtype(profile.dtype).itemsize
    with atomic_output(path, overwrite=overwrite) as finished, draft_folder(finished) as folder:
        check_free_space(path, 2 * draft_bytes)
        draft, copy = folder / "draft.tif", folder / "cog.tif"  # short names, because GDAL appends to them
        try:
            checksums = _write_draft(draft, grid, tiles, profile)
            _copy_as_cog(draft, copy, profile)
            _verify(copy, checksums)
            os.replace(copy, finished)
        except (RasterioError, CPLE_BaseError, _DamageError) as error:
            raise OutputError(path, f"could not be written whole, {error}", "Is the disk full, or damaged?") from error


class _DamageError(Exception):
    """The written file does not read back."""


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
    layout = {"tiled": True, "blockxsize": TILE_PX, "blockysize": TILE_PX, "interleave": "band", "bigtiff": "if_safer"}
    place = {"crs": grid.crs, "transform": grid.transform, "height": height, "width": width}
    bands = {"count": profile.count, "dtype": profile.dtype, "nodata": profile.nodata}
    draft = rasterio.open(path, "w", driver="GTiff", **place, **bands, **layout)
    draft.update_tags(**profile.tags)
    if profile.scale != 1:
        draft.scales = (profile.scale,) * profile.count
    for index, name in enumerate(profile.band_names, start=1):
        draft.set_band_description(index, name)
    if profile.colormap is not None:
        draft.write_colormap(1, {code: (*rgb, 255) for code, rgb in profile.colormap.items()})
        draft.colorinterp = (ColorInterp.palette,)
    return draft


def _copy_as_cog(draft: Path, finished: Path, profile: RasterProfile) -> None:
    # One thread, because several may change the order of the blocks. No predictor for class codes, which are unordered.
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
