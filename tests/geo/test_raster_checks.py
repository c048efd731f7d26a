"""Files that are not rasters, are truncated, or declare too many pixels are refused before work starts."""

from __future__ import annotations

import os
from pathlib import Path

import make_bad as bad
import numpy as np
import pytest
import rasterio
from conftest import WriteTif

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.geo.raster_checks import check_packing, position_beside, unreadable_crs_beside


@pytest.mark.parametrize(("make", "words"), [
    (lambda p: None, "does not exist"),
    (lambda p: p.mkdir(), "is a folder"),
    (lambda p: p.touch(), "is empty"),
    (lambda p: p.write_text("no raster"), "is not a GeoTIFF"),
    (lambda p: os.mkfifo(p), "device or pipe"),
])  # fmt: skip
def test_a_file_that_is_not_a_raster_is_refused(tmp_path, make, words):
    path = tmp_path / "scene.tif"
    make(path)
    with pytest.raises(RasterError, match=words):
        open_raster(path)


def test_too_large_blocks_are_refused(tmp_path):
    bad.sparse(40_000, blockxsize=40_000, blockysize=40_000)(tmp_path)
    with pytest.raises(RasterError, match=r"has blocks of 1\.6 GB, .* gdal_translate -co TILED=YES"):
        open_raster(tmp_path / "bad.tif")


def test_too_many_bands_or_columns_are_refused(tmp_path):
    for more in ({"count": 5000}, {"width": 1_000_016}):
        bad.sparse(16, **more)(tmp_path)
        with pytest.raises(RasterError, match="at most 4096 bands and 1000000 pixels a side are read"):
            open_raster(tmp_path / "bad.tif")


def test_a_header_of_another_format_is_not_envi(tmp_path):
    (tmp_path / "a.img").write_bytes(bytes(100))
    (tmp_path / "a.hdr").write_text("samples = 10")
    with pytest.raises(RasterError, match="is not a GeoTIFF, ENVI"):
        open_raster(tmp_path / "a.img")


def test_an_aux_xml_with_metadata_gives_a_warning(write_tif, noise, caplog):
    told = write_tif("told.tif", noise)
    Path(f"{told}.aux.xml").write_text("<PAMDataset><NoDataValue le_hex_equiv='0'>0</NoDataValue></PAMDataset>")
    open_raster(told).close()
    assert [record.getMessage()[len(str(told)) :] for record in caplog.records] == [
        ": told.tif.aux.xml contains its nodata, which is not read. If it is right, write it into the file: "
        "gdal_edit.py, or gdal_translate to a new one."
    ]


@pytest.mark.parametrize(("name", "driver"), [("a.tif", "GTiff"), ("a.img", "ENVI")])
@pytest.mark.parametrize("options", [{}, {"interleave": "pixel"}])
def test_half_a_file_does_not_open(write_tif, noise, name, driver, options):
    path = write_tif(name, noise, driver=driver, **options)
    open_raster(path).close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RasterError, match=r"is cut off|cannot be read"):
        open_raster(path)


def test_more_pixels_than_a_codec_can_compress_are_refused():
    check_packing("a.tif", 1000 * 10**6, 10**6)
    check_packing("a.tif", 200 * 10**6, 1)  # below the least size
    with pytest.raises(RasterError, match=r"declares 2\.0 GB of pixels but has only 1000 kB"):
        check_packing("a.tif", 2 * 10**9, 10**6)


def test_statistics_beside_a_raster_are_not_blamed_for_its_missing_position(write_tif: WriteTif) -> None:
    """QGIS leaves an .aux.xml with statistics alone beside many rasters."""
    path = write_tif("a.tif", np.ones((1, 8, 8), np.uint8), crs=None)
    aux_xml = path.with_name("a.tif.aux.xml")
    aux_xml.write_text("<PAMDataset><PAMRasterBand band='1'><Metadata/></PAMRasterBand></PAMDataset>")
    path.with_suffix(".tfw").touch()
    with rasterio.open(path) as dataset:
        assert unreadable_crs_beside(dataset) == ""
        assert position_beside(dataset) == " in the file; a.tfw next to it is not read"
    aux_xml.write_text("<PAMDataset><SRS>?</SRS></PAMDataset>")
    with rasterio.open(path) as dataset:
        assert unreadable_crs_beside(dataset) == " in the file; a.tif.aux.xml next to it tells none"
