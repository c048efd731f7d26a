"""Polygons of the patches of a class raster, strip by strip; those that cross a seam are joined.

Strips are polygonised by GDAL (:func:`rasterio.features.shapes`), in pixel coordinates: x is the column, y the row. A
patch is a set of pixels of one class that touch at their sides. Each comes out once, in an order and with vertices that
do not depend on the height of the strips: by its last row, then by its first column there; rings start at their lowest
corner, and no vertex lies on a straight line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import scipy  # its parts are loaded when they are used
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes

from landcover_bdgf.labels import NODATA

Polygons = NDArray[np.object_]
Codes = NDArray[np.integer]


@dataclass(frozen=True)
class Pieces:
    """Polygons (n,) of a strip or of several, their codes and the number of the patch that each belongs to."""

    polygons: Polygons
    codes: Codes
    patches: NDArray[np.intp]

    def where(self, keep: NDArray[Any]) -> Pieces:
        """The pieces selected by a mask or indices."""
        return Pieces(self.polygons[keep], self.codes[keep], self.patches[keep])

    def and_others(self, others: Pieces) -> Pieces:
        """Both, one after the other."""
        pairs = ((getattr(each, name) for each in (self, others)) for name in ("polygons", "codes", "patches"))
        return Pieces(*(np.concatenate(list(pair)) for pair in pairs))


def patches(strips: Iterable[Codes]) -> Iterator[tuple[Polygons, Codes]]:
    """Polygons of whole patches with their codes, as soon as they are complete.

    Parameters
    ----------
    strips : iterable of (h, w)
        Codes of whole rows, from top to bottom.
    """
    waiting, row = _none(), 0
    for codes in strips:
        own = _polygonised(codes, row)
        found = _joined(waiting, own, row, codes.shape[1])
        row += codes.shape[0]
        goes_on = np.isin(found.patches, found.patches[shapely.bounds(found.polygons)[:, 3] == row])
        yield _whole(found.where(~goes_on))
        waiting = found.where(goes_on)
    yield _whole(waiting)


def _none() -> Pieces:
    return Pieces(np.empty(0, object), np.empty(0, np.int64), np.empty(0, np.intp))


def _polygonised(codes: Codes, row: int) -> Pieces:
    """The pieces of a strip whose first row is ``row``, each a patch of its own."""
    place = Affine(1, 0, 0, 0, 1, row)
    found = list(shapes(codes, mask=codes != NODATA, connectivity=4, transform=place))
    if not found:
        return _none()
    rings = [ring for geometry, _ in found for ring in geometry["coordinates"]]
    lengths = [len(ring) for ring in rings]
    of_polygon = np.repeat(np.arange(len(found)), [len(geometry["coordinates"]) for geometry, _ in found])
    xy = np.fromiter(chain.from_iterable(chain.from_iterable(rings)), np.float64, 2 * sum(lengths)).reshape(-1, 2)
    lines = shapely.linearrings(xy, indices=np.repeat(np.arange(len(rings)), lengths))
    values = np.array([value for _, value in found]).astype(np.int64)
    return Pieces(shapely.polygons(lines, indices=of_polygon), values, np.arange(len(found)))


def _joined(above: Pieces, below: Pieces, row: int, width: int) -> Pieces:
    """Pieces on both sides of the seam above a row, with one number for those of a patch."""
    start = int(above.patches.max(initial=-1)) + 1
    both = above.and_others(Pieces(below.polygons, below.codes, below.patches + start))
    if not len(above.patches) or not len(below.patches):
        return both
    upper, lower = (_along(each, row, width) for each in (above, below))
    touch = (upper >= 0) & (lower >= 0)
    touch[touch] = above.codes[upper[touch]] == below.codes[lower[touch]]
    count = int(both.patches.max()) + 1
    pairs = above.patches[upper[touch]], below.patches[lower[touch]] + start
    links = scipy.sparse.coo_array((np.ones(len(pairs[0]), bool), pairs), shape=(count, count))
    _, patch = scipy.sparse.csgraph.connected_components(links, directed=False)
    return Pieces(both.polygons, both.codes, patch[both.patches].astype(np.intp))


def _along(pieces: Pieces, row: int, width: int) -> NDArray[np.intp]:
    """Index of the piece that borders on each pixel side of a row line (width,); -1 for none."""
    owner = np.full(width, -1, np.intp)
    box = shapely.bounds(pieces.polygons)
    near = np.flatnonzero((box[:, 1] == row) | (box[:, 3] == row))
    rings, of_piece = shapely.get_rings(pieces.polygons[near], return_index=True)
    xy, of_ring = shapely.get_coordinates(rings, return_index=True)
    sides = (xy[1:, 1] == row) & (xy[:-1, 1] == row) & (of_ring[1:] == of_ring[:-1])
    ends = np.sort(np.stack([xy[:-1, 0][sides], xy[1:, 0][sides]]).astype(np.intp), axis=0)
    for first, last, ring in zip(*ends, of_ring[1:][sides], strict=True):
        owner[first:last] = near[of_piece[ring]]
    return owner


def _whole(pieces: Pieces) -> tuple[Polygons, Codes]:
    """The polygon of each patch, all of whose pieces are given, in order."""
    order = np.argsort(pieces.patches, kind="stable")
    _, first, count = np.unique(pieces.patches[order], return_index=True, return_counts=True)
    polygons, codes = pieces.polygons[order][first], pieces.codes[order][first]
    for i in np.flatnonzero(count > 1):
        union = shapely.union_all(pieces.polygons[order[first[i] : first[i] + count[i]]])
        polygons[i] = shapely.simplify(shapely.normalize(union), 0)  # the seams leave vertices on straight lines
    polygons = shapely.normalize(polygons)
    order = _order(polygons)
    return polygons[order], codes[order]


def _order(polygons: Polygons) -> NDArray[np.intp]:
    """By last row, then by the first column there."""
    xy, index = shapely.get_coordinates(polygons, return_index=True)
    last = shapely.bounds(polygons)[:, 3]
    at_end = xy[:, 1] == last[index]
    left = np.full(len(polygons), np.inf)
    np.minimum.at(left, index[at_end], xy[at_end, 0])
    return np.lexsort((left, last))
