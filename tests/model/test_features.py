"""What the networks see does not depend on how the scene is cut up; scaling never sees test pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.blocks import BLOCK_PX
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.features import Viewer, keyed_noise
from landcover_bdgf.model.networks.denoiser import denoiser_network
from landcover_bdgf.model.networks.diffusion import Channels, Schedule, encode
from landcover_bdgf.model.networks.layers import crop
from landcover_bdgf.model.networks.presto import Presto
from landcover_bdgf.model.presto_features import presto_arrays
from landcover_bdgf.model.recipe import FeatureRecipe, changed, load_recipe
from landcover_bdgf.model.scaling import scaled_cube
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.scene.stack import Stack


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A scene of 140 × 140 pixels: one block, and the beginning of three others."""
    files = write_scene(simulate((140, 140), seed=4), tmp_path_factory.mktemp("corner"), seed=4)
    return align(files.spectral, files.sar)


def viewer_of(denoiser: Checkpoint, noise: str = "none", *more: str) -> Viewer:
    recipe = changed(denoiser.recipe, (f"features.noise={noise}", *more))
    return Viewer.of(denoiser.weights, denoiser.scaling, recipe, torch.device("cpu"), 7)


@pytest.mark.parametrize(("network", "noise"), [("2d", "none"), ("2d", "keyed"), ("3d", "keyed")])
def test_features_of_blocks_are_those_of_the_whole_scene(
    network: str, noise: str, corner: Stack, denoiser: Checkpoint
) -> None:
    torch.manual_seed(0)
    recipe = load_recipe("laptop", (f"diffusion.network={network}", f"features.noise={noise}"))
    scaling, stack = denoiser.scaling, corner
    made = denoiser_network(recipe.diffusion, scaling.bands + len(scaling.sar_mean))
    weights = {f"unet.{name}": weight.numpy() for name, weight in made.state_dict().items()}
    viewer = Viewer.of(weights, scaling, recipe, torch.device("cpu"), 7)
    height, width = stack.grid.shape_hw
    beyond = recipe.fusion.margin_px + recipe.diffusion.reach_px
    cube = scaled_cube(stack.read_padded(-beyond, -beyond, height + 2 * beyond, width + 2 * beyond), scaling)
    drawn = torch.from_numpy(keyed_noise(7, -beyond, -beyond, cube.shape))[None] if noise == "keyed" else None
    channels = Channels.of(viewer.scaling.sigma_log, viewer.scaling.bands)
    with torch.no_grad():
        whole = encode(viewer.unet, torch.from_numpy(cube)[None], 5, drawn, channels, Schedule.linear())[0]
    for row, col in [(0, 0), (128, 128)]:
        seen = viewer.see(viewer.read(stack, (row, col)))
        h, w = min(BLOCK_PX, height - row) + 16, min(BLOCK_PX, width - col) + 16
        expected = whole[:, row : row + h, col : col + w]
        torch.testing.assert_close(seen.dif[0, :, 2:-2, 2:-2], expected[:, 2:-2, 2:-2], atol=1e-5, rtol=1e-5)


def test_features_that_no_branch_uses_are_not_computed_but_0(wide_stack: Stack, denoiser: Checkpoint) -> None:
    """The Mamba branch uses the centre of a window; the others use all of it."""
    block = viewer_of(denoiser).read(wide_stack, (256, 128))  # at the corner of the scene, 44 × 72 px
    nobody, mamba, all_three = (
        viewer_of(denoiser, "none", f"fusion.guidance={who}").see(block) for who in ("", "mamba", "cnn,mamba")
    )
    assert nobody.dif.shape[2:] == nobody.spec.shape[2:] == nobody.sar.shape[2:] == (44 + 16, 72 + 16)
    assert not nobody.dif.any()
    assert not mamba.dif[..., :2, :].any()
    assert all_three.dif[..., :2, :].any()
    torch.testing.assert_close(mamba.dif[..., 2:-2, 2:-2], all_three.dif[..., 2:-2, 2:-2], atol=1e-5, rtol=1e-5)


@pytest.fixture
def with_presto(stack: Stack, denoiser: Checkpoint, tmp_path: Path) -> Checkpoint:
    """The denoiser with an encoder of random weights."""
    torch.manual_seed(0)
    save_file(Presto().state_dict(), tmp_path / "w.safetensors")
    arrays = presto_arrays(stack, denoiser.scaling, FeatureRecipe(weights=str(tmp_path / "w.safetensors")))
    return replace(denoiser, weights=denoiser.weights | {f"presto.{name}": value for name, value in arrays.items()})


def test_sources_of_features(wide_stack: Stack, with_presto: Checkpoint) -> None:
    """Both are those of the denoiser, then those of Presto; none is none, and guides no branch."""
    diffusion, presto, both, none = (
        viewer_of(with_presto, "none", f"features.source={source}")
        for source in ("diffusion", "presto", "both", "none")
    )
    assert (presto.features, both.features, none.features) == (128, 128 + diffusion.features, 0)
    assert none.recipe.fusion.guided == ()
    block = both.read(wide_stack, (128, 128))
    seen = both.see(block).dif
    assert torch.equal(seen[:, : diffusion.features], diffusion.see(block).dif)
    assert torch.equal(seen[:, diffusion.features :], presto.see(block).dif)
    assert none.see(block).dif.shape[1] == 0
    assert len({viewer.digest() for viewer in (diffusion, presto, both, none)}) == 4


@pytest.mark.parametrize("guidance", ["mamba", "cnn,transformer,mamba"])
def test_presto_of_blocks_is_that_of_the_whole_scene(guidance: str, corner: Stack, with_presto: Checkpoint) -> None:
    viewer = viewer_of(with_presto, "none", "features.source=presto", f"fusion.guidance={guidance}")
    assert viewer.presto is not None
    height, width = corner.grid.shape_hw
    rim = viewer.recipe.fusion.unseen_px
    cube = scaled_cube(corner.read_padded(-8, -8, height + 16, width + 16), viewer.scaling)
    whole = viewer.presto.see(torch.from_numpy(cube)[None])
    for row, col in [(0, 0), (128, 128)]:
        seen = viewer.see(viewer.read(corner, (row, col))).dif
        h, w = min(BLOCK_PX, height - row) + 16, min(BLOCK_PX, width - col) + 16
        assert torch.equal(crop(seen, rim), crop(whole[:, :, row : row + h, col : col + w], rim))


@pytest.mark.parametrize("source", ["presto", "both"])
def test_a_denoiser_without_presto_is_refused(source: str, denoiser: Checkpoint) -> None:
    with pytest.raises(CheckpointError) as told:
        viewer_of(denoiser, "none", f"features.source={source}")
    problem = f"was pre-trained without the features that `features.source={source}` needs"
    assert str(told.value) == f"the denoiser: {problem}. Pre-train again with this setting."


def test_keyed_noise_depends_on_the_position_and_is_normal() -> None:
    whole = keyed_noise(3, 0, 0, (4, 200, 200))
    assert np.array_equal(keyed_noise(3, 50, 70, (4, 20, 30)), whole[:, 50:70, 70:100])
    assert not np.array_equal(keyed_noise(4, 0, 0, (4, 200, 200)), whole)
    assert abs(whole.mean()) < 0.01
    assert abs(whole.std() - 1) < 0.01
    assert abs(np.corrcoef(whole[:, 1:].ravel(), whole[:, :-1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(whole[0].ravel(), whole[1].ravel())[0, 1]) < 0.02
