"""Pixels of several grids on common planes, so that distances between them are those on the ground.

Grids that show the same or neighbouring ground, also in different UTM zones, share a plane: the pixels of one of them.
Grids far from one another lie on different planes, as if on different planets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.grid import Grid, ground_pixel_side_m

NEAR_PX = 512  # grids within this distance share a plane; nothing that a model sees reaches so far
APART_PX = 1e9  # between planes
_OUTLINE = 9  # points along each side of a grid
_ROUNDING = 6  # decimals; grids of one lattice must agree exactly

Positions = NDArray[np.float64]


def common_positions(grids: Sequence[Grid], positions: Sequence[NDArray[Any]]) -> list[Positions]:
    """Rows and columns (n, 2) of pixels of each grid, on common planes.

    The unit is the pixel of the plane: of the grid whose pixels are the largest, so that no distance in pixels is taken
    for a larger one. Those of a grid that shares its plane with no other are unchanged. Across neighbouring UTM zones,
    distances are right within a few percent.

    Parameters
    ----------
    grids : sequence of Grid
    positions : sequence of (n, 2) arrays
        Rows and columns in each grid; fractions are allowed.
    """
    plane_of, found = planes(grids), []
    for grid, own, number in zip(grids, positions, plane_of.tolist(), strict=True):
        plane = _coarsest([each for each, other in zip(grids, plane_of, strict=True) if other == number])
        placed = np.asarray(own, np.float64)
        if not plane.same_as(grid):
            placed = np.round(_moved(grid, plane, placed), _ROUNDING)
        found.append(placed + np.array([0, number * APART_PX]))
    return found


def planes(grids: Sequence[Grid]) -> NDArray[np.intp]:
    """Number, from 0, of the plane that each grid shares with its neighbours, (n,)."""
    near = np.array([[_are_near(one, other) for other in grids] for one in grids])
    numbers: NDArray[np.intp] = scipy.sparse.csgraph.connected_components(near, directed=False)[1].astype(np.intp)
    return numbers


def overlapping(grids: Sequence[Grid]) -> NDArray[np.intp]:
    """Number, from 0, of the group of overlapping grids that each is in, (n,)."""
    over = np.array([[_are_near(one, other, px=0) for other in grids] for one in grids])
    numbers: NDArray[np.intp] = scipy.sparse.csgraph.connected_components(over, directed=False)[1].astype(np.intp)
    return numbers


def _coarsest(grids: Sequence[Grid]) -> Grid:
    return max(grids, key=lambda grid: ground_pixel_side_m(grid) or 0.0)  # the first of several


def _moved(grid: Grid, plane: Grid, positions: Positions) -> Positions:
    return np.stack(plane.rowcol_of(*grid.xy(*positions.T), grid.crs), axis=1)


def _are_near(one: Grid, other: Grid, *, px: int = NEAR_PX) -> bool:
    """Whether the box of ``other`` in the pixels of ``one`` is less than ``px`` away from it."""
    if one is other:
        return True
    along = np.linspace(0, 1, _OUTLINE)
    outline = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2) * other.shape_hw - 0.5
    try:
        moved = _moved(other, one, outline)
    except RasterError:  # no transformation, as of a local CRS
        return False
    moved = moved[np.isfinite(moved).all(axis=1)]
    if not len(moved):
        return False
    return bool((moved.max(axis=0) > -0.5 - px).all() and (moved.min(axis=0) < np.array(one.shape_hw) - 0.5 + px).all())
