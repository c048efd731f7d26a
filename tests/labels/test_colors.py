"""Each class has a colour of its own; known words have their usual colours."""

from __future__ import annotations

import numpy as np
import pytest

from landcover_bdgf.labels.legend import Legend


def test_known_words_have_their_usual_colours():
    legend = Legend.from_values(["Water", "Evergreen forest", "built area"])
    red, green, blue = (np.array(legend.colors[code]) for code in (1, 2, 3))  # sorted: Evergreen, Water, built
    assert red.argmax() == 1
    assert green.argmax() == 2
    assert blue.argmax() == 0


@pytest.mark.parametrize("values", [range(65_535), ["water", "lake", "river", "open water"]])
def test_all_classes_have_different_colours(values):
    legend = Legend.from_values(values)
    assert len(set(legend.colors.values())) == len(legend.entries)
