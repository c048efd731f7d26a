"""xarray DataArrays as image sources: each is written once to a temporary GeoTIFF."""

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
_TOLERANCE = 0.01  # of the pixel size, by which the spacing of coordinates may vary


def is_array(source: object) -> bool:
    """Whether a source is a DataArray; RasterError for a Dataset."""
    xarray = sys.modules.get("xarray")  # imported by any caller that has a DataArray
    if xarray is not None and isinstance(source, xarray.Dataset):
        raise RasterError("Dataset", "is not a DataArray", 'Convert it with dataset.to_dataarray("band").')
    return xarray is not None and isinstance(source, xarray.DataArray)


def write_array(array: DataArray, *, crs: CRS | None = None) -> tuple[Path, Path]:
    """Write a DataArray as a GeoTIFF in a new temporary folder, which the caller removes; returns folder and file.

    The array has dimensions y and x, and a band dimension if there are several. CRS, transform and nodata are those of
    ``array.rio``; ``crs`` is used if it has none. Bands are named by a tuple ``long_name`` in its attributes, or by
    text in the band coordinate. A band coordinate ``wavelength`` is in nm, or in the ``units`` of its attributes. The
    attributes ``scale_factor`` and ``add_offset`` are applied; NaN is nodata.

    RasterError if the array has other dimensions, no CRS, unevenly spaced coordinates, or values that a GeoTIFF cannot
    hold; or if rioxarray is not installed.
    """
    source = array.encoding.get("source")  # set if the array was read from a file
    known = str(array.name or (Path(source).name if source else ""))
    name = f"DataArray '{printable(known)}'" if known else f"DataArray of {' × '.join(map(str, array.shape))}"
    array = _bands_first(array, name)
    if array.rio.crs is None and crs is None:
        raise RasterError(name, "has no CRS", 'Set it with array.rio.write_crs("EPSG:…").')
    folder = Path(tempfile.mkdtemp(prefix="bdgf-"))
    # the sensor, and the name of a single band, are recognised by the file name
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', Path(known).stem)[:100] or 'array'}.tif"
    FILE_NAMES[str(path)] = name
    try:
        _write(array, path, name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, path


def _bands_first(array: DataArray, name: str) -> DataArray:
    """The array as (bands, y, x), with evenly spaced coordinates."""
    try:
        import rioxarray  # noqa: F401  # for array.rio
    except ImportError as error:
        raise RasterError(name, "needs rioxarray", "Install it with pip install rioxarray.") from error
    from rioxarray.exceptions import RioXarrayError

    try:
        array = array.rename({array.rio.y_dim: "y", array.rio.x_dim: "x"})
    except RioXarrayError:
        remedy = "Name the last two dimensions y and x."
        raise RasterError(name, f"has dimensions {_dimensions(array)}", remedy) from None
    others = [dim for dim in array.dims if dim not in ("y", "x")]
    if len(others) > 1:
        remedy = "Select an index of the others, e.g. array.isel(time=0)."
        raise RasterError(name, f"has dimensions {_dimensions(array)}", remedy)
    array = array if others else array.drop_vars("band", errors="ignore").expand_dims("band")
    for dim in {"y", "x"} & set(array.coords):
        steps = np.diff(array[dim].to_numpy())
        if len(steps) and np.ptp(steps) > _TOLERANCE * abs(steps.mean()):
            raise RasterError(name, f"has unevenly spaced {dim} coordinates", "Resample it to a regular grid.")
    return array.transpose(..., "y", "x")


def _dimensions(array: DataArray) -> str:
    return f"({', '.join(map(str, array.dims))}), expected (band, y, x)"


def _write(array: DataArray, path: Path, name: str) -> None:
    count, height, width = array.shape
    check_free_space(path, array.nbytes)
    even = {"y", "x"} <= set(array.coords) and min(height, width) > 1
    try:
        place = {
            "crs": array.rio.crs,
            "transform": array.rio.transform(recalc=even),
        }  # a slice stores that of the whole
        pixels = {"count": count, "height": height, "width": width, "dtype": array.dtype, "nodata": array.rio.nodata}
        layout = {"tiled": True, "blockxsize": _TILE_PX, "blockysize": _TILE_PX, "interleave": "band"}
        with rasterio.open(path, "w", driver="GTiff", bigtiff="if_safer", **place, **pixels, **layout) as file:
            _describe(file, array)
            for row in range(0, height, _TILE_PX):
                rows = array[:, row : row + _TILE_PX].to_numpy()  # computes these rows only, with dask
                file.write(rows, window=Window(0, row, width, rows.shape[1]))
    except (RasterioError, TypeError, ValueError) as error:
        raise RasterError(name, f"cannot be written as a GeoTIFF ({error})", "Convert it with array.astype.") from error


def _describe(file: DatasetWriter, array: DataArray) -> None:
    """Write names, wavelengths, scales, units and tags, which rioxarray keeps in attributes."""
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
    """Names of the bands; empty if they have none."""
    names = array.attrs.get("long_name", ())
    if isinstance(names, tuple | list) and len(names) == len(array):
        return list(map(str, names))
    names = array[array.dims[0]].to_numpy()  # numbers from 0 if there is no such coordinate
    return list(map(str, names)) if names.dtype.kind in "OUT" else []


def _per_band(value: Any, count: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) and len(value) == count else (value,) * count


def _with_names(record: logging.LogRecord) -> bool:
    if FILE_NAMES and isinstance(record.args, tuple) and record.args:
        shown = {str(each): with_names(str(each)) for each in record.args}
        record.args = tuple(each if shown[str(each)] == str(each) else shown[str(each)] for each in record.args)
    elif FILE_NAMES:
        record.msg = with_names(record.getMessage())
    return True


log.addFilter(_with_names)
