"""SpectralDiff: a transformer on diffusion features of each pixel around the one to classify (Chen et al. 2023).

N. Chen, J. Yue, L. Fang, S. Xia: SpectralDiff: A Generative Framework for Hyperspectral Image Classification with
Diffusion Models, arXiv:2304.05961. Here the features are those of our denoiser for both sensors, trained without masks
and without speckle, as for "Concatenate Diff" in Table 8 of the paper.

Glossary
    F       features of the denoiser's deepest level
    S       principal components of them, the input of the network
    cls     class token (N, 1, 64)

Choices where the description is silent
    The denoiser has the width and the steps of the recipe, a quarter of the paper's width and 300 steps of about 0.7 s
    on a core with ``laptop``. It then has 32 features for 8 channels of the cube; more than 64 bands are reduced to at
    most 14.
    600 components at most, the least of the published numbers. They are centred, but not whitened: noise stays small.
    Windows of 9 × 9 pixels instead of 13 × 13, as in Table 8, and 50 epochs, the longest of the published trainings.
    Learned positions are scaled by 1 / √64; layers have no dropout, and no norm is before the head.
    Parameters: 0.820 M with 256 components, published 0.827; 1.019 M with 600, 1.03 with windows of 13 × 13; 1.336 M
    with 1152, 1.34.
    Of the last layer, only the class token is computed, as only it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from landcover_bdgf.bench.systems.learner import Schedule, Sizes
from landcover_bdgf.bench.systems.patches import View
from landcover_bdgf.bench.systems.stems import CHANNELS, Attention, conv2d
from landcover_bdgf.bench.systems.system import Source, System
from landcover_bdgf.model import BLOCK_PX, Block, Recipe, Viewer, changed, crop, feature_channels
from landcover_bdgf.scene import Stack

PATCH_PX = 9
HEADS, HEAD_WIDTH = 20, 64
SAMPLE_BLOCKS, SAMPLE_PIXELS = 16, 2048  # blocks, and pixels of each, to which the components are fitted
DENOISER = ("diffusion.network=3d", "diffusion.target=noise")
PLAIN = ("diffusion.mask=none", "diffusion.speckle=false")
VIEWED = (
    # features of all pixels of a window, and nothing farther away
    f"fusion.patch={PATCH_PX}", "fusion.average_px=1", "fusion.guidance=cnn,transformer,mamba", "context.sizes_px=",
)  # fmt: skip


@dataclass(frozen=True)
class FeatureView(View):
    """Windows of principal components of diffusion features instead of bands.

    ``mean`` (F,) is subtracted from the features, and ``matrix`` (S, F) turns them into components.
    """

    viewer: Viewer
    mean: Tensor
    matrix: Tensor

    @classmethod
    def learned(cls, source: Source, recipe: Recipe, components: int) -> FeatureView:
        """Fit at most ``components`` to the features of a denoiser of that recipe."""
        denoiser, run = source.denoiser(recipe), source.run
        viewer = Viewer.of(denoiser.weights, denoiser.scaling, recipe, run.torch_device(), run.seed)
        pixels = sampled_features(viewer, source.stack, run.seed)
        return cls(viewer.scaling_of(source.stack), PATCH_PX, viewer, pixels.mean(1), principal(pixels, components))

    @property
    def halo_px(self) -> int:
        """Pixels around a block that its windows and the denoiser need."""
        return self.viewer.recipe.halo_px

    @property
    def bands(self) -> int:
        """Number of components."""
        return len(self.matrix)

    def layers(self, block: Block) -> tuple[Tensor, Tensor]:
        """Components and SAR channels of a block, (S, h, w) and (R, h, w), with 4 pixels around it."""
        seen = self.viewer.see(block)
        features = seen.dif[0].cpu() - self.mean[:, None, None]
        return torch.einsum("sf,fhw->shw", self.matrix, features), seen.sar[0].cpu()


def sampled_features(viewer: Viewer, stack: Stack, seed: int) -> Tensor:
    """Features of random valid pixels, (F, n)."""
    rng, found = np.random.default_rng(seed), []
    windows = list(stack.grid.tiles(BLOCK_PX))
    for window in (windows[i] for i in rng.permutation(len(windows))[:SAMPLE_BLOCKS]):
        block = viewer.read(stack, (window.row_off, window.col_off))
        features = crop(viewer.see(block).dif, viewer.recipe.fusion.margin_px)[0].cpu().flatten(1)
        valid = np.flatnonzero(crop(torch.from_numpy(block.seen.valid), viewer.recipe.halo_px))
        found.append(features[:, rng.permutation(valid)[:SAMPLE_PIXELS]])
    return torch.cat(found, dim=1)


def principal(pixels: Tensor, components: int) -> Tensor:
    """Matrix (S, F) from centred features to principal components of features scaled by minimum and maximum.

    ``pixels`` is (F, n).
    """
    half = ((pixels.amax(1) - pixels.amin(1)) / 2).clamp(min=1e-6)
    values, vectors = torch.linalg.eigh(torch.cov((pixels / half[:, None]).double()))  # ascending
    kept = values.flip(0)[:components] > 1e-9 * values[-1]
    return (vectors.T.flip(0)[:components][kept] / half).float()


class SpectralDiffNetwork(nn.Module):
    """``(N, S, 9, 9) -> (N, C)``; the features already contain the SAR."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.stem = conv2d(sizes.bands, CHANNELS, padding=1)
        self.cls = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.position = nn.Parameter(torch.randn(1, 1 + PATCH_PX**2, CHANNELS))
        self.layers = nn.ModuleList(Layer() for _ in range(2))
        self.head = nn.Sequential(nn.Linear(CHANNELS, 128), nn.ReLU(), nn.Linear(128, sizes.classes))

    def forward(self, spec: Tensor, sar: Tensor) -> Tensor:
        pixels = self.stem(spec).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(spec), -1, -1), pixels], dim=1) + self.position / CHANNELS**0.5
        first, last = self.layers
        logits: Tensor = self.head(last(first(x), 1)[:, 0])
        return logits


class Layer(nn.Module):
    """A pre-norm transformer layer: ``(N, T, 64) -> (N, count, 64)``, the first tokens or all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(CHANNELS), nn.LayerNorm(CHANNELS)
        self.attention = Attention(HEADS, HEAD_WIDTH)
        self.perceptron = nn.Sequential(nn.Linear(CHANNELS, 8), nn.GELU(), nn.Linear(8, CHANNELS))

    def forward(self, x: Tensor, count: int | None = None) -> Tensor:
        normed = self.norm1(x)
        x = x[:, :count] + self.attention(normed[:, :count], normed)
        return x + self.perceptron(self.norm2(x))


class SpectralDiff(System):
    """Cross-entropy, Adam, short gradients, 50 epochs, on features of a denoiser.

    Attributes
    ----------
    denoiser : tuple of str
        What differs from our denoiser of that shape.
    """

    patch_px = PATCH_PX
    components = 600
    schedule = Schedule(50, 64, 1e-3, clip=15.0)
    denoises = True
    denoiser: ClassVar[tuple[str, ...]] = PLAIN

    def view(self, source: Source) -> View:
        """Features of a denoiser that was trained on the scene."""
        return FeatureView.learned(
            source, changed(source.recipe, (*DENOISER, *self.denoiser, *VIEWED)), self.components
        )

    def channels(self, bands: int, sar_bands: int, recipe: Recipe) -> int:
        """Features of a denoiser of the recipe."""
        recipe = changed(recipe, DENOISER)
        seen = bands if bands <= recipe.spectral.max_bands else recipe.spectral.max_components
        return min(self.components, feature_channels(recipe.diffusion, seen + sar_bands))

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`SpectralDiffNetwork`."""
        return SpectralDiffNetwork(sizes)


class OnOurFeatures(SpectralDiff):
    """The same classifier on features of our denoiser, with masks and speckle: "Masking Diff" in Table 8."""

    denoiser = ()
