"""Vector files: checked for common problems such as a missing .dbf, then read in a limited process."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError

from landcover_bdgf.errors import BdgfError, LabelError, opening
from landcover_bdgf.geo.vector_archive import unpacked
from landcover_bdgf.geo.vector_checks import CONVERT, ZIP, not_read, vector_driver
from landcover_bdgf.geo.vector_encoding import check_encoding, shapefile_encoding, warn_of_garbled
from landcover_bdgf.geo.vector_worker import read_in_worker
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from pandas import DataFrame

_SHAPEFILE = "ESRI Shapefile"
_AT_ONCE = 10_000  # geometries; a million points in WKB take 100 MB
_SURFACES = (15, 16, 17)  # WKB polyhedral surface, TIN and triangle: strips and fans of a MultiPatch
_SHOWN_NAMES = 20
_TAKEN_APART = re.compile(r"[!;?]|\.(zip|shz)$", re.IGNORECASE)  # pyogrio looks for archives and addresses
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
    import pyogrio  # loads pandas, half a second that maps need not wait

    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


@opening(LabelError)
def read_features(
    path: PathLike, *, fields: Sequence[str] | None = None, layer: str | None = None, encoding: str | None = None
) -> GeoDataFrame:
    """All features of one layer of a vector file, or of the only one in a zip archive.

    Parameters
    ----------
    path : path
        Shapefile, GeoPackage, GeoJSON (also one object per line), FlatGeobuf, KML, File Geodatabase, SpatiaLite or
        GeoParquet, as far as the installed GDAL reads them.
    fields : sequence of str, optional
        Fields to read. By default all, except those that share a name.
    layer : str, optional
        Needed only when several layers have a geometry.
    encoding : str, optional
        Text encoding of a ``.dbf``, as Python names it; by default that of its ``.cpg``.

    Returns
    -------
    geopandas.GeoDataFrame
        Its fields contain numbers, or texts and None; dates are texts. Its geometry column has a name that no field
        has.

    Raises
    ------
    LabelError
        If the file is missing, of another format, damaged, or has no features, no CRS or not these fields; if text is
        invalid in its encoding; or if reading it takes too much memory or time for its size.
    SettingsError
        The encoding is unknown.
    """
    path = Path(path)
    check_encoding(encoding)
    driver = vector_driver(path)
    if driver == ZIP:
        with unpacked(path) as file:
            return _read_layer(file, path, vector_driver(file), fields, layer, encoding)
    return _read_layer(path, path, driver, fields, layer, encoding)


def _read_layer(
    path: Path, shown: Path, driver: str, fields: Sequence[str] | None, layer: str | None, encoding: str | None
) -> GeoDataFrame:
    """The features of a file; warnings name ``shown``."""
    if driver == _SHAPEFILE:
        encoding = encoding or shapefile_encoding(path)
    about, arrays = _read(path, driver, [layer] if layer else [], fields, encoding)
    _check_layers(path, [name for name, geometry in about["layers"].items() if geometry is not None], layer)
    features = next(iter(about["features"].values()))
    can_choose = driver == _SHAPEFILE
    if not set(fields or ()) <= set(features["names"]):
        warn_of_garbled(shown, features["names"], can_choose=can_choose)
    for name in fields or ():
        check_name(path, "field", name, features["names"])
    _check_features(path, features, arrays)
    if fields is None and (twice := [name for name, count in Counter(features["names"]).items() if count > 1]):
        log.warning("%s: has several fields named %s, which are not read. Rename them", shown, ", ".join(twice))
    texts = {text for _, values in features["fields"] if not isinstance(values, int) for text in values[1] if text}
    warn_of_garbled(shown, sorted(texts), can_choose=can_choose)
    return _geo_frame(path, features, arrays)


@opening(LabelError)
def read_layers(path: PathLike, names: Sequence[str]) -> dict[str, DataFrame]:
    """The named layers and tables that exist in a file, as :func:`read_features`; a CRS is not needed."""
    path = Path(path)
    about, arrays = _read(path, vector_driver(path), names, None, None)
    return {
        name: _frame(features, arrays) if features["wkb"] is None else _geo_frame(path, features, arrays)
        for name, features in about["features"].items()
    }


@opening(LabelError)
def read_table(path: PathLike) -> DataFrame:
    """The rows of a ``.dbf`` without geometries, as :func:`read_features`."""
    path = Path(path)
    about, arrays = _read(path, _SHAPEFILE, [], None, shapefile_encoding(path))
    return _frame(next(iter(about["features"].values())), arrays)


def check_name(path: PathLike, what: str, name: str, names: Iterable[str]) -> None:
    """LabelError if a file has no field or layer of this name, or several; the message lists the existing ones."""
    names = list(names)
    if names.count(name) > 1:
        raise LabelError(path, f"has {names.count(name)} {what}s named {name!r}", "Rename or remove all but one.")
    if name in names:
        return
    by_lower = {other.lower(): other for other in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    nearest = f"Did you mean {by_lower[close[0]]}?" if close else ""
    there = ", ".join(names[:_SHOWN_NAMES]) or "none"
    raise LabelError(path, f"has no {what} {name!r}, but {there}", nearest)


def _read(
    path: Path, driver: str, layers: Sequence[str], fields: Sequence[str] | None, encoding: str | None
) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """The answer of the worker; see vector_worker.py."""
    remedy = "Keep only the features and fields that you need, or save it again with QGIS."
    wanted = None if fields is None else list(fields)
    request = {"driver": driver, "layers": list(layers), "fields": wanted, "encoding": encoding}
    about, arrays = read_in_worker(path, "vector", LabelError, remedy, name=plain_name(path), **request)
    kind, said = about.get("error", ("", ""))
    if kind == "NoDriver":
        raise LabelError(path, f"is in the format {said}, which the installed GDAL does not read", _converted(path))
    if kind in ("UnicodeDecodeError", "LookupError"):
        raise LabelError(path, f"has text in another encoding ({said})", "Try `encoding=utf-8`, latin-1, cp850 or gbk.")
    if kind in ("CRSError", "UnboundLocalError"):  # UnboundLocalError: pyogrio, if GDAL cannot write the CRS
        raise LabelError(path, "its CRS cannot be read", "Give it one in QGIS (Set layer CRS).")
    if "not recognized as being in a supported file format" in said:  # JSON, but not GeoJSON
        raise not_read(path)
    if kind:
        raise LabelError(path, f"cannot be read, {said}", _COPY)
    if about.get("crs_kind") not in (None, "name"):  # GDAL would assume longitude and latitude
        raise LabelError(path, "its CRS is a link, which is not followed", "Save it again with QGIS.")
    return about, arrays


def _converted(path: Path) -> str:
    """How to convert a file; few builds of GDAL, and so of QGIS, read Parquet."""
    if path.suffix.lower() not in (".parquet", ".geoparquet"):
        return CONVERT
    return (
        "Save it as a GeoPackage. In Python, with geopandas and pyarrow: "
        f"geopandas.read_parquet('{path.name}').to_file('{path.stem}.gpkg')"
    )


def _frame(features: dict[str, Any], arrays: list[NDArray[Any]]) -> DataFrame:
    import pandas

    columns = {
        name: arrays[values].copy()
        if isinstance(values, int)
        else np.array([*values[1], None], object)[arrays[values[0]]]
        for name, values in features["fields"]
    }
    return pandas.DataFrame(columns)


def _geo_frame(path: Path, features: dict[str, Any], arrays: list[NDArray[Any]]) -> GeoDataFrame:
    import geopandas

    lengths, wkb = arrays[features["wkb"]], arrays[features["wkb"] + 1]
    ends, shapes = lengths.clip(0).cumsum(), np.empty(len(lengths), object)
    for start in range(0, len(lengths), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        geometries = [
            None if length < 0 else wkb[end - length : end].tobytes()
            for length, end in zip(lengths[some].tolist(), ends[some].tolist(), strict=True)
        ]
        # invalid geometries become None, which are skipped and counted
        shapes[some] = shapely.from_wkb(np.fromiter(geometries, object, len(geometries)), on_invalid="ignore")
        _check_surfaces(path, shapes[some], geometries)
    frame, name = _frame(features, arrays), "geometry"
    while name in frame:
        name += "_"
    try:
        return geopandas.GeoDataFrame(frame.assign(**{name: shapes}), geometry=name, crs=features["crs"])
    except CRSError as error:
        raise LabelError(path, "its CRS cannot be read", "Give it one in QGIS (Set layer CRS).") from error


def _check_surfaces(path: Path, shapes: NDArray[np.object_], wkb: Sequence[bytes | None]) -> None:
    """Refuse surfaces, which GEOS does not read."""
    unread = [text for text, none in zip(wkb, shapely.is_missing(shapes), strict=True) if none and text is not None]
    types = [int.from_bytes(text[1:5], "little" if text[0] else "big") % 1000 for text in unread if len(text) > 4]
    if any(kind in _SURFACES for kind in types):
        problem = "holds multipatch features or other surfaces, which are not read"
        raise LabelError(path, problem, "Convert them to polygons (Multipatch Footprint in ArcGIS).")


def _check_layers(path: Path, layers: Sequence[str], wanted: str | None) -> None:
    if wanted is not None:
        check_name(path, "layer", wanted, layers)
    elif not layers and path.suffix.lower() != ".shp":
        raise LabelError(path, "has no layer with a geometry", "Give polygons or points.")
    elif len(layers) > 1:
        raise LabelError(
            path, f"has {len(layers)} layers, {', '.join(layers[:_SHOWN_NAMES])}", "Choose one with `layer`."
        )


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
