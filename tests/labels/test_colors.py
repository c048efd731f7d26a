"""Each class has a colour of its own, which colour-blind readers can tell from the others; known words keep theirs.

Differences are computed here from the published formulas, one pair at a time, without the code under test.
"""

from __future__ import annotations

from itertools import combinations
from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt

import numpy as np
import pytest
from labels.test_color_difference import PUBLISHED

from landcover_bdgf.labels.colors import default_colors
from landcover_bdgf.labels.legend import Legend

# The classes of WorldCover, of Esri's map, and of the demo, once each; "low vegetation" of town maps is grass.
CORE = ["Water", "Trees", "Herbaceous wetland", "Cropland", "Built-up", "Bare / sparse vegetation", "Snow and ice",
        "Grassland", "Shrubland", "Mangroves", "Moss and lichen", "Rangeland", "Clouds", "Cloud shadows"]  # fmt: skip
TOWN = ["roof", "pavement", "low vegetation", "tree", "soil", "water"]
MORE = ["industrial", "residential", "rock", "sand", "vegetation"]
# Machado et al. (2009), severity 1, as published.
PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
NORMAL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def lab(color, vision):
    linear = [c / 12.92 if (c := part / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for part in color]
    r, g, b = (min(1, max(0, sum(m * c for m, c in zip(row, linear, strict=True)))) for row in vision)
    xyz = (
        (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047,
        0.2126729 * r + 0.7151522 * g + 0.0721750 * b,
        (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883,
    )
    x, y, z = (t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one, other):
    """CIEDE2000 in the steps of Sharma et al. (2005)."""
    (L1, a1, b1), (L2, a2, b2) = one, other
    mean = (hypot(a1, b1) + hypot(a2, b2)) / 2
    G = (1 - sqrt(mean**7 / (mean**7 + 25**7))) / 2
    C1, C2 = hypot(a1 * (1 + G), b1), hypot(a2 * (1 + G), b2)
    h1, h2 = degrees(atan2(b1, a1 * (1 + G))) % 360, degrees(atan2(b2, a2 * (1 + G))) % 360
    dh = 0.0 if C1 * C2 == 0 else h2 - h1
    dh -= 360 if dh > 180 else -360 if dh < -180 else 0
    h = h1 + h2
    if C1 * C2:
        h = h / 2 if abs(h1 - h2) <= 180 else (h + 360) / 2 if h < 360 else (h - 360) / 2
    dH, L, C = 2 * sqrt(C1 * C2) * sin(radians(dh / 2)), (L1 + L2) / 2, (C1 + C2) / 2
    T = 1 - 0.17 * cos(radians(h - 30)) + 0.24 * cos(radians(2 * h)) + 0.32 * cos(radians(3 * h + 6))
    T -= 0.2 * cos(radians(4 * h - 63))
    l = (L2 - L1) / (1 + 0.015 * (L - 50) ** 2 / sqrt(20 + (L - 50) ** 2))  # noqa: E741
    c, k = (C2 - C1) / (1 + 0.045 * C), dH / (1 + 0.015 * C * T)
    turn = -sin(radians(60 * exp(-(((h - 275) / 25) ** 2)))) * 2 * sqrt(C**7 / (C**7 + 25**7))
    return sqrt(l * l + c * c + k * k + turn * c * k)


def least(colors):
    """The least difference between two colours with any of the three visions."""
    return min(
        difference(lab(one, vision), lab(other, vision))
        for one, other in combinations(colors, 2)
        for vision in (NORMAL, PROTANOPIA, DEUTERANOPIA)
    )


@pytest.mark.parametrize(("one", "other", "published"), PUBLISHED)
def test_the_formula_of_this_file_gives_the_published_values(one, other, published):
    assert difference(one, other) == pytest.approx(published, abs=5e-5)


def test_colour_blind_readers_tell_the_core_classes_apart():
    assert least(default_colors(CORE)) >= 12
    assert least(default_colors(TOWN)) >= 12
    assert least(default_colors([*CORE, *TOWN[:2], *MORE])) >= 7
    assert least([(20, 98, 40), (200, 40, 40)]) < 6  # a usual green and red


@pytest.mark.parametrize(("classes", "apart"), [(4, 40), (8, 19), (12, 14), (20, 11), (32, 7), (64, 3)])
def test_classes_without_a_known_name_differ_as_far_as_their_number_allows(classes, apart):
    assert least(default_colors(map(str, range(classes)))) >= apart


def test_other_classes_differ_from_known_ones():
    assert least(default_colors([*CORE[:8], "heath", "vineyard", "quarry", "saltpan"])) >= 10


def test_known_words_have_their_usual_colours():
    legend = Legend.from_values(["Water", "Evergreen forest", "built area"])
    red, green, blue = (np.array(legend.colors[code]) for code in (1, 2, 3))  # sorted: Evergreen, Water, built
    assert red.argmax() == 1
    assert green.argmax() == 2
    assert blue.argmax() == 0


@pytest.mark.parametrize(("name", "like"), [
    ("rice", "snow"), ("street", "tree"), ("broadleaf", "road"), ("orange grove", "rangeland"), ("thousand", "sand"),
])  # fmt: skip
def test_a_word_inside_another_decides_nothing(name, like):
    assert default_colors([name]) != default_colors([like])


@pytest.mark.parametrize("values", [range(65_535), ["water", "lake", "river", "open water"]])
def test_all_classes_have_different_colours(values):
    legend = Legend.from_values(values)
    assert len(set(legend.colors.values())) == len(legend.entries)
