"""CALC: three heads on features from which a decoder makes windows, which two discriminators tell from real ones.

Lu, Ding, Fu, Li and Guo 2023, Coupled adversarial learning for fusion classification of hyperspectral and LiDAR data,
doi:10.1016/j.inffus.2022.12.020; here with SAR.

Glossary
    S, R, C     channels of the image and of the SAR, classes
    real, made  windows of a sensor, from 0 to 1: of the scene, and of the decoder
    D           discriminator of a sensor: probability that a window is real
    trust       accuracy of a head on the training pixels of a class (3, C)

Choices where the description is silent
    The fused third level is decoded, by layers that are the same for both sensors, except for the last convolution.
    Head 1, the only one with a cross-entropy, is that of the first level. Both sides of a squared distance move.
    Generator and discriminators move in the same step. Adam makes the weight of a discriminator's loss irrelevant.
    The attention of D sees the mean and the maximum of the channels of its input.
    D has no batch norm in its first layer; it ends with the mean of the pixels, a linear layer and a sigmoid.
    Accuracies are (right + 1) / (pixels + 1), so no class is without trust.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Learner, Schedule, Sizes
from landcover_bdgf.bench.systems.patches import Patches
from landcover_bdgf.bench.systems.stems import LEVEL_CHANNELS, LevelHeads, Levels, conv2d
from landcover_bdgf.bench.systems.system import System

ADVERSARY = 0.01  # weight of the game in the loss of the generator
SLOPE = 0.2
SPAN = 1.0, 4.0  # spectral and SAR channels are from −SPAN to SPAN; some pixels of the bands are beyond
WINDOWS = 256  # classified at once


class CalcNetwork(nn.Module):
    """``(N, S, 16, 16), (N, R, 16, 16) -> (logits of three heads (3, N, C), third level (N, 128, 2, 2))``."""

    trust: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.levels, self.heads = Levels(sizes.bands, sizes.sar_bands), LevelHeads(sizes.classes)
        self.decoder = Decoder(sizes.bands, sizes.sar_bands)
        self.discriminators = nn.ModuleList(Discriminator(n) for n in (sizes.bands, sizes.sar_bands))
        self.register_buffer("trust", torch.ones(3, sizes.classes))

    def forward(self, spec: Tensor, sar: Tensor) -> tuple[Tensor, Tensor]:
        levels = self.levels(spec, sar)
        return self.heads(levels), levels[-1]

    def game(self, level: Tensor, spec: Tensor, sar: Tensor) -> Tensor:
        """1 − D(real) + D(made), summed over the sensors; the decoder gets the opposite gradient, weakened."""
        real = [(x / span + 1) / 2 for x, span in zip((spec, sar), SPAN, strict=True)]
        sides = zip(self.discriminators, real, self.decoder(level), strict=True)
        return torch.stack([1 - D(a).mean() + D(opposed(b)).mean() for D, a, b in sides]).sum()


def opposed(made: Tensor) -> Tensor:
    """The same values; gradients are turned around and weakened."""
    return made.detach() - ADVERSARY * (made - made.detach())


class Decoder(nn.Module):
    """``(N, 128, 2, 2) -> (N, S, 16, 16), (N, R, 16, 16)``."""

    def __init__(self, bands: int, sar_bands: int) -> None:
        super().__init__()
        first, second, third = LEVEL_CHANNELS
        self.shared = nn.Sequential(
            nn.Upsample(scale_factor=2), conv2d(third, second, padding=1),
            nn.Upsample(scale_factor=2), conv2d(second, first, padding=1), nn.Upsample(scale_factor=2),
        )  # fmt: skip
        self.ends = nn.ModuleList(nn.Conv2d(first, n, 3, padding=1) for n in (bands, sar_bands))

    def forward(self, level: Tensor) -> list[Tensor]:
        x = self.shared(level)
        return [torch.sigmoid(end(x)) for end in self.ends]


class Discriminator(nn.Module):
    """``(N, channels, 16, 16) -> (N, 1)``: attention to pixels, then convolutions; every second one halves the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        layers: list[nn.Module] = [nn.Conv2d(channels, LEVEL_CHANNELS[0], 3, padding=1), nn.LeakyReLU(SLOPE)]
        before = LEVEL_CHANNELS[0]
        for width, stride in ((32, 2), (64, 1), (64, 2), (128, 1), (128, 2)):
            layers += [nn.Conv2d(before, width, 3, stride, 1), nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)]
            before = width
        self.layers, self.last = nn.Sequential(*layers), nn.Linear(before, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return torch.sigmoid(self.last(self.layers(x * torch.sigmoid(self.attention(seen))).mean((2, 3))))


class Calc(System):
    """Cross-entropy of one head, squared distances of the others to it, and the games; Adam, 250 epochs."""

    patch_px = 16
    schedule = Schedule(epochs=250)

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`CalcNetwork`."""
        return CalcNetwork(sizes)

    @torch.no_grad()
    def _trust(self, network: nn.Module, patches: Patches, classes: int) -> Tensor:
        """Accuracy of each head on each class, (3, C)."""
        parts = zip(patches.spec.split(WINDOWS), patches.sar.split(WINDOWS), strict=True)
        right = torch.cat([network(*part)[0].argmax(2) for part in parts], dim=1) == patches.codes
        of_class = F.one_hot(patches.codes, classes).float()
        return (right.float() @ of_class + 1) / (of_class.sum(0) + 1)

    def trained(self, learner: Learner) -> nn.Module:
        """The network, with the accuracy of each head."""
        network = super().trained(learner)
        assert isinstance(network, CalcNetwork)
        network.trust.copy_(self._trust(network, learner.patches, learner.sizes.classes))
        return network

    def loss(self, network: nn.Module, patches: Patches, generator: Generator) -> Tensor:
        """Of the classes, and of both sides of the games."""
        assert isinstance(network, CalcNetwork)
        logits, level = network(patches.spec, patches.sar)
        first, second, third = logits.softmax(2)
        classes = F.cross_entropy(logits[0], patches.codes) + F.mse_loss(second, first) + F.mse_loss(third, first)
        return classes + network.game(level, patches.spec, patches.sar)

    def probabilities(self, network: nn.Module, patches: Patches) -> Tensor:
        """Mean of the heads, weighted by their trust."""
        assert isinstance(network, CalcNetwork)
        logits, _ = network(patches.spec, patches.sar)
        p = (network.trust[:, None] * logits.softmax(2)).sum(0)
        return p / p.sum(1, keepdim=True)
