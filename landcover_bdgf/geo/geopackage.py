"""GeoPackages, looked at before GDAL reads them: layers are plain tables, and no CRS names a file.

A view is a query that the file brings along; it may never end, or fill the memory.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from pyogrio.errors import DataSourceError

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo.crs_text import check_crs_text

_TABLE = re.compile(r"\s*CREATE\s+TABLE\s", re.IGNORECASE)
_RTREE = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE\s.*\sUSING\s+rtree\s*\(", re.IGNORECASE | re.DOTALL)
_SYSTEM = ("gpkg_", "rtree_", "sqlite_")
_MOST_CURVES = 1_000_000  # bytes
_ENVELOPES = {1: 32, 2: 48, 3: 48, 4: 64}  # bytes, by what the header says
_LONGEST_DEFAULT = 1000  # letters
_COMPUTED = (2, 3)  # how SQLite marks columns that are generated, virtual or stored


def check_geopackage(path: Path, *layers: str) -> None:
    """Refuse a GeoPackage whose own tables or ``layers`` are computed when they are read, or whose CRS names a file.

    Raises
    ------
    LabelError
    DataSourceError
        It is no database, or a damaged one.
    """
    for left in (Path(f"{path}-wal"), Path(f"{path}-journal")):
        if left.exists() and _begins(left):
            raise LabelError(
                path, f"has changes in {left.name} that are not in it yet", "Close it in QGIS, or save it again."
            )
    # SQLite does not look for files beside what it takes for immutable
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            database.execute("PRAGMA ignore_check_constraints = 1")  # they are computed, by what the file says
            found = _tables(database)
            own = [name for name in found if name.startswith(_SYSTEM)]
            for name in own:
                if not (name.startswith("rtree_") and _RTREE.match(found[name])):  # its index; it is not read itself
                    _check_table(path, database, name, found[name])
            for layer in map(_lower, layers):
                _check_table(path, database, layer, found.get(layer))
                _check_curves(path, database, layer)
            for text in _definitions(database, found):
                check_crs_text(text, path)
    except RasterError as error:
        raise LabelError(*error.args) from error
    except sqlite3.Error as error:
        raise DataSourceError(str(error)) from error


def _begins(file: Path) -> bool:
    """Whether there is something in a journal; one that is done with is kept by some, its head wiped."""
    with file.open("rb") as journal:
        return any(journal.read(8))


def _lower(name: str) -> str:
    """A name as SQLite compares it: A is a, but É is not é."""
    return re.sub("[A-Z]+", lambda letters: letters[0].lower(), name)


def _tables(database: sqlite3.Connection) -> dict[str, str]:
    """How each table and view was made, by name."""
    rows = database.execute("SELECT name, sql FROM sqlite_master WHERE type NOT IN ('index', 'trigger')")
    return {_lower(str(name)): str(sql) for name, sql in rows}


def _check_table(path: Path, database: sqlite3.Connection, name: str, sql: str | None) -> None:
    """Refuse all but a table whose values lie in the file; so also a layer that has another name than its table."""
    plain = sql is not None and _TABLE.match(sql)
    quoted = name.replace('"', '""')
    columns = database.execute(f'PRAGMA table_xinfo("{quoted}")').fetchall() if plain else []
    if not plain or any(column[-1] in _COMPUTED for column in columns):
        raise LabelError(
            path,
            f"its table {name} is a view or computes its values, which bdgf does not run",
            "Export the layer as a plain table, with ogr2ogr or QGIS.",
        )
    if any(len(str(column[4])) > _LONGEST_DEFAULT for column in columns):
        raise LabelError(
            path,
            f"its table {name} has a column with a default of more than {_LONGEST_DEFAULT} letters, which each "
            "row would take memory for",
            "Export the layer again, with ogr2ogr or QGIS.",
        )
    found = database.execute(f'PRAGMA quick_check("{quoted}")').fetchone()  # pages in it that share others have no end
    if found != ("ok",):
        raise sqlite3.DatabaseError("the database disk image is malformed")


def _check_curves(path: Path, database: sqlite3.Connection, layer: str) -> None:
    """Refuse many arcs: three points become up to ninety. GeoPackage 1.3, 2.1.3; ISO 13249-3 numbers the kinds."""
    columns = database.execute("SELECT column_name FROM gpkg_geometry_columns WHERE lower(table_name) = ?", [layer])
    total = 0
    for (column,) in columns.fetchall():
        name, table = (text.replace('"', '""') for text in (str(column), layer))
        for head, size in database.execute(f'SELECT substr("{name}", 1, 80), length("{name}") FROM "{table}"'):
            total += size if _may_hold_arcs(head) else 0
    if total > _MOST_CURVES:
        raise LabelError(
            path,
            f"holds {total / 1000000.0:.1f} MB of curves, at most {_MOST_CURVES / 1000000.0:.0f} MB are read",
            "Make lines of them: Segmentize in QGIS, or ogr2ogr -nlt CONVERT_TO_LINEAR.",
        )


def _may_hold_arcs(head: object) -> bool:
    """Of the first bytes of a geometry: whether it is a curve, or holds some, or is a collection, which may."""
    if not isinstance(head, bytes) or not head.startswith(b"GP") or len(head) < 8:
        return False
    kind = head[8 + _ENVELOPES.get(head[3] >> 1 & 7, 0) :][:5]
    number = int.from_bytes(kind[1:], "little" if kind[:1] == b"\1" else "big") & 0xFFFF
    return number % 1000 in range(7, 13)


def _definitions(database: sqlite3.Connection, found: dict[str, str]) -> list[str]:
    """All CRS of a GeoPackage, as text."""
    if "gpkg_spatial_ref_sys" not in found:
        return []
    rows = database.execute("SELECT * FROM gpkg_spatial_ref_sys")
    texts = [i for i, column in enumerate(rows.description) if "definition" in _lower(column[0])]
    return [str(row[i]) for row in rows for i in texts]
