"""A file of another format is named as what it is, with a way to a GeoTIFF."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from shapely import Point

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.other_formats import described
from landcover_bdgf.geo.raster import open_raster

HDF5 = b"\x89HDF\r\n\x1a\n"


@pytest.mark.parametrize(("name", "head", "problem", "remedy"), [
    ("s2.zip", b"PK\x03\x04", "is a zip archive", "Unpack it"),
    ("s2.tar.gz", b"\x1f\x8b\x08", "is a packed archive", "Unpack it"),
    ("x/prs.he5", HDF5, "is an HDF5 file", "gdal_translate -of GTiff 'HDF5:\"x/prs.he5\"://PATH' prs.tif"),
    ("x/emit.nc", HDF5, "is an HDF5 file", "gdal_translate -of GTiff 'NETCDF:\"x/emit.nc\":VARIABLE' emit.tif"),
    ("a.nc", b"CDF\x02", "is a netCDF file", "gdalinfo a.nc lists the images in it"),
    ("a.hdf", b"\x0e\x03\x13\x01", "is an HDF4 file", "SUBDATASET"),
    ("a.img", b"EHFA_HEADER_TAG\0", "is an ERDAS IMAGINE file", "gdal_translate -of GTiff a.img a.tif"),
    ("a.png", b"\x89PNG\r\n\x1a\n", "is a PNG picture", "give the image that it was made from"),
    ("a.tif", b"\xff\xd8\xff\xe1", "is a JPEG picture", "give the image that it was made from"),
    ("a.tif", b"\n<!DOCTYPE html><html>", "is a web page, as a failed download leaves it", "Download it again"),
    ("a.tif", b"version https://git-lfs.github.com", "is a pointer of Git LFS, not the file itself", "git lfs pull"),
    ("MTD.xml", b"<?xml version='1.0'?><a/>", "is an XML file without pixels", "image or folder that it describes"),
    ("a.vrt", b"<VRTDataset>", "is a VRT", "gdal_translate -of GTiff a.vrt a.tif"),
    ("a.shp", b"\0\0\x27\x0a", "is a shapefile", "give an image"),
    ("a.asc", b"ncols 4", "is an Esri ASCII grid", "gdal_translate -of GTiff a.asc a.tif"),
    ("a.dat", bytes(9), "has no header next to it, which an ENVI image needs", "a.hdr"),
    ("{a}.img", b"EHFA_HEADER_TAG\0", "is an ERDAS IMAGINE file", "gdal_translate -of GTiff {a}.img {a}.tif"),
    ("a.xyz", b"?", "is not a GeoTIFF, ENVI or JPEG 2000 file", "If gdalinfo knows it"),
])  # fmt: skip
def test_a_format_is_known_by_its_first_bytes_and_its_name(name: str, head: bytes, problem: str, remedy: str) -> None:
    found = described(Path(name), head)
    assert found[0] == problem
    assert remedy in found[1]


def make(kind: str, path: Path) -> None:
    """A file as a library writes it."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "b")
    elif kind == "tar":
        with tarfile.open(path, "w") as packed:
            packed.addfile(tarfile.TarInfo("a"), io.BytesIO())
    elif kind == "model":
        save_file({"a": np.zeros(1)}, path)
    elif kind == "array":
        np.save(path, np.zeros(3))
    elif kind == "GPKG":
        geopandas.GeoDataFrame(geometry=[Point(0, 0)], crs="EPSG:4326").to_file(path, driver=kind)
    else:
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(path, kind)


@pytest.mark.parametrize(("kind", "problem"), [
    ("zip", "is a zip archive"), ("tar", "is a packed archive"), ("model", "is a model file"),
    ("array", "is a NumPy array"), ("GPKG", "is a GeoPackage"), ("PDF", "is a PDF document"),
    ("PNG", "is a PNG picture"), ("JPEG", "is a JPEG picture"), ("BMP", "is a BMP picture"),
    ("GIF", "is a GIF picture"),
])  # fmt: skip
def test_files_of_other_programs_are_named(kind: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.npy" if kind == "array" else "a.gpkg" if kind == "GPKG" else "a.bin")
    make(kind, path)
    with pytest.raises(RasterError, match=problem):
        open_raster(path)
