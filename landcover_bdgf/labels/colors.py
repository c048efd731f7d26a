"""Colours of classes."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Iterator
from itertools import chain, count
from typing import Annotated

import numpy as np
from pydantic import Field

Byte = Annotated[int, Field(ge=0, le=255)]
Color = tuple[Byte, Byte, Byte]

# Usual colours of land-cover maps, as in WorldCover and Corine. The first pattern that a name contains decides, so the
# special ones come first ("bare rock" is rock, "low vegetation" is grass).
KNOWN_COLORS: tuple[tuple[str, Color], ...] = (
    ("cloud", (190, 190, 200)),
    ("shadow", (70, 70, 80)),
    ("snow|ice", (225, 240, 252)),
    ("flooded|wetland|swamp", (122, 180, 168)),
    ("mangrove", (0, 207, 117)),
    ("water|river|lake", (38, 112, 190)),
    ("tree|forest|wood", (20, 98, 40)),
    ("crop|farm|agricult", (238, 190, 70)),
    ("low vegetation", (150, 200, 90)),
    ("built|urban|impervious", (200, 40, 40)),
    ("industrial", (145, 60, 150)),
    ("residential", (225, 95, 80)),
    ("roof", (170, 30, 60)),
    ("pavement|road", (120, 115, 120)),
    ("rock", (160, 150, 140)),
    ("bare|soil", (205, 170, 125)),
    ("sand", (240, 220, 160)),
    ("shrub|bush|scrub", (160, 130, 50)),
    ("range", (190, 205, 110)),
    ("grass|meadow", (150, 200, 90)),
    ("vegetation", (90, 160, 70)),
)

# Colours that colour-blind readers can tell apart: Okabe and Ito (2008), then Tol's "muted" (2021).
QUALITATIVE: tuple[Color, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (51, 34, 136), (136, 34, 85), (153, 153, 51), (17, 119, 51), (68, 170, 153),
    (170, 68, 153), (221, 204, 119), (204, 102, 119), (136, 204, 238),
)  # fmt: skip

ALIKE = 45.0  # distance in RGB below which two colours look alike


def default_colors(names: Iterable[str]) -> list[Color]:
    """A colour for each name, all different: the usual one, else one of a list."""
    names = list(names)
    taken: dict[int, Color] = {}
    # Short names first, so that "forest" gets its green and "settlement in a forest" another colour.
    for i in sorted(range(len(names)), key=lambda i: len(names[i])):
        known = next((color for words, color in KNOWN_COLORS if re.search(words, names[i].lower())), None)
        if known and known not in taken.values():
            taken[i] = known
    used = set(taken.values())
    apart = [color for color in QUALITATIVE if all(_distance(color, other) > ALIKE for other in used)]
    rest = chain(apart, _endless_colors(used | set(apart)))
    return [taken[i] if i in taken else next(rest) for i in range(len(names))]


def _distance(one: Color, other: Color) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))


def _endless_colors(used: set[Color]) -> Iterator[Color]:
    """Any number of distinct colours; successive ones look different.

    Hue, saturation and value each advance by an irrational step (Roberts' R3 sequence), which spreads them evenly.
    """
    seen = set(used)
    for i in count():
        hue, saturation, value = (i * step % 1 for step in (0.819_172_5, 0.671_043_6, 0.549_700_5))
        parts = colorsys.hsv_to_rgb(hue, 0.35 + 0.6 * saturation, 0.5 + 0.45 * value)
        red, green, blue = (round(255 * part) for part in parts)
        if (red, green, blue) not in seen:
            seen.add((red, green, blue))
            yield red, green, blue
