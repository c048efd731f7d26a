"""Training tiles are parts of the scene with enough valid pixels; a denoiser is told which pixels were hidden."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover_bdgf.errors import CheckpointError, RasterError
from landcover_bdgf.labels.joined_samples import join_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.blocks import Piece
from landcover_bdgf.model.checkpoint import Checkpoint, load_checkpoint
from landcover_bdgf.model.networks.diffusion import Schedule
from landcover_bdgf.model.networks.presto import Presto
from landcover_bdgf.model.recipe import changed, load_recipe
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.scaling_fit import fit_scaling
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.pretraining import LEAST_VALID, _region, _task, draw_tiles, pretrain, pretraining_record


def test_tiles_are_symmetries_of_parts_of_a_region() -> None:
    cube = np.arange(40 * 50, dtype=np.float32).reshape(1, 40, 50)
    generator = torch.Generator().manual_seed(0)
    tiles, valid = draw_tiles([Piece(cube, np.ones((40, 50), bool))], 12, 8, generator)
    assert (tiles.shape, valid.shape) == ((12, 1, 8, 8), (12, 8, 8))
    seen = set()
    for tile in tiles[:, 0].numpy():
        row, col = divmod(int(tile.min()), 50)
        part = cube[0, row : row + 8, col : col + 8]
        symmetries = [np.rot90(one, k) for one in (part, part[:, ::-1]) for k in range(4)]
        seen.add(next(i for i, one in enumerate(symmetries) if np.array_equal(one, tile)))
    assert len(seen) > 4


def test_tiles_are_valid_enough_and_small_scenes_are_mirrored() -> None:
    valid = np.zeros((64, 64), bool)
    valid[:, :40] = True
    cube = np.broadcast_to(valid, (2, 64, 64)).astype(np.float32)
    _, drawn = draw_tiles([Piece(cube, valid)], 50, 16, torch.Generator().manual_seed(1))
    assert (drawn.float().mean((1, 2)) >= LEAST_VALID).float().mean() > 0.9
    mirrored = _region(np.arange(6, dtype=np.float32).reshape(1, 2, 3), np.ones((2, 3), bool), 4)
    assert mirrored.cube[0].tolist() == [[0, 1, 2, 1], [3, 4, 5, 4], [0, 1, 2, 1], [3, 4, 5, 4]]


@pytest.mark.parametrize("network", ["2d", "3d"])
def test_steps_lower_the_loss(network: str, stack: Stack) -> None:
    settings = ("steps=40", "width=0.0625", "batch=4", "tile_px=16", "mask=none", f"network={network}")
    recipe = load_recipe("laptop", tuple(f"diffusion.{setting}" for setting in settings))
    loss = pretrain(stack, recipe).history.series("loss")
    assert np.mean(loss[-10:]) < 0.85 * np.mean(loss[:5])


def test_the_velocity_is_that_of_the_image_before_masking(stack: Stack) -> None:
    """Of an image of ones, the mean velocity is −√(1 − ᾱ_t), also where the masks hide the image."""
    recipe = load_recipe("laptop", ("diffusion.steps=1", "diffusion.batch=64", "diffusion.width=0.0625"))
    scaling = fit_scaling([stack], recipe.spectral, exclude=None, seed=0)
    region = Piece(np.ones((scaling.bands + len(scaling.sar_mean), 64, 64), np.float32), np.ones((64, 64), bool))
    task = _task(torch.nn.Identity(), [region], scaling, recipe, Run())
    alpha_bar = Schedule.linear().alpha_bar
    for tiles in task.batch(1):  # progress 1: three samples of four are hidden
        found = tiles.target[:, len(scaling.sar_mean) :].mean((1, 2, 3))
        torch.testing.assert_close(found, -(1 - alpha_bar[tiles.t]).sqrt().float(), atol=0.05, rtol=0)


def test_the_record_names_all_scenes_and_the_hidden_pixels(stack: Stack, samples: Samples, wide_stack: Stack) -> None:
    record = pretraining_record([stack, wide_stack], join_samples(samples), Run(seed=5))
    assert record["hidden_test_pixels"] == samples.test_digest()
    assert record["pixels_m"] == [10.0, 10.0]
    assert pretraining_record([stack], None, Run())["hidden_test_pixels"] is None


def test_scenes_must_have_the_bands_of_the_first(stack: Stack, wide_stack: Stack, denoiser: Checkpoint) -> None:
    fewer = replace(wide_stack, spectral=replace(wide_stack.spectral, bands=wide_stack.spectral.bands[1:]))
    with pytest.raises(CheckpointError, match=r"scene 2, the first scene: spectral bands differ: .* not found: B02"):
        pretrain([stack, fewer], denoiser.recipe)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of Presto's weights, random."""
    torch.manual_seed(0)
    torch.save(Presto().state_dict(), tmp_path / "w.pt")
    return tmp_path / "w.pt"


@pytest.mark.parametrize(("source", "parts"), [("none", set()), ("presto", {"presto"}), ("both", {"presto", "unet"})])
def test_sources_of_features(source: str, parts: set[str], stack: Stack, denoiser: Checkpoint, weights: Path) -> None:
    """Without the denoiser's features there is no denoiser to train; its weights do not depend on Presto."""
    recipe = changed(denoiser.recipe, (f"features.source={source}", f"features.weights={weights}"))
    made = pretrain(stack, recipe)
    assert {name.split(".")[0] for name in made.weights} == parts
    assert len(made.history) == (recipe.diffusion.steps if "unet" in parts else 0)
    if "unet" in parts:
        alone = pretrain(stack, denoiser.recipe)
        assert all(np.array_equal(made.weights[name], value) for name, value in alone.weights.items())
    made.save(weights.with_name("d.safetensors"))
    assert load_checkpoint(weights.with_name("d.safetensors")).digest() == made.digest()


def test_other_scenes_are_refused_before_training(stack: Stack, denoiser: Checkpoint, weights: Path) -> None:
    unknown = replace(stack, spectral=replace(stack.spectral, sensor=None))
    recipe = changed(denoiser.recipe, ("features.source=both", f"features.weights={weights}"))
    with pytest.raises(RasterError, match="is not known to be of Sentinel-2"):
        pretrain(unknown, recipe)
