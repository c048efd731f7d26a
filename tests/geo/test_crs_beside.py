"""An image without a CRS takes that of its .prj or .aux.xml, unless a Shapefile owns the .prj."""

from __future__ import annotations

import pytest
from rasterio.crs import CRS
from rasterio.enums import WktVersion

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import grid_of, open_raster

WKT = CRS.from_epsg(32633).to_wkt()
ESRI = CRS.from_epsg(32633).to_wkt(version=WktVersion.WKT1_ESRI)
AUX = "<PAMDataset><SRS dataAxisToSRSAxisMapping='1,2'>{}</SRS></PAMDataset>".format(WKT.replace('"', "&quot;"))
FILES = {"prj": WKT, "esri": ESRI, "aux": AUX, "code": "<SRS>EPSG:32633</SRS>"}


@pytest.mark.parametrize(
    ("name", "text"), [("a.prj", "prj"), ("a.prj", "esri"), ("a.tif.aux.xml", "aux"), ("a.tif.aux.xml", "code")]
)
def test_a_crs_next_to_an_image_without_one_is_used(tmp_path, write_tif, noise, caplog, name, text):
    caplog.set_level("INFO")
    path = write_tif("a.tif", noise, crs=None)
    (tmp_path / name).write_text(FILES[text])
    with open_raster(path) as dataset:
        assert grid_of(dataset).crs.to_epsg() == 32633
        assert grid_of(dataset, crs=CRS.from_epsg(32632)).crs.to_epsg() == 32632
    assert f"a.tif: has no CRS, that of {name} is used" in caplog.text
    assert "is not read" not in caplog.text


def test_the_crs_of_the_file_comes_first(tmp_path, write_tif, noise):
    path = write_tif("a.tif", noise, crs="EPSG:32632")
    (tmp_path / "a.prj").write_text(WKT)
    with open_raster(path) as dataset:
        assert grid_of(dataset).crs.to_epsg() == 32632


@pytest.mark.parametrize(
    ("name", "text"), [("a.prj", "Projection UTM"), ("a.prj", ""), ("a.tif.aux.xml", "<SRS>x</SRS>")]
)
def test_what_is_no_crs_is_not_used(tmp_path, write_tif, noise, name, text):
    path = write_tif("a.tif", noise, crs=None)
    (tmp_path / name).write_text(text)
    with open_raster(path) as dataset, pytest.raises(RasterError, match=r"has no CRS in the file; .* next to it"):
        grid_of(dataset)


def test_the_prj_of_a_shapefile_is_not_used(tmp_path, write_tif, noise):
    path = write_tif("a.tif", noise, crs=None)
    (tmp_path / "a.prj").write_text(WKT)
    (tmp_path / "a.shp").touch()
    with open_raster(path) as dataset, pytest.raises(RasterError, match="has no CRS"):
        grid_of(dataset)
