"""A function of blocks, applied to all blocks of a scene and put together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from landcover_bdgf.model import Block, BlockStream, Run, open_workers

TILE_PX = 512


def whole_scene(
    compute: Callable[[Block], Tensor], channels: int, stream: BlockStream, run: Run
) -> NDArray[np.float32]:
    """Apply ``compute(block)``, (channels, h, w) without the halo, to all blocks: (channels, H, W)."""
    result = np.empty((channels, *stream.stack.grid.shape_hw), np.float32)
    with open_workers(run.workers(run.torch_device())) as workers:
        pairs = workers.map(lambda block: (block, compute(block)), stream.blocks(range(stream.strips)))
        for block, found in pairs:
            _, height, width = found.shape
            result[:, block.row : block.row + height, block.col : block.col + width] = found.cpu().numpy()
    return result
