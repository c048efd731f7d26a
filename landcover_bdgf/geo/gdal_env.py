"""GDAL, restricted so that the contents of a file cannot make it read other files, connect or run programs.

GDAL recognises formats by content, and many formats refer to other files, addresses or programs. The command line
therefore starts GDAL without them and without the network. In Python, where other packages may need them, only the
files opened by this package are protected: :func:`alone`, and the formats in ``RASTER_DRIVERS``.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from landcover_bdgf.errors import BdgfError
from landcover_bdgf.storage import is_remote

# Formats whose files contain their own pixels or features.
RASTER_DRIVERS = ("GTiff", "ENVI", "JP2OpenJPEG")
VECTOR_DRIVERS = ("ESRI Shapefile", "GPKG", "GeoJSON")
WORKING_DRIVERS = ("COG", "MEM", "Memory")  # for output, and for warping in GDAL

ALLOW_VRT = "--allow-vrt"  # option that permits a VRT and everything it refers to

# All other drivers of GDAL 3.6 to 3.12.
UNWANTED_TEXT = """
    AAIGrid, ACE2, ADBC, ADRG, AIG, AIVector, AVCBin, AVCE00, AVIF, AirSAR, AmigoCloud, Arrow, BAG, BASISU, BIGGIF, BLX,
    BMP, BSB, BT, BYN, CAD, CALS, CEOS, COASP, COSAR, CPG, CSV, CSW, CTG, CTable2, Carto, Cloudant, CouchDB, DAAS, DDS,
    DERIVED, DGN, DIMAP, DIPEx, DODS, DOQ1, DOQ2, DTED, DWG, DXF, ECRGTOC, ECW, EDIGEO, EEDA, EEDAI, EHdr, EIR, ELAS,
    ERS, ESAT, ESRIC, ESRIJSON, EXR, Elasticsearch, FAST, FITS, FIT, FlatGeobuf, GDALG, GFF, GIF, GML, GNMDatabase,
    GNMFile, GPSBabel, GPX, GRASS, GRASSASCIIGrid, GRIB, GS7BG, GSAG, GSBG, GSC, GTFS, GTI, GTX, GXF, GenBin, GeoRSS,
    GeoJSONSeq, GeoRaster, HANA, HDF4, HDF4Image, HDF5, HDF5Image, HEIF, HF2, HFA, HTTP, IDB, ILWIS, IRIS, ISCE, ISG,
    ISIS2, ISIS3, Idrisi, Interlis 1, Interlis 2, JAXAPALSAR, JDEM, JML, JP2ECW, JP2Grok, JP2KAK, JP2Lura, JP2MrSID,
    JPEG, JPEGXL, JPIPKAK, JSONFG, KEA, KML, KMLSUPEROVERLAY, KRO, KTX2, L1B, LAN, LCP, LIBERTIFF, LIBKML, LOSLAS,
    LVBAG, Leveller, MAP, MBTiles, MFF, MFF2, MRF, MSG, MSGN, MSSQLSpatial, MVT, MapInfo File, MapML, MiraMonVector,
    MongoDBv3, MrSID, MySQL, NAS, NDF, NGSGEOID, NGW, NITF, NOAA_B, NSIDCbin, NTv2, NWT_GRC, NWT_GRD, OAPIF, OCI, ODBC,
    ODS, OGCAPI, OGR_GMT, OGR_PDS, OGR_VRT, OSM, OZI, OpenFileGDB, FileGDB, PAux, PCIDSK, PCRaster, PDF, PDS, PDS4,
    PGDUMP, PGeo, PLMOSAIC, PLSCENES, PMTiles, PNG, PNM, PRF, Parquet, PostGISRaster, PostgreSQL, R, RASTERLITE2, RDB,
    RIK, RMF, ROI_PAC, RPFTOC, RRASTER, RS2, RST, Rasterlite, S102, S104, S111, S57, SAFE, SAGA, SAR_CEOS, SDTS,
    SENTINEL2, SGI, SIGDEM, SNAP_TIFF, SNODAS, SOSI, SQLite, SRP, SRTMHGT, STACIT, STACTA, SVG, SXF, Selafin, TGA,
    TIGER, TIL, TSX, Terragen, TileDB, TopoJSON, UK .NTF, USGSDEM, VDV, VFK, VICAR, VRT, WAsP, WCS, WEBP, WFS, WMS,
    WMTS, XLS, XLSX, XODR, XPM, XYZ, ZMap, Zarr, netCDF
"""
UNWANTED = tuple(" ".join(UNWANTED_TEXT.split()).split(", "))

# In MB. By default GDAL caches decoded blocks in up to 5 % of the memory, so that memory use would grow with scene and
# machine. GDAL reads the value when it decodes the first block.
CACHE_MB = 256
os.environ.setdefault("GDAL_CACHEMAX", str(CACHE_MB))


def lock(arguments: Sequence[str] = ()) -> None:
    """Restrict GDAL; must run before rasterio and pyogrio are first used, because GDAL reads these variables once.

    ``arguments`` are those of the command line: an address or a path of GDAL (``/vsi…``) allows connections,
    ``--allow-vrt`` also allows VRT.
    """
    os.environ["GDAL_DRIVER_PATH"] = "disable"  # no plugins
    os.environ["CPL_VSIL_GZIP_WRITE_PROPERTIES"] = "NO"  # no file next to the input
    os.environ["CPL_LOG"] = os.devnull  # GDAL's own messages, such as "unable to find driver to skip"
    os.environ["PROJ_NETWORK"] = "OFF"
    logging.getLogger("rasterio._env").addFilter(lambda record: "GDAL_SKIP" not in record.getMessage())
    if ALLOW_VRT in arguments:
        os.environ["GDAL_SKIP"] = ",".join(name for name in UNWANTED if name not in ("VRT", "HTTP"))
        return
    os.environ["GDAL_SKIP"] = ",".join(UNWANTED)
    if not any(map(is_remote, arguments)):
        os.environ["CPL_VSIL_CURL_ALLOWED_EXTENSIONS"] = ".none"  # no address has this extension


def check_lock() -> None:
    """BdgfError if :func:`lock` ran too late, so that a copy of GDAL (rasterio's or pyogrio's) has unwanted drivers."""
    there: set[str] = set()
    if "rasterio" in sys.modules:  # a copy that is not loaded yet reads the restrictions when it starts
        import rasterio

        with rasterio.Env() as env:
            there |= {*env.drivers()}
    if "pyogrio" in sys.modules:
        import pyogrio

        there |= {*pyogrio.list_drivers()}
    loose = sorted(there & set(os.environ.get("GDAL_SKIP", "").split(",")))
    if loose:
        raise BdgfError(
            None,
            f"GDAL was started before it could be restricted, with formats that may read other files: "
            f"{', '.join(loose[:5])}",
            "Run bdgf in a separate process.",
        )


def alone(driver: str) -> dict[str, str]:
    """GDAL options under which files next to a raster are ignored: .aux.xml, .ovr, .msk, world files.

    ENVI needs its header file, so that its ``.ovr`` and ``.msk`` are read too; see raster_checks.py.
    """
    return {"GDAL_PAM_ENABLED": "NO", "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE" if driver == "ENVI" else "EMPTY_DIR"}


def limit_cache(max_bytes: int) -> None:
    """Limit GDAL's cache to a sixteenth of ``max_bytes``, at least 64 MB; before the first block is read."""
    os.environ["GDAL_CACHEMAX"] = str(max(64, min(CACHE_MB, max_bytes // 16 // 2**20)))


def cache_bytes() -> int:
    """Limit of GDAL's cache; 0 if the user set it in another form than MB."""
    text = os.environ.get("GDAL_CACHEMAX", "")
    return int(text) * 2**20 if text.isdigit() else 0
