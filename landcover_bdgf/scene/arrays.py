"""DataArrays of xarray, read like files: each is written once to a temporary GeoTIFF."""

from __future__ import annotations

import logging
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.progress import log
from landcover_bdgf.storage import check_free_space
from landcover_bdgf.text import FILE_NAMES, printable, with_names

if TYPE_CHECKING:
    from xarray import DataArray

_TILE_PX = 512
_UNEVEN = 0.01  # of a pixel's size, by which steps between coordinates may differ


def is_array(source: object) -> bool:
    """Whether a source is a DataArray; RasterError for a Dataset."""
    xarray = sys.modules.get("xarray")  # whoever has a DataArray has imported it
    if xarray is not None and isinstance(source, xarray.Dataset):
        raise RasterError("Dataset", "is not a DataArray", 'Convert it with dataset.to_dataarray("band").')
    return xarray is not None and isinstance(source, xarray.DataArray)


def write_array(array: DataArray, *, crs: CRS | None = None) -> tuple[Path, Path]:
    """Write a DataArray as a GeoTIFF into a new temporary folder; returns the folder, to be removed, and the file.

    Parameters
    ----------
    array : xarray.DataArray
        Dimensions y and x, and bands, if there are several. CRS, transform and nodata are those of ``array.rio``.
        Bands are named by a tuple ``long_name`` in its attributes, or by text in the coordinate of the bands. A
        coordinate ``wavelength`` of the bands is in nm, or in the ``units`` of its attributes. ``scale_factor`` and
        ``add_offset`` among the attributes are applied; NaN is no data.
    crs : rasterio.crs.CRS, optional
        Known from elsewhere, so that the array needs none.

    Raises
    ------
    RasterError
        It has other dimensions, no CRS, uneven coordinates, or values that a GeoTIFF cannot hold; or rioxarray is
        not installed.
    """
    source = array.encoding.get("source")  # of an array that was read from a file
    known = str(array.name or (Path(source).name if source else ""))
    name = f"DataArray '{printable(known)}'" if known else f"DataArray of {' × '.join(map(str, array.shape))}"
    array = _bands_first(array, name)
    if array.rio.crs is None and crs is None:
        raise RasterError(name, "has no CRS", 'Set it with array.rio.write_crs("EPSG:…").')
    folder = Path(tempfile.mkdtemp(prefix="bdgf-"))
    # the name of a file tells the sensor, and of a single band the band
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', Path(known).stem)[:100] or 'array'}.tif"
    FILE_NAMES[str(path)] = name
    try:
        _write(array, path, name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, path


def _bands_first(array: DataArray, name: str) -> DataArray:
    """The array as (bands, y, x), evenly spaced."""
    try:
        import rioxarray  # noqa: F401  # for array.rio
    except ImportError as error:
        raise RasterError(name, "rioxarray is not installed", "pip install rioxarray") from error
    from rioxarray.exceptions import RioXarrayError

    try:
        array = array.rename({array.rio.y_dim: "y", array.rio.x_dim: "x"})
    except RioXarrayError:
        raise RasterError(name, f"has dimensions {_dimensions(array)}", "Name the last two y and x.") from None
    others = [dim for dim in array.dims if dim not in ("y", "x")]
    if len(others) > 1:
        raise RasterError(name, f"has dimensions {_dimensions(array)}", "Select one, such as array.isel(time=0).")
    array = array if others else array.drop_vars("band", errors="ignore").expand_dims("band")
    for dim in {"y", "x"} & set(array.coords):
        steps = np.diff(array[dim].to_numpy())
        if len(steps) and np.ptp(steps) > _UNEVEN * abs(steps.mean()):
            raise RasterError(name, f"has uneven {dim} coordinates", "Resample it to an even grid.")
    return array.transpose(..., "y", "x")


def _dimensions(array: DataArray) -> str:
    return f"({', '.join(map(str, array.dims))}), expected (band, y, x)"


def _write(array: DataArray, path: Path, name: str) -> None:
    count, height, width = array.shape
    check_free_space(path, array.nbytes)
    even = {"y", "x"} <= set(array.coords) and min(height, width) > 1
    try:
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=array.dtype,
            crs=array.rio.crs,
            transform=array.rio.transform(recalc=even),  # else that of the array it was cut out of
            nodata=array.rio.nodata,
            tiled=True,
            blockxsize=_TILE_PX,
            blockysize=_TILE_PX,
            interleave="band",
            bigtiff="if_safer",
        ) as file:
            _describe(file, array)
            for row in range(0, height, _TILE_PX):
                rows = array[:, row : row + _TILE_PX].to_numpy()  # of dask, these alone are computed
                file.write(rows, window=Window(0, row, width, rows.shape[1]))
    except (RasterioError, TypeError, ValueError) as error:
        raise RasterError(name, f"cannot be written as a GeoTIFF ({error})", "Convert it with astype.") from error


def _describe(file: DatasetWriter, array: DataArray) -> None:
    """Names, wavelengths, scales, units and tags, from where rioxarray keeps those of a file."""
    attributes, count = array.attrs, file.count
    file.update_tags(**{key: value for key, value in attributes.items() if isinstance(value, str)})
    file.scales = _per_band(attributes.get("scales", attributes.get("scale_factor", 1.0)), count)
    file.offsets = _per_band(attributes.get("offsets", attributes.get("add_offset", 0.0)), count)
    file.units = _per_band(attributes.get("units", ""), count)
    for index, name in enumerate(_names(array), start=1):
        file.set_band_description(index, name)
    if "wavelength" in array.coords and array["wavelength"].size == count:
        unit = array["wavelength"].attrs.get("units", "nm")
        for index, value in enumerate(np.ravel(array["wavelength"].to_numpy()), start=1):
            file.update_tags(index, wavelength=f"{value}", wavelength_units=unit)


def _names(array: DataArray) -> list[str]:
    """One for each band, or none."""
    names = array.attrs.get("long_name", ())
    if isinstance(names, tuple | list) and len(names) == len(array):
        return list(map(str, names))
    names = array[array.dims[0]].to_numpy()  # numbers from 0 where there is no such coordinate
    return list(map(str, names)) if names.dtype.kind in "OUT" else []


def _per_band(value: Any, count: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) and len(value) == count else (value,) * count


def _by_name(record: logging.LogRecord) -> bool:
    if FILE_NAMES:
        record.msg, record.args = with_names(record.getMessage()), None
    return True


log.addFilter(_by_name)
