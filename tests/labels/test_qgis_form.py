"""Forms of QGIS offer the classes by name and write their values, in characters of XML."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from landcover_bdgf.labels.qgis_form import add_choices, add_widget, style_text


def test_widgets_and_choices() -> None:
    root = Element("qgis")
    configuration = SubElement(root, "fieldConfiguration")
    add_widget(configuration, "row", "Hidden")
    add_choices(configuration, "class", [("Forest", "311"), ("a\x07b", "c\x07d")])
    text = style_text(root)
    assert text.startswith("<!DOCTYPE qgis>\n<qgis>")
    found = {each.get("name"): each.find("editWidget") for each in ElementTree.fromstring(text.replace("\x07", " "))[0]}
    assert [widget.get("type") for widget in found.values()] == ["Hidden", "ValueMap"]  # type: ignore[union-attr]
    choices = found["class"].findall(".//Option[@type='QString']")  # type: ignore[union-attr]
    assert [(each.get("name"), each.get("value")) for each in choices] == [("Forest", "311"), ("a b", "c d")]
    assert "c d" in text
