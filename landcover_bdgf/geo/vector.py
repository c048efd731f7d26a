"""Vector files: opened by a short list of formats, checked for damage that GDAL passes over in silence."""

from __future__ import annotations

import difflib
import json
import os
import re
import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj.exceptions import CRSError

from landcover_bdgf.errors import BdgfError, LabelError, RasterError, SettingsError, opening
from landcover_bdgf.geo.crs_text import check_crs_text
from landcover_bdgf.geo.gdal_env import VECTOR_DRIVERS
from landcover_bdgf.geo.geopackage import check_geopackage
from landcover_bdgf.geo.raster_checks import begins_as_raster
from landcover_bdgf.storage import PathLike

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

_SHAPEFILE, _SQLITE = b"\x00\x00\x27\x0a", b"SQLite format 3\x00"
_OTHER_FORMATS = (b"gdal_streamed_alg", b"<OGRVRT")  # that GDAL finds in what begins like JSON
_SHOWN_NAMES = 20
_TAKEN_APART = re.compile(r"[!;?]|\.(zip|shz)$", re.IGNORECASE)  # by pyogrio: archives, what follows an address
_MOST_FIELDS = 2000  # of GeoJSON, each feature may bring its own; each takes memory for all features
_MANY_VALUES = 15_000_000  # that may be less than a byte each in the file
_BRACKET_BYTES, _FEW_BYTES = 6, 1 << 20  # of a point in GeoJSON with its comma, [0,0], and of what may be otherwise
_LONGEST_PRJ = 1 << 20  # bytes


def plain_name(path: PathLike, kind: type[BdgfError] = LabelError) -> str:
    """The name of a vector file for pyogrio, which looks for archives and addresses in names and may open another file.

    Raises
    ------
    BdgfError
        Of that kind: the name would be taken apart.
    """
    os.fspath(path).encode()  # as pyogrio would, of another name
    name = os.fspath(path) if os.path.isabs(path) else os.path.join(".", path)  # no scheme can stand before ./
    if found := _TAKEN_APART.search(name):
        raise kind(path, f"has a name with {found[0]}, which is taken for an archive or an address", "Rename it.")
    return name.replace("//", "/", 1) if name.startswith("//") and os.name == "posix" else name


@contextmanager
def undated() -> Iterator[None]:
    """While this holds, GeoPackages are written without the time of day, so that the same data give the same bytes."""
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
        Of the texts, for a ``.dbf`` without ``.cpg``.

    Raises
    ------
    LabelError
        If the file is missing, of another format, damaged, or has no features or no CRS.
    SettingsError
        The encoding is unknown.
    """
    path = Path(path)
    _check_encoding(encoding)
    _check_file(path)
    try:
        name, layer = plain_name(path), _layer(path, layer)
        if _bytes(path, 0, len(_SQLITE)) == _SQLITE:
            check_geopackage(path, layer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about M values and the like, which do not matter here
            _check_info(path, layer)
            # a geometry that cannot be one is none: it is skipped and counted
            features = pyogrio.read_dataframe(name, layer=layer, encoding=encoding, on_invalid="ignore")
    except (DataSourceError, DataLayerError) as error:
        raise LabelError(path, f"cannot be read, {error}", "Copy all files of the labels again.") from error
    except (CRSError, UnboundLocalError) as error:  # the latter is pyogrio's, of a CRS that GDAL cannot write down
        raise LabelError(path, "its CRS cannot be read", "Give it one in QGIS (Set layer CRS).") from error
    except (UnicodeDecodeError, LookupError) as error:
        raise LabelError(path, f"has texts of another encoding ({error})", "Try --encoding gbk or latin-1.") from error
    _check_features(path, features)
    return features


def check_name(path: PathLike, what: str, name: str, names: Iterable[str]) -> None:
    """Refuse a field or layer that a file does not have, naming those it has and the nearest.

    Raises
    ------
    LabelError
    """
    names = list(names)
    if name in names:
        return
    by_lower = {other.lower(): other for other in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    nearest = f" Did you mean {by_lower[close[0]]}?" if close else ""
    there = ", ".join(names[:_SHOWN_NAMES]) or "none"
    raise LabelError(path, f"has no {what} {name!r}, but {there}.{nearest}")


def layers_of(path: PathLike) -> dict[str, str | None]:
    """Names of the layers of a vector file with their types of geometry, None for tables.

    Raises
    ------
    LabelError
        A GeoPackage whose own tables are views, or whose CRS names another file.
    """
    if _bytes(Path(path), 0, len(_SQLITE)) == _SQLITE:
        check_geopackage(Path(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about geometry columns that declare curves, which are read all the same
        return {str(name): geometry for name, geometry in pyogrio.list_layers(plain_name(path))}


def _check_encoding(encoding: str | None) -> None:
    try:
        "a".encode(encoding or "utf-8")
    except (LookupError, ValueError):  # there are codecs for other things than texts
        known = "utf-8, latin-1, cp1252 or gbk"
        raise SettingsError(f"--encoding {encoding}", "is unknown", f"Use one such as {known}.") from None


def _layer(path: Path, wanted: str | None) -> str:
    layers = [name for name, geometry in layers_of(path).items() if geometry is not None]
    if wanted is not None:
        check_name(path, "layer", wanted, layers)
        return wanted
    if not layers and path.suffix.lower() != ".shp":
        raise LabelError(path, "has no layer with a geometry", "Give polygons or points.")
    if len(layers) > 1:
        raise LabelError(
            path, f"has {len(layers)} layers, {', '.join(layers[:_SHOWN_NAMES])}", "Choose one with --layer."
        )
    return layers[0] if layers else path.stem


def _check_file(path: Path) -> None:
    if not path.exists():
        raise LabelError(path, "does not exist", "Check its name and the folder you are in.")
    if not path.is_file():
        raise LabelError(path, "is not a file", "Name a Shapefile (.shp), GeoPackage or GeoJSON.")
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if begins_as_raster(head):
        raise LabelError(
            path,
            "is a raster",
            "Make polygons of it first, with gdal_polygonize.py, and give a Shapefile (.shp), GeoPackage or GeoJSON.",
        )
    if head.startswith(_SHAPEFILE):
        _check_shapefile(path)
    elif head.startswith(_SQLITE):
        _check_length(path, _sqlite_bytes(head))
    elif not text.startswith(b"{") or any(word in head for word in _OTHER_FORMATS):
        found = "is empty" if not head else "is none of these formats"
        raise LabelError(path, f"{found}", "Give a Shapefile (.shp), GeoPackage or GeoJSON.")
    else:
        _check_geojson(path)


def _check_geojson(path: Path) -> None:
    """GDAL fetches a CRS that is a link (GeoJSON of 2008, 3.2), wherever in the file it stands; only names may pass."""

    def checked(members: list[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:  # what is there twice is seen twice
        for name, value in members:
            if "\0" in name:  # GDAL takes it for the end of the name
                raise LabelError(path, "has a name with a NUL in it, as no program writes", "Save it again with QGIS.")
            kinds = [k for key, k in value if key.lower() == "type"] if isinstance(value, tuple) else []
            if name.lower() == "crs" and any(kind != "name" for kind in kinds):
                raise LabelError(path, "its CRS is a link, which is not followed", "Save it again with QGIS.")
            if name.lower() == "crs":
                for text in _texts(value):
                    _check_crs(path, text.partition("\0")[0])
                    _check_crs(path, text)
        return tuple(members)

    data = path.read_bytes()
    if _BRACKET_BYTES * (data.count(b"[") + data.count(b"{")) > len(data) + _FEW_BYTES:
        raise LabelError(path, "consists of empty lists, which take much memory", "Save it again with QGIS.")
    try:
        json.loads(data.decode("utf-8-sig", "surrogateescape"), object_pairs_hook=checked)
    except (ValueError, RecursionError) as error:
        raise LabelError(path, f"cannot be read, {error}", "Copy all files of the labels again.") from error


def _texts(value: object) -> Iterator[str]:
    """All texts in pairs of pairs."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _texts(part)


def _check_crs(path: Path, text: str) -> None:
    """Before GDAL has it, which looks for files that a CRS names."""
    try:
        check_crs_text(text, path)
    except RasterError as error:
        raise LabelError(*error.args) from error


def _check_shapefile(path: Path) -> None:
    """A Shapefile that lost its end or its companions reads as fewer features, without an error."""
    table = next((file for s in (".dbf", ".DBF") if (file := path.with_suffix(s)).exists()), None)
    if path.suffix.lower() != ".shp":
        raise LabelError(path, "is the index of a Shapefile", "Name its .shp.")
    if table is None:
        raise LabelError(path, "its .dbf, which holds the classes, is missing", "Copy all files of the Shapefile.")
    if not any(path.with_suffix(suffix).exists() for suffix in (".shx", ".SHX")):
        raise LabelError(path, "its .shx is missing", "Copy all files of the Shapefile.")
    for suffix in (".shx", ".prj", ".cpg"):  # GDAL goes on without those that may not be read
        with suppress(FileNotFoundError):
            path.with_suffix(suffix).open("rb").close()
    for suffix in (".prj", ".PRJ"):
        with suppress(FileNotFoundError), path.with_suffix(suffix).open("rb") as projection:
            _check_crs(path, projection.read(_LONGEST_PRJ).decode("utf-8", "replace"))
    # ESRI Shapefile Technical Description (1998): file length in 16-bit words at byte 24, big-endian.
    _check_length(path, 2 * struct.unpack(">i", _bytes(path, 24, 4))[0])
    _check_index(path)
    # dBASE: number of records, length of the header, length of a record at byte 4.
    count, header, record = struct.unpack("<IHH", _bytes(table, 4, 8))
    _check_length(table, header + count * record)


def _check_index(path: Path) -> None:
    """Records do not share their bytes, or few of them could become more than memory holds.

    ESRI Shapefile Technical Description (1998): place and length of each in 16-bit words, from byte 100 on.
    """
    for index in (path.with_suffix(suffix) for suffix in (".shx", ".SHX")):
        if index.exists():
            entries = index.read_bytes()[100:]
            words = np.frombuffer(entries[: len(entries) // 8 * 8], ">i4")
            if 2 * words[1::2].astype(np.int64).clip(0).sum() > path.stat().st_size:
                raise LabelError(index, f"is damaged, its records are longer than {path.name}", "Copy all files again.")


def _sqlite_bytes(head: bytes) -> int:
    """Pages and their size, as the head of a SQLite file says (sqlite.org/fileformat.html, 1.3)."""
    size, pages = struct.unpack(">16xH10xI", head[:32].ljust(32, b"\xff"))
    return int(pages * (65536 if size == 1 else size))


def _check_length(path: Path, expected: int) -> None:
    found = path.stat().st_size
    if found < expected:
        raise LabelError(path, f"is cut off, {found} of {expected} bytes are there", "Copy it again.")


def _bytes(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length).ljust(length, b"\xff")


def _check_info(path: Path, layer: str) -> None:
    info = pyogrio.read_info(plain_name(path), layer=layer)
    if info["driver"] not in VECTOR_DRIVERS:
        raise LabelError(path, f"is {info['driver']}", "Give a Shapefile (.shp), GeoPackage or GeoJSON.")
    fields, features = len(info["fields"]), info["features"]
    remedy = "Keep the field with the class, and remove others."
    if fields > _MOST_FIELDS:
        raise LabelError(path, f"has {fields} fields, {_MOST_FIELDS} are read at most", f"{remedy}")
    if fields * features > max(_MANY_VALUES, path.stat().st_size):
        raise LabelError(path, f"has {fields} fields for {features} features, nearly all without a value", f"{remedy}")


def _check_features(path: Path, features: GeoDataFrame) -> None:
    if len(features) == 0:
        raise LabelError(path, "has no features", "Draw some polygons first, or check the file.")
    if "geometry" not in features:
        raise LabelError(path, "has no geometry", "Give polygons or points.")
    if features.crs is None:
        what = "its .prj is missing" if path.suffix.lower() == ".shp" else "none is set in it"
        raise LabelError(
            path, f"has no CRS, {what}", "Give it one in QGIS (Set layer CRS) or with ogr2ogr -a_srs EPSG:…"
        )
