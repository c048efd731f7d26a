"""GeoPackages have the same bytes each time, a default style for QGIS, and one error if they cannot be written."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pyogrio
import pytest
import shapely

from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo.geopackage import STYLES, append_layer, append_style, has_tables, writing_geopackage

POINTS = geopandas.GeoDataFrame({"id": [1, 2]}, geometry=shapely.points([0, 1], [2, 3]), crs=32633)


def write(path: Path) -> Path:
    with writing_geopackage(path):
        append_layer(POINTS, path, "points")
        append_style(path, "points", name="own", qml="<qgis/>", description="of a test")
    return path


def test_bytes_and_style(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.gpkg"), write(tmp_path / "b.gpkg")
    assert first.read_bytes() == second.read_bytes()
    style = pyogrio.read_dataframe(first, layer=STYLES, read_geometry=False).iloc[0]
    assert (style["f_table_name"], style["styleQML"], bool(style["useAsDefault"])) == ("points", "<qgis/>", True)


def test_tables_are_found_without_opening_the_file_as_a_vector_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gpkg")
    assert has_tables(path, ("points", STYLES))
    assert not has_tables(path, ("points", "design"))
    (tmp_path / "text.gpkg").write_text("text")
    assert not has_tables(tmp_path / "text.gpkg", ("points",))
    assert not has_tables(tmp_path / "missing.gpkg", ("points",))


def test_what_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"p\.gpkg: cannot be written, "), writing_geopackage("p.gpkg"):
        append_layer(POINTS, tmp_path / "missing" / "p.gpkg", "points")
    with pytest.raises(OutputError, match="for an archive"), writing_geopackage("a?b.gpkg"):
        pass
