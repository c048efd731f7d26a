"""GeoPackages as bdgf writes them: the same bytes for the same data, errors as one, styles that QGIS finds."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover_bdgf.errors import LabelError, OutputError, opening
from landcover_bdgf.geo.vector import plain_name, undated
from landcover_bdgf.storage import PathLike, Product

if TYPE_CHECKING:
    from pandas import DataFrame

STYLES = "layer_styles"  # where QGIS looks for the style of a layer


def geopackage_product(path: PathLike, *companions: Path) -> Product:
    """A GeoPackage and files next to it; SQLite makes a temporary journal."""
    return Product(Path(path), companions, (Path(f"{os.fspath(path)}-journal"),), extension=".gpkg")


@contextmanager
def writing_geopackage(path: PathLike) -> Iterator[None]:
    """Within the block, layers have a fixed date; OutputError naming ``path`` if they cannot be written."""
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError  # loads pandas, as in vector.py

    plain_name(path, OutputError)
    try:
        with undated():
            yield
    except (DataSourceError, DataLayerError, FeatureError) as error:
        raise OutputError(path, f"cannot be written, {error}", "Is the disk full, or damaged?") from error


def append_layer(table: DataFrame, draft: Path, layer: str, **options: Any) -> None:
    """Write a layer or table, or append its rows, into a GeoPackage that may not exist yet."""
    import pyogrio

    pyogrio.write_dataframe(table, plain_name(draft), layer=layer, driver="GPKG", append=draft.exists(), **options)


def append_style(draft: Path, layer: str, *, name: str, qml: str, description: str) -> None:
    """Write the default style of a layer, a QGIS style as text."""
    import pandas

    row: dict[str, Any] = {
        "f_table_catalog": "", "f_table_schema": "", "f_table_name": layer, "f_geometry_column": "geom",
        "styleName": name, "styleQML": qml, "styleSLD": "", "useAsDefault": True, "description": description,
        "owner": "", "ui": "", "update_time": pandas.Timestamp("2000-01-01"),
    }  # fmt: skip
    append_layer(pandas.DataFrame([row]), draft, STYLES)


@opening(LabelError)
def has_tables(path: PathLike, names: Sequence[str]) -> bool:
    """Whether a file is a GeoPackage with all these tables; LabelError if permission to read it is denied."""
    try:
        if not Path(path).is_file():  # opening a pipe would block
            return False
        with Path(path).open("rb") as file:
            if not file.read(16).startswith(b"SQLite format 3"):
                return False
        # immutable: SQLite opens no other files
        address = f"{Path(path).absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as database:
            marks = ", ".join("?" * len(names))
            found = database.execute(f"SELECT name FROM sqlite_master WHERE name IN ({marks})", names).fetchall()
        return len(found) == len(names)
    except PermissionError:
        raise
    except (OSError, sqlite3.Error, UnicodeDecodeError):  # the last by SQLite's message about a damaged schema
        return False
