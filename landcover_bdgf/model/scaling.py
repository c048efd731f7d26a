"""Scaling of physical values to network inputs: fitted once, stored in the checkpoint, applied to every scene.

Spectral bands are scaled to [−1, 1] by percentiles of the valid pixels of the training scene (one hot pixel would
spoil minimum and maximum), and so are extra layers; many spectral bands are reduced to noise-adjusted components
(decision 0016). SAR intensities become standardised logarithms; signed SAR channels are scaled as spectral bands are.
Each scene may have percentiles and moments of its own (decision 28); components and extra layers have one definition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.scene import BOTH, Tile, seen_by

Floats = NDArray[np.float32]

PERCENTILES = (1.0, 99.0)
SPECTRAL_LIMIT, SAR_LIMIT = 2.0, 4.0  # values beyond are clipped
LEAST_RELATIVE = np.float32(1e-6)  # half range of a band, relative to its values: the precision of float32


@dataclass(frozen=True)
class OfScene:
    """What a scene may have of its own: ``low`` and ``high`` (S,), ``sar_mean`` and ``sar_std`` (R,)."""

    low: Floats
    high: Floats
    sar_mean: Floats
    sar_std: Floats


def _of_no_scene() -> Floats:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class Scaling:
    """Scaling parameters of S spectral bands, those of extra layers included, and R SAR bands; all float32 arrays.

    Attributes
    ----------
    low, high : (S,)
        Percentiles of the spectral bands that are mapped to −1 and 1.
    components : (K, S)
        Linear map to K reduced bands, or (0, S) if all bands are kept. Extra layers are always kept.
    snr : (components of spectral bands,)
        Their signal-to-noise ratios, largest first.
    reduced_low, reduced_high : (K,)
        Percentiles of the reduced bands.
    sar_mean, sar_std : (R,)
        Of the log intensity; for a signed channel, the centre and half range of its percentiles.
    speckled : (R,)
        1 for an intensity with multiplicative speckle, 0 for a signed channel.
    adjacent : (1,)
        Usual squared difference of adjacent pixels, see :func:`~landcover_bdgf.model.averaging.adjacent_difference`.
    scenes : (N, 32) uint8
        If each scene is scaled by itself, sha256 of the N training scenes; (0, 32) if all are scaled together.
    scene_low, scene_high, scene_sar_mean, scene_sar_std : (N, S) and (N, R)
        Their own ``low``, ``high``, ``sar_mean`` and ``sar_std``, in place of those of all together.
    """

    low: Floats
    high: Floats
    components: Floats
    snr: Floats
    reduced_low: Floats
    reduced_high: Floats
    sar_mean: Floats
    sar_std: Floats
    speckled: Floats
    adjacent: Floats = field(default_factory=lambda: np.ones(1, np.float32))
    scenes: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 32), np.uint8))
    scene_low: Floats = field(default_factory=_of_no_scene)
    scene_high: Floats = field(default_factory=_of_no_scene)
    scene_sar_mean: Floats = field(default_factory=_of_no_scene)
    scene_sar_std: Floats = field(default_factory=_of_no_scene)

    @property
    def bands(self) -> int:
        """Number of spectral bands after reduction."""
        return len(self.components) or len(self.low)

    @property
    def by_scene(self) -> bool:
        """Whether each scene is scaled by its own values: these parameters alone do not scale any."""
        return len(self.scenes) > 0

    def with_scenes(self, own: Mapping[bytes, OfScene]) -> Scaling:
        """The same scaling, but of each scene by its own values; scenes have their sha256."""
        arrays = {
            f"scene_{each.name}": np.stack([getattr(scene, each.name) for scene in own.values()])
            for each in fields(OfScene)
        }
        return replace(self, scenes=np.frombuffer(b"".join(own), np.uint8).reshape(-1, 32).copy(), **arrays)

    def known(self, sha256: bytes) -> OfScene | None:
        """The values of a training scene; None of another one."""
        found = np.flatnonzero((self.scenes == np.frombuffer(sha256, np.uint8)).all(axis=1))
        if not len(found):
            return None
        return OfScene(*(getattr(self, f"scene_{each.name}")[found[0]] for each in fields(OfScene)))

    def of(self, own: OfScene) -> Scaling:
        """The scaling of one scene."""
        common = {name: values for name, values in self.arrays().items() if not name.startswith("scene")}
        return Scaling(**common | vars(own))

    def spectral(self, values: Floats) -> Floats:
        """Scaled and reduced bands, most values in −1 … 1: ``(S, …) -> (K or S, …)``."""
        scaled = to_unit(values, self.low, self.high)
        if len(self.components):
            scaled = to_unit(reduce_bands(clipped(scaled), self.components), self.reduced_low, self.reduced_high)
        return clipped(scaled)

    def sar(self, power: Floats) -> Floats:
        """Standardised log intensity of speckled channels, scaled values of signed ones: ``(R, …) -> (R, …)``."""
        values = self.log_sar(power)
        column = (slice(None),) + (None,) * (power.ndim - 1)
        return np.clip((values - self.sar_mean[column]) / self.sar_std[column], -SAR_LIMIT, SAR_LIMIT)

    def log_sar(self, power: Floats) -> Floats:
        """Logarithms of speckled channels, values of the others: ``(R, …) -> (R, …)``."""
        return np.stack([np.log(p) if s else p for p, s in zip(power, self.speckled, strict=True)])

    @property
    def sigma_log(self) -> list[float]:
        """Standard deviation of log intensity per SAR channel, 0 for signed channels, whose noise is Gaussian."""
        return [float(std) if s else 0.0 for std, s in zip(self.sar_std, self.speckled, strict=True)]

    def digest(self) -> str:
        """sha256 of all parameters."""
        return hashlib.sha256(b"".join(a.tobytes() for a in self.arrays().values())).hexdigest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Parameters by name, for a checkpoint."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def scaled_cube(tile: Tile, scaling: Scaling, extra: int = 0) -> NDArray[np.float32]:
    """SAR first, then the spectral bands (eq. 8), 0 where invalid: ``(R + K, h, w)``.

    Where one sensor saw a pixel, the channels of the other are 0, too; not the last ``extra``, those of extra layers.
    """
    assert not scaling.by_scene, "this is not the scaling of one scene"
    by_sar, radar = seen_by(tile.condition, "sar"), len(scaling.sar_mean)
    sar = tile.sar if len(tile.sar) else np.zeros((radar, *by_sar.shape), np.float32)
    power = np.where(by_sar, sar, 1)  # 1: the logarithm of an invalid pixel's 0 would be −inf
    cube = np.concatenate([scaling.sar(power), scaling.spectral(tile.spectral)])
    cube = (cube * tile.valid).astype(np.float32)
    if (tile.condition > BOTH).any():
        cube[:radar] *= by_sar
        cube[radar : len(cube) - extra] *= seen_by(tile.condition, "spectral")
    return cube


def clipped(scaled: Floats) -> Floats:
    """Scaled bands, clipped in place: a hot pixel in one band must not decide all components."""
    np.clip(scaled, -SPECTRAL_LIMIT, SPECTRAL_LIMIT, out=scaled)
    return scaled


def reduce_bands(scaled: Floats, components: Floats) -> Floats:
    """``(S, …) -> (K, …)``."""
    # plain sums in a fixed order: a BLAS product may round differently for another number of pixels
    reduced: Floats = np.einsum("ks,s...->k...", components, scaled, optimize=False)
    return reduced


def percentiles(values: Floats) -> tuple[Floats, Floats]:
    """Lower and upper percentile of each band: ``(S, N) -> (S,), (S,)``."""
    low, high = np.percentile(values, PERCENTILES, axis=1)
    return low.astype(np.float32), high.astype(np.float32)


def to_unit(values: Floats, low: Floats, high: Floats) -> Floats:
    """Values of bands (S, …), scaled so that ``low`` becomes −1 and ``high`` 1."""
    column = (slice(None),) + (None,) * (values.ndim - 1)
    scaled: Floats = np.subtract(values, ((low + high) / 2)[column], dtype=np.float32)
    scaled /= half_range(low, high)[column]  # in place: a copy of hundreds of bands is slow
    return scaled


def half_range(low: Floats, high: Floats) -> Floats:
    """Half the range that becomes −1 … 1."""
    half: Floats = np.maximum((high - low) / 2, LEAST_RELATIVE * np.maximum(np.abs(low), np.abs(high)))
    half[half == 0] = LEAST_RELATIVE  # a constant band becomes 0, not NaN
    return half
