"""Images as a system sees them, and windows of them around pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from landcover_bdgf.labels import Samples
from landcover_bdgf.model import BLOCK_PX, Block, Scaling, fit_sar, random_pixels, read_block
from landcover_bdgf.scene import Stack

WIDE = 4.0  # a scaling clips at ±2: of whitened components at ±8 standard deviations
UNKNOWN = -1
Floats = NDArray[np.float32]
OfBands = tuple[Floats, Floats, Floats, Floats, Floats, Floats]  # the first six arrays of a scaling


@dataclass(frozen=True)
class Patches:
    """Windows of N pixels: ``spec`` (N, S, p, p), ``sar`` (N, R, p, p) float32, ``codes`` (N,) int64 from 0."""

    spec: Tensor
    sar: Tensor
    codes: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def where(self, index: Tensor) -> Patches:
        """Some of them."""
        return Patches(self.spec[index], self.sar[index], self.codes[index])

    def channels_last(self) -> Patches:
        """The same, ordered in memory with the channels last, by which convolutions are up to a third faster."""
        spec, sar = (x.contiguous(memory_format=torch.channels_last) for x in (self.spec, self.sar))
        return Patches(spec, sar, self.codes)

    def joined(self, more: Patches) -> Patches:
        """These and more."""
        spec, sar = torch.cat([self.spec, more.spec]), torch.cat([self.sar, more.sar])
        return Patches(spec, sar, torch.cat([self.codes, more.codes]))


@dataclass(frozen=True)
class View:
    """How a system sees a scene: scaled channels, in windows of ``patch_px``."""

    scaling: Scaling
    patch_px: int

    @classmethod
    def of(cls, stack: Stack, patch_px: int, components: int | None, seed: int) -> View:
        """Fitted to the pixels of the scene, without labels; ``seed`` decides which are sampled.

        ``components`` principal components of the bands, whitened, or all bands, with minimum −1 and maximum 1.
        """
        spectral, sar = random_pixels([stack], exclude=None, seed=seed)
        speckled = np.array([name not in stack.plain_names for name in stack.sar.names])
        bands = all_bands(spectral) if components is None else whitened(spectral, components)
        return cls(Scaling(*bands, *fit_sar(sar, speckled)), patch_px)

    @property
    def halo_px(self) -> int:
        """Pixels around a block that the windows of its pixels need."""
        return self.patch_px // 2

    @property
    def bands(self) -> int:
        """Number of spectral channels."""
        return self.scaling.bands

    def layers(self, block: Block) -> tuple[Tensor, Tensor]:
        """Channels of a block, (S, h, w) and (R, h, w), with ``patch_px // 2`` pixels around it."""
        cube, sar_bands = torch.from_numpy(block.seen.cube), len(self.scaling.sar_mean)
        spec = cube[sar_bands:] * WIDE if len(self.scaling.components) else cube[sar_bands:]
        return spec, cube[:sar_bands]

    def windows(self, block: Block) -> tuple[Tensor, Tensor]:
        """All windows of a block, (S, h, w, p, p) and (R, h, w, p, p), as views."""
        p = self.patch_px

        def every(x: Tensor) -> Tensor:
            height, width = (n - 2 * (p // 2) for n in x.shape[1:])
            return x.unfold(1, p, 1).unfold(2, p, 1)[:, :height, :width]

        spec, sar = self.layers(block)
        return every(spec), every(sar)

    def patches(self, stack: Stack, samples: Samples) -> Patches:
        """Windows around samples, in their order."""
        return self.patches_at(stack, samples.rows, samples.cols, samples.codes.astype(np.int64) - 1)

    def patches_at(
        self, stack: Stack, rows: NDArray[np.integer], cols: NDArray[np.integer], codes: NDArray[np.int64]
    ) -> Patches:
        """Windows around pixels with ``codes`` from 0, or ``UNKNOWN``."""
        if not len(rows):
            channels, p = (self.bands, len(self.scaling.sar_mean)), self.patch_px
            spec, sar = (torch.empty(0, count, p, p) for count in channels)
            return Patches(spec, sar, torch.from_numpy(codes))
        lattice = np.stack([rows // BLOCK_PX, cols // BLOCK_PX], axis=1)
        order, found = [], []
        for place in np.unique(lattice, axis=0):
            row, col = (int(first) for first in place * BLOCK_PX)
            spec, sar = self.windows(read_block(stack, self.scaling, self.halo_px, (row, col)))
            inside = np.flatnonzero((lattice == place).all(axis=1))
            at = torch.from_numpy(rows[inside] - row).long(), torch.from_numpy(cols[inside] - col).long()
            found.append([each[:, *at].transpose(0, 1).contiguous() for each in (spec, sar)])
            order.append(inside)
        back = torch.from_numpy(np.argsort(np.concatenate(order)))
        spec, sar = (torch.cat(parts)[back] for parts in zip(*found, strict=True))
        return Patches(spec, sar, torch.from_numpy(codes))


def all_bands(spectral: Floats) -> OfBands:
    """The part of a scaling that keeps all bands (S, n), with minimum −1 and maximum 1."""
    none = np.zeros(0, np.float32)
    return spectral.min(1), spectral.max(1), np.zeros((0, len(spectral)), np.float32), none, none, none


def whitened(spectral: Floats, components: int) -> OfBands:
    """The part of a scaling that turns bands (S, n) into at most ``components`` whitened principal components."""
    mean = spectral.mean(axis=1, dtype=np.float64)
    reach = float(np.abs(spectral - mean[:, None]).max())  # the same for all bands, so that none counts more
    with threadpool_limits(1):  # the same components whatever the number of threads
        values, vectors = np.linalg.eigh(np.cov((spectral - mean[:, None]) / reach).reshape(len(spectral), -1))
    kept = np.argsort(-values)[:components]
    kept = kept[values[kept] > 1e-9 * values.max()]
    matrix = vectors[:, kept].T / np.sqrt(values[kept])[:, None]
    ends = np.full(len(kept), WIDE)
    arrays = mean - reach, mean + reach, matrix, values[kept] / values.max(), -ends, ends
    low, high, matrix, shares, first, last = (np.ascontiguousarray(array, np.float32) for array in arrays)
    return low, high, matrix, shares, first, last
