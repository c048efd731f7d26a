"""Random tiles and pixels of scenes for fitting and training, without test pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import Grid
from landcover_bdgf.labels import JoinedSamples
from landcover_bdgf.progress import progress
from landcover_bdgf.scene import ALONE, Stack, Tile, seen_by

SAMPLE_BLOCK_PX, SAMPLE_BLOCKS = 64, 96  # up to 390,000 pixels
SAMPLE_VALUES = 2**24  # 64 MB, for any number of bands

Floats = NDArray[np.float32]


def random_tiles(stack: Stack, size_px: int, count: int, *, exclude: JoinedSamples | None, seed: int) -> Iterator[Tile]:
    """Up to ``count`` tiles of a scene in random order; test pixels of ``exclude`` are invalid in them.

    Tiles without any valid pixel are skipped.

    Raises
    ------
    RasterError
        All tiles are without valid pixels.
    """
    windows = list(stack.grid.tiles(size_px))
    order = np.random.default_rng(seed).permutation(len(windows))
    hidden, found = hidden_pixels(exclude, stack.grid), 0
    with progress("reading the scene", min(count, len(windows))) as advance:
        for window in (windows[index] for index in order):
            tile = hide_pixels(stack.read(window), hidden, window)
            if tile.valid.any():
                yield tile
                found += 1
                advance()
            if found == count:
                break
    if not found:
        raise RasterError(
            stack.spectral.paths[0],
            "has no pixels to learn from: none has data in both images outside the test samples",
            "Check the nodata values and the overlap of the images, or use fewer test samples.",
        )


def hidden_pixels(exclude: JoinedSamples | None, grid: Grid) -> NDArray[np.int64]:
    """Rows and columns (m, 2) of the pixels of a grid that show test pixels of ``exclude``, of this or other scenes."""
    return np.empty((0, 2), np.int64) if exclude is None else exclude.tests_on(grid)


def hide_pixels(tile: Tile, hidden: NDArray[np.int64], window: Window) -> Tile:
    """Mark hidden pixels (m, 2) as invalid in the tile of ``window``."""
    if not len(hidden):
        return tile
    rows, cols = (hidden - (window.row_off, window.col_off)).T
    inside = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
    valid = tile.valid.copy()
    valid[rows[inside], cols[inside]] = False
    return Tile(tile.spectral * valid, tile.sar * valid, tile.condition * valid)


def random_pixels(stacks: Sequence[Stack], *, exclude: JoinedSamples | None, seed: int) -> tuple[Floats, Floats]:
    """A sample of the valid pixels of scenes, spectral (S, n) and SAR (R, n), without test pixels of ``exclude``.

    ``seed`` decides which pixels are sampled.
    """
    pixels = [
        _thinned(tile, tile.valid)
        for stack in stacks
        for tile in random_tiles(stack, SAMPLE_BLOCK_PX, SAMPLE_BLOCKS, exclude=exclude, seed=seed)
    ]
    spectral, sar = (np.concatenate(parts, axis=1) for parts in zip(*pixels, strict=True))
    return spectral, sar


def pixels_of_sensors(stack: Stack, *, exclude: JoinedSamples | None, seed: int) -> tuple[Floats, Floats]:
    """A sample of all pixels that each sensor saw, spectral (S, n) and SAR (R, m), without test pixels of ``exclude``.

    Neither the area of interest of a scene nor the pixels that are mapped change it.
    """
    whole = replace(stack, area=None, grid=stack.image_grid, missing="any")
    tiles = random_tiles(whole, SAMPLE_BLOCK_PX, SAMPLE_BLOCKS, exclude=exclude, seed=seed)
    pixels = [[_thinned(tile, seen_by(tile.condition, sensor))[i] for i, sensor in enumerate(ALONE)] for tile in tiles]
    spectral, sar = (np.concatenate(parts, axis=1) for parts in zip(*pixels, strict=True))
    return spectral, sar


def _thinned(tile: Tile, chosen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Chosen pixels of a tile, thinned evenly if there are many bands: (S, n) and (R, n)."""
    most = SAMPLE_VALUES // SAMPLE_BLOCKS // (len(tile.spectral) + len(tile.sar))
    rows, cols = np.nonzero(chosen)
    every = -(-len(rows) // most) or 1
    return tile.spectral[:, rows[::every], cols[::every]], tile.sar[:, rows[::every], cols[::every]]
