"""SS-MAE: two transformers that learn to fill in masked pixels and masked bands, and two small CNNs (Lin et al. 2023).

Spatial-spectral masked auto-encoder for multi-source remote sensing image classification, arXiv 2311.04442.

Glossary
    S, R    channels of the image and of the SAR, which are concatenated
    N       windows
    T       tokens: of the spatial branch the 49 pixels, of the spectral one the S + R channels
    V       values of a token: S + R channels of a pixel, or 49 pixels of a channel

Deviation
    - Pre-training takes ``steps`` of 64 windows of the scene, 100 unless a method sets more; published are 300 epochs
      of 50,000 windows or more, which are not affordable without a GPU. At most 20,000 windows are drawn and kept in
      memory, 0.7 GB with 184 channels. It sees no labels, and also windows of training pixels.

Choices where the description is silent
    - The encoder sees the tokens that are not masked; the decoder all, with a learned one in place of those masked.
    - Heads have 64 channels, 8 of them in the encoder and 4 in the decoder; perceptrons are four times as wide.
    - The CNNs have two 3 × 3 convolutions, to 64 and 128 channels. One sees principal components of the bands, fitted
      to the windows of the pre-training, the other the SAR.
    - The head is linear, on the mean tokens of both branches and the means of both CNNs.
    - The fine-tuning keeps AdamW and its rate, for 100 epochs.
    - Parameters, in millions: 4.50, 4.53 and 4.41 for 180, 244 and 10 bands with 4 SAR bands and 7, 8 and 13 classes;
      while pre-trained 7.73, 7.80 and 7.56, with decoders and without CNNs and head. Table 9 of the paper prints 4.51,
      4.54 and 4.44, and 7.72, 7.80 and 7.56. In the published code 4.92 were counted, for a reason that is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW, Optimizer

from landcover_bdgf.bench.systems.learner import Learner, Loss, Schedule, Sizes
from landcover_bdgf.bench.systems.patches import Patches, whitened
from landcover_bdgf.bench.systems.stems import conv2d
from landcover_bdgf.bench.systems.system import System

PATCH_PX, DEPTH = 7, 2
COMPONENTS = 30
MASKED = 0.3  # share of the tokens
WINDOWS = 20_000  # to pre-train with, at most


class SsMaeNetwork(nn.Module):
    """``(N, S, 7, 7), (N, R, 7, 7) -> (N, C)``; ``width`` are the channels of tokens."""

    def __init__(self, sizes: Sizes, width: int) -> None:
        super().__init__()
        pixels, channels = PATCH_PX**2, sizes.bands + sizes.sar_bands
        self.spatial = Encoder(pixels, channels, width)
        self.spectral = Encoder(channels, pixels, width)
        self.components = Components(sizes.bands)
        self.cnns = nn.ModuleList(cnn(inputs) for inputs in (self.components.count, sizes.sar_bands))
        self.head = nn.Linear(2 * width + 2 * 128, sizes.classes)

    def forward(self, spec: Tensor, sar: Tensor) -> Tensor:
        bands = torch.cat([spec, sar], dim=1).flatten(2)  # (N, S + R, 49)
        tokens = self.spatial(bands.transpose(1, 2)), self.spectral(bands)
        images = (net(x) for net, x in zip(self.cnns, (self.components(spec), sar), strict=True))
        return self.head(torch.cat([*(x.mean(1) for x in tokens), *(x.mean((2, 3)) for x in images)], dim=1))


class Encoder(nn.Module):
    """Tokens ``(N, T, V) -> (N, T, width)``, or those that are ``kept`` (N, k): ``(N, T, V) -> (N, k, width)``."""

    def __init__(self, tokens: int, values: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(values, width)
        self.position = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.layers = nn.Sequential(*(Layer(width, 8) for _ in range(DEPTH)), nn.LayerNorm(width))

    def forward(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        x = self.embed(x) + self.position
        return self.layers(x if kept is None else chosen(x, kept))


class AutoEncoder(nn.Module):
    """An encoder with a decoder that fills in masked tokens."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        (tokens, width), values = encoder.position.shape, encoder.embed.in_features
        self.encoder = encoder
        self.bridge = nn.Linear(width, width)
        self.mask = nn.Parameter(0.02 * torch.randn(width))
        self.position = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.layers = nn.Sequential(*(Layer(width, 4) for _ in range(DEPTH)), nn.LayerNorm(width))
        self.predict = nn.Linear(width, values)

    def forward(self, x: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """Predicted and true masked tokens, the first ones of ``order`` (N, T): ``(N, T, V) -> (N, m, V) twice``."""
        masked, kept = split(order)
        seen = self.bridge(self.encoder(x, kept))
        hidden = self.mask.expand(len(x), masked.shape[1], -1)
        back = order.argsort(1)
        found = self.predict(self.layers(chosen(torch.cat([hidden, seen], dim=1), back) + self.position))
        return chosen(found, masked), chosen(x, masked)


class Pretraining(nn.Module):
    """Both auto-encoders around the encoders of a network: windows -> mean squared error of each."""

    def __init__(self, network: SsMaeNetwork) -> None:
        super().__init__()
        self.spatial, self.spectral = AutoEncoder(network.spatial), AutoEncoder(network.spectral)

    def forward(self, spec: Tensor, sar: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        bands = torch.cat([spec, sar], dim=1).flatten(2)

        def error(branch: AutoEncoder, x: Tensor) -> Tensor:
            order = torch.rand(x.shape[:2], generator=generator, device=generator.device).argsort(1)
            return F.mse_loss(*branch(x, order))

        return error(self.spatial, bands.transpose(1, 2)), error(self.spectral, bands)


class Layer(nn.Module):
    """A pre-norm transformer layer, ``(N, T, width) -> (N, T, width)``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * width // 4
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * inner, bias=False)
        self.out = nn.Linear(inner, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.perceptron(self.norm2(x))


class Components(nn.Module):
    """Whitened principal components, at most 30; before they are fitted the first bands: ``(N, S, …) -> (N, k, …)``."""

    weight: Tensor
    bias: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.count = min(COMPONENTS, bands)
        self.register_buffer("weight", torch.eye(self.count, bands))
        self.register_buffer("bias", torch.zeros(self.count))

    def fit(self, spec: Tensor) -> None:
        """Fit to windows (N, S, p, p). If they have fewer components, the last ones are zero."""
        arrays = whitened(spec.transpose(0, 1).flatten(1).numpy(), COMPONENTS)
        low, high, matrix, *_ = (torch.from_numpy(array) for array in arrays)
        self.weight.zero_()[: len(matrix)] = 2 * matrix / (high - low)
        self.bias.copy_(-self.weight @ (low + high) / 2)

    def forward(self, spec: Tensor) -> Tensor:
        return F.conv2d(spec, self.weight[..., None, None], self.bias)


def cnn(channels: int) -> nn.Sequential:
    """``(N, channels, 7, 7) -> (N, 128, 3, 3)``."""
    return nn.Sequential(conv2d(channels, 64), conv2d(64, 128))


def split(order: Tensor) -> tuple[Tensor, Tensor]:
    """Indices (N, T) of tokens, of which the first are masked, at least one, and the others kept."""
    masked = max(1, round(MASKED * order.shape[1]))
    return order[:, :masked], order[:, masked:]


def chosen(x: Tensor, index: Tensor) -> Tensor:
    """Tokens of each window at their indices: ``(N, T, V), (N, k) -> (N, k, V)``."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))


def pretraining_loss(network: nn.Module, patches: Patches, generator: Generator) -> Tensor:
    """Errors of both branches, added."""
    spatial, spectral = network(patches.spec, patches.sar, generator)
    return spatial + spectral


def adamw(parameters: Sequence[nn.Parameter]) -> Optimizer:
    """AdamW with the published decay of the weights."""
    return AdamW(parameters, weight_decay=0.05, foreach=True)


class SsMae(System):
    """Masked pre-training on windows of the scene, then cross-entropy; AdamW."""

    patch_px = PATCH_PX
    schedule = Schedule(learning_rate=1e-4, optimizer=adamw)
    width: ClassVar[int] = 256
    settings: ClassVar = {"steps": range(1, 1_000_001)}
    steps = 100  # of the pre-training

    def network(self, sizes: Sizes) -> SsMaeNetwork:
        """See :class:`SsMaeNetwork`."""
        return SsMaeNetwork(sizes, self.width)

    def trained(self, learner: Learner) -> nn.Module:
        """The network after pre-training of its encoders, and fine-tuning."""
        network = self.network(learner.sizes)
        pretraining, loss = self.phases(network)[" (p)"]
        count = min(self.steps * self.schedule.batch, WINDOWS)
        windows = learner.patches.joined(learner.unlabelled(max(0, count - len(learner.patches))))
        network.components.fit(windows.spec)
        learner.fit(pretraining, loss, self.schedule, windows, self.steps)
        learner.fit(network, self.loss, self.schedule)
        return network

    def phases(self, network: nn.Module) -> dict[str, tuple[nn.Module, Loss]]:
        """Pre-training and fine-tuning."""
        assert isinstance(network, SsMaeNetwork)
        return {" (p)": (Pretraining(network), pretraining_loss), " (t)": (network, self.loss)}
