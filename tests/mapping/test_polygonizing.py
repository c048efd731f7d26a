"""A map becomes polygons with names, areas and a style; the file is the same for any strips."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from conftest import Bdgf
from drawn_maps import GRID, write_map
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

from landcover_bdgf.errors import OutputError, RasterError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.pixel_areas import PixelAreas
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.mapping import polygonizing
from landcover_bdgf.mapping.polygonizing import polygons
from landcover_bdgf.mapping.settings import PolygonSettings
from landcover_bdgf.storage.records import changed_files, read_record, record_path

LEGEND = Legend.from_values(["water", "wood", "bare"])


@pytest.fixture
def smooth_map(tmp_path: Path) -> Path:
    field = gaussian_filter(np.random.default_rng(1).normal(size=GRID.shape_hw), 2)
    codes = np.digitize(field, np.quantile(field, [0.05, 0.4, 0.7])).astype(np.uint8)
    return write_map(tmp_path / "m.tif", codes, LEGEND)


def test_polygons_have_names_and_areas(smooth_map: Path, tmp_path: Path) -> None:
    found = geopandas.read_file(polygons(smooth_map, tmp_path / "m.gpkg"), layer="land_cover")
    assert list(found.columns) == ["code", "class", "pixels", "area_m2", "area_ha", "geometry"]
    assert np.allclose(found.area, 100 * found.pixels)
    assert np.allclose(found.area_m2, 100 * found.pixels, rtol=2e-3)
    assert (found["class"] == np.array(LEGEND.names)[found.code - 1]).all()
    assert found.crs == GRID.crs.to_wkt()
    record = read_record(tmp_path / "m.gpkg")
    assert record["polygons"] == len(found)
    assert changed_files(tmp_path / "m.gpkg") == []
    with pytest.raises(OutputError, match="exists already"):
        polygons(smooth_map, tmp_path / "m.gpkg")


def test_areas_add_up_to_those_of_pixels_in_degrees(tmp_path: Path) -> None:
    """In 60° N, where a pixel is half as wide as high."""
    grid = Grid(CRS.from_epsg(4326), Affine(0.01, 0, 20, 0, -0.01, 60), (60, 80))
    codes = np.random.default_rng(0).integers(0, 3, (60, 80)).astype(np.uint8)
    path = write_map(tmp_path / "m.tif", codes, LEGEND, grid)
    found = geopandas.read_file(polygons(path, tmp_path / "m.gpkg"), layer="land_cover")
    of_pixels = np.broadcast_to(PixelAreas(grid).of(Window(0, 0, 80, 60)), codes.shape)
    for code in (1, 2):
        assert found.area_m2[found.code == code].sum() == pytest.approx(of_pixels[codes == code].sum(), rel=1e-6)


def test_the_file_is_the_same_for_any_strips(smooth_map: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygonizing, "_WRITTEN", 7)
    whole = polygons(smooth_map, tmp_path / "a.gpkg").read_bytes()
    for rows in (1, 13):
        monkeypatch.setattr(polygonizing, "STRIP_PX", rows)
        assert polygons(smooth_map, tmp_path / "a.gpkg", overwrite=True).read_bytes() == whole


def test_the_style_names_each_class_and_is_found_by_qgis(smooth_map: Path, tmp_path: Path) -> None:
    table = geopandas.read_file(polygons(smooth_map, tmp_path / "m.gpkg"), layer="layer_styles")
    (row,) = table.to_dict("records")
    assert (row["f_table_name"], row["f_geometry_column"], bool(row["useAsDefault"])) == ("land_cover", "geom", True)
    for entry in LEGEND.entries:
        assert f'label="{entry.name}"' in row["styleQML"]
        assert ",".join(map(str, (*entry.color, 255))) in row["styleQML"]


def test_simplified_borders_are_shared(smooth_map: Path, tmp_path: Path) -> None:
    plain, simple = tmp_path / "plain.gpkg", tmp_path / "simple.gpkg"
    polygons(smooth_map, plain)
    polygons(smooth_map, simple, settings=PolygonSettings(simplify=15))
    before, after = (geopandas.read_file(path, layer="land_cover") for path in (plain, simple))
    count = [shapely.get_num_coordinates(each.geometry.to_numpy()).sum() for each in (before, after)]
    assert count[1] < 0.8 * count[0]
    assert shapely.coverage_is_valid(after.geometry.to_numpy())
    assert np.array_equal(before.pixels, after.pixels)


def test_simplified_polygons_keep_the_border_of_the_map_and_have_their_own_areas(
    smooth_map: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    polygons(smooth_map, tmp_path / "plain.gpkg")
    polygons(smooth_map, tmp_path / "simple.gpkg", settings=PolygonSettings(simplify=30))
    before, after = (geopandas.read_file(tmp_path / f"{name}.gpkg", layer="land_cover") for name in ("plain", "simple"))
    assert after.union_all().symmetric_difference(before.union_all()).area < 1e-6
    assert np.allclose(after.area_m2, after.area, rtol=2e-3)
    assert after.area_m2.sum() == pytest.approx(before.area_m2.sum(), rel=1e-6)
    assert "lose their shape" not in caplog.text
    polygons(smooth_map, tmp_path / "coarse.gpkg", settings=PolygonSettings(simplify=60))
    assert "`simplify=60`: is 6 pixels, so small polygons lose their shape and area. Use 30 or less." in caplog.text


def test_a_raster_with_a_class_that_its_table_lacks_is_refused_before_anything_is_written(
    smooth_map: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a table of the codes 1, 2 and 9, as other programs write."""
    aux_xml = smooth_map.with_name("m.tif.aux.xml")
    aux_xml.write_text(aux_xml.read_text().replace("<F>3</F>", "<F>9</F>"))
    record_path(smooth_map).unlink(missing_ok=True)
    caplog.set_level("INFO")
    with pytest.raises(RasterError, match=r"m.tif: contains code 3, which its legend does not name\."):
        polygons(smooth_map, tmp_path / "m.gpkg")
    assert "writing" not in caplog.text


def test_a_map_without_data_has_no_polygons(tmp_path: Path) -> None:
    path = write_map(tmp_path / "m.tif", np.zeros((60, 80), np.uint8), LEGEND)
    with pytest.raises(OutputError, match=r"m\.gpkg: has no polygons, as the map has no data"):
        polygons(path, tmp_path / "m.gpkg")


def test_the_command(smooth_map: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    assert bdgf("polygons", "m.tif", "-o", "m.gpkg", "--simplify", "15", "-q") == 0
    assert capsys.readouterr().out == "m.gpkg: polygons\n"
    assert bdgf("polygons", "m.tif", "-o", "m.shp") == 6
    assert "Name it m.gpkg" in capsys.readouterr().err
