"""From physical values to what the networks see: fitted once, stored, applied alike.

Spectral bands go to [−1, 1] by robust percentiles of the valid pixels of the training scene (the whole
image's extremes would be ruined by one hot pixel and could not be applied to a second scene); many bands become means
of neighbouring ones (decision 0016). SAR intensities become standardised logarithms; SAR channels with a sign are
treated as spectral ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.scene import Tile

Floats = NDArray[np.float32]

PERCENTILES = (1.0, 99.0)
SPECTRAL_LIMIT, SAR_LIMIT = 2.0, 4.0  # what lies further out says "bright" or "dark" and no more
NEXT_TO_NOTHING = np.float32(1e-6)  # to which float32 tells values apart; units may make all of them tiny


@dataclass(frozen=True)
class Scaling:
    """How to scale S spectral and R SAR bands; all float32 arrays.

    Attributes
    ----------
    low, high : (S,)
        Percentiles of the spectral bands that go to −1 and 1.
    components : (K, S)
        Linear map to K reduced bands, or (0, S) where the bands are kept.
    reduced_low, reduced_high : (K,)
        Percentiles of the reduced bands.
    sar_mean, sar_std : (R,)
        Of the log intensity; for a channel with a sign the centre and half range of its percentiles.
    speckled : (R,)
        1 for an intensity with multiplicative speckle, 0 for a channel with a sign.
    """

    low: Floats
    high: Floats
    components: Floats
    reduced_low: Floats
    reduced_high: Floats
    sar_mean: Floats
    sar_std: Floats
    speckled: Floats

    @property
    def bands(self) -> int:
        """Spectral bands that the networks get."""
        return len(self.components) or len(self.low)

    def spectral(self, values: Floats) -> Floats:
        """``(S, …) -> (K or S, …)``, about −1 … 1."""
        scaled = to_unit(values, self.low, self.high)
        if len(self.components):
            scaled = to_unit(reduce_bands(scaled, self.components), self.reduced_low, self.reduced_high)
        return np.clip(scaled, -SPECTRAL_LIMIT, SPECTRAL_LIMIT)

    def sar(self, power: Floats) -> Floats:
        """``(R, …) -> (R, …)``: standardised log intensity of speckled channels."""
        values = np.stack([np.log(p) if s else p for p, s in zip(power, self.speckled, strict=True)])
        column = (slice(None),) + (None,) * (power.ndim - 1)
        return np.clip((values - self.sar_mean[column]) / self.sar_std[column], -SAR_LIMIT, SAR_LIMIT)

    @property
    def sigma_log(self) -> list[float]:
        """Standard deviation of log intensity per SAR channel, 0 for channels with Gaussian noise."""
        return [float(std) if s else 0.0 for std, s in zip(self.sar_std, self.speckled, strict=True)]

    def digest(self) -> str:
        """sha256 of all its numbers."""
        return hashlib.sha256(b"".join(a.tobytes() for a in self.arrays().values())).hexdigest()

    def arrays(self) -> dict[str, Floats]:
        """Name to array, for a checkpoint."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def scaled_cube(tile: Tile, scaling: Scaling) -> NDArray[np.float32]:
    """SAR first, then the spectral bands (eq. 8), 0 where invalid: ``(R + K, h, w)``."""
    power = np.where(tile.valid, tile.sar, 1)  # 1: the logarithm of an invalid pixel's 0 would be −inf
    cube = np.concatenate([scaling.sar(power), scaling.spectral(tile.spectral)])
    return (cube * tile.valid).astype(np.float32)


def reduce_bands(scaled: Floats, components: Floats) -> Floats:
    """``(S, …) -> (K, …)``; a hot pixel of one band is clipped, so that it does not become that of a group."""
    np.clip(scaled, -SPECTRAL_LIMIT, SPECTRAL_LIMIT, out=scaled)
    # plain sums in a fixed order: a BLAS product may round differently for another number of pixels
    reduced: Floats = np.einsum("ks,s...->k...", components, scaled, optimize=False)
    return reduced


def percentiles(values: Floats) -> tuple[Floats, Floats]:
    low, high = np.percentile(values, PERCENTILES, axis=1)
    return low.astype(np.float32), high.astype(np.float32)


def to_unit(values: Floats, low: Floats, high: Floats) -> Floats:
    column = (slice(None),) + (None,) * (values.ndim - 1)
    half = np.maximum((high - low) / 2, NEXT_TO_NOTHING * np.maximum(np.abs(low), np.abs(high)))
    half[half == 0] = NEXT_TO_NOTHING  # a constant band becomes 0, not NaN
    scaled: Floats = np.subtract(values, ((low + high) / 2)[column], dtype=np.float32)
    scaled /= half[column]  # in place: of hundreds of bands, a copy is felt
    return scaled
