"""The CRS of an image that has none itself, from its .prj or .aux.xml."""

from __future__ import annotations

import html
import re
from pathlib import Path

from rasterio.crs import CRS
from rasterio.errors import CRSError

MOST_BYTES = 1 << 20
_EPSG = re.compile(r"EPSG:(\d{4,6})", re.IGNORECASE)
_SRS = re.compile(r"<SRS[^>]*>([^<]+)</SRS>")


def crs_beside(image: Path) -> tuple[CRS, Path] | None:
    """The CRS that a file next to an image states, and this file; None if there is none that can be read."""
    projection = image.with_suffix(".prj")
    if image.with_suffix(".shp").exists():  # the .prj belongs to the Shapefile
        projection = image.with_name(f"{image.name}.prj")
    aux = Path(f"{image}.aux.xml")
    for file, pattern in ((aux, _SRS), (projection, None)):
        text = _begin(file)
        wkt = text if pattern is None else next(iter(pattern.findall(text)), "")
        if crs := _crs(html.unescape(wkt) if pattern else wkt):
            return crs, file
    return None


def _begin(file: Path) -> str:
    try:
        if not file.is_file():  # reading a pipe would not end
            return ""
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _crs(text: str) -> CRS | None:
    """The CRS of WKT or of an EPSG code; other texts, which may be addresses, are not read."""
    code = _EPSG.fullmatch(text.strip())
    try:
        crs = CRS.from_epsg(int(code[1])) if code else CRS.from_wkt(text, morph_from_esri_dialect=True)
        crs.to_wkt()  # GDAL can read some that it cannot write
    except (CRSError, ValueError):
        return None
    return crs or None
