"""AsyFFNet: residual blocks shared by both sensors, which exchange channels that one of them does not use (Li et al.).

W. Li, Y. Gao, M. Zhang, R. Tao, Q. Du: Asymmetric Feature Fusion Network for Hyperspectral and SAR Image
Classification, IEEE Transactions on Neural Networks and Learning Systems 34 (2023) 8057–8070.

Glossary
    S, R    channels of the image and of the SAR
    γ       scale of a batch norm, one for each channel; each sensor has its own
    M       memory units of the external attention, 64

Choices where the description is silent
    Bottlenecks are as in ResNet, 128 → 64 → 128 and 128 → 1 → 128: with these, the number of parameters is exact.
    Bands are scaled each by its own minimum and maximum, not by those of the cube: batch norm after the first
    convolution, which is 1 × 1, can undo the difference.
    The penalty is on the first half of the γ of the image and on the second half of the γ of the SAR, as in the
    channel exchanging network of Wang et al. (2020), so that no channel is given away by both sensors.
    External attention (Guo et al. 2021) and self-calibrated convolutions (Liu et al. 2020) are as in their papers.
    The training windows are used three times: as they are, and mirrored along each axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer

from landcover_bdgf.bench.systems.learner import Learner, Schedule, Sizes
from landcover_bdgf.bench.systems.patches import Patches
from landcover_bdgf.bench.systems.system import System

CHANNELS, MEMORY = 128, 64
LEAST_SCALE = 2e-3  # channels with a smaller |γ| are exchanged
PENALTY = 0.05
POOLED_PX = 4

Pair = tuple[Tensor, Tensor]  # of the image and of the SAR


class AsyFFNetwork(nn.Module):
    """``(N, S, 11, 11), (N, R, 11, 11) -> (N, C)``."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.first = nn.ModuleList(conv(bands, CHANNELS, 1) for bands in (sizes.bands, sizes.sar_bands))
        self.shared = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        self.norms = norms(CHANNELS)
        self.blocks = nn.Sequential(Bottleneck(64), Bottleneck(1))
        self.attention = ExternalAttention(2 * CHANNELS)
        self.calibrated = SelfCalibrated(2 * CHANNELS, CHANNELS)
        self.head = nn.Sequential(nn.Linear(2 * CHANNELS, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, sizes.classes))

    def forward(self, spec: Tensor, sar: Tensor) -> Tensor:
        own = (first(x) for first, x in zip(self.first, (spec, sar), strict=True))
        image, radar = self.blocks(each(self.shared, self.norms, own))
        both = self.calibrated(self.attention(torch.cat([image, radar], dim=1)))
        logits: Tensor = self.head(both.mean((2, 3)))
        return logits


class Bottleneck(nn.Module):
    """Residual block with the same convolutions, but other batch norms, for both sensors: (N, 128, h, w) each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(CHANNELS, width, 1, bias=False)
        self.middle = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.wide = nn.Conv2d(width, CHANNELS, 1, bias=False)
        self.norms1, self.norms2, self.norms3 = norms(width), norms(width), norms(CHANNELS)

    def forward(self, x: Pair) -> Pair:
        normed = [norm(self.middle(y)) for norm, y in zip(self.norms2, each(self.narrow, self.norms1, x), strict=True)]
        image, radar = exchanged((normed[0], normed[1]), self.scales())
        y = [norm(self.wide(F.relu(z))) for norm, z in zip(self.norms3, (image, radar), strict=True)]
        return F.relu(x[0] + y[0]), F.relu(x[1] + y[1])

    def scales(self) -> Pair:
        """γ of the batch norms before the exchange, (width,) each."""
        image, radar = (norm.weight for norm in self.norms2 if isinstance(norm, nn.BatchNorm2d))
        return image, radar

    def penalty(self) -> Tensor:
        """Sum of the penalised |γ|."""
        (image, radar), half = self.scales(), self.middle.out_channels // 2
        return image[:half].abs().sum() + radar[half:].abs().sum()


class ExternalAttention(nn.Module):
    """Pixels ask M memory units that all windows share, added to the input: ``(N, channels, h, w)``, unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.keys = nn.Conv1d(channels, MEMORY, 1, bias=False)
        self.values = nn.Conv1d(MEMORY, channels, 1, bias=False)
        self.out = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        asked = torch.softmax(self.keys(self.query(x).flatten(2)), dim=2)  # over the pixels: (N, M, h · w)
        asked = F.normalize(asked, p=1, dim=1)  # and over the units
        return F.relu(x + self.out(self.values(asked).unflatten(2, x.shape[2:])))


class SelfCalibrated(nn.Module):
    """A plain convolution and one that the surroundings calibrate: ``(N, channels, h, w) -> (N, 2 width, h, w)``."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.plain = nn.Sequential(conv(channels, width, 1), conv(width, width, 3))
        self.narrow = conv(channels, width, 1)
        self.around = nn.Sequential(nn.AvgPool2d(POOLED_PX), *linear(width, width, 3))
        self.inner = linear(width, width, 3)
        self.out = conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(x)
        gate = torch.sigmoid(y + F.interpolate(self.around(y), y.shape[2:]))
        return torch.cat([self.plain(x), self.out(self.inner(y) * gate)], dim=1)


def conv(channels: int, width: int, size: int) -> nn.Sequential:
    """Padded convolution, batch norm, ReLU."""
    return nn.Sequential(*linear(channels, width, size), nn.ReLU())


def linear(channels: int, width: int, size: int) -> nn.Sequential:
    """Padded convolution, batch norm."""
    return nn.Sequential(nn.Conv2d(channels, width, size, padding=size // 2, bias=False), nn.BatchNorm2d(width))


def norms(width: int) -> nn.ModuleList:
    """A batch norm for each sensor."""
    return nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))


def each(shared: nn.Module, own: nn.ModuleList, pair: Iterable[Tensor]) -> Pair:
    """A shared convolution, the batch norm of each sensor, ReLU."""
    image, radar = (F.relu(norm(shared(x))) for norm, x in zip(own, pair, strict=True))
    return image, radar


def exchanged(pair: Pair, scales: Pair) -> Pair:
    """A channel with a small |γ| is replaced by the same channel of the other sensor."""
    used = [scale.detach().abs()[:, None, None] >= LEAST_SCALE for scale in scales]
    return torch.where(used[0], *pair), torch.where(used[1], *pair[::-1])


def descent(parameters: Sequence[nn.Parameter]) -> Optimizer:
    """Stochastic gradient descent."""
    return SGD(parameters, momentum=0.9, weight_decay=5e-4)


class AsyFFNet(System):
    """Cross-entropy with a penalty on γ, stochastic gradient descent, 300 epochs of mirrored windows."""

    patch_px = 11
    schedule = Schedule(300, 100, 5e-4, optimizer=descent)

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`AsyFFNetwork`."""
        return AsyFFNetwork(sizes)

    def trained(self, learner: Learner) -> nn.Module:
        """On windows and their mirror images."""
        network = self.network(learner.sizes)
        learner.fit(network, self.loss, self.schedule, mirrored(learner.patches))
        return network

    def loss(self, network: nn.Module, patches: Patches, generator: Generator) -> Tensor:
        """Cross-entropy, and the penalty on γ."""
        penalties = [block.penalty() for block in network.modules() if isinstance(block, Bottleneck)]
        return super().loss(network, patches, generator) + PENALTY * torch.stack(penalties).sum()


def mirrored(patches: Patches) -> Patches:
    """Windows, their upside-down images, and their left-right images."""
    spec, sar = (torch.cat([x, x.flip(2), x.flip(3)]) for x in (patches.spec, patches.sar))
    return Patches(spec, sar, patches.codes.repeat(3))
