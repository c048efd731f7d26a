"""The strata of a map, counted and drawn from strip by strip, so that a map of any size needs little memory.

The pixels of a stratum are numbered from the first row to the last. Points are numbers, drawn before any is located, so
that they depend on the map and the seed, and not on how the map is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import PixelAreas
from landcover_bdgf.labels import ClassRaster, class_sizes, strips

Ints = NDArray[np.int64]
Codes = NDArray[np.uint16]
Strips = Callable[[], Iterator[tuple[Window, Codes]]]


@dataclass(frozen=True, eq=False)
class Strata:
    """The pixels from which a sample is drawn, by stratum, ascending by code.

    Attributes
    ----------
    codes : int64 (strata,)
        Of the legend.
    values : int64 (strata,)
        Pixel values of the raster, 1 for the whole map.
    names : tuple of str
    pixels : int64 (strata,)
        Number of pixels with data.
    area_m2 : float64 (strata,)
        Their area on the ellipsoid.
    strips : callable
        Codes of the strata by windows of whole rows, from north to south; 0 is outside.
    """

    codes: Ints
    values: Ints
    names: tuple[str, ...]
    pixels: Ints
    area_m2: NDArray[np.float64]
    strips: Strips


def strata_of(map_: ClassRaster, other: ClassRaster | None, *, one: bool = False) -> Strata:
    """The strata of a map: its classes, those of ``other`` where the map has data, or ``one`` for the whole map.

    RasterError if ``other`` is on another grid, or no pixel has data.
    """
    if other is not None:
        other.check_grid(map_.grid, f"the map {map_.path}")

    def read() -> Iterator[tuple[Window, Codes]]:
        for window in strips(map_.grid):
            codes = map_.read(window)
            if other is not None:
                codes = np.where(codes > 0, other.read(window), np.uint16(0))
            yield window, codes.clip(max=1) if one else codes

    legend = (other or map_).legend
    pixels, area_m2 = class_sizes(read(), len(legend.entries), PixelAreas(map_.grid))
    there = np.flatnonzero(pixels)
    if not len(there):
        raise RasterError(
            map_.path, "has no pixel with data in any stratum", "Check its nodata, and that of the strata."
        )
    names = ("whole map",) if one else tuple(legend.names[i] for i in there)
    values = np.array([1]) if one else np.array((other or map_).values, np.int64)[there]
    return Strata(there + 1, values, names, pixels[there], area_m2[there], read)


def draw_random(strata: Strata, counts: Ints, seed: int) -> tuple[Ints, Ints, Ints]:
    """Rows, columns and indices of the strata (n,) of a random sample without replacement.

    ``counts`` (strata,) are the numbers of points. A stratum's points do not depend on the other strata.
    """
    drawn = [
        np.sort(np.random.default_rng([seed, int(code)]).choice(int(pixels), int(count), replace=False, shuffle=False))
        for code, pixels, count in zip(strata.codes, strata.pixels, counts, strict=True)
    ]
    return _located(strata, drawn)


def draw_systematic(
    strata: Strata, shape_hw: tuple[int, int], points: int, seed: int
) -> tuple[Ints, Ints, Ints, float]:
    """A square grid with a random start, of about this many points: rows, columns, strata, and the step in pixels."""
    step = max(1.0, float(np.sqrt(strata.pixels.sum() / points)))
    start = np.random.default_rng(seed).uniform(0, step, 2)
    lines = [np.arange(first, side, step).astype(np.int64) for first, side in zip(start, shape_hw, strict=True)]
    rows, cols = (axis.ravel() for axis in np.meshgrid(*lines, indexing="ij"))
    index = np.full(int(strata.codes.max()) + 1, -1)
    index[strata.codes] = np.arange(len(strata.codes))
    of_points = np.full(len(rows), -1)
    for window, codes in strata.strips():
        first, last = np.searchsorted(rows, (window.row_off, window.row_off + window.height))
        of_points[first:last] = index[codes[rows[first:last] - window.row_off, cols[first:last]]]
    inside = of_points >= 0
    return rows[inside], cols[inside], of_points[inside], step


def _located(strata: Strata, drawn: list[Ints]) -> tuple[Ints, Ints, Ints]:
    """Positions of pixels by their numbers within each stratum, which are sorted."""
    passed = np.zeros(len(drawn), np.int64)
    found: list[tuple[Ints, Ints, Ints]] = []
    for window, codes in strata.strips():
        flat = codes.ravel()
        counts = np.bincount(flat, minlength=int(strata.codes.max()) + 1)[strata.codes]
        for index, code in enumerate(strata.codes):
            first, last = np.searchsorted(drawn[index], (passed[index], passed[index] + counts[index]))
            if first < last:
                inside = np.flatnonzero(flat == code)[drawn[index][first:last] - passed[index]]
                rows, cols = np.divmod(inside, window.width)
                found.append((rows + window.row_off, cols, np.full(len(rows), index)))
        passed += counts
    rows, cols, of_strata = (np.concatenate(each) for each in zip(*found, strict=True))
    return rows, cols, of_strata
