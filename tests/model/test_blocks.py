"""A stream gives the same blocks as single reads, for any tile size, and reads every pixel once."""

from dataclasses import fields

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.model.blocks import BLOCK_PX, Block, BlockStream, read_block
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.scene.stack import Stack, Tile

HALO_PX = 17


def streamed(stack: Stack, denoiser: Checkpoint, tile_px: int) -> list[Block]:
    stream = BlockStream(stack, denoiser.scaling, HALO_PX, tile_px)
    return list(stream.blocks(range(stream.strips)))


@pytest.mark.parametrize("tile_px", [128, 256, 1024])
def test_blocks_of_a_stream_are_blocks_read_one_by_one(tile_px: int, wide_stack: Stack, denoiser: Checkpoint) -> None:
    blocks = streamed(wide_stack, denoiser, tile_px)
    assert {(b.row, b.col) for b in blocks} == {(r, c) for r in (0, 128, 256) for c in (0, 128)}
    for block in blocks:
        alone = read_block(wide_stack, denoiser.scaling, HALO_PX, (block.row, block.col))
        np.testing.assert_array_equal(block.seen.cube, alone.seen.cube)
        np.testing.assert_array_equal(block.seen.valid, alone.seen.valid)


@pytest.mark.parametrize("tile_px", [128, 256])
def test_windows_cover_the_scene_once_in_the_order_of_the_blocks(
    tile_px: int, wide_stack: Stack, denoiser: Checkpoint
) -> None:
    stream = BlockStream(wide_stack, denoiser.scaling, HALO_PX, tile_px)
    strips = range(stream.strips)
    covered = np.zeros(wide_stack.grid.shape_hw, int)
    corners = []
    for window in stream.windows(strips):
        rows, cols = window.toslices()
        covered[rows, cols] += 1
        corners += [
            (r, c)
            for r in range(rows.start, rows.stop, BLOCK_PX)
            for c in range(cols.start, cols.stop, BLOCK_PX)
            if window.height and window.width
        ]
    assert (covered == 1).all()
    assert corners == [(b.row, b.col) for b in stream.blocks(strips)]


def test_every_pixel_is_read_once(wide_stack: Stack, denoiser: Checkpoint) -> None:
    read = np.zeros(wide_stack.grid.shape_hw, int)

    class Counting(Stack):
        def read_image(self, window: Window) -> Tile:
            read[window.toslices()] += 1
            return super().read_image(window)

    counting = Counting(**{f.name: getattr(wide_stack, f.name) for f in fields(wide_stack)})
    streamed(counting, denoiser, 128)
    assert read[:198, :126].max() == 1  # the mirrored border is read again
    assert read.min() == 1
