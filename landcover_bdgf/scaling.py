"""From physical values to what the networks see: fitted once, stored, applied alike.

Spectral bands go to [−1, 1] by robust percentiles of the valid pixels of the training scene (the whole
image's extremes would be ruined by one hot pixel and could not be applied to a second scene); many bands become means
of neighbouring ones (decision 0016). SAR intensities become standardised logarithms; SAR channels with a sign are
treated as spectral ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.labels import Samples
from landcover_bdgf.progress import progress
from landcover_bdgf.recipe import SpectralRecipe
from landcover_bdgf.scene import Stack, Tile

Floats = NDArray[np.float32]

PERCENTILES = (1.0, 99.0)
SPECTRAL_LIMIT, SAR_LIMIT = 2.0, 4.0  # what lies further out says "bright" or "dark" and no more
NEXT_TO_NOTHING = np.float32(1e-6)  # to which float32 tells values apart; units may make all of them tiny
SAMPLE_BLOCK_PX, SAMPLE_BLOCKS = 64, 96  # up to 390,000 pixels
SAMPLE_VALUES = 2**24  # 64 MB of them are enough, whatever the number of bands


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


def fit_scaling(stacks: Sequence[Stack], recipe: SpectralRecipe, *, exclude: Samples | None, seed: int) -> Scaling:
    """Fit on a sample of the valid pixels of the scenes, without the test pixels of ``exclude``."""
    pixels = [sample_pixels(stack, exclude=exclude if i == 0 else None, seed=seed) for i, stack in enumerate(stacks)]
    spectral = np.concatenate([p[0] for p in pixels], axis=1)
    sar = np.concatenate([p[1] for p in pixels], axis=1)
    low, high = percentiles(spectral)
    components = np.zeros((0, len(spectral)), np.float32)
    reduced_low = reduced_high = np.zeros(0, np.float32)
    if len(spectral) > recipe.max_bands:
        components = _neighbour_means([band.wavelength_nm for band in stacks[0].spectral.bands], recipe.reduced_bands)
        reduced_low, reduced_high = percentiles(reduce_bands(to_unit(spectral, low, high), components))
    speckled = np.array([name not in stacks[0].signed_names for name in stacks[0].sar.names])
    return Scaling(low, high, components, reduced_low, reduced_high, *_fit_sar(sar, speckled))


def sample_pixels(stack: Stack, *, exclude: Samples | None, seed: int) -> tuple[Floats, Floats]:
    """Valid pixels of random blocks of a scene: spectral (S, N) and SAR power (R, N)."""
    parts = [
        _some_pixels(tile) for tile in random_tiles(stack, SAMPLE_BLOCK_PX, SAMPLE_BLOCKS, exclude=exclude, seed=seed)
    ]
    spectral, sar = zip(*parts, strict=True)
    return np.concatenate(spectral, axis=1), np.concatenate(sar, axis=1)


def random_tiles(stack: Stack, size_px: int, count: int, *, exclude: Samples | None, seed: int) -> Iterator[Tile]:
    """Up to ``count`` pieces of a scene that have data besides the test pixels of ``exclude``, in random order.

    Raises
    ------
    RasterError
        There is none.
    """
    windows = list(stack.grid.tiles(size_px))
    order = np.random.default_rng(seed).permutation(len(windows))
    found = 0
    with progress("reading the scene", min(count, len(windows))) as advance:
        for window in (windows[index] for index in order):
            tile = hide_test_pixels(stack.read(window), exclude, window)
            if tile.valid.any():
                yield tile
                found += 1
                advance()
            if found == count:
                break
    if not found:
        raise RasterError("no pixel is left to learn from: none is valid in both sensors and outside the test part.")


def _some_pixels(tile: Tile) -> tuple[Floats, Floats]:
    """Valid pixels of a tile, evenly thinned where the bands are many: (S, n) and (R, n)."""
    most = SAMPLE_VALUES // SAMPLE_BLOCKS // (len(tile.spectral) + len(tile.sar))
    rows, cols = np.nonzero(tile.valid)
    every = -(-len(rows) // most)
    return tile.spectral[:, rows[::every], cols[::every]], tile.sar[:, rows[::every], cols[::every]]


def hide_test_pixels(tile: Tile, samples: Samples | None, window: Window) -> Tile:
    """The tile of ``window`` with the test pixels of ``samples`` invalid, so that nothing is learned from them."""
    if samples is None:
        return tile
    rows, cols = samples.test.rows - window.row_off, samples.test.cols - window.col_off
    inside = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
    valid = tile.valid.copy()
    valid[rows[inside], cols[inside]] = False
    return Tile(tile.spectral * valid, tile.sar * valid, valid)


def _neighbour_means(wavelengths_nm: Sequence[float | None], count: int) -> Floats:
    """Means of so many groups of bands, neighbours by wavelength, in the file's order where one is unknown: (K, S)."""
    known = [nm for nm in wavelengths_nm if nm is not None]
    order = np.argsort(known, kind="stable") if len(known) == len(wavelengths_nm) else np.arange(len(wavelengths_nm))
    means = np.zeros((min(count, len(order)), len(order)), np.float32)
    for mean, group in zip(means, np.array_split(order, len(means)), strict=True):
        mean[group] = 1 / len(group)
    return means


def reduce_bands(scaled: Floats, components: Floats) -> Floats:
    """``(S, …) -> (K, …)``; a hot pixel of one band is clipped, so that it does not become that of a group."""
    np.clip(scaled, -SPECTRAL_LIMIT, SPECTRAL_LIMIT, out=scaled)
    # plain sums in a fixed order: a BLAS product may round differently for another number of pixels
    reduced: Floats = np.einsum("ks,s...->k...", components, scaled, optimize=False)
    return reduced


def _fit_sar(sar: Floats, speckled: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    low, high = percentiles(sar)
    log = np.log(np.where(speckled[:, None], sar, 1))
    mean = np.where(speckled, log.mean(axis=1, dtype=np.float64), (low + high) / 2)
    std = np.where(speckled, log.std(axis=1, dtype=np.float64), (high - low) / 2)
    return mean.astype(np.float32), np.maximum(std, 1e-6).astype(np.float32), speckled.astype(np.float32)


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
