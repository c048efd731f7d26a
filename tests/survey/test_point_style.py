"""The form offers the classes, hides what the map says, and colours points by their label."""

from xml.etree import ElementTree

from surveys import LEGEND

from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.survey.point_style import point_style


def test_the_form_offers_the_classes_and_hides_the_stratum() -> None:
    text = point_style(LEGEND)
    assert text.startswith("<!DOCTYPE qgis>\n")
    root = ElementTree.fromstring(text.partition("\n")[2])
    widgets = {field.get("name"): field.find("editWidget") for field in root.iterfind("fieldConfiguration/field")}
    kinds = {name: widget.get("type") for name, widget in widgets.items() if widget is not None}
    assert kinds["reference"] == "ValueMap"
    assert kinds["stratum"] == kinds["stratum_name"] == kinds["inclusion_probability"] == "Hidden"
    choices = widgets["reference"].findall("config/Option/Option[@name='map']/Option/Option")  # type: ignore[union-attr]
    assert [choice.get("value") for choice in choices] == [*LEGEND.names]
    editable = {field.get("name"): field.get("editable") for field in root.iterfind("editable/field")}
    assert [name for name, value in editable.items() if value == "1"] == ["reference", "comment"]


def test_points_have_the_colour_of_their_label_and_are_hollow_without() -> None:
    root = ElementTree.fromstring(point_style(LEGEND).partition("\n")[2])
    renderer = root.find("renderer-v2")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("attr")) == ("categorizedSymbol", "reference")
    symbols = {
        symbol.get("name"): symbol.find("layer/Option/Option[@name='color']").get("value")  # type: ignore[union-attr]
        for symbol in renderer.iterfind("symbols/symbol")
    }
    categories = [(c.get("value"), symbols[c.get("symbol")]) for c in renderer.iterfind("categories/category")]
    expected = [(entry.name, "{},{},{},255".format(*entry.color)) for entry in LEGEND.entries]
    assert categories == [*expected, ("", "255,255,255,0")]


def test_names_cannot_break_the_style() -> None:
    legend = Legend.from_values(['<"&>', "a\nb"])
    root = ElementTree.fromstring(point_style(legend).partition("\n")[2])
    assert [c.get("label") for c in root.iterfind("renderer-v2/categories/category")] == ['<"&>', "a b", "to label"]


def test_long_names_are_kept_whole_and_shown_short() -> None:
    name = "forest of " + "very " * 20 + "old trees\x1b"
    root = ElementTree.fromstring(point_style(Legend.from_values([name])).partition("\n")[2])
    choice = root.find("fieldConfiguration/field[@name='reference']/editWidget/config/Option/Option/Option/Option")
    category = root.find("renderer-v2/categories/category")
    assert choice is not None
    assert category is not None
    assert choice.get("value") == category.get("value") == name.replace("\x1b", " ")
    assert choice.get("name") == category.get("label") == name[:59] + "…"
