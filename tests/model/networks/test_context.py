"""Surroundings are means and standard deviations around a pixel, the same in windows, blocks and whole scenes."""

import numpy as np
import pytest
import torch

from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.features import Viewer
from landcover_bdgf.model.networks.context import surroundings
from landcover_bdgf.model.recipe import ContextRecipe, changed
from landcover_bdgf.model.scaling import scaled_cube
from landcover_bdgf.scene.stack import Stack

SIZES = (3, 7)


def viewer_of(denoiser: Checkpoint, *sets: str) -> Viewer:
    recipe = changed(denoiser.recipe, sets)
    return Viewer.of(denoiser.weights, denoiser.scaling, recipe, torch.device("cpu"), 0)


def test_only_data_count() -> None:
    rng = np.random.default_rng(0)
    valid = rng.random((15, 12)) < 0.6
    cube = np.where(valid, rng.normal(0.5, 1, (2, 15, 12)), 0)
    found = surroundings(torch.from_numpy(cube)[None].float(), torch.from_numpy(valid)[None, None].float(), SIZES)
    assert found.shape == (1, ContextRecipe(sizes_px=SIZES).statistics(2), 9, 6) == (1, 10, 9, 6)
    for row, col in [(0, 0), (4, 2), (8, 5)]:
        expected = [cube[:, row + 3, col + 3]]
        for size in SIZES:
            low = 3 - size // 2
            part = np.s_[row + low : row + low + size, col + low : col + low + size]
            data = cube[:, *part][:, valid[part]]
            expected += [data.mean(1), data.std(1)]
        np.testing.assert_allclose(found[0, :, row, col].numpy(), np.concatenate(expected), atol=1e-5)


def test_statistics_without_data_are_0() -> None:
    assert not surroundings(torch.zeros(1, 2, 9, 9), torch.zeros(1, 1, 9, 9), SIZES).any()


def test_a_stride_selects_pixels_and_a_tile_equals_its_windows() -> None:
    cube, valid = torch.randn(2, 3, 20, 23), torch.ones(2, 1, 20, 23)
    whole = surroundings(cube, valid, SIZES)
    torch.testing.assert_close(surroundings(cube, valid, SIZES, 2), whole[..., ::2, ::2], atol=1e-5, rtol=0)
    alone = surroundings(cube[..., 5:12, 8:15], valid[..., 5:12, 8:15], SIZES)
    torch.testing.assert_close(alone[..., 0, 0], whole[..., 5, 8], atol=1e-5, rtol=0)


@pytest.mark.parametrize("sizes", ["9,17,33", "3,65"])
def test_surroundings_of_blocks_are_those_of_the_whole_scene(
    sizes: str, wide_stack: Stack, denoiser: Checkpoint
) -> None:
    """Also if they reach farther than window and encoder."""
    viewer = viewer_of(denoiser, f"context.sizes_px={sizes}", "fusion.guidance=")
    context = viewer.recipe.context
    margin, (height, width) = context.reach_px + 4, wide_stack.grid.shape_hw
    tile = wide_stack.read_padded(-margin, -margin, height + 2 * margin, width + 2 * margin)
    valid = torch.from_numpy(tile.valid)[None, None].float()
    whole = surroundings(torch.from_numpy(scaled_cube(tile, viewer.scaling))[None], valid, context.sizes_px)[0]
    for row, col in [(0, 0), (128, 128), (256, 0)]:
        around = viewer.see(viewer.read(wide_stack, (row, col))).around[0]
        expected = whole[:, row : row + around.shape[1], col : col + around.shape[2]]
        torch.testing.assert_close(around, expected, atol=1e-4, rtol=0)


def test_far_surroundings_do_not_change_what_the_windows_see(wide_stack: Stack, denoiser: Checkpoint) -> None:
    far, usual = (
        viewer.see(viewer.read(wide_stack, (256, 128)))
        for viewer in (viewer_of(denoiser, "context.sizes_px=3,65"), viewer_of(denoiser))
    )
    assert torch.equal(far.spec, usual.spec)
    torch.testing.assert_close(far.dif, usual.dif)


def test_without_sizes_the_pixel_itself_is_left() -> None:
    cube = torch.randn(1, 3, 5, 6)
    assert torch.equal(surroundings(cube, torch.ones(1, 1, 5, 6), ()), cube)
    assert ContextRecipe(sizes_px=()).statistics(3) == 3
