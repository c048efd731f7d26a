"""A tile computed densely equals its windows, and tiles of a batch are independent."""

import pytest
import torch
from model.networks.test_fusion import SIZES, randomise, tile

from landcover_bdgf.model.networks.group import GroupNetwork, apply_dense, apply_windows, group_network
from landcover_bdgf.model.recipe import FusionRecipe, load_recipe


def network(recipe: FusionRecipe) -> GroupNetwork:
    """With random weights and running statistics."""
    torch.manual_seed(0)
    made = group_network(SIZES, recipe)
    randomise(made)
    return made.eval()


@pytest.mark.parametrize("sets", [("laptop",), ("base",), ("laptop", "fusion.guidance=cnn,transformer,mamba")])
@pytest.mark.parametrize("shape", [(9, 14), (17, 12), (10, 40)])
def test_dense_equals_windows(sets: tuple[str, ...], shape: tuple[int, int]) -> None:
    made, inputs = network(load_recipe(sets[0], sets[1:]).fusion), tile(*shape)
    dense, windows = apply_dense(made, *inputs), apply_windows(made, *inputs)
    assert dense.shape == (1, 5, shape[0] - 8, shape[1] - 8)
    torch.testing.assert_close(dense, windows, atol=1e-4, rtol=0)
    assert torch.equal(dense.argmax(1), windows.argmax(1))
    fewer = apply_dense(made, *inputs, stride=2)
    torch.testing.assert_close(fewer, dense[..., ::2, ::2], atol=1e-5, rtol=0)
    torch.testing.assert_close(apply_windows(made, *inputs, stride=2), windows[..., ::2, ::2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["laptop", "paper"])
def test_tiles_of_a_batch_are_independent(name: str) -> None:
    """In the literal network, each window by itself."""
    made, inputs = network(load_recipe(name).fusion), tile(10, 11, batch=2)
    both = apply_dense(made, *inputs)
    assert both.shape == (2, 5, 2, 3)
    for i in range(2):
        torch.testing.assert_close(both[i : i + 1], apply_dense(made, *(x[i : i + 1] for x in inputs)))


def test_windows_share_no_computation_in_the_paper() -> None:
    """A window at the corner of a tile is that window alone, padded with zeros."""
    made, inputs = network(load_recipe("paper").fusion), tile(10, 11)
    alone = made(*(x[..., 1:, 2:] for x in inputs)).z.detach()
    torch.testing.assert_close(apply_dense(made, *inputs)[..., 1:, 2:], alone, atol=1e-5, rtol=1e-5)
