"""Companion files of a map that hold its class names: GDAL's ``.aux.xml`` and the QGIS style, ``.qml``.

Formats: GDAL's PAM (``PAMDataset``, ``GDALRasterAttributeTable``, https://gdal.org/en/stable/drivers/raster/
gtiff.html and the schema ``gdalvrt.xsd``) and QGIS's paletted renderer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import printable

# GDAL's numbers of types (0 integer, 2 text) and usages (0 generic, 2 name, 5 value, 6-8 red, green, blue)
_COLUMNS = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8), ("Label", 2, 0))


def companion_paths(map_path: PathLike) -> tuple[Path, Path]:
    """``landcover.tif`` -> ``landcover.tif.aux.xml``, ``landcover.qml``."""
    path = Path(map_path)
    return Path(f"{path}.aux.xml"), path.parent / f"{path.stem}.qml"  # with_name refuses "." and "/"


def write_companions(map_path: PathLike, legend: Legend) -> None:
    """Write both companion files of a map; older ones are replaced, as they belong to an older map."""
    aux_xml, qml = companion_paths(map_path)
    _write(aux_xml, _aux_xml(legend))
    _write(qml, _qml(legend), doctype="<!DOCTYPE qgis>\n")


def read_aux_xml(path: Path) -> list[dict[str, Any]]:
    """The classes in an ``.aux.xml``, as fields of legend entries; empty if it is missing or has no such table."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
        rows = root.iterfind("PAMRasterBand/GDALRasterAttributeTable/Row")
        return [_read_row([cell.text or "" for cell in row.iterfind("F")]) for row in rows]
    except (OSError, ElementTree.ParseError, ValueError, LookupError):  # LookupError: an unknown encoding
        return []


def _aux_xml(legend: Legend) -> Element:
    """Category names by code, and a thematic attribute table with colours."""
    root = Element("PAMDataset")
    band = SubElement(root, "PAMRasterBand", band="1")
    categories = SubElement(band, "CategoryNames")
    for name in ("no data", *map(printable, legend.names)):
        SubElement(categories, "Category").text = name
    table = SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (column, kind, usage) in enumerate(_COLUMNS):
        definition = SubElement(table, "FieldDefn", index=str(index))
        for tag, text in (("Name", column), ("Type", str(kind)), ("Usage", str(usage))):
            SubElement(definition, tag).text = text
    for index, entry in enumerate(legend.entries):
        row = SubElement(table, "Row", index=str(index))
        for cell in (entry.code, printable(entry.name), *entry.color, printable(entry.value)):
            SubElement(row, "F").text = str(cell)
    return root


def _qml(legend: Legend) -> Element:
    """A style with one colour and one name per class."""
    root = Element("qgis", version="3.22", styleCategories="Symbology")
    pipe = SubElement(root, "pipe")
    renderer = SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = SubElement(renderer, "colorPalette")
    for entry in legend.entries:
        color, label = f"#{bytes(entry.color).hex()}", printable(entry.name)
        SubElement(palette, "paletteEntry", value=str(entry.code), color=color, label=label, alpha="255")
    return root


def _read_row(cells: list[str]) -> dict[str, Any]:
    code, name, red, green, blue, value = cells
    return {"code": int(code), "name": name, "color": [int(red), int(green), int(blue)], "value": value}


def _write(path: Path, root: Element, doctype: str = "") -> None:
    ElementTree.indent(root)
    path.write_text(f"{doctype}{ElementTree.tostring(root, encoding='unicode')}\n", encoding="utf-8")
