"""SpectralDiff has the published size, and sees windows of diffusion features that do not depend on labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.spectral_diff import FeatureView, Layer, SpectralDiff, principal
from landcover_bdgf.bench.systems.system import Source
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.recipe import RECIPES, changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.pretraining import pretrain


@pytest.mark.parametrize(("bands", "millions"), [(256, 0.827), (600, 1.03), (1152, 1.34)])
def test_parameters(bands: int, millions: float) -> None:
    """As counted in the public code, for 600 channels with 88 more positions of 64 channels: windows of 13 × 13."""
    network = SpectralDiff().network(Sizes(bands, 4, 7))
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize(("bands", "sar_bands"), [(2, 1), (96, 4)])
def test_shapes(bands: int, sar_bands: int) -> None:
    network = SpectralDiff().network(Sizes(bands, sar_bands, 5)).eval()
    assert network(torch.zeros(1, bands, 9, 9), torch.zeros(1, sar_bands, 9, 9)).shape == (1, 5)


def test_some_tokens_are_computed_as_if_all_were() -> None:
    torch.manual_seed(0)
    layer, x = Layer(), torch.randn(2, 6, 64)
    torch.testing.assert_close(layer(x, 1), layer(x)[:, :1])


def test_components_are_uncorrelated_and_the_first_varies_most() -> None:
    torch.manual_seed(0)
    pixels = torch.randn(5, 5) @ torch.randn(5, 1000) * torch.tensor([1, 1, 1, 1, 100.0])[:, None]
    half = (pixels.amax(1) - pixels.amin(1)) / 2
    cov = torch.cov(principal(pixels, 3) @ pixels)
    known = torch.linalg.eigvalsh(torch.cov(pixels / half[:, None])).flip(0)[:3]
    torch.testing.assert_close(cov, torch.diag(known), rtol=1e-3, atol=1e-5)


def test_windows_of_features(tiny: Stack, tiny_samples: Samples) -> None:
    """12 bands and 2 of the SAR become 16 in the denoiser, which has 2 · 32 features; windows are cut out of these."""
    recipe = changed(RECIPES["laptop"], ("diffusion.steps=1",))
    view = SpectralDiff().view(Source(tiny, Run(), recipe, lambda recipe: pretrain(tiny, recipe)))
    assert SpectralDiff().channels(12, 2, recipe) == 64
    assert SpectralDiff().channels(180, 4, RECIPES["paper"]) == 600, "at most, of 2048 features"
    assert isinstance(view, FeatureView)
    assert view.bands == view.viewer.features == 64
    block = view.viewer.read(tiny, (0, 0))
    spec, sar = view.windows(block)
    assert spec.shape == (64, *tiny.grid.shape_hw, 9, 9)
    assert sar.shape == (2, *tiny.grid.shape_hw, 9, 9)
    train = tiny_samples.train
    rows, cols = (torch.from_numpy(x).long() for x in (train.rows, train.cols))
    own = view.patches(tiny, train)
    torch.testing.assert_close(own.spec, spec[:, rows, cols].transpose(0, 1))
    pixels = spec[:, :, :, 4, 4].flatten(1).numpy()
    np.testing.assert_allclose(pixels.mean(1), 0, atol=1e-3)
    assert (np.diff(pixels.var(1)) < 1e-4).all()
