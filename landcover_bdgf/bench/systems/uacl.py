"""UACL: windows of both sensors times the spectrum of the pixel; then a contrast with pixels without a label.

Ding, Lu and Li 2024, Uncertainty-Aware Contrastive Learning for Semi-Supervised Classification of Multimodal Remote
Sensing Images, IEEE Transactions on Geoscience and Remote Sensing 62.

Glossary
    S, R, C  channels of the image and of the SAR, classes
    RPC      contrast of reliable pairs: of one class or not
    UPC      contrast of the other pairs: of one class with a probability, which is the soft weight
    z        features that are contrasted (N, 32)

Choices where the description is silent
    Cross-entropy is that of logits. The probabilities of the three heads are averaged.
    A head works on each pixel of its level, and the logits of the pixels are averaged.
    A pixel is reliable if all three heads name the same class. Its pseudo-label is that of the end of the first stage.
    The soft weight of a pair is the probability that both are of the same class.
    A pair costs weight · d² + (1 − weight) · max(0, 2 − d)², the usual contrast with a margin; d is the distance of z.
    Training windows are contrasted, too, as reliable ones, so there are pairs even if every pixel has a label.
    A step of the second stage takes as many unlabelled windows as training windows.
    Pseudo-labels come from twice as many random pixels as are kept, because windows of all bands need much memory.
    Rare classes have fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Learner, Schedule, Sizes
from landcover_bdgf.bench.systems.patches import Patches
from landcover_bdgf.bench.systems.stems import LEVEL_CHANNELS, LevelHeads, Levels
from landcover_bdgf.bench.systems.system import System

PSEUDO = 5 * 220  # pseudo-labels of all classes
CONTRAST, MARGIN = 0.1, 2.0
WINDOWS = 256  # classified at once


class UaclNetwork(nn.Module):
    """``(N, S, 16, 16), (N, R, 16, 16) -> (logits of three heads (3, N, C), z (N, 32))``."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.levels = Levels(sizes.bands, sizes.sar_bands)
        self.spectrum = nn.ModuleList(dense(*pair) for pair in pairwise((sizes.bands, *LEVEL_CHANNELS)))
        self.heads = LevelHeads(sizes.classes)
        self.mapper = nn.Sequential(dense(LEVEL_CHANNELS[-1], 64), nn.Linear(64, 32))

    def forward(self, spec: Tensor, sar: Tensor) -> tuple[Tensor, Tensor]:
        centre = spec.shape[-1] // 2
        pixel, joint = spec[..., centre, centre], []
        for layer, level in zip(self.spectrum, self.levels(spec, sar), strict=True):
            pixel = layer(pixel)
            joint.append(level * pixel[..., None, None])
        return self.heads(joint), self.mapper(joint[-1].mean((2, 3)))


def dense(channels: int, width: int) -> nn.Sequential:
    """Linear layer, batch norm, ReLU: a 1-D convolution over a sequence of one element."""
    return nn.Sequential(nn.Linear(channels, width), nn.BatchNorm1d(width), nn.ReLU())


@dataclass(frozen=True)
class Pool:
    """Windows without a label: ``p`` (N, C) is 0 or 1 where ``reliable`` (N,)."""

    patches: Patches
    p: Tensor
    reliable: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, network: nn.Module, learner: Learner) -> Pool:
        """As many random windows of each class, or all that there are."""
        found, classes = learner.unlabelled(2 * PSEUDO), learner.sizes.classes
        parts = zip(found.spec.split(WINDOWS), found.sar.split(WINDOWS), strict=True)
        heads = torch.cat([network(*part)[0].softmax(2) for part in parts], dim=1)  # (3, N, C)
        p, names = heads.mean(0), heads.argmax(2)
        codes, reliable = p.argmax(1), (names == names[0]).all(0)
        p = torch.where(reliable[:, None], F.one_hot(codes, classes), p)
        chosen = torch.cat([torch.nonzero(codes == code)[: PSEUDO // classes, 0] for code in range(classes)])
        return cls(found.where(chosen), p[chosen], reliable[chosen])

    def loss(self, network: nn.Module, patches: Patches, generator: Generator) -> Tensor:
        """Cross-entropy of training windows, and the contrast between them and windows of the pool."""
        some = torch.randperm(len(self.patches), generator=generator)[: len(patches)]
        spec, sar = torch.cat([patches.spec, self.patches.spec[some]]), torch.cat([patches.sar, self.patches.sar[some]])
        logits, z = network(spec, sar)
        p = torch.cat([F.one_hot(patches.codes, self.p.shape[1]), self.p[some]])
        reliable = torch.cat([torch.ones(len(patches), dtype=torch.bool), self.reliable[some]])
        return cross_entropies(logits[:, : len(patches)], patches.codes) + CONTRAST * contrast(z, p, reliable)


def cross_entropies(logits: Tensor, codes: Tensor) -> Tensor:
    """Sum over the heads."""
    return torch.stack([F.cross_entropy(head, codes) for head in logits]).sum()


def contrast(z: Tensor, p: Tensor, reliable: Tensor) -> Tensor:
    """RPC + UPC, each a mean over its pairs."""
    first, second = torch.triu_indices(len(z), len(z), 1)
    weight, d = (p @ p.T)[first, second], F.pdist(z)
    cost = weight * d**2 + (1 - weight) * (MARGIN - d).clamp(min=0) ** 2
    both = reliable[first] & reliable[second]
    return torch.stack([cost[pairs].sum() / pairs.sum().clamp(min=1) for pairs in (both, ~both)]).sum()


class Uacl(System):
    """Cross-entropy of three heads, then also the contrast with pseudo-labels; Adam, 300 epochs each."""

    patch_px = 16
    schedule = Schedule(epochs=300, learning_rate=5e-4)

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`UaclNetwork`."""
        return UaclNetwork(sizes)

    def trained(self, learner: Learner) -> nn.Module:
        """Two stages."""
        network = super().trained(learner)
        learner.fit(network, Pool.of(network, learner).loss, self.schedule)
        return network

    def loss(self, network: nn.Module, patches: Patches, generator: Generator) -> Tensor:
        """That of the first stage."""
        logits, _ = network(patches.spec, patches.sar)
        return cross_entropies(logits, patches.codes)

    def probabilities(self, network: nn.Module, patches: Patches) -> Tensor:
        """Mean of the heads."""
        logits, _ = network(patches.spec, patches.sar)
        return logits.softmax(2).mean(0)
