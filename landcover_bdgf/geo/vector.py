"""Vector files: checked for common problems such as a missing .dbf, then read in a limited process."""

from __future__ import annotations

import difflib
import os
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError

from landcover_bdgf.errors import BdgfError, LabelError, SettingsError, opening
from landcover_bdgf.geo.raster_checks import begins_as_raster
from landcover_bdgf.geo.vector_worker import read_in_worker
from landcover_bdgf.storage import PathLike

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from pandas import DataFrame

_SHAPEFILE, _SQLITE = b"\x00\x00\x27\x0a", b"SQLite format 3\x00"
_SHOWN_NAMES = 20
_TAKEN_APART = re.compile(r"[!;?]|\.(zip|shz)$", re.IGNORECASE)  # pyogrio looks for archives and addresses
_GIVE = "Give a Shapefile (.shp), GeoPackage or GeoJSON."
_COPY = "Copy all files of the labels again."


def plain_name(path: PathLike, kind: type[BdgfError] = LabelError) -> str:
    """The name of a vector file for pyogrio; ``kind`` is raised if pyogrio would take it for an archive or address."""
    os.fspath(path).encode()  # UnicodeEncodeError for names that are not UTF-8
    name = os.fspath(path) if os.path.isabs(path) else os.path.join(".", path)  # ./ cannot be a scheme
    if found := _TAKEN_APART.search(name):
        raise kind(path, f"has {found[0]} in its name, which GDAL takes for an archive or an address", "Rename it.")
    return name.replace("//", "/", 1) if name.startswith("//") and os.name == "posix" else name


@contextmanager
def undated() -> Iterator[None]:
    """Within the block, GeoPackages get a fixed date, so that the same data give the same bytes."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


@opening(LabelError)
def read_features(path: PathLike, *, layer: str | None = None, encoding: str | None = None) -> GeoDataFrame:
    """All features of one layer of a Shapefile, GeoPackage or GeoJSON.

    Parameters
    ----------
    path : path
    layer : str, optional
        Needed only when several layers have a geometry.
    encoding : str, optional
        Text encoding of a ``.dbf`` without ``.cpg``.

    Returns
    -------
    geopandas.GeoDataFrame
        Its fields contain numbers, or texts and None; dates are texts.

    Raises
    ------
    LabelError
        If the file is missing, of another format, damaged, or has no features or no CRS; or if reading it takes too
        much memory or time for its size.
    SettingsError
        The encoding is unknown.
    """
    path = Path(path)
    _check_encoding(encoding)
    about, arrays = _read(path, [layer] if layer else [], encoding)
    _check_layers(path, [name for name, geometry in about["layers"].items() if geometry is not None], layer)
    features = next(iter(about["features"].values()))
    _check_features(path, features, arrays)
    return _geo_frame(path, features, arrays)


@opening(LabelError)
def read_layers(path: PathLike, names: Sequence[str]) -> dict[str, DataFrame]:
    """The named layers and tables that exist in a file, as :func:`read_features`; a CRS is not needed."""
    path = Path(path)
    about, arrays = _read(path, names, None)
    return {
        name: _frame(features, arrays) if features["wkb"] is None else _geo_frame(path, features, arrays)
        for name, features in about["features"].items()
    }


def check_name(path: PathLike, what: str, name: str, names: Iterable[str]) -> None:
    """LabelError if a file has no field or layer of this name; the message lists the existing ones."""
    names = list(names)
    if name in names:
        return
    by_lower = {other.lower(): other for other in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    nearest = f" Did you mean {by_lower[close[0]]}?" if close else ""
    there = ", ".join(names[:_SHOWN_NAMES]) or "none"
    raise LabelError(path, f"has no {what} {name!r}, but {there}.{nearest}")


def _check_encoding(encoding: str | None) -> None:
    try:
        "a".encode(encoding or "utf-8")
    except (LookupError, ValueError):  # ValueError: a codec for something else than text
        known = "utf-8, latin-1, cp1252 or gbk"
        raise SettingsError(f"`encoding={encoding}`", "is unknown", f"Use one such as {known}.") from None


def _read(path: Path, layers: Sequence[str], encoding: str | None) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """The answer of the worker; see vector_worker.py."""
    driver = _check_file(path)
    remedy = "Keep only the features and fields that you need, or save it again with QGIS."
    about, arrays = read_in_worker(
        path, "vector", LabelError, remedy, name=plain_name(path), driver=driver, layers=list(layers), encoding=encoding
    )
    kind, said = about.get("error", ("", ""))
    if kind in ("UnicodeDecodeError", "LookupError"):
        raise LabelError(path, f"has text in another encoding ({said})", "Try `encoding=gbk` or latin-1.")
    if kind in ("CRSError", "UnboundLocalError"):  # UnboundLocalError: pyogrio, if GDAL cannot write the CRS
        raise LabelError(path, "its CRS cannot be read", "Give it one in QGIS (Set layer CRS).")
    if "not recognized as being in a supported file format" in said:  # JSON, but not GeoJSON
        raise LabelError(path, "is none of these formats", _GIVE)
    if kind:
        raise LabelError(path, f"cannot be read, {said}", _COPY)
    if about.get("crs_kind") not in (None, "name"):  # GDAL would assume longitude and latitude
        raise LabelError(path, "its CRS is a link, which is not followed", "Save it again with QGIS.")
    return about, arrays


def _frame(features: dict[str, Any], arrays: list[NDArray[Any]]) -> DataFrame:
    import pandas

    columns = {
        name: arrays[values].copy() if isinstance(values, int) else np.fromiter(values, object, len(values))
        for name, values in features["fields"]
    }
    return pandas.DataFrame(columns)


def _geo_frame(path: Path, features: dict[str, Any], arrays: list[NDArray[Any]]) -> GeoDataFrame:
    import geopandas

    lengths, wkb = arrays[features["wkb"]], arrays[features["wkb"] + 1].tobytes()
    ends = np.cumsum(lengths.clip(0)).tolist()
    geometries = [
        None if length < 0 else wkb[end - length : end] for length, end in zip(lengths.tolist(), ends, strict=True)
    ]
    # invalid geometries become None, which are skipped and counted
    shapes = shapely.from_wkb(np.fromiter(geometries, object, len(geometries)), on_invalid="ignore")
    try:
        return geopandas.GeoDataFrame(_frame(features, arrays), geometry=shapes, crs=features["crs"])
    except CRSError as error:
        raise LabelError(path, "its CRS cannot be read", "Give it one in QGIS (Set layer CRS).") from error


def _check_layers(path: Path, layers: Sequence[str], wanted: str | None) -> None:
    if wanted is not None:
        check_name(path, "layer", wanted, layers)
    elif not layers and path.suffix.lower() != ".shp":
        raise LabelError(path, "has no layer with a geometry", "Give polygons or points.")
    elif len(layers) > 1:
        raise LabelError(
            path, f"has {len(layers)} layers, {', '.join(layers[:_SHOWN_NAMES])}", "Choose one with `layer`."
        )


def _check_file(path: Path) -> str:
    """The driver that reads a file, by its first bytes."""
    if not path.exists():
        raise LabelError(path, "does not exist", "Check its name and the folder you are in.")
    if not path.is_file():
        raise LabelError(path, "is not a file", _GIVE)
    with path.open("rb") as file:
        head = file.read(4096)
    if begins_as_raster(head):
        raise LabelError(
            path, "is a raster", f"Convert it to polygons first, for example with gdal_polygonize.py. {_GIVE}"
        )
    if head.startswith(_SHAPEFILE):
        _check_shapefile(path)
        return "ESRI Shapefile"
    if head.startswith(_SQLITE):
        _check_saved(path)
        _check_length(path, _sqlite_bytes(head))
        return "GPKG"
    if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        raise LabelError(path, "is none of these formats" if head else "is empty", _GIVE)
    return "GeoJSON"


def _check_saved(path: Path) -> None:
    """Refuse a GeoPackage with unsaved changes in an SQLite journal; a finished journal is filled with zeros."""
    for left in (Path(f"{path}-wal"), Path(f"{path}-journal")):
        if left.is_file() and any(_bytes(left, 0, 8, filler=b"\0")):
            raise LabelError(path, f"has unsaved changes in {left.name}", "Close it in QGIS, or save it again.")


def _check_shapefile(path: Path) -> None:
    """Refuse incomplete Shapefiles, which GDAL would read as fewer features without an error."""
    if path.suffix.lower() != ".shp":
        raise LabelError(path, "is the index of a Shapefile", "Give its .shp.")
    table, index = (
        next((file for s in (suffix, suffix.upper()) if (file := path.with_suffix(s)).is_file()), None)
        for suffix in (".dbf", ".shx")
    )
    if table is None:
        raise LabelError(path, "its .dbf, which holds the classes, is missing", "Copy all files of the Shapefile.")
    if index is None:
        raise LabelError(path, "its .shx is missing", "Copy all files of the Shapefile.")
    for file in (index, path.with_suffix(".prj"), path.with_suffix(".cpg")):
        if file.is_file():  # GDAL ignores those that it cannot read
            file.open("rb").close()
    # ESRI Shapefile Technical Description (1998): file length in 16-bit words at byte 24, big-endian.
    for file in (path, index):
        _check_length(file, 2 * struct.unpack(">i", _bytes(file, 24, 4))[0])
    # dBASE: number of records, length of the header, length of a record at byte 4.
    count, header, record = struct.unpack("<IHH", _bytes(table, 4, 8))
    _check_length(table, header + count * record)


def _sqlite_bytes(head: bytes) -> int:
    """Size of a SQLite file according to its header (sqlite.org/fileformat.html, 1.3)."""
    size, pages = struct.unpack(">16xH10xI", head[:32].ljust(32, b"\xff"))
    return int(pages * (65536 if size == 1 else size))


def _check_length(path: Path, expected: int) -> None:
    found = path.stat().st_size
    if found < expected:
        raise LabelError(path, f"is cut off, {found} of {expected} bytes are there", "Copy it again.")


def _bytes(path: Path, offset: int, length: int, *, filler: bytes = b"\xff") -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length).ljust(length, filler)


def _check_features(path: Path, features: dict[str, Any], arrays: list[NDArray[Any]]) -> None:
    """Refuse a layer without features, geometry or CRS."""
    if features["wkb"] is None:
        raise LabelError(path, "has no geometry", "Give polygons or points.")
    if not len(arrays[features["wkb"]]):
        raise LabelError(path, "has no features", "Draw some polygons first, or check the file.")
    if features["crs"] is None:
        what = "its .prj is missing" if path.suffix.lower() == ".shp" else "none is set in it"
        remedy = "Give it one in QGIS (Set layer CRS) or with ogr2ogr -a_srs EPSG:…"
        raise LabelError(path, f"has no CRS, {what}", remedy)
