"""Classes of any names get codes in a fixed order; a damaged legend is refused."""

from __future__ import annotations

import numpy as np
import pytest

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.legend import Legend


def test_integers_are_sorted_as_numbers_and_text_as_text():
    assert Legend.from_values([17, 4, -1, 10, 4]).names == ("-1", "4", "10", "17")
    assert Legend.from_values(["10", "9", "trees"]).names == ("9", "10", "trees")
    assert Legend.from_values(["water", "crops"]).codes == (1, 2)


def test_integer_classes_with_other_codes_in_maps_are_renumbered():
    assert Legend.from_values([1, 2, 5]).renumbered
    assert not Legend.from_values([1, 2, 3]).renumbered
    assert not Legend.from_values(["01", "2"]).renumbered
    assert not Legend.from_values([7, "crops"]).renumbered
    assert Legend.from_values([7, 8], names={"7": "water", "8": "crops"}).renumbered


def test_a_class_is_found_by_its_value_then_by_its_name():
    legend = Legend.from_values([1, 2], names={"1": "water", "2": "1"})
    assert legend.names == ("water", "1")
    assert (legend.code_of(1), legend.code_of("water"), legend.code_of("ice")) == (1, 1, None)


def test_the_dtype_of_a_map_grows_with_the_classes():
    assert Legend.from_values(range(254)).dtype == np.uint8
    assert Legend.from_values(range(255)).dtype == np.uint16
    with pytest.raises(LabelError, match="at most 65535 are allowed"):
        Legend.from_values(range(65_536))


def test_removing_a_class_closes_the_gap_and_keeps_the_colours():
    legend = Legend.from_values(["a", "b", "c"])
    left = legend.without([2])
    assert (left.names, left.codes) == (("a", "c"), (1, 2))
    assert left.entries[1].color == legend.entries[2].color


def test_colours_are_written_like_in_web_pages():
    entries = Legend.from_values(["water", "clouds"]).entries
    assert [entry.hex for entry in entries] == ["#c7cae2", "#2570c8"]


@pytest.mark.parametrize(("old", "new", "message"), [
    ('"code": 1', '"code": 2', "its codes are not 1, 2, 3 and so on"),
    ('"name": "water"', '"name": null', "0.name: Input should be a valid string, found None"),
    ("[", "", ""),
])  # fmt: skip
def test_a_damaged_legend_is_refused(old, new, message):
    text = Legend.from_values(["water"]).to_json()
    assert old in text
    with pytest.raises(LabelError, match=f"the legend is damaged: {message}"):
        Legend.from_json(text.replace(old, new))
