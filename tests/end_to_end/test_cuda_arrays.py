"""Networks on a GPU agree with the CPU, and their training repeats bit for bit; on arrays. Skipped without a GPU.

Needs no raster library and no fixture of ``conftest.py``, so that ``benchmarks/gpu.py`` can run it anywhere.
"""

from collections.abc import Callable, Iterator

import pytest
import torch
from model.networks.test_fusion import tile
from model.networks.test_group import network
from torch import Tensor

from landcover_bdgf.model.networks import scan
from landcover_bdgf.model.networks.denoiser import denoiser_network
from landcover_bdgf.model.networks.diffusion import denoising_loss
from landcover_bdgf.model.networks.fusion import LossSettings, MutualLearning, total_loss
from landcover_bdgf.model.networks.group import apply_dense, apply_windows
from landcover_bdgf.model.recipe import RECIPES, MutualRecipe
from landcover_bdgf.model.workers import full_precision

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.fixture(autouse=True)
def precise() -> Iterator[None]:
    """The precision that all commands use."""
    with full_precision():
        yield


def gradients(recipe: str, device: str) -> list[Tensor]:
    """Of the loss of the group network, on 16 windows."""
    made, mutual = network(RECIPES[recipe].fusion).to(device), MutualLearning(MutualRecipe()).to(device)
    inputs, codes = [x.to(device) for x in tile(9, 9, batch=16)], torch.arange(16, device=device) % 5
    settings = LossSettings(1.0, 0.0, torch.ones(5, device=device))
    loss, _ = total_loss(made(*inputs), codes, mutual, settings)
    grads = torch.autograd.grad(loss, list(made.parameters()), allow_unused=True, materialize_grads=True)
    return [g.cpu() for g in grads]


def gradients_of_denoiser(recipe: str, device: str) -> list[Tensor]:
    """On two tiles of 16 channels."""
    torch.manual_seed(0)
    unet = denoiser_network(RECIPES[recipe].diffusion, 16)
    xt, target, t = torch.randn(2, 16, 32, 32), torch.randn(2, 16, 32, 32), torch.tensor([5, 300])
    unet, valid = unet.to(device), torch.ones(2, 32, 32, dtype=torch.bool, device=device)
    loss = denoising_loss(unet, xt.to(device), t.to(device), target.to(device), valid)
    return [g.cpu() for g in torch.autograd.grad(loss, list(unet.parameters()))]


def test_a_compiled_scan_runs() -> None:
    assert scan.kernel("cuda") in ("triton", "mamba_ssm")


@pytest.mark.parametrize("recipe", ["laptop", "base", "paper"])
def test_features_are_those_of_the_cpu(recipe: str) -> None:
    torch.manual_seed(0)
    unet = denoiser_network(RECIPES[recipe].diffusion, 16).eval()
    cube, t = torch.randn(2, 16, 60, 50), torch.full((2,), 5)
    with torch.no_grad():
        expected = unet.features(cube, t)
        found = unet.cuda().features(cube.cuda(), t.cuda()).cpu()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("recipe", ["laptop", "base", "paper"])
def test_logits_are_those_of_the_cpu_dense_or_window_by_window(recipe: str) -> None:
    made, inputs = network(RECIPES[recipe].fusion), tile(20, 30, batch=2)
    with torch.no_grad():
        expected = apply_dense(made, *inputs)
        made, on_gpu = made.cuda(), [x.cuda() for x in inputs]
        for apply in (apply_dense, apply_windows):
            torch.testing.assert_close(apply(made, *on_gpu).cpu(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("recipe", ["laptop", "base", "paper"])
def test_gradients_are_those_of_the_cpu(recipe: str) -> None:
    for found, expected in zip(gradients(recipe, "cuda"), gradients(recipe, "cpu"), strict=True):
        scale = max(1e-3, float(expected.abs().max()))
        torch.testing.assert_close(found, expected, atol=1e-3 * scale, rtol=0)


@pytest.mark.parametrize("recipe", ["laptop", "base", "paper"])
@pytest.mark.parametrize("computed", [gradients, gradients_of_denoiser])
def test_gradients_repeat_bit_for_bit(computed: Callable[[str, str], list[Tensor]], recipe: str) -> None:
    for again, first in zip(computed(recipe, "cuda"), computed(recipe, "cuda"), strict=True):
        assert torch.equal(again, first)
