"""Classes are merged, renamed and coloured as asked; unknown ones are refused."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pytest
import shapely
from drawn_maps import GRID, box

from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.rasterize import read_labels
from landcover_bdgf.labels.regrouping import regrouped
from landcover_bdgf.labels.settings import ClassSettings

LEGEND = Legend.from_values(["pavement", "roof", "tree", "water"])


def changed(**settings: object) -> tuple[list[str], list[int]]:
    found = regrouped(LEGEND, ClassSettings(**settings))  # type: ignore[arg-type]
    return list(found.legend.names), found.of_class.tolist()


def test_classes_are_merged_at_the_place_of_the_first() -> None:
    assert regrouped(LEGEND, ClassSettings()).legend == LEGEND
    assert changed(merge=("built area=Roof, water",)) == (["pavement", "built area", "tree"], [1, 2, 3, 2])
    assert changed(merge=("a=roof,tree", "b=pavement,water")) == (["b", "a"], [1, 2, 2, 1])
    merged = regrouped(LEGEND, ClassSettings(merge=("built area=roof,pavement",))).legend
    assert merged.entries[0].color == LEGEND.entries[0].color
    assert merged.code_of("built area") == 1


def test_a_class_can_take_others_in() -> None:
    merged = regrouped(LEGEND, ClassSettings(merge=("water=pavement",))).legend
    assert merged.names == ("water", "roof", "tree")
    assert merged.entries[0].color == LEGEND.entries[3].color


def test_a_renamed_class_keeps_its_value() -> None:
    legend = regrouped(LEGEND, ClassSettings(rename=("tree=forest",))).legend
    assert (legend.names[2], legend.code_of("tree"), legend.code_of("forest")) == ("forest", 3, 3)


@pytest.mark.parametrize(("settings", "message"), [
    ({"merge": ("a=roof,sea",)}, "`merge=sea`: is not a class. The classes are pavement, roof, tree, water."),
    ({"merge": ("a=roof", "b=roof,tree")}, "`merge`: roof would be in two classes"),
    ({"merge": ("roof",)}, "`merge=roof`: is not understood. Write it like built area=roof,pavement."),
    ({"rename": ("tree=water",)}, "`rename=tree=water`: is the name of another class. To make them one, use `merge`."),
])  # fmt: skip
def test_what_cannot_be_done_is_refused(settings: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        changed(**settings)
    assert message in str(error.value)


def test_a_legend_file_gives_names_and_colours_by_value_name_or_code(tmp_path: Path) -> None:
    path = tmp_path / "legend.csv"
    path.write_text("value,name,color\ntree,Forest,#006400\n4,Open water,\nROOF,,#ff0000\n99,Glacier,#ffffff\n")
    found = regrouped(LEGEND, ClassSettings(legend=str(path)))
    assert found.legend.names == ("pavement", "ROOF", "Forest", "Open water")
    assert found.legend.colors[3] == (0, 100, 0)
    assert found.legend.colors[4] == LEGEND.colors[4]
    assert found.not_in_file == ("pavement",)
    numbers = Legend.from_values([4, 7])
    path.write_text("1,a\n2,b\n")
    with pytest.raises(LabelError, match=r"has none of the classes\. It has 1, 2; the classes are 4, 7"):
        regrouped(numbers, ClassSettings(legend=str(path)))
    path.write_text("tree,Green\nwater,Green\n")
    with pytest.raises(SettingsError, match=r"two classes are named Green\. Use `merge`"):
        regrouped(LEGEND, ClassSettings(legend=str(path)))


def test_names_of_a_legend_file_can_be_merged_and_renamed(tmp_path: Path) -> None:
    path = tmp_path / "legend.csv"
    path.write_text("value,name,color\n1,lake,\n2,forest,#006400\n5,town,#ff0000\n9,pasture,\nx,green,#00ff00\n")

    def names(**settings: object) -> tuple[str, ...]:
        values = Legend.from_values([1, 2, 5, 9])
        given = ClassSettings(legend=str(path), **settings)  # type: ignore[arg-type]
        return regrouped(values, given).legend.names

    assert names(merge=("green=Forest,9",), rename=("town=built up", "1=sea")) == ("sea", "green", "built up")
    assert names(merge=("both=forest,pasture",)) == ("lake", "both", "town"), "the file's key 2 is a value, no code"
    assert names(merge=("forest=pasture",)) == ("lake", "forest", "town")
    merged = regrouped(Legend.from_values([1, 2, 5, 9]), ClassSettings(legend=str(path), merge=("green=2,9",)))
    assert merged.legend.colors[2] == (0, 255, 0), "as the file has it"
    assert merged.not_in_file == ()
    with pytest.raises(SettingsError, match="`rename=town=lake`: is the name of another class"):
        names(rename=("town=lake",))


def test_labels_are_merged_when_they_are_read_also_where_they_overlap(tmp_path: Path) -> None:
    shapes = [box(0, 0, 4, 4), box(0, 2, 4, 4), box(20, 0, 2, 2)]
    features = geopandas.GeoDataFrame({"class": ["roof", "pavement", "tree"]}, geometry=shapes, crs=32633)
    assert shapely.intersects(*shapes[:2])
    plain, merged = (
        read_labels(features, "class", GRID, classes=ClassSettings(merge=merge))
        for merge in ((), ("built=roof,pavement",))
    )
    assert len(plain.rows) == 8 + 8 + 4  # without the pixels in features of two classes
    assert len(merged.rows) == 24 + 4
    assert merged.legend.names == ("built", "tree")
    assert set(merged.codes.tolist()) == {1, 2}
