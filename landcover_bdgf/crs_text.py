"""A CRS as a file writes it down, looked at before GDAL or PROJ reads it: some forms make PROJ open a file.

Grids of a datum may be named by a path, and GDAL looks for them as soon as it has the text (PROJ 9.5).
"""

from __future__ import annotations

import json
import re

from landcover_bdgf.errors import RasterError

_QUOTED = r'"(?:[^"]|"")*"'
_PATH = r"(?:[/\\]|\.\.)"  # names of PROJ's own, such as us_noaa_conus.tif or @null, have none of these
# Of WKT the two places for files, PARAMETERFILE["…", "file"] and EXTENSION["PROJ4_GRIDS", "file"] …
_PLACES = re.compile(rf'(?:PARAMETERFILE|EXTENSION)(?=\s*[\[(]((?:{_QUOTED}|[^"\])])*))', re.IGNORECASE)
_KEYWORDS, _MOST_PLACES = re.compile("PARAMETERFILE|EXTENSION", re.IGNORECASE), 100  # more is made to take time
# … of a PROJ string, also inside of WKT, its parameters; and of PROJJSON what PARAMETERFILE is there.
_PARAMETER = re.compile(r"(?:grids|file|init|model|catalog|coeffs)=", re.IGNORECASE)
_JSON_VALUE = re.compile(rf'"value": "[^"]*?{_PATH}')
_STANDARD = re.compile(r"https?://(?:www\.)?opengis\.net/")  # a CRS by its number, written as an address


def check_crs_text(text: str, name: object = None) -> None:
    """Refuse a CRS that names another file; ``name`` is the file that it comes from.

    Raises
    ------
    RasterError
    """
    plain = text.replace("\N{LEFT DOUBLE QUOTATION MARK}", '"').replace("\N{RIGHT DOUBLE QUOTATION MARK}", '"')
    if plain.lstrip().startswith("{"):
        plain = _json(plain)
    else:
        outside = re.sub(_QUOTED, "", _STANDARD.sub("", plain))
        if re.search(_PATH, outside):
            _refuse(name)
    check_text_around(plain, name)


def check_text_around(text: str, name: object) -> None:
    """Refuse text with a CRS somewhere in it, such as the header of an image, that names another file in it.

    Raises
    ------
    RasterError
    """
    if len(_KEYWORDS.findall(text)) > _MOST_PLACES:
        _refuse(name)
    named = [found[1] for found in _PLACES.finditer(text)]
    named += [word[found.end() :] for word in text.split() if (found := _PARAMETER.search(word))]
    if any(re.search(_PATH, value) for value in named) or _JSON_VALUE.search(text):
        _refuse(name)


def _json(text: str) -> str:
    """PROJJSON without letters that are written as numbers."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):  # PROJ does not read it either
        return text


def _refuse(name: object) -> None:
    raise RasterError(
        f"{f'{name}: its' if name else 'a'} CRS names another file, which bdgf does not open. Assign a CRS by its EPSG "
        "code, with gdal_edit.py -a_srs or ogr2ogr -a_srs."
    )
