"""Forms of QGIS 3 (``fieldConfiguration``): which widget edits a field, and the classes to choose from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def style_text(root: Element) -> str:
    """A QGIS style as text."""
    ElementTree.indent(root)
    return f"<!DOCTYPE qgis>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def xml_value(name: str) -> str:
    """A class name as a field keeps it: whole, so that it is found in the legend again, in characters of XML."""
    return _NOT_XML.sub(" ", name)


def add_widget(configuration: Element, field: str, kind: str) -> Element:
    """Give a field a widget; returns the element of its options."""
    widget = SubElement(SubElement(configuration, "field", name=field), "editWidget", type=kind)
    return SubElement(SubElement(widget, "config"), "Option", type="Map")


def add_choices(configuration: Element, field: str, choices: Iterable[tuple[str, str]]) -> None:
    """Give a field a list to choose from: names that are shown, and the values that are written."""
    several = SubElement(add_widget(configuration, field, "ValueMap"), "Option", name="map", type="List")
    for name, value in choices:
        choice = SubElement(several, "Option", type="Map")
        SubElement(choice, "Option", name=name, value=xml_value(value), type="QString")
