"""Colours of classes."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Iterator
from itertools import chain, count
from typing import Annotated

import numpy as np
from pydantic import Field

Byte = Annotated[int, Field(ge=0, le=255)]
Color = tuple[Byte, Byte, Byte]

# What readers of land-cover maps expect, after the habits of WorldCover and Corine. The first word that a
# name contains decides, so the special ones come first ("bare rock" is rock, "grassland" is grass).
KNOWN_COLORS: tuple[tuple[str, Color], ...] = (
    ("cloud", (190, 190, 200)),
    ("shadow", (70, 70, 80)),
    ("snow", (225, 240, 252)),
    ("ice", (225, 240, 252)),
    ("flooded", (122, 180, 168)),
    ("wetland", (122, 180, 168)),
    ("swamp", (122, 180, 168)),
    ("mangrove", (0, 207, 117)),
    ("water", (38, 112, 190)),
    ("river", (38, 112, 190)),
    ("lake", (38, 112, 190)),
    ("tree", (20, 98, 40)),
    ("forest", (20, 98, 40)),
    ("wood", (20, 98, 40)),
    ("crop", (238, 190, 70)),
    ("farm", (238, 190, 70)),
    ("agricult", (238, 190, 70)),
    ("low vegetation", (150, 200, 90)),
    ("built", (200, 40, 40)),
    ("urban", (200, 40, 40)),
    ("impervious", (200, 40, 40)),
    ("industrial", (145, 60, 150)),
    ("residential", (225, 95, 80)),
    ("roof", (170, 30, 60)),
    ("pavement", (120, 115, 120)),
    ("road", (120, 115, 120)),
    ("rock", (160, 150, 140)),
    ("bare", (205, 170, 125)),
    ("soil", (205, 170, 125)),
    ("sand", (240, 220, 160)),
    ("shrub", (160, 130, 50)),
    ("bush", (160, 130, 50)),
    ("scrub", (160, 130, 50)),
    ("range", (190, 205, 110)),
    ("grass", (150, 200, 90)),
    ("meadow", (150, 200, 90)),
    ("vegetation", (90, 160, 70)),
)

# Colours that stay apart for colour-blind readers: Okabe and Ito (2008), then Tol's "muted" (2021).
QUALITATIVE: tuple[Color, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (51, 34, 136), (136, 34, 85), (153, 153, 51), (17, 119, 51), (68, 170, 153),
    (170, 68, 153), (221, 204, 119), (204, 102, 119), (136, 204, 238),
)  # fmt: skip

ALIKE = 45.0  # distance in RGB under which two colours of this list look alike


def default_colors(names: Iterable[str]) -> list[Color]:
    """A colour for each name: the conventional one, else one of a list; never the same twice."""
    names = list(names)
    taken: dict[int, Color] = {}
    # "forest" comes before "settlement in a forest" when both want the green.
    for i in sorted(range(len(names)), key=lambda i: len(names[i])):
        known = next((color for word, color in KNOWN_COLORS if word in names[i].lower()), None)
        if known and known not in taken.values():
            taken[i] = known
    used = set(taken.values())
    # Once: the distances are looked at for the list only, the endless rest must just differ.
    apart = [color for color in QUALITATIVE if all(_distance(color, other) > ALIKE for other in used)]
    rest = chain(apart, _endless_colors(used | set(apart)))
    return [taken[i] if i in taken else next(rest) for i in range(len(names))]


def _distance(one: Color, other: Color) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))


def _endless_colors(used: set[Color]) -> Iterator[Color]:
    """Distinct colours, more than any map has classes; neighbours in the list differ.

    Hue, saturation and value each advance by an irrational step (Roberts' R3 sequence), which spreads any
    number of them evenly.
    """
    seen = set(used)
    for i in count():
        hue, saturation, value = (i * step % 1 for step in (0.819_172_5, 0.671_043_6, 0.549_700_5))
        parts = colorsys.hsv_to_rgb(hue, 0.35 + 0.6 * saturation, 0.5 + 0.45 * value)
        red, green, blue = (round(255 * part) for part in parts)
        if (red, green, blue) not in seen:
            seen.add((red, green, blue))
            yield red, green, blue
