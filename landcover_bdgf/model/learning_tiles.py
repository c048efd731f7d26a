"""Random tiles and pixels of scenes for fitting and training, without test pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.labels import Samples
from landcover_bdgf.progress import progress
from landcover_bdgf.scene import Stack, Tile

SAMPLE_BLOCK_PX, SAMPLE_BLOCKS = 64, 96  # up to 390,000 pixels
SAMPLE_VALUES = 2**24  # 64 MB, for any number of bands

Floats = NDArray[np.float32]


def random_tiles(stack: Stack, size_px: int, count: int, *, exclude: Samples | None, seed: int) -> Iterator[Tile]:
    """Up to ``count`` tiles of a scene in random order; test pixels of ``exclude`` are invalid in them.

    Tiles without any valid pixel are skipped.

    Raises
    ------
    RasterError
        All tiles are without valid pixels.
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
            None,
            "no pixels to learn from: none is valid in both images and outside the test samples",
            "Check the nodata values and the overlap of the images, or use fewer test samples.",
        )


def hide_test_pixels(tile: Tile, samples: Samples | None, window: Window) -> Tile:
    """Mark the test pixels of ``samples`` as invalid in the tile of ``window``."""
    if samples is None:
        return tile
    rows, cols = samples.test.rows - window.row_off, samples.test.cols - window.col_off
    inside = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
    valid = tile.valid.copy()
    valid[rows[inside], cols[inside]] = False
    return Tile(tile.spectral * valid, tile.sar * valid, valid)


def random_pixels(stacks: Sequence[Stack], *, exclude: Samples | None, seed: int) -> tuple[Floats, Floats]:
    """A sample of the valid pixels of scenes, spectral (S, n) and SAR (R, n); ``exclude`` belongs to the first.

    ``seed`` decides which pixels are sampled.
    """
    pixels = [
        _thinned(tile)
        for i, stack in enumerate(stacks)
        for tile in random_tiles(stack, SAMPLE_BLOCK_PX, SAMPLE_BLOCKS, exclude=None if i else exclude, seed=seed)
    ]
    spectral, sar = (np.concatenate(parts, axis=1) for parts in zip(*pixels, strict=True))
    return spectral, sar


def _thinned(tile: Tile) -> tuple[Floats, Floats]:
    """Valid pixels of a tile, thinned evenly if there are many bands: (S, n) and (R, n)."""
    most = SAMPLE_VALUES // SAMPLE_BLOCKS // (len(tile.spectral) + len(tile.sar))
    rows, cols = np.nonzero(tile.valid)
    every = -(-len(rows) // most)
    return tile.spectral[:, rows[::every], cols[::every]], tile.sar[:, rows[::every], cols[::every]]
