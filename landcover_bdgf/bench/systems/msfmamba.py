"""MSFMamba: state space models along pixels at two scales, along channels, and across sensors (Gao et al. 2025).

Multi-scale feature fusion state space model for multi-source remote sensing image classification, arXiv 2408.14255.

Glossary
    S, R    channels of the image and of the SAR
    N       windows, the last axis
    D       channels of a block, which it widens to E = 2 D
    L       length of a sequence: the pixels of a window, or the channels
    u, z    values to scan, and their gate
    delta, A, B, C, D   of the selective scan, see networks/scan.py

Choices where the description is silent
    - One module of the three blocks; for Berlin two (``modules``), of which the second sees what the first gives. The
      linear layer sees both: then Table 9's 2.46 M are 2.464 M here, and 2.649 M of the published code in windows of
      11 px are 2.650 M.
    - Scans forward along rows and columns see all pixels, the two backward ones every second row and column.
    - The fusion scans in all four directions, at full resolution. It takes delta, B and C from the other sensor.
    - Each block normalises its input and is added to it, as blocks of Mamba usually are.
    - The 30 principal components are whitened, as those of the other systems.
    - A kernel is not deeper than the image has components.
    - Parameters, in millions: 0.808 and 0.783 for 30 components, 4 and 2 SAR bands, 7 and 5 classes. The published code
      has 0.819 and 0.795, just as this network with one more class; a later comparison prints 0.82 and 0.78. For
      10 components and 13 classes 0.210, beside 0.211 (in windows of 11 px) and 0.21.
"""

from __future__ import annotations

from math import isqrt
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Schedule, Sizes
from landcover_bdgf.bench.systems.stems import CHANNELS, conv2d
from landcover_bdgf.bench.systems.system import System
from landcover_bdgf.model import initial_steps, normalise, project, selective_scan

STEMS = ((9, 8, CHANNELS), (7, 16, 2 * CHANNELS))  # of each module: depth and number of 3-D kernels, SAR channels
STATES = 16
OPEN = 1.2784645  # silu(OPEN) = 1: a gate that changes nothing
Walk = tuple[bool, bool]  # along columns instead of rows, backward
ALONG: list[Walk] = [(False, False), (False, True)]
WALKS: list[Walk] = [(False, False), (True, False), (False, True), (True, True)]


class MsfMambaNetwork(nn.Module):
    """``(N, S, p, p), (N, R, p, p) -> (N, C)``."""

    def __init__(self, sizes: Sizes, patch_px: int, modules: int = 1) -> None:
        super().__init__()
        self.levels, features = nn.ModuleList(), 0
        cubes, bands, radar = 1, sizes.bands, sizes.sar_bands
        for number, (depth, kernels, wide) in enumerate(STEMS[:modules], 1):
            deep, pixels = min(depth, bands), (patch_px - 2 * number) ** 2
            bands += 1 - deep
            self.levels.append(Level((cubes, kernels), deep, bands, (radar, wide), pixels))
            features += (kernels * bands + wide) * pixels
            cubes, radar = kernels, wide
        self.head = nn.Linear(features, sizes.classes)

    def forward(self, spec: Tensor, sar: Tensor) -> Tensor:
        spec, found = spec[:, None], []
        for level in self.levels:
            h, x = level(spec, sar)
            spec, sar = images(h).unflatten(1, (-1, level.bands)), images(x)
            found += [h.flatten(0, 1), x.flatten(0, 1)]
        return project(self.head, torch.cat(found)).T


class Level(nn.Module):
    """A module: ``(N, cubes, S, p, p), (N, R, p, p) -> (D, L, N), (D', L, N)``, with the L pixels of p − 2 rows."""

    def __init__(self, cubes: tuple[int, int], deep: int, bands: int, radar: tuple[int, int], pixels: int) -> None:
        """``cubes``, ``radar``: channels before and after the stems; 3-D kernels are ``deep`` and leave ``bands``."""
        super().__init__()
        channels, self.bands = (cubes[1] * bands, radar[1]), bands
        self.cube = nn.Sequential(nn.Conv3d(*cubes, (deep, 3, 3)), nn.BatchNorm3d(cubes[1]), nn.ReLU())
        self.sar = conv2d(*radar)
        self.spatial = nn.ModuleList(SpatialBlock(width) for width in channels)
        self.spectral = SpectralBlock(pixels)
        self.fusion = FusionBlock(channels)

    def forward(self, spec: Tensor, sar: Tensor) -> tuple[Tensor, Tensor]:
        stems = self.cube(spec).flatten(1, 2), self.sar(sar)
        h, x = (block(vectors(stem)) for block, stem in zip(self.spatial, stems, strict=True))
        fused: tuple[Tensor, Tensor] = self.fusion(self.spectral(h), x)
        return fused


class SpatialBlock(nn.Module):
    """``(D, L, N) -> (D, L, N)``: scans along pixels, half of them at half the resolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gated = Gated(width, Depthwise(2 * width))
        self.scales = nn.ModuleList(Depthwise(2 * width, stride) for stride in (1, 2))
        self.scans = nn.ModuleList(Scan(2 * width, 2 * width) for _ in WALKS)

    def forward(self, x: Tensor) -> Tensor:
        u, z = self.gated.open(x)
        fine, coarse = (scale(u) for scale in self.scales)
        y = walked(self.scans[:2], WALKS[:2], fine, fine)
        half = walked(self.scans[2:], WALKS[2:], coarse, coarse)
        double = F.interpolate(images(half), isqrt(x.shape[1]), mode="bilinear")
        return self.gated.close(x, y + vectors(double), z)


class SpectralBlock(nn.Module):
    """``(D, L, N) -> (D, L, N)``: scans along the D channels, forward and backward; their features are the L pixels."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        width = 2 * pixels
        self.gated = Gated(pixels, Along(width))
        self.scans = nn.ModuleList(Scan(width, width) for _ in ALONG)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(0, 1)
        u, z = self.gated.open(x)
        return self.gated.close(x, walked(self.scans, ALONG, u, u), z).transpose(0, 1)


class FusionBlock(nn.Module):
    """``(D, L, N), (D', L, N) -> (D, L, N), (D', L, N)``: each sensor is scanned as the other one decides."""

    def __init__(self, widths: tuple[int, int]) -> None:
        super().__init__()
        wide_h, wide_x = (2 * width for width in widths)
        self.of_h, self.of_x = (Gated(width, Depthwise(2 * width)) for width in widths)
        self.by_x = nn.ModuleList(Scan(wide_h, wide_x) for _ in WALKS)
        self.by_h = nn.ModuleList(Scan(wide_x, wide_h) for _ in WALKS)

    def forward(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        (u, gate_u), (v, gate_v) = self.of_h.open(h), self.of_x.open(x)
        scanned = walked(self.by_x, WALKS, u, v), walked(self.by_h, WALKS, v, u)
        return self.of_h.close(h, scanned[0], gate_u), self.of_x.close(x, scanned[1], gate_v)


class Gated(nn.Module):
    """What surrounds the scans of a block: ``x + Linear(norm(scans(SiLU(conv(Linear x)))) ⊗ SiLU(Linear x))``."""

    def __init__(self, width: int, conv: nn.Module) -> None:
        super().__init__()
        self.enter = nn.Linear(width, 4 * width, bias=False)
        self.conv = conv
        self.leave = nn.Linear(2 * width, width, bias=False)

    def open(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (D, L, N) -> u and z (E, L, N)."""
        u, z = project(self.enter, normalise(x)).chunk(2)
        return F.silu(self.conv(u)), z

    def close(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """The output (D, L, N) from y, the scanned u."""
        return x + project(self.leave, normalise(y) * F.silu(z))


class Scan(nn.Module):
    """A selective scan with delta, B and C from a source: ``u (E, L, N), source (F, L, N) -> (E, L, N)``."""

    def __init__(self, width: int, source: int) -> None:
        super().__init__()
        self.rank = -(-width // 32)
        self.select = nn.Linear(source, self.rank + 2 * STATES, bias=False)
        self.delta = nn.Linear(self.rank, width)
        self.delta.bias.data = initial_steps(width)
        self.log_a = nn.Parameter(torch.arange(1, STATES + 1).float().log().repeat(width, 1))
        self.D = nn.Parameter(torch.ones(width))

    def forward(self, u: Tensor, source: Tensor) -> Tensor:
        rank, B, C = project(self.select, source).split([self.rank, STATES, STATES])
        z = u.new_full((1, 1, 1), OPEN).expand_as(u)
        return selective_scan(u, project(self.delta, rank), -self.log_a.exp(), B, C, self.D, z)


class Depthwise(nn.Module):
    """A 3 × 3 convolution of each channel: ``(E, L, N) -> (E, L', N)``."""

    def __init__(self, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride, padding=1, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        return vectors(self.conv(images(x)))


class Along(nn.Module):
    """A convolution of each channel along the sequence, 3 long: ``(E, L, N) -> (E, L, N)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, (3, 1), padding=(1, 0), groups=width)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x[None])[0]


def vectors(x: Tensor) -> Tensor:
    """``(N, D, s, s) -> (D, s², N)``."""
    return x.flatten(2).permute(1, 2, 0)


def images(x: Tensor) -> Tensor:
    """``(D, s², N) -> (N, D, s, s)``."""
    return x.permute(2, 0, 1).unflatten(2, (isqrt(x.shape[1]), -1))


def walked(scans: nn.ModuleList, walks: list[Walk], u: Tensor, source: Tensor) -> Tensor:
    """Sum of scans of u, each along its walk: ``(E, L, N), (F, L, N) -> (E, L, N)``."""
    found = [back(scan(forth(u, walk), forth(source, walk)), walk) for scan, walk in zip(scans, walks, strict=True)]
    return sum(found[1:], found[0])


def forth(x: Tensor, walk: Walk) -> Tensor:
    """Pixels (D, s², N) in the order of a walk."""
    columns, backward = walk
    x = transposed(x) if columns else x
    return x.flip(1) if backward else x


def back(x: Tensor, walk: Walk) -> Tensor:
    """Pixels in the order of a walk in that of the window again."""
    columns, backward = walk
    x = x.flip(1) if backward else x
    return transposed(x) if columns else x


def transposed(x: Tensor) -> Tensor:
    """Rows and columns of windows (D, s², N) exchanged."""
    return x.unflatten(1, (isqrt(x.shape[1]), -1)).transpose(1, 2).flatten(1, 2)


class MsfMamba(System):
    """Cross-entropy, Adam, 40 epochs."""

    patch_px = 9
    components = 30
    schedule = Schedule(epochs=40, batch=128, learning_rate=1e-4)
    settings: ClassVar = {"modules": range(1, len(STEMS) + 1)}
    modules = 1

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`MsfMambaNetwork`."""
        return MsfMambaNetwork(sizes, self.patch_px, self.modules)
