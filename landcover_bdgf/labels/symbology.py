"""Files beside a map that show its class names: GDAL's ``.aux.xml`` and the style of QGIS, ``.qml``.

Formats: GDAL's PAM (``PAMDataset``, ``GDALRasterAttributeTable``, https://gdal.org/en/stable/drivers/raster/
gtiff.html and the schema ``gdalvrt.xsd``) and QGIS's paletted renderer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from landcover_bdgf.storage import PathLike

NO_DATA = "no data"

# code, name, colour, value in the labels; texts are printable
MapClass = tuple[int, str, tuple[int, int, int], str]


# GDAL's numbers of types (0 integer, 2 text) and usages (0 generic, 2 name, 5 value, 6-8 red, green, blue)
_COLUMNS = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8), ("Label", 2, 0))


def aux_xml_path(map_path: PathLike) -> Path:
    """``landcover.tif`` -> ``landcover.tif.aux.xml``."""
    return Path(f"{os.fspath(map_path)}.aux.xml")


def qml_path(map_path: PathLike) -> Path:
    """``landcover.tif`` -> ``landcover.qml``."""
    return Path(map_path).parent / f"{Path(map_path).stem}.qml"


def companion_paths(map_path: PathLike) -> tuple[Path, Path]:
    """What :func:`write_symbology` writes."""
    return aux_xml_path(map_path), qml_path(map_path)


def write_symbology(map_path: PathLike, classes: Sequence[MapClass]) -> None:
    """Write both files beside a map; older ones are replaced, as they belong to an older map."""
    _write(aux_xml_path(map_path), aux_xml(classes))
    _write(qml_path(map_path), qml(classes), doctype="<!DOCTYPE qgis>\n")


def aux_xml(classes: Sequence[MapClass]) -> Element:
    """Category names by code, and a thematic attribute table with colours, as GDAL keeps them."""
    root = Element("PAMDataset")
    band = SubElement(root, "PAMRasterBand", band="1")
    categories = SubElement(band, "CategoryNames")
    for name in (NO_DATA, *(name for _, name, _, _ in classes)):
        SubElement(categories, "Category").text = name
    table = SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (column, kind, usage) in enumerate(_COLUMNS):
        definition = SubElement(table, "FieldDefn", index=str(index))
        for tag, text in (("Name", column), ("Type", str(kind)), ("Usage", str(usage))):
            SubElement(definition, tag).text = text
    for index, (code, name, color, value) in enumerate(classes):
        row = SubElement(table, "Row", index=str(index))
        for cell in (code, name, *color, value):
            SubElement(row, "F").text = str(cell)
    return root


def read_aux_xml(path: PathLike) -> list[MapClass]:
    """The classes in an ``.aux.xml``; empty if there is none, or it holds no table like ours."""
    try:
        root = ElementTree.fromstring(Path(path).read_bytes())
        rows = root.iterfind("PAMRasterBand/GDALRasterAttributeTable/Row")
        return [_read_row([cell.text or "" for cell in row.iterfind("F")]) for row in rows]
    except (OSError, ElementTree.ParseError, ValueError, LookupError):  # the last: of an unknown encoding
        return []


def qml(classes: Sequence[MapClass]) -> Element:
    """A style with one colour and one name per class."""
    root = Element("qgis", version="3.22", styleCategories="Symbology")
    pipe = SubElement(root, "pipe")
    renderer = SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = SubElement(renderer, "colorPalette")
    for code, name, (red, green, blue), _ in classes:
        color = f"#{red:02x}{green:02x}{blue:02x}"
        SubElement(palette, "paletteEntry", value=str(code), color=color, label=name, alpha="255")
    return root


def _read_row(cells: list[str]) -> MapClass:
    code, name, red, green, blue, value = cells
    return int(code), name, (int(red), int(green), int(blue)), value


def _write(path: Path, root: Element, doctype: str = "") -> None:
    ElementTree.indent(root)
    path.write_text(f"{doctype}{ElementTree.tostring(root, encoding='unicode')}\n", encoding="utf-8")
