"""NCGLF²: transformers for what is smooth, invertible networks for details, of both sensors (Tu et al. 2024).

B. Tu, Q. Ren, J. Li, Z. Cao, Y. Chen, A. Plaza: NCGLF²: Network combining global and local features for fusion of
multisource remote sensing data, Information Fusion, doi:10.1016/j.inffus.2023.102192.

Glossary
    S, R    channels of the image and of the SAR
    G       global features: class token and 121 pixel tokens, (N, 122, 64) of a sensor, (N, 122, 128) of both
    D       details, (N, 64, 11, 11), of a sensor or of both
    A       attention of the class token to the pixel tokens, mean over the heads (N, 121)
    ρ, θ    distance and angle of a pixel, seen from the pixel with the greatest A
    CC      correlation of the features of both sensors over the pixels, mean over channels and windows

Deviation: 30 components instead of the published 40, with which Table 9's 0.44 M would be 0.65 M.

Choices where the description is silent
    The multiply-adds of Table 9 decide between readings: both sensors share two invertible layers, and one more takes
    the sum of their details; the block for both sensors has a perceptron 128 → 128.
    Parameters: 0.459 M with 30 components and 0.354 M with 10 bands; the public code without its unused parts ≈ 0.46
    and ≈ 0.35.
    Scales are summarised by a 3 × 3 convolution of their sum, mean and maximum, the same for all channels.
    Structure is learned as in SIM-Trans (Sun et al. 2022): a graph of the pixels with more than the mean attention has
    nodes (ρ, θ) and edges A · Aᵀ; after two graph convolutions, the node of the pixel with the greatest A is added to
    the class token. Edges are divided by the graph's largest eigenvalue, ΣA², as products of attention are near 0.
    Invertible layers are the coupling layers of CDDFuse (Zhao et al. 2023), whose blocks have no batch norm.
    The second loss is that of CDDFuse, too: CC(D)² / (CC(G) + 1.01), over the pixel tokens of G.
    Channel attention (ECA) of means equals means after channel attention, so that the means are taken first.
    The last layers are in the printed order: linear to the classes, ELU, batch norm.
    The focal loss has γ = 2 and no class weights; the learning rate falls by a tenth every 10 epochs.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Schedule, Sizes
from landcover_bdgf.bench.systems.patches import Patches
from landcover_bdgf.bench.systems.stems import CHANNELS, focal
from landcover_bdgf.bench.systems.system import System

PATCH_PX, HEADS = 11, 4
SCALES_PX = (3, 5, 7)

Sensors = tuple[Tensor, Tensor]  # of the image and of the SAR


class NcglfNetwork(nn.Module):
    """``(N, S, 11, 11), (N, R, 11, 11) -> (N, C)``."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.scales = nn.ModuleList(Scales(bands) for bands in (sizes.bands, sizes.sar_bands))
        self.transformers = nn.ModuleList(StructureTransformer() for _ in range(2))
        self.details = nn.ModuleList(Coupling() for _ in range(2))
        self.joint = Block(2 * CHANNELS)
        self.joint_detail = Coupling()
        self.attention = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.head = nn.Sequential(
            nn.Linear(3 * CHANNELS, sizes.classes), nn.ELU(), nn.BatchNorm1d(sizes.classes)
        )  # fmt: skip

    def forward(self, spec: Tensor, sar: Tensor) -> Tensor:
        return self.fused(*self.features(spec, sar))

    def features(self, spec: Tensor, sar: Tensor) -> tuple[Sensors, Sensors]:
        """G and D of both sensors."""
        first = [scales(x) for scales, x in zip(self.scales, (spec, sar), strict=True)]
        image, radar = (transformer(x) for transformer, x in zip(self.transformers, first, strict=True))
        return (image, radar), (self._detail(first[0]), self._detail(first[1]))

    def _detail(self, x: Tensor) -> Tensor:
        for layer in self.details:
            x = layer(x)
        return x

    def fused(self, smooth: Sensors, details: Sensors) -> Tensor:
        """Logits."""
        token = self.joint(torch.cat(smooth, dim=2))[0][:, 0]
        detail = self.joint_detail(details[0] + details[1]).mean((2, 3))
        x = torch.cat([token, detail], dim=1)
        logits: Tensor = self.head(x * torch.sigmoid(self.attention(x[:, None])[:, 0]))
        return logits


class Scales(nn.Module):
    """Convolutions of three sizes, summarised for each channel: ``(N, S, 11, 11) -> (N, 64, 11, 11)``."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(bands, CHANNELS, size, padding=size // 2), nn.BatchNorm2d(CHANNELS), nn.ReLU())
            for size in SCALES_PX
        )
        self.summary = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        scales = torch.stack([conv(x) for conv in self.convs])
        summaries = torch.stack([scales.sum(0), scales.mean(0), scales.amax(0)], dim=2)  # (N, 64, 3, 11, 11)
        return self.summary(summaries.flatten(0, 1)).unflatten(0, (-1, CHANNELS))[:, :, 0]


class StructureTransformer(nn.Module):
    """Two blocks, each followed by the structure of what the class token attends to: ``(N, 64, 11, 11) -> G``."""

    def __init__(self) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.position = nn.Parameter(0.02 * torch.randn(1, 1 + PATCH_PX**2, CHANNELS))
        self.blocks = nn.ModuleList(Block(CHANNELS) for _ in range(2))
        self.structure = Structure()
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(x), -1, -1), pixels], dim=1) + self.position
        for block in self.blocks:
            tokens, A = block(tokens)
            tokens = torch.cat([tokens[:, :1] + self.structure(A)[:, None], tokens[:, 1:]], dim=1)
        return self.norm(tokens)


class Block(nn.Module):
    """A pre-norm transformer block: ``(N, 122, width) -> (N, 122, width) and A``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)  # (N, heads, 122, ·)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        A = torch.softmax(q[:, :, :1] @ k.transpose(2, 3) / math.sqrt(q.shape[3]), dim=3)[:, :, 0, 1:].mean(1)
        return x + self.perceptron(self.norm2(x)), A


class Structure(nn.Module):
    """Where the pixels lie that the class token attends to: ``A (N, 121) -> (N, 64)``."""

    polar: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(2, 32, bias=False), nn.Linear(32, CHANNELS, bias=False)
        self.bias1, self.bias2 = nn.Parameter(torch.zeros(32)), nn.Parameter(torch.zeros(CHANNELS))
        self.register_buffer("polar", polar(PATCH_PX), persistent=False)

    def forward(self, A: Tensor) -> Tensor:
        attended = torch.where(A.mean(1, keepdim=True) < A, A, 0)
        r, reference = F.normalize(attended)[:, None], A.argmax(1)  # (N, 1, 121); the edges are rᵀ · r
        nodes = F.relu(r.transpose(1, 2) * self.hidden(r @ self.polar[reference]) + self.bias1)
        own = r.amax(2) * self.out((r @ nodes)[:, 0])  # of the reference
        return F.relu(own + self.bias2)


class Coupling(nn.Module):
    """Half of the channels shifts the other half, which scales and shifts the first: invertible, ``(N, 64, h, w)``."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.shift2, self.scale1, self.shift1 = (inverted_residual(CHANNELS // 2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = self.mix(x).chunk(2, dim=1)
        x2 = x2 + self.shift2(x1)
        x1 = x1 * torch.exp(self.scale1(x2)) + self.shift1(x2)
        return torch.cat([x1, x2], dim=1)


def inverted_residual(width: int) -> nn.Sequential:
    """MobileNet's block with twice as many channels inside."""
    wide = 2 * width
    return nn.Sequential(
        nn.Conv2d(width, wide, 1, bias=False),
        nn.ReLU6(),
        nn.Conv2d(wide, wide, 3, padding=1, padding_mode="reflect", groups=wide, bias=False),
        nn.ReLU6(),
        nn.Conv2d(wide, width, 1, bias=False),
    )


def polar(side: int) -> Tensor:
    """ρ and θ, 0 to 1 each, of every pixel of a square seen from every other: (side², side², 2)."""
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side)).float()
    rows, cols = (places[None] - places[:, None]).unbind(2)
    return torch.stack([torch.hypot(rows, cols) / side, torch.atan2(rows, cols) / (2 * math.pi) + 0.5], dim=2)


def correlation(pair: Sensors) -> Tensor:
    """CC of features whose last axis is that of the pixels."""
    a, b = (x - x.mean(-1, keepdim=True) for x in pair)
    return F.cosine_similarity(a, b, dim=-1).mean()


class Ncglf(System):
    """Focal loss and decorrelated details, Adam with a falling rate, 80 epochs."""

    patch_px = PATCH_PX
    components = 30
    schedule = Schedule(80, 64, 1e-4, decay=lambda epoch: 0.9 ** (epoch // 10))

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`NcglfNetwork`."""
        return NcglfNetwork(sizes)

    def loss(self, network: nn.Module, patches: Patches, generator: Generator) -> Tensor:
        """Classes, and details that differ between the sensors while the smooth features agree."""
        assert isinstance(network, NcglfNetwork)
        smooth, details = network.features(patches.spec, patches.sar)
        smooth_cc = correlation((smooth[0][:, 1:].transpose(1, 2), smooth[1][:, 1:].transpose(1, 2)))
        detail_cc = correlation((details[0].flatten(2), details[1].flatten(2)))
        return 0.2 * focal(network.fused(smooth, details), patches.codes) + 0.8 * detail_cc**2 / (smooth_cc + 1.01)
