"""Pre-training, training and mapping of each recipe keep to one device, and what they move there is moved back.

On the stand-in of :mod:`pretend_gpu`, with the sizes of a recipe cut down and its structure kept.
"""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from conftest import NARROW
from pretend_gpu import on_gpu, pretended
from training.test_training import assert_same_weights

from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.labels.sampling import sample
from landcover_bdgf.labels.settings import SampleSettings
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.networks import group, scan
from landcover_bdgf.model.recipe import load_recipe
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.pretraining import pretrain
from landcover_bdgf.training.training import train

CPU, GPU = Run(device="cpu"), Run(device="cuda")
SHORT = (
    "diffusion.steps=2", "diffusion.width=0.0625", "diffusion.batch=2", "diffusion.tile_px=16", "training.steps=2",
    "training.batch=16", "training.folds=2",
)  # fmt: skip
SMALL = (*NARROW, "fusion.patch=5")
CHANGES = {
    "laptop": (*SHORT, *SMALL, "fusion.average_px=3", "context.sizes_px=3,5"),
    "base": (*SHORT, *SMALL, "fusion.average_px=3", "context.sizes_px=3,5"),
    "paper": (*SHORT, *SMALL, "training.folds=0", "fusion.cnn_widths=2,2,2"),
}


def scene(folder: Path, side_px: int) -> tuple[Stack, Samples]:
    """A simulated scene, and all of its labelled pixels."""
    files = write_scene(simulate((side_px, side_px), seed=3), folder, seed=3)
    stack = align(files.spectral, files.sar)
    return stack, sample(stack, files.labels, field="class", settings=SampleSettings(split="none"))


def codes_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        codes: np.ndarray = dataset.read(1)
    return codes


@pytest.mark.parametrize("recipe", CHANGES)
def test_a_recipe_from_images_to_a_map(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, samples = scene(tmp_path, 52 if recipe == "paper" else 72)  # the former computes each window by itself
    monkeypatch.setattr(group, "LITERAL_WINDOWS", 1024)  # narrow layers are fast in large batches
    settings = MapSettings(confidence=True, probabilities=True, novelty=recipe != "paper")
    changes = load_recipe(recipe, CHANGES[recipe])
    with pretended():
        assert scan.kernel("cuda") == "torch"
        denoiser = pretrain(stack, changes, samples=samples, run=GPU)
        model = train(stack, samples, denoiser=denoiser, run=GPU)
        ours = codes_of(map_scene(model, stack, tmp_path / "gpu.tif", settings=settings, run=GPU))
    assert np.isfinite(model.history.series("loss")).all()
    theirs = codes_of(map_scene(model, stack, tmp_path / "cpu.tif", settings=settings, run=CPU))
    assert np.array_equal(ours > 0, theirs > 0)
    assert (ours != theirs).mean() < 1e-3


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    """The state goes to a file and back to the device."""
    stack, samples = scene(tmp_path, 52)
    recipe, partial = load_recipe("laptop", CHANGES["laptop"]), tmp_path / "denoiser.partial"
    with pretended():
        whole = pretrain(stack, recipe, samples=samples, run=GPU, partial=partial)
        resumed = pretrain(stack, recipe, samples=samples, run=GPU, partial=partial, resume=True)
    assert_same_weights(whole, resumed)


def test_the_stand_in_refuses_what_a_gpu_refuses() -> None:
    with pretended():
        layer = torch.nn.Linear(3, 2).to("cuda")
        x = torch.rand(4, 3, device="cuda", generator=torch.Generator("cuda"))
        y = layer(x)
        (gradient,) = torch.autograd.grad(y.sum(), [layer.weight])
        assert {y.device, gradient.device, x.new_zeros(2).device, (x * torch.tensor(2.0)).device} == {x.device}
        assert (x.device.type, x.cpu().device.type, torch.rand(3).to(x).device) == ("cuda", "cpu", x.device)
        assert not on_gpu(x.cpu())
        for mixed in (lambda: x + torch.rand(4, 3), lambda: layer(torch.rand(4, 3)), lambda: torch.cat([x, x.cpu()])):
            with pytest.raises(RuntimeError, match="two devices, cuda:0 and cpu"):
                mixed()
        with pytest.raises(TypeError, match="to numpy"):
            x.numpy()
        with pytest.raises(RuntimeError, match="Expected a cuda generator, found cpu"):
            torch.rand(3, device="cuda", generator=torch.Generator())
