"""The format of a vector file, and whether all its parts are there."""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.raster_checks import begins_as_raster
from landcover_bdgf.progress import log
from landcover_bdgf.storage import check_exists

GIVE = "Give a Shapefile (.shp), GeoPackage, GeoJSON, FlatGeobuf, KML or File Geodatabase."
CONVERT = "Save it as a GeoPackage, with QGIS (Export, Save Features As) or ogr2ogr."
_POINTS = "Make points of its coordinates in QGIS (Add Delimited Text Layer), and save them as a GeoPackage."
ZIP = "a zip archive"  # in place of a driver

_SHAPEFILE, _SQLITE, _ZIP = b"\x00\x00\x27\x0a", b"SQLite format 3\x00", b"PK\x03\x04"
_MAGIC = {b"fgb\x03": "FlatGeobuf", b"PAR1": "Parquet", b"\x1e": "GeoJSONSeq"}
_GEOPACKAGE = (b"GPKG", b"GP10", b"GP11")  # application_id at byte 68 of an SQLite file
_LINES = re.compile(rb"[^\n]*\}\s*\n\s*\{")  # an object that ends with the line, and another one
_KML = re.compile(rb"<(\w+:)?kml\b", re.IGNORECASE)
_NOT_READ = {
    ".csv": "a table", ".tsv": "a table", ".xlsx": "a table", ".gml": "GML", ".gpx": "GPX", ".tab": "a MapInfo file",
    ".mif": "a MapInfo file", ".dxf": "a drawing", ".dwg": "a drawing", ".topojson": "TopoJSON", ".gz": "compressed",
    ".7z": "an archive", ".rar": "an archive", ".tar": "an archive", ".qgz": "a QGIS project",
}  # fmt: skip


def vector_driver(path: Path) -> str:
    """The driver that reads a file, by its first bytes, or :data:`ZIP`.

    Raises
    ------
    LabelError
        If it is missing, cut off or incomplete, or of a format that is not read.
    """
    check_exists(path, LabelError)
    if path.is_dir() and any(path.glob("*.gdbtable")):
        return "OpenFileGDB"
    if not path.is_file():
        raise LabelError(path, "is not a file", GIVE)
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise LabelError(path, "is empty", GIVE)
    if begins_as_raster(head):
        raise LabelError(
            path, "is a raster", f"Convert it to polygons first, for example with gdal_polygonize.py. {GIVE}"
        )
    if head.startswith(_ZIP):
        return ZIP
    if head.startswith(_SHAPEFILE):
        _check_shapefile(path)
        return "ESRI Shapefile"
    if head.startswith(_SQLITE):
        _check_saved(path)
        _check_length(path, _sqlite_bytes(head))
        return "GPKG" if head[68:72] in _GEOPACKAGE or path.suffix.lower() == ".gpkg" else "SQLite"
    return _driver_of_text(path, head)


def _driver_of_text(path: Path, head: bytes) -> str:
    for begin, driver in _MAGIC.items():
        if head.startswith(begin):
            return driver
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return "GeoJSONSeq" if _is_sequence(path) else "GeoJSON"
    if text.startswith(b"<") and _KML.search(text):
        return "LIBKML"
    raise not_read(path)


def not_read(path: Path) -> LabelError:
    """The error of a file whose format is not read."""
    if what := _NOT_READ.get(path.suffix.lower()):
        remedy = _POINTS if what == "a table" else CONVERT
        return LabelError(path, f"is {what}, which is not read", remedy)
    return LabelError(path, "is in a format that is not read", GIVE)


def _is_sequence(path: Path) -> bool:
    """Whether a JSON file holds one object per line."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return _LINES.match(text) is not None


def _check_saved(path: Path) -> None:
    """Refuse a GeoPackage with unsaved changes in an SQLite journal; a finished journal is filled with zeros."""
    for left in (Path(f"{path}-wal"), Path(f"{path}-journal")):
        if left.is_file() and any(_bytes(left, 0, 8, filler=b"\0")):
            raise LabelError(path, f"has unsaved changes in {left.name}", "Close it in QGIS, or save it again.")


def companion(path: Path, suffix: str) -> Path | None:
    """The file of a Shapefile with this suffix, in small or capital letters."""
    return next((file for s in (suffix, suffix.upper()) if (file := path.with_suffix(s)).is_file()), None)


def _check_shapefile(path: Path) -> None:
    """Refuse incomplete Shapefiles, which GDAL would read as fewer features or with other rows, without an error."""
    if path.suffix.lower() != ".shp":
        raise LabelError(path, "is the index of a Shapefile", "Give its .shp.")
    table, index = companion(path, ".dbf"), companion(path, ".shx")
    if table is None:
        raise LabelError(path, "its .dbf, which holds the classes, is missing", "Copy all files of the Shapefile.")
    if index is None:
        raise LabelError(path, "its .shx is missing", "Copy all files of the Shapefile.")
    for file in (index, path.with_suffix(".prj"), path.with_suffix(".cpg")):
        if file.is_file():  # GDAL ignores those that it cannot read
            file.open("rb").close()
    # ESRI Shapefile Technical Description (1998): file length in 16-bit words at byte 24, big-endian.
    lengths = [2 * struct.unpack(">i", _bytes(file, 24, 4))[0] for file in (path, index)]
    for file, length in zip((path, index), lengths, strict=True):
        _check_length(file, length)
    # dBASE: number of records, length of the header, length of a record at byte 4.
    rows, header, row = struct.unpack("<IHH", _bytes(table, 4, 8))
    _check_length(table, header + rows * row)
    shapes = (lengths[1] - 100) // 8  # a header of 100 bytes and 8 bytes per shape
    if shapes != rows:  # GDAL pairs them by number, so that most shapes may get the class of another one
        remedy = "Copy all files of the Shapefile again from where it was made."
        raise LabelError(
            path, f"has {shapes} shapes, but {rows} rows in its .dbf: which belong together is unclear", remedy
        )
    _check_index(path, index, shapes)


def _check_index(path: Path, index: Path, shapes: int) -> None:
    """Refuse a .shx of another file, and warn of shapes that it does not list: GDAL reads those that it lists."""
    starts, sizes = 2 * np.fromfile(index, ">i4", 2 * shapes, offset=100).astype(np.int64).reshape(-1, 2).T
    starts = starts[starts > 0]  # 0: a removed shape
    bytes_in_all = path.stat().st_size
    inside = starts[starts <= bytes_in_all - 12]
    content = np.memmap(path, np.uint8, "r")
    (kind,) = struct.unpack("<i", _bytes(path, 32, 4))
    kinds = content[inside[:, None] + np.arange(8, 12)].view("<i4").ravel()  # after number and length of the shape
    remedy = "Copy all files of the Shapefile again from where it was made."
    if len(inside) < len(starts) or not np.isin(kinds, (0, kind)).all():
        raise LabelError(path, "its .shx is that of another file, so its shapes cannot be found", remedy)
    if 100 + int((sizes + 8).sum()) < bytes_in_all and (found := _shapes_in(content)) > shapes:
        log.warning("%s: holds %d shapes, but its .shx and .dbf list %d; the others are not read. %s",
                    path, found, shapes, remedy)  # fmt: skip


def _shapes_in(content: NDArray[np.uint8]) -> int:
    """Number of shapes one after another in a .shp; their lengths are in 16-bit words."""
    at, found = 100, 0
    while at + 12 <= len(content):
        at, found = at + 8 + 2 * max(0, int(content[at + 4 : at + 8].view(">i4")[0])), found + 1
    return found


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
