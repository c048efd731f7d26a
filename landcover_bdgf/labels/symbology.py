"""Companion files of a map that hold its class names: GDAL's ``.aux.xml`` and the QGIS style, ``.qml``.

Of rasters of other programs, ArcGIS's ``.vat.dbf`` is read, too.

They are also read as other programs leave them: gdal_translate copies the attribute table and the category names,
gdalwarp the table only, other programs add columns, and a style may be all that was copied along.

Formats: GDAL's PAM (``PAMDataset``, ``GDALRasterAttributeTable``, https://gdal.org/en/stable/drivers/raster/
gtiff.html and the schema ``gdalvrt.xsd``) and QGIS's paletted renderer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from landcover_bdgf.labels.attribute_table import Column, class_rows, read_vat, table_rows, with_colors
from landcover_bdgf.labels.colors import Color
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import printable

# GDAL's numbers of types (0 integer, 2 text) and usages (0 generic, 2 name, 5 value, 6-8 red, green, blue)
_COLUMNS = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8), ("Label", 2, 0))


def companion_paths(map_path: PathLike) -> tuple[Path, Path]:
    """``landcover.tif`` -> ``landcover.tif.aux.xml``, ``landcover.qml``."""
    path = Path(map_path)
    return Path(f"{path}.aux.xml"), path.parent / f"{path.stem}.qml"  # with_name refuses "." and "/"


def write_companions(map_path: PathLike, legend: Legend, values: Sequence[int] | None = None) -> None:
    """Write both companion files of a map; older ones are replaced, as they belong to an older map.

    ``values`` are the pixel values of the classes, if they are not the codes of the legend.
    """
    aux_xml, qml = companion_paths(map_path)
    _write(aux_xml, _aux_xml(legend, values or legend.codes))
    write_style(qml, _qml(legend, values or legend.codes))


def write_style(path: Path, style: Element) -> None:
    """Write a QGIS style."""
    _write(path, style, doctype="<!DOCTYPE qgis>\n")


def read_companions(map_path: PathLike, colors: Mapping[int, Color] | None = None) -> list[dict[str, Any]]:
    """The classes in the companion files of a map, as fields of legend entries; empty if no file has them.

    Code 0, which is no data in maps of bdgf, is among them if a file names it. ``colors`` are those of classes to
    which the file gives none.
    """
    aux_xml, qml = companion_paths(map_path)
    band = _first_band(aux_xml)
    named = _table_rows(band) or _category_rows(band) if band is not None else []
    return with_colors(named or read_vat(map_path) or _style_rows(_root(qml)), colors or {})


def has_statistics_added(aux_xml: Path, legend: Legend) -> bool:
    """Whether an ``.aux.xml`` holds statistics or a histogram, which GDAL adds, and still the classes of its map."""
    band, ours = _first_band(aux_xml), _first_band_of(_aux_xml(legend, legend.codes))
    if band is None or ours is None or not (band.findall("Metadata/MDI") or band.findall("Histograms")):
        return False
    return all(read(band) == read(ours) for read in (_table_rows, _category_rows))


def _first_band(aux_xml: Path) -> Element | None:
    return _first_band_of(_root(aux_xml))


def _first_band_of(root: Element) -> Element | None:
    return root.find("PAMRasterBand[@band='1']")


def _aux_xml(legend: Legend, values: Sequence[int]) -> Element:
    """Category names by code, if there are no gaps, and a thematic attribute table with colours."""
    root = Element("PAMDataset")
    band = SubElement(root, "PAMRasterBand", band="1")
    if tuple(values) == legend.codes:
        categories = SubElement(band, "CategoryNames")
        for name in ("no data", *map(printable, legend.names)):
            SubElement(categories, "Category").text = name
    table = SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (column, kind, usage) in enumerate(_COLUMNS):
        definition = SubElement(table, "FieldDefn", index=str(index))
        for tag, text in (("Name", column), ("Type", str(kind)), ("Usage", str(usage))):
            SubElement(definition, tag).text = text
    for index, (entry, value) in enumerate(zip(legend.entries, values, strict=True)):
        row = SubElement(table, "Row", index=str(index))
        for cell in (value, printable(entry.name), *entry.color, printable(entry.value)):
            SubElement(row, "F").text = str(cell)
    return root


def _qml(legend: Legend, values: Sequence[int]) -> Element:
    """A style with one colour and one name per class."""
    named = zip(legend.entries, values, strict=True)
    return palette_style((value, entry.hex, printable(entry.name)) for entry, value in named)


def palette_style(rows: Iterable[tuple[int, str, str]]) -> Element:
    """A QGIS style of a raster of codes: values, colours (#rrggbb) and labels."""
    root = Element("qgis", version="3.22", styleCategories="Symbology")
    pipe = SubElement(root, "pipe")
    renderer = SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = SubElement(renderer, "colorPalette")
    for value, color, label in rows:
        SubElement(palette, "paletteEntry", value=str(value), color=color, label=label, alpha="255")
    return root


def polygon_style(legend: Legend, values: Sequence[int]) -> Element:
    """A QGIS style of polygons: colours and names of the classes, whose ``values`` are in the field ``code``."""
    root = Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = SubElement(root, "renderer-v2", type="categorizedSymbol", attr="code", enableorderby="0")
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    for index, (entry, code) in enumerate(zip(legend.entries, values, strict=True)):
        name, text = printable(entry.name), str(code)
        SubElement(categories, "category", value=text, label=name, symbol=str(index), render="true", type="long")
        symbol = SubElement(symbols, "symbol", type="fill", name=str(index), alpha="1", clip_to_extent="1")
        fill = SubElement(symbol, "layer", {"class": "SimpleFill"}, enabled="1", locked="0")
        options = SubElement(fill, "Option", type="Map")
        color = ",".join(map(str, (*entry.color, 255)))
        for key, value in (("color", color), ("style", "solid"), ("outline_style", "no")):
            SubElement(options, "Option", type="QString", name=key, value=value)
    return root


def _root(path: Path) -> Element:
    """The root of an XML file; an empty one if the file is missing or damaged."""
    try:
        return ElementTree.fromstring(path.read_bytes() if path.is_file() else b"<none/>")
    except (OSError, ElementTree.ParseError, ValueError, LookupError):  # LookupError: an unknown encoding
        return Element("none")


def _table_rows(band: Element) -> list[dict[str, Any]]:
    """The classes of GDAL's attribute table."""
    fields = band.findall("GDALRasterAttributeTable/FieldDefn")
    columns = [Column(f.findtext("Name", "").strip(), f.findtext("Usage", "").strip()) for f in fields]
    rows = [[c.text or "" for c in r.iterfind("F")] for r in band.iterfind("GDALRasterAttributeTable/Row")]
    return table_rows(columns, rows)


def _category_rows(band: Element) -> list[dict[str, Any]]:
    """The classes of category names, which are counted from 0; their colours are not known."""
    names = [category.text or "" for category in band.iterfind("CategoryNames/Category")]
    return class_rows((str(code), name, name, None) for code, name in enumerate(names))


def _style_rows(style: Element) -> list[dict[str, Any]]:
    """The classes of a QGIS style, unless QGIS made it from pixel values, without names."""
    found = [[entry.get(key, "") for key in ("value", "label", "color")] for entry in style.iter("paletteEntry")]
    if all(code == label for code, label, _ in found):
        return []
    try:
        return class_rows((code, label, label, list(bytes.fromhex(color[1:7]))) for code, label, color in found)
    except ValueError:
        return []


def _write(path: Path, root: Element, doctype: str = "") -> None:
    ElementTree.indent(root)
    path.write_text(f"{doctype}{ElementTree.tostring(root, encoding='unicode')}\n", encoding="utf-8")
