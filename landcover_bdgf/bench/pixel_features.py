"""What baselines see of each pixel: bands, SAR and indices, components, or learned features, and their statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.ndimage import uniform_filter

from landcover_bdgf.model import (
    FeatureRecipe,
    PrestoFeatures,
    Recipe,
    SpectralRecipe,
    fit_scaling,
    presto_arrays,
    scaled_cube,
)
from landcover_bdgf.scene import Image, Stack, Tile

Floats = NDArray[np.float32]
Layers = Callable[[Tile], Floats]  # layers of a tile, (L, h, w)

# Normalised differences of bands at these wavelengths (nm), if the image has them.
INDICES_NM = {"NDVI": (833, 665), "NDWI": (560, 833), "NDBI": (1614, 833)}
TOLERANCE_NM = 40
STRIP_VALUES = 32_000_000  # of the features of a strip, 128 MB: Berlin's 248 channels with windows are 610 million
FEWEST_ROWS = 16


@dataclass(frozen=True)
class PixelFeatures:
    """Features of all pixels of a scene, computed a strip of rows at a time.

    Attributes
    ----------
    stack : Stack
    windows_px : tuple of int
        With windows, means and standard deviations of the layers in them follow the layers themselves. They are over
        valid pixels only.
    layers_of : callable
        Layers of a tile, such as :func:`component_layers`. Those of pixels without data are set to 0.
    """

    stack: Stack
    windows_px: tuple[int, ...]
    layers_of: Layers
    _last: dict[int, Floats] = field(default_factory=dict)  # the strip computed last, all of a small scene

    def strips(self) -> Iterator[tuple[slice, Floats]]:
        """Rows, and their features (F, h, w), from the top to the bottom of the scene."""
        height, width = self.stack.grid.shape_hw
        layers = len(self.layers_of(self.stack.read(Window(0, 0, 1, 1))))
        rows = max(FEWEST_ROWS, STRIP_VALUES // (layers * (1 + 2 * len(self.windows_px)) * width))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            if top not in self._last:
                self._last.clear()
                self._last[top] = self._strip(top, bottom)
            yield slice(top, bottom), self._last[top]

    def at(self, rows: NDArray[np.integer], cols: NDArray[np.integer]) -> Floats:
        """Features (n, F) of some pixels."""
        order, found = [], []
        for strip, features in self.strips():
            inside = np.flatnonzero((rows >= strip.start) & (rows < strip.stop))
            order.append(inside)
            found.append(features[:, rows[inside] - strip.start, cols[inside]].T)
        return np.concatenate(found)[np.argsort(np.concatenate(order))]

    def whole(self) -> Floats:
        """Features of the scene, (F, H, W)."""
        return np.concatenate([features for _, features in self.strips()], axis=1)

    def _strip(self, top: int, bottom: int) -> Floats:
        height, width = self.stack.grid.shape_hw
        reach = max(self.windows_px, default=1) // 2
        first, last = max(0, top - reach), min(height, bottom + reach)
        tile, inner = self.stack.read(Window(0, first, width, last - first)), slice(top - first, bottom - first)
        layers = self.layers_of(tile)
        features = np.empty(((1 + 2 * len(self.windows_px)) * len(layers), bottom - top, width), np.float32)
        shares = [np.maximum(uniform_filter(tile.valid.astype(np.float64), size), 1e-9) for size in self.windows_px]
        for i, layer in enumerate(layers):  # one by one, as sums of squares need double precision
            values = np.where(tile.valid, layer, 0).astype(np.float64)
            features[i] = values[inner]
            for n, (size, share) in enumerate(zip(self.windows_px, shares, strict=True)):
                mean = uniform_filter(values, size) / share
                variance = uniform_filter(values**2, size) / share - mean**2
                features[(2 * n + 1) * len(layers) + i] = mean[inner]
                features[(2 * n + 2) * len(layers) + i] = np.sqrt(np.maximum(variance[inner], 0))
        return features


def physical_layers(stack: Stack) -> Layers:
    """Bands, SAR intensities in dB and signed SAR channels as they are, indices, and the ratio of VV and VH."""
    return partial(_physical, stack)


def component_layers(stack: Stack, recipe: Recipe) -> Layers:
    """SAR and bands as the networks see them, many bands as components."""
    return partial(scaled_cube, scaling=fit_scaling([stack], recipe.spectral, exclude=None, seed=0))


def presto_layers(stack: Stack, settings: FeatureRecipe) -> Layers:
    """Presto's features of a Sentinel scene; errors as :func:`~landcover_bdgf.model.presto_features.presto_arrays`."""
    scaling = fit_scaling([stack], SpectralRecipe(max_bands=len(stack.spectral.bands)), exclude=None, seed=0)
    features = PrestoFeatures.of(presto_arrays(stack, scaling, settings), torch.device("cpu"))

    def layers(tile: Tile) -> Floats:
        cube = torch.from_numpy(scaled_cube(tile, scaling))
        found: Floats = features.see(cube[None])[0].numpy()
        return found

    return layers


def _physical(stack: Stack, tile: Tile) -> Floats:
    names = stack.sar.names
    db = 10 * np.log10(np.maximum(tile.sar, 1e-6))
    sar = [own if name in stack.plain_names else log for name, own, log in zip(names, tile.sar, db, strict=True)]
    layers = [tile.spectral, np.stack(sar), _indices(stack.spectral, tile.spectral)]
    if {"VV", "VH"} <= set(names):
        layers.append((db[names.index("VV")] - db[names.index("VH")])[None])
    return np.concatenate(layers)


def _indices(image: Image, pixels: Floats) -> Floats:
    found = [np.empty((0, *pixels.shape[1:]), np.float32)]
    for wanted in INDICES_NM.values():
        places = [_band_at(image, nm) for nm in wanted]
        if None not in places:
            a, b = (pixels[i] for i in places if i is not None)
            found.append(((a - b) / np.where(np.abs(a + b) > 1e-9, a + b, np.inf))[None])
    return np.concatenate(found)


def _band_at(image: Image, nm: float) -> int | None:
    """The band nearest to a wavelength, within a tolerance."""
    away = [abs(band.wavelength_nm - nm) if band.wavelength_nm else np.inf for band in image.bands]
    nearest = int(np.argmin(away))
    return nearest if away[nearest] <= TOLERANCE_NM else None
