"""What a network finds in each block, put together to an array of the whole scene."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from landcover_bdgf.model import Block, BlockStream, Run, Viewer, open_workers
from landcover_bdgf.scene import Stack

_TILE_PX = 512


def whole_scene(
    found_in: Callable[[Block], Tensor], channels: int, viewer: Viewer, stack: Stack, run: Run
) -> NDArray[np.float32]:
    """``found_in(block)``, (channels, h, w) without the halo, of all blocks: (channels, H, W)."""
    result = np.empty((channels, *stack.grid.shape_hw), np.float32)
    stream = BlockStream(stack, viewer.scaling, viewer.recipe.halo_px, _TILE_PX)
    with open_workers(run.workers(viewer.device)) as workers:
        blocks = list(stream.blocks(range(stream.strips)))
        for block, found in zip(blocks, workers.map(found_in, blocks), strict=True):
            _, height, width = found.shape
            result[:, block.row : block.row + height, block.col : block.col + width] = found.cpu().numpy()
    return result
