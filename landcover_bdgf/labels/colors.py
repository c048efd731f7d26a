"""Colours of classes, which colour-blind readers can tell apart."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Annotated

import numpy as np
from pydantic import Field

from landcover_bdgf.labels.color_difference import Floats, ciede2000, lab_as_seen

Byte = Annotated[int, Field(ge=0, le=255)]
Color = tuple[Byte, Byte, Byte]

# Colours near those of WorldCover and Corine, moved apart: with normal vision, protanopia and deuteranopia, the classes
# of global land-cover maps differ by at least 12 (CIEDE2000), and all by 7. The first pattern that a name contains
# decides, so the special ones come first ("bare rock" is rock, "low vegetation" is grass).
KNOWN_COLORS: tuple[tuple[str, Color], ...] = (
    (r"\bcloud", (199, 202, 226)),
    (r"\bshadow", (60, 60, 75)),
    (r"\bsnow|\bice\b|\bglacier", (244, 250, 255)),
    (r"mangrove", (32, 136, 112)),
    (r"\bflooded|wetland|swamp|marsh\b", (95, 171, 171)),
    (r"water|\briver|\blakes?\b|\bsea\b|\bocean|\bponds?\b|\breservoir|\bcanal", (37, 112, 200)),
    (r"\btree|forest|wood", (37, 114, 63)),
    (r"\bcrop|\bfarm|agricult|\barable", (205, 169, 2)),
    (r"\blow vegetation", (170, 204, 128)),
    (r"\bbuilt|\burban|impervious", (189, 5, 24)),
    (r"\bindustrial", (145, 60, 150)),
    (r"\bresidential", (238, 122, 111)),
    (r"\broof", (112, 10, 42)),
    (r"\bpavement|\broads?\b", (109, 104, 114)),
    (r"\brock", (158, 148, 145)),
    (r"\bbare|\bsoil", (184, 162, 146)),
    (r"\bsand", (237, 216, 172)),
    (r"\bshrub|\bbush|\bscrub", (163, 129, 39)),
    (r"\brange", (250, 255, 184)),
    (r"\bgrass|meadow", (170, 204, 128)),
    (r"\bmoss|\blichen", (231, 230, 82)),
    (r"vegetation", (90, 160, 84)),
)

FIRST: Color = (230, 159, 0)  # of classes without a known name: orange, the first of Okabe and Ito (2008)
CHOSEN = 64  # classes whose colours are chosen one by one; differences of more cannot be seen anyway
_SIDES = (0, 32, 64, 96, 128, 159, 191, 223, 255)
_LIGHTNESS = (20, 94)  # CIELAB; darker colours look black, lighter ones white


def default_colors(names: Iterable[str]) -> list[Color]:
    """A colour for each name, all different: the usual one, else one that is far from all others."""
    names = list(names)
    taken: dict[int, Color] = {}
    # Short names first, so that "forest" gets its green and "settlement in a forest" another colour.
    for i in sorted(range(len(names)), key=lambda i: len(names[i])):
        known = next((color for words, color in KNOWN_COLORS if re.search(words, names[i].lower())), None)
        if known and known not in taken.values():
            taken[i] = known
    rest = _other_colors(list(taken.values()))
    return [taken[i] if i in taken else next(rest) for i in range(len(names))]


def _other_colors(used: Sequence[Color]) -> Iterator[Color]:
    """Any number of colours that differ from those used and from one another.

    Each of the first is the one of a grid of colours whose least difference from all before it is largest, with normal
    and with dichromatic vision (farthest-point sampling).
    """
    given = [*used]
    if not given:
        given.append(FIRST)
        yield FIRST
    grid = np.stack(np.meshgrid(_SIDES, _SIDES, _SIDES, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = lab_as_seen(grid)[0, :, 0]
    grid = grid[(lightness >= _LIGHTNESS[0]) & (lightness <= _LIGHTNESS[1])]
    looks = lab_as_seen(grid)
    nearest = np.min([_differences(color, looks) for color in given], axis=0)
    while len(given) < CHOSEN:
        red, green, blue = map(int, grid[nearest.argmax()])
        given.append((red, green, blue))
        yield red, green, blue
        nearest = np.minimum(nearest, _differences(given[-1], looks))
    yield from _endless_colors(set(given))


def _differences(color: Color, looks: Floats) -> Floats:
    """The least CIEDE2000 (n,) of three visions between a colour and others as seen (3, n, 3)."""
    return ciede2000(lab_as_seen(np.array([color])), looks).min(axis=0)


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
