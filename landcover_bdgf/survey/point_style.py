"""The QGIS style of points to label: a form with the classes to choose from, and the colour of the chosen one.

The form hides the stratum, which tells what the map says: who labels a point should not know.
Format: QGIS 3 (``fieldConfiguration`` with a value map, ``categorizedSymbol``).
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from landcover_bdgf.labels import Color, Legend, add_choices, add_widget, style_text, xml_value
from landcover_bdgf.text import printable

_HIDDEN = ("fid", "stratum", "stratum_name", "inclusion_probability", "row", "col")
_RENDERED = "categorizedSymbol"


def point_style(legend: Legend) -> str:
    """The style as text; the classes are those of ``legend``."""
    root = Element("qgis", version="3.22", styleCategories="Symbology|Labeling|Fields|Forms")
    _fields(root, legend)
    _renderer(root, legend)
    _labels(root)
    return style_text(root)


def _fields(root: Element, legend: Legend) -> None:
    configuration = SubElement(root, "fieldConfiguration")
    for name in _HIDDEN:
        add_widget(configuration, name, "Hidden")
    add_widget(configuration, "id", "TextEdit")
    add_widget(configuration, "comment", "TextEdit")
    add_choices(configuration, "reference", ((printable(name), name) for name in legend.names))
    editable = SubElement(root, "editable")
    for name in (*_HIDDEN, "id"):
        SubElement(editable, "field", name=name, editable="0")
    for name in ("reference", "comment"):
        SubElement(editable, "field", name=name, editable="1")
    SubElement(root, "editorlayout").text = "generatedlayout"


def _renderer(root: Element, legend: Legend) -> None:
    """A filled marker in the colour of the class; hollow while there is none."""
    renderer = SubElement(root, "renderer-v2", type=_RENDERED, attr="reference", enableorderby="0", forceraster="0")
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    for index, entry in enumerate(legend.entries):
        shown = {"value": xml_value(entry.name), "label": printable(entry.name), "symbol": str(index)}
        SubElement(categories, "category", shown, render="true", type="string")
        _symbol(symbols, str(index), entry.color, 255)
    last = str(len(legend.entries))
    # QGIS draws all other values, also NULL, by the empty one; a value of type NULL matches nothing
    SubElement(categories, "category", value="", label="to label", symbol=last, render="true", type="string")
    _symbol(symbols, last, (255, 255, 255), 0)


def _symbol(symbols: Element, name: str, color: Color, alpha: int) -> None:
    symbol = SubElement(symbols, "symbol", name=name, type="marker", alpha="1", clip_to_extent="1")
    layer = SubElement(symbol, "layer", {"class": "SimpleMarker", "enabled": "1", "locked": "0", "pass": "0"})
    options = SubElement(layer, "Option", type="Map")
    filled = ",".join(map(str, (*color, alpha)))
    values = {
        "color": filled, "name": "circle", "outline_color": "20,20,20,255", "outline_style": "solid",
        "outline_width": "0.5", "outline_width_unit": "MM", "size": "3.2", "size_unit": "MM",
    }  # fmt: skip
    for key, value in values.items():
        SubElement(options, "Option", name=key, value=value, type="QString")


def _labels(root: Element) -> None:
    """The numbers of the points."""
    labeling = SubElement(root, "labeling", type="simple")
    settings = SubElement(labeling, "settings", calloutType="simple")
    style = SubElement(settings, "text-style", fieldName="id", fontSize="8", textColor="20,20,20,255")
    SubElement(style, "text-buffer", bufferDraw="1", bufferSize="0.8", bufferColor="255,255,255,255")
