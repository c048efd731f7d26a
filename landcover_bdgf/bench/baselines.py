"""Baselines: classifiers of scikit-learn on the values of pixels, and on their statistics in windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.ndimage import uniform_filter
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from landcover_bdgf.labels import Samples
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

Layers = Callable[[Tile], NDArray[np.float32]]  # layers of a tile, (F, h, w)

TREES = 500
COSTS = (1, 10, 100, 1000)  # C of the SVM, chosen by cross-validation
FOLDS = 3  # each leaves out blocks of training pixels
CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "rf": lambda seed: RandomForestClassifier(TREES, n_jobs=-1, random_state=seed),
    "et": lambda seed: ExtraTreesClassifier(TREES, n_jobs=-1, random_state=seed),
    "svm": lambda seed: make_pipeline(StandardScaler(), SVC(random_state=seed)),
    "svm-cv": lambda seed: GridSearchCV(
        make_pipeline(StandardScaler(), SVC(random_state=seed)),
        {"svc__C": COSTS},
        cv=StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed),
    ),
    "lda": lambda _: make_pipeline(StandardScaler(), LinearDiscriminantAnalysis("lsqr", shrinkage="auto")),
    "gb": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}
CONTEXTS_PX = (9, 17, 33)
# Normalised differences of bands at these wavelengths (nm), if the image has them.
INDICES_NM = {"NDVI": (833, 665), "NDWI": (560, 833), "NDBI": (1614, 833)}
TOLERANCE_NM = 40


def scene_features(stack: Stack, windows_px: tuple[int, ...], layers_of: Layers | None = None) -> NDArray[np.float32]:
    """Bands, SAR in dB and indices of all pixels; with windows, also their means and standard deviations: (F, h, w).

    With ``layers_of``, such as :func:`component_layers`, its layers of a tile take their place. Statistics are over
    valid pixels only. All layers are 0 for pixels without data.
    """
    height, width = stack.grid.shape_hw
    tile = stack.read(Window(0, 0, width, height))
    layers = (_physical(stack, tile) if layers_of is None else layers_of(tile)).astype(np.float64)
    layers[:, ~tile.valid] = 0
    features = [layers]
    for size in windows_px:
        share = np.maximum(uniform_filter(tile.valid.astype(np.float64), size), 1e-9)
        mean = np.stack([uniform_filter(layer, size) for layer in layers]) / share
        square = np.stack([uniform_filter(layer**2, size) for layer in layers]) / share
        features += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.concatenate(features).astype(np.float32)


def component_layers(stack: Stack, recipe: Recipe) -> Layers:
    """SAR and bands as the networks see them, many bands as components."""
    return partial(scaled_cube, scaling=fit_scaling([stack], recipe.spectral, exclude=None, seed=0))


def presto_layers(stack: Stack, settings: FeatureRecipe) -> Layers:
    """Presto's features of a Sentinel scene; errors as :func:`~landcover_bdgf.model.presto_features.presto_arrays`."""
    scaling = fit_scaling([stack], SpectralRecipe(max_bands=len(stack.spectral.bands)), exclude=None, seed=0)
    features = PrestoFeatures.of(presto_arrays(stack, scaling, settings), torch.device("cpu"))

    def layers(tile: Tile) -> NDArray[np.float32]:
        cube = torch.from_numpy(scaled_cube(tile, scaling))
        found: NDArray[np.float32] = features.see(cube[None])[0].numpy()
        return found

    return layers


def _physical(stack: Stack, tile: Tile) -> NDArray[np.float32]:
    """Bands, SAR in dB, indices, and the ratio of VV and VH of a tile."""
    sar = 10 * np.log10(np.maximum(tile.sar, 1e-6))
    layers = np.concatenate([tile.spectral, sar, _indices(stack.spectral, tile.spectral)])
    if {"VV", "VH"} <= set(stack.sar.names):
        ratio = sar[stack.sar.names.index("VV")] - sar[stack.sar.names.index("VH")]
        layers = np.concatenate([layers, ratio[None]])
    return layers


def _indices(image: Image, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
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


def fit_and_classify(
    classifier: str, features: NDArray[np.float32], train: Samples, seed: int
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Codes of all pixels (h, w) and their probabilities (h, w); None if the classifier has no probabilities."""
    model = CLASSIFIERS[classifier](seed)
    folds = {"groups": train.groups} if isinstance(model, GridSearchCV) else {}
    model.fit(features[:, train.rows, train.cols].T, train.codes, **folds)
    shape_hw, flat = features.shape[1:], features.reshape(len(features), -1).T
    if not hasattr(model, "predict_proba"):
        return model.predict(flat).reshape(shape_hw), None
    probability = model.predict_proba(flat)
    return model.classes_[probability.argmax(1)].reshape(shape_hw), probability.max(1).reshape(shape_hw)
