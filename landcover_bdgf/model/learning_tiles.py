"""Tiles that the denoiser learns from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.labels import Samples
from landcover_bdgf.progress import progress
from landcover_bdgf.scene import Stack, Tile


def random_tiles(stack: Stack, size_px: int, count: int, *, exclude: Samples | None, seed: int) -> Iterator[Tile]:
    """Up to ``count`` pieces of a scene that have data besides the test pixels of ``exclude``, in random order.

    Raises
    ------
    RasterError
        There is none.
    """
    windows = list(stack.grid.tiles(size_px))
    order = np.random.default_rng(seed).permutation(len(windows))
    found = 0
    with progress("reading the scene", min(count, len(windows))) as advance:
        for window in (windows[index] for index in order):
            tile = hide_test_pixels(stack.read(window), exclude, window)
            if tile.valid.any():
                yield tile
                found += 1
                advance()
            if found == count:
                break
    if not found:
        raise RasterError(
            None, "no pixel is left to learn from: none is valid in both sensors and outside the test part"
        )


def hide_test_pixels(tile: Tile, samples: Samples | None, window: Window) -> Tile:
    """The tile of ``window`` with the test pixels of ``samples`` invalid, so that nothing is learned from them."""
    if samples is None:
        return tile
    rows, cols = samples.test.rows - window.row_off, samples.test.cols - window.col_off
    inside = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
    valid = tile.valid.copy()
    valid[rows[inside], cols[inside]] = False
    return Tile(tile.spectral * valid, tile.sar * valid, valid)
