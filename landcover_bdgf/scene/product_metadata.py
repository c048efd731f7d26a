"""Wavelengths, bad bands and scales of EnMAP and DESIS, from the METADATA.XML next to the image of all bands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from landcover_bdgf.errors import RasterError
from landcover_bdgf.progress import log
from landcover_bdgf.scene.band_reader import Band

MOST_BYTES = 1 << 26
_IMAGE = re.compile(r"SPECTRAL_IMAGE(?:_COG)?\.TIFF?", re.IGNORECASE)
_METADATA = re.compile(r"METADATA\.XML", re.IGNORECASE)
_GAINS, _OFFSETS, _NODATA = "product_gains", "product_offsets", "product_nodata"


def image_of_metadata(path: Path) -> Path | None:
    """The image of all bands that a METADATA.XML describes, if it is next to it."""
    return _partner(path, _METADATA, _IMAGE)


def product_tags(path: Path, count: int) -> dict[str, str]:
    """Tags of an image with ``count`` bands, in the words of ENVI headers; none if it is not of EnMAP or DESIS.

    RasterError if the metadata cannot be read.
    """
    metadata = _partner(path, _IMAGE, _METADATA)
    if metadata is None:
        return {}
    root = _parsed(metadata)
    bands = [_texts(band) for parent in root.iter("bandCharacterisation") for band in parent]
    if len(bands) != count:
        found = "%s: describes %d bands, but %s has %d, so their wavelengths are unknown. Use both as delivered."
        log.warning(found, metadata, len(bands), path.name, count)
        return {}
    expected = {int(number) for part in root.iter("expectedChannelsList") for number in _integers(part.text)}
    good = [int(not expected or number in expected) for number in range(1, count + 1)]
    tags = {
        "wavelength": _column(bands, "wavelengthcenterofband"),
        "wavelength_units": "Nanometers",
        "bbl": ",".join(map(str, good)),
        _GAINS: _column(bands, "gainofband"),
        _OFFSETS: _column(bands, "offsetofband"),
        _NODATA: next((part.text or "" for part in root.iter("backgroundValue")), ""),
    }
    return {key: value for key, value in tags.items() if value}


def calibrated(band: Band, tags: Mapping[str, str]) -> Band:
    """The band with the scale, offset and nodata of its product, where the file has none."""
    if band.nodata is None and _NODATA in tags:
        band = replace(band, nodata=float(tags[_NODATA]))
    if (band.scale, band.offset) != (1, 0) or _GAINS not in tags:
        return band
    offset = float(tags[_OFFSETS].split(",")[band.index - 1]) if _OFFSETS in tags else 0.0
    return replace(band, scale=float(tags[_GAINS].split(",")[band.index - 1]), offset=offset)


def _partner(path: Path, own: re.Pattern[str], other: re.Pattern[str]) -> Path | None:
    """The file next to one whose name ends with ``own`` that ends with ``other`` instead."""
    ending = next((found for found in own.finditer(path.name) if found.end() == len(path.name)), None)
    if ending is None or not path.is_file():
        return None
    stem = path.name[: ending.start()]
    files = [file for file in sorted(path.parent.iterdir()) if file.name.startswith(stem)]
    return next((file for file in files if other.fullmatch(file.name.removeprefix(stem))), None)


def _parsed(path: Path) -> Element:
    remedy = "Download the product again."
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise RasterError(path, f"is larger than {MOST_BYTES >> 20} MB", remedy)
        decoded = text.decode("utf-8-sig")
        if "<!DOCTYPE" in decoded or "<!ENTITY" in decoded:  # entities can fill the memory or name other files
            raise RasterError(path, "has a DOCTYPE, which is not read", remedy)
        return ElementTree.fromstring(decoded)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise RasterError(path, f"cannot be read as XML ({error})", remedy) from error


def _texts(element: Element) -> dict[str, str]:
    return {child.tag.lower(): (child.text or "").strip() for child in element}


def _column(bands: Sequence[Mapping[str, str]], name: str) -> str:
    """Numbers of all bands, separated by commas; empty if one has none."""
    texts = [band.get(name, "") for band in bands]
    try:
        return ",".join(f"{float(text):.9g}" for text in texts)
    except ValueError:
        return ""


def _integers(text: str | None) -> list[str]:
    return re.findall(r"\d+", text or "")
