"""Results of blocks are put where the blocks are."""

import numpy as np
import torch

from landcover_bdgf.bench.whole_scene import TILE_PX, whole_scene
from landcover_bdgf.model.blocks import BlockStream
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack


def test_blocks_are_put_in_their_places(wide_stack: Stack, denoiser: Checkpoint) -> None:
    height, width = wide_stack.grid.shape_hw
    stream = BlockStream(wide_stack, denoiser.scaling, 3, TILE_PX)

    def place(block: object) -> torch.Tensor:
        h, w = (n - 6 for n in block.seen.valid.shape)  # type: ignore[attr-defined]
        rows, cols = block.row + torch.arange(h)[:, None], block.col + torch.arange(w)  # type: ignore[attr-defined]
        return torch.stack(torch.broadcast_tensors(rows, cols)).float()

    np.testing.assert_array_equal(whole_scene(place, 2, stream, Run()), np.indices((height, width)))
