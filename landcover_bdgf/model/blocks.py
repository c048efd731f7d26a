"""Scaled blocks of a scene on one fixed lattice; read one by one, or as a stream that reads every pixel once.

The lattice is fixed, so that training windows and maps get the same numbers for any tile size. Each block has a halo;
beyond the border of the scene, its mirror image continues it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.model.scaling import Scaling, scaled_cube
from landcover_bdgf.scene import LATTICE_PX, Sensor, Stack, seen_by

BLOCK_PX = (
    LATTICE_PX  # larger blocks spend less on halos (1.6 times the pixels at 128, 2.3 times at 64) but more memory
)


@dataclass(frozen=True)
class Piece:
    """A scaled rectangle of the scene: cube (R + K, h, w), 0 where invalid, and the condition of its pixels (h, w).

    The condition is that of a :class:`~landcover_bdgf.scene.Tile`.
    """

    cube: NDArray[np.float32]
    condition: NDArray[Any]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Pixels that are used, (h, w)."""
        return np.asarray(self.condition > 0)

    def part(self, rows: slice, cols: slice) -> Piece:
        """A view of some rows and columns."""
        return Piece(self.cube[:, rows, cols], self.condition[rows, cols])

    def seen_by(self, sensor: Sensor | None, hidden: slice) -> Piece:
        """What a sensor saw, without the ``hidden`` channels, those of the other; None for pixels that both saw."""
        valid = seen_by(self.condition, sensor)
        cube = self.cube * valid
        cube[hidden] = 0
        return Piece(cube, valid)


@dataclass(frozen=True)
class Block:
    """One block of the lattice.

    Attributes
    ----------
    row, col : int
        Position of its first pixel in the whole image, without the halo.
    seen : Piece
        (R + K, 128 + 2 halo, 128 + 2 halo) and its condition; smaller at the right and lower border of the scene.
    inside : bool (128, 128)
        The pixels in the area of interest.
    """

    row: int
    col: int
    seen: Piece
    inside: NDArray[np.bool_]


def read_block(stack: Stack, scaling: Scaling, halo_px: int, corner: tuple[int, int]) -> Block:
    """Read one block with its halo; ``corner`` is the row and column of its first pixel."""
    (row, col), (height, width) = corner, stack.grid.shape_hw
    bottom, right = min(row + BLOCK_PX, height), min(col + BLOCK_PX, width)
    seen = _read(stack, scaling, (row - halo_px, bottom + halo_px), (col - halo_px, right + halo_px))
    return _block(stack, corner, seen, halo_px)


@dataclass(frozen=True)
class BlockStream:
    """All blocks of a scene, tile by tile; pixels shared with later tiles are kept, not read again.

    Each tile is read and scaled once. It completes the blocks whose halo lies inside it and the pixels kept from
    earlier tiles: except at the border, these blocks are one block above and left of the tile.

    Attributes
    ----------
    stack, scaling
    halo_px : int
        At most the side of a block.
    tile_px : int
        Side of the tiles that are read; a multiple of the side of a block.
    """

    stack: Stack
    scaling: Scaling
    halo_px: int
    tile_px: int

    @property
    def strips(self) -> int:
        """Number of strips (rows of tiles); each can be computed without the strips above."""
        return len(self._spans(0))

    def windows(self, strips: Sequence[int]) -> Iterator[Window]:
        """The window that each tile completes, in the order of :meth:`blocks`; together they cover the scene once."""
        height, width = self.stack.grid.shape_hw
        for i in strips:
            for j in range(len(self._spans(1))):
                rows, cols = self._completed(0, i), self._completed(1, j)
                bottom, right = min(rows.stop * BLOCK_PX, height), min(cols.stop * BLOCK_PX, width)
                top, left = rows.start * BLOCK_PX, cols.start * BLOCK_PX
                yield Window(left, top, max(0, right - left), max(0, bottom - top))

    def blocks(self, strips: Sequence[int]) -> Iterator[Block]:
        """Blocks of some strips, window by window, row by row within each window."""
        above: list[Piece] = []
        before = -2
        for i in strips:
            if i != before + 1:
                above = []  # nothing is kept from above: the first tiles read it themselves
            carried: list[Piece] = []
            left: Piece | None = None
            for j, (first, last) in enumerate(self._spans(1)):
                top, bottom = self._spans(0)[i]
                column = _read(self.stack, self.scaling, (top, bottom), (first, last))
                if above or i > 0:
                    over = above[j] if above else self._read_above(i, (first, last))
                    column = _joined([over, column], axis=0)
                carried.append(_copied(column.part(slice(-self._reach_px, None), slice(None))))
                field = _joined([left, column], axis=1) if left else column
                left = _copied(field.part(slice(None), slice(-self._reach_px, None)))
                yield from self._cut(field, i, j)
            above, before = carried, i

    def _read_above(self, i: int, cols: tuple[int, int]) -> Piece:
        """What a strip shares with the one above, which counts it, unless that completes nothing and is never read."""
        top = self._spans(0)[i][0]
        stack = self.stack.counting(None) if self._completed(0, i - 1) else self.stack
        return _read(stack, self.scaling, (top - self._reach_px, top), cols)

    @property
    def _reach_px(self) -> int:
        return BLOCK_PX + self.halo_px

    def _spans(self, axis: int) -> list[tuple[int, int]]:
        """First row (or column) and last + 1 of each tile, with the halo at the border."""
        size = self.stack.grid.shape_hw[axis]
        return list(pairwise([-self.halo_px, *range(self.tile_px, size, self.tile_px), size + self.halo_px]))

    def _completed(self, axis: int, index: int) -> range:
        """Rows (or columns) of the lattice that a tile completes."""
        spans, per_tile = self._spans(axis), self.tile_px // BLOCK_PX
        last = index == len(spans) - 1
        end = -(-self.stack.grid.shape_hw[axis] // BLOCK_PX) if last else (index + 1) * per_tile - 1
        return range(max(0, index * per_tile - 1), end)

    def _cut(self, field: Piece, i: int, j: int) -> Iterator[Block]:
        rows, cols = self._completed(0, i), self._completed(1, j)
        side = BLOCK_PX + 2 * self.halo_px
        for r, row in enumerate(rows):
            for c, col in enumerate(cols):
                part = field.part(slice(r * BLOCK_PX, r * BLOCK_PX + side), slice(c * BLOCK_PX, c * BLOCK_PX + side))
                yield _block(self.stack, (row * BLOCK_PX, col * BLOCK_PX), _copied(part), self.halo_px)


def _block(stack: Stack, corner: tuple[int, int], seen: Piece, halo_px: int) -> Block:
    (row, col), (height, width) = corner, seen.valid.shape
    inside = stack.read_inside(Window(col, row, width - 2 * halo_px, height - 2 * halo_px))
    return Block(row + stack.origin_rc[0], col + stack.origin_rc[1], seen, inside)


def _read(stack: Stack, scaling: Scaling, rows: tuple[int, int], cols: tuple[int, int]) -> Piece:
    tile = stack.read_padded(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
    return Piece(scaled_cube(tile, scaling, sum(len(image.bands) for image in stack.extra)), tile.condition)


def _joined(pieces: Sequence[Piece], axis: int) -> Piece:
    cubes, conditions = [piece.cube for piece in pieces], [piece.condition for piece in pieces]
    return Piece(np.concatenate(cubes, axis=1 + axis), np.concatenate(conditions, axis=axis))


def _copied(piece: Piece) -> Piece:
    """A copy, so that a small part does not keep the whole array in memory."""
    return Piece(np.ascontiguousarray(piece.cube), np.ascontiguousarray(piece.condition))
