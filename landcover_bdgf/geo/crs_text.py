"""A CRS as a file writes it down, looked at before GDAL or PROJ reads it: some forms make PROJ open a file.

Grids of a datum may be named by a path, and GDAL looks for them as soon as it has the text (PROJ 9.5).
"""

from __future__ import annotations

import json
import re
from itertools import islice

from landcover_bdgf.errors import RasterError

_QUOTED = r'"(?:[^"]++|"")*+"'  # what was taken is not given back, which long texts would take memory for
_PATH = r"(?:[/\\]|\.\.)"  # names of PROJ's own, such as us_noaa_conus.tif or @null, have none of these
# Of WKT the two places for files, PARAMETERFILE["…", "file"] and EXTENSION["PROJ4_GRIDS", "file"] …
_KEYWORD = re.compile("PARAMETERFILE|EXTENSION", re.IGNORECASE)
_PLACE = re.compile(rf'\s*[\[(]((?:{_QUOTED}|[^"\])])*)([\])]?)')
_MOST_PLACES, _LONGEST_PLACE, _LONGEST = 100, 20_000, 500_000  # what has more is made to take time
# … of a PROJ string, also inside of WKT, its parameters; and of PROJJSON what PARAMETERFILE is there.
_PARAMETER = re.compile(r"(?:grids|file|init|model|catalog|coeffs)=", re.IGNORECASE)
# Each up to the next one, or the end of the text in WKT: a blank, as PROJ knows it, ends none, as it may be in quotes.
_BLANK = re.compile(r"[ \t\n\v\f\r]")
_VALUE_END = re.compile(r"""[ \t\n\v\f\r]\+?\w+=|(?<!")"(?!")\s*[\],)]""")
_JSON_VALUE = re.compile(rf'"value": "[^"]*?{_PATH}')
_SRS_NAME = re.compile(r"""srsName\s*=\s*["']([^"']*)""")  # of GML, in JPEG 2000
_STANDARD = re.compile(r"https?://(?:www\.)?opengis\.net/")  # a CRS by its number, written as an address

_REMEDY = "Assign a CRS by its EPSG code, with gdal_edit.py -a_srs or ogr2ogr -a_srs."


def check_crs_text(text: str, name: object = None) -> None:
    """Refuse a CRS that names another file; ``name`` is the file that it comes from.

    Raises
    ------
    RasterError
    """
    if len(text) > _LONGEST:
        raise RasterError(
            None, f"{(f'{name}: its' if name else 'a')} CRS is a text of {len(text)} letters", f"{_REMEDY}"
        )
    if text.lstrip().startswith("{"):
        text = _json(text)
    elif re.search(_PATH, re.sub(_QUOTED, "", _STANDARD.sub("", _straight(text)))):
        _refuse(name)
    check_text_around(text, name)


def check_text_around(text: str, name: object, *, xml: bool = False) -> None:
    """Refuse text with a CRS somewhere in it, such as the header of an image, that names another file in it.

    In ``xml`` what follows a value is markup.

    Raises
    ------
    RasterError
    """
    text = _STANDARD.sub("", _straight(text))
    places = [found.end() for found in _KEYWORD.finditer(text)]
    inside = [found for at in places[:_MOST_PLACES] if (found := _PLACE.match(text, at, at + _LONGEST_PLACE))]
    if len(places) > _MOST_PLACES or not all(closed for _, closed in (found.groups() for found in inside)):
        _refuse(name)
    named = [found[1] for found in inside]
    values = [found.end() for found in islice(_PARAMETER.finditer(text), _MOST_PLACES + 1)]
    if len(values) > _MOST_PLACES:
        _refuse(name)
    named += [(_BLANK if xml else _VALUE_END).split(text[at : at + _LONGEST_PLACE], maxsplit=1)[0] for at in values]
    named += _SRS_NAME.findall(text)
    if any(re.search(_PATH, value) for value in named) or _JSON_VALUE.search(text):
        _refuse(name)


def _straight(text: str) -> str:
    """With straight quotes: PROJ takes curved ones, too."""
    return text.replace("\N{LEFT DOUBLE QUOTATION MARK}", '"').replace("\N{RIGHT DOUBLE QUOTATION MARK}", '"')


def _json(text: str) -> str:
    """PROJJSON without letters that are written as numbers."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):  # PROJ does not read it either
        return text


def _refuse(name: object) -> None:
    raise RasterError(
        None, f"{(f'{name}: its' if name else 'a')} CRS names another file, which bdgf does not open", f"{_REMEDY}"
    )
