"""What a file is that is not opened, by its first bytes and its name, and how to get a GeoTIFF from it."""

from __future__ import annotations

import re
from pathlib import Path

HEAD_BYTES = 512

_TRANSLATE = "Convert it: gdal_translate -of GTiff {name} {stem}.tif."
_SUBDATASET = (
    "gdalinfo {name} lists the images in it; convert the one with the bands: "
    "gdal_translate -of GTiff '{driver}:\"{name}\":{inside}' {stem}.tif. If that has no position on the ground, use "
    "the tools of the sensor; the EnMAP-Box of QGIS reads PRISMA and EMIT."
)
_PICTURE = "It holds colours for the screen, without place or measured values: give the image that it was made from."
_UNPACK = "Unpack it, and give the folder or the images in it."
_AGAIN = "Download it again, logged in if the site asks for it."
_NO_PIXELS = "It holds no pixels: give an image."

# Pattern of the first bytes, what the file is, and the remedy; the first match counts.
_FORMATS = [(re.compile(pattern, re.DOTALL | re.IGNORECASE), what, remedy) for pattern, what, remedy in (
    (rb"PK\x03\x04|PK\x05\x06", "a zip archive", _UNPACK),
    (rb"\x1f\x8b|BZh|\xfd7zXZ\x00|7z\xbc\xaf|.{257}ustar", "a packed archive", _UNPACK),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _SUBDATASET),
    (rb"CDF[\x01\x02\x05]", "a netCDF file", _SUBDATASET),
    (rb"\x0e\x03\x13\x01", "an HDF4 file", "gdalinfo {name} lists the images in it; convert the one with the bands: "
     "gdal_translate -of GTiff, with its SUBDATASET_…_NAME, to {stem}.tif."),
    (rb"EHFA_HEADER_TAG", "an ERDAS IMAGINE file", _TRANSLATE),
    (rb"\x89PNG\r\n", "a PNG picture", _PICTURE),
    (rb"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (rb"GIF8", "a GIF picture", _PICTURE),
    (rb"BM.{4}\0\0\0\0", "a BMP picture", _PICTURE),
    (rb"RIFF....WEBP", "a WebP picture", _PICTURE),
    (rb"%PDF", "a PDF document", "Give the image that it was made from."),
    (rb"\s*(<\?xml[^>]*>\s*)?<!doctype html|\s*<html", "a web page, as a failed download leaves it", _AGAIN),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself", "Fetch the file with git lfs pull."),
    (rb"(\xef\xbb\xbf)?\s*<VRTDataset", "a VRT", "It only refers to other files. " + _TRANSLATE),
    (rb"(\xef\xbb\xbf)?\s*<GDAL_W(MS|CS)", "the description of a map service",
     "Download the images that it shows, and give those."),
    (rb"(\xef\xbb\xbf)?\s*<\?xml|\s*<[a-z]", "an XML file without pixels",
     "Give the image or folder that it describes."),
    (rb"\s*\{", "a JSON file without pixels", "Give the image that it describes."),
    (rb"SQLite format 3\0", "a GeoPackage or another database",
     "If it holds an image, convert it: gdal_translate -of GTiff {name} {stem}.tif."),
    (rb"\0\0\x27\x0a", "a shapefile", _NO_PIXELS),
    (rb"NITF|NSIF", "a NITF file", _TRANSLATE),
    (rb"GRIB", "a GRIB file", _TRANSLATE),
    (rb"PCIDSK", "a PCIDSK file", _TRANSLATE),
    (rb"DSBB|DSRB|DSAA", "a Surfer grid", _TRANSLATE),
    (rb"ncols\s", "an Esri ASCII grid", _TRANSLATE),
    (rb"msid|MrSID", "a MrSID file", _TRANSLATE),
    (rb"\x93NUMPY", "a NumPy array, which has no place on the ground", "Write it as GeoTIFF with rasterio."),
    (rb"MATLAB 5|MATLAB 7", "a MATLAB file, which has no place on the ground",
     "Write it as GeoTIFF, for example with rasterio."),
    (rb".{4}\0\0\0\0\{\"", "a model file", _NO_PIXELS),
    (rb"ENVI", "an ENVI header without its pixels", "Keep the pixel file next to it, and give that."),
)]  # fmt: skip
_NETCDF = (".nc", ".nc4", ".cdf")
_RAW = (".img", ".dat", ".bsq", ".bil", ".bip", ".raw", ".bin")


def described(path: Path, head: bytes) -> tuple[str, str]:
    """What a file is and what to do with it, as problem and remedy of an error."""
    for pattern, what, remedy in _FORMATS:
        if pattern.match(head):
            netcdf = "netCDF" in what or path.suffix.lower() in _NETCDF  # version 4 of netCDF is HDF5
            driver, inside = ("NETCDF", "VARIABLE") if netcdf else ("HDF5", "//PATH")
            return f"is {what}", remedy.format(name=path, stem=path.stem, driver=driver, inside=inside)
    if path.suffix.lower() in _RAW and not path.with_suffix(".hdr").exists() and not Path(f"{path}.hdr").exists():
        remedy = f"Put its header {path.stem}.hdr next to it, or copy the image in a format of one file."
        return "has no header next to it, which an ENVI image needs", remedy
    return "is not a GeoTIFF, ENVI or JPEG 2000 file", "If gdalinfo knows it, convert it: gdal_translate -of GTiff."
