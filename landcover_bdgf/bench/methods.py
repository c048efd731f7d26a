"""Methods by name: the fusion network, its variants, and baselines, all on the same samples."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.ndimage import uniform_filter
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.probe import probe, whole_scene
from landcover_bdgf.bench.version import version_of_networks
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import Samples
from landcover_bdgf.model import Block, Checkpoint, Classifier, Recipe, Run, changed, load_checkpoint
from landcover_bdgf.scene import Image, Stack
from landcover_bdgf.training import pretrain, train

BDGF = "bdgf"
FUSION = "fusion"  # without diffusion features
PROBE = "probe"  # a linear classifier on diffusion features
_SPLIT = re.compile(r"(?P<label>[^=:]+)=(?P<kind>bdgf|fusion)(?::(?P<sets>.*))?")


@dataclass(frozen=True)
class Method:
    """One column of the comparison."""

    name: str
    kind: str  # "bdgf", "probe", or a key of CLASSIFIERS
    windows_px: tuple[int, ...] = ()  # sizes of the windows for the statistics of a baseline
    overrides: tuple[str, ...] = ()  # changed settings of the recipe, for "bdgf" and "probe"
    shuffled: str = ""  # for "probe": the sensor whose pixels are shuffled for classification, "sar" or "spectral"

    def settings(self, recipe: Recipe) -> str:
        """Everything that its result depends on besides data, seed and program version, as text."""
        if self.kind in (BDGF, PROBE):
            return f"{self.kind} {self.shuffled} {changed(recipe, self.overrides).model_dump_json()}"
        return f"{self.kind} {self.windows_px}"


@dataclass(frozen=True, eq=False)
class Prediction:
    """Codes of the whole scene (h, w) and their probabilities (h, w); None if a method has no probabilities."""

    codes: NDArray[Any]
    probability: NDArray[np.floating[Any]] | None


def parse_method(text: str) -> Method:
    """Parse a method: ``bdgf``, ``fusion``, ``probe``, ``et``, ``et+9``, or ``NAME=bdgf:key=value;key=value``.

    Raises
    ------
    SettingsError
        The method is unknown; names the nearest.
    """
    if text in (BDGF, PROBE):
        return Method(text, text)
    if text == FUSION:
        return Method(text, BDGF, overrides=("fusion.guidance=",))
    if match := _SPLIT.fullmatch(text):
        sets = tuple(part for part in (match["sets"] or "").split(";") if part)
        return Method(match["label"], BDGF, overrides=(*parse_method(match["kind"]).overrides, *sets))
    kind, *sizes = text.split("+")
    if kind in CLASSIFIERS and all(size in map(str, CONTEXTS_PX) for size in sizes):
        return Method(text, kind, windows_px=tuple(map(int, sizes)))
    known = [BDGF, FUSION, PROBE, *CLASSIFIERS, *(f"{c}+{size}" for c in CLASSIFIERS for size in CONTEXTS_PX)]
    near = difflib.get_close_matches(text, known, 1, cutoff=0.3)
    hint = f"Did you mean {near[0]}?" if near else f"Methods are {', '.join(known)}."
    raise SettingsError(f'`method="{text}"`', "is unknown", hint)


@dataclass
class Laboratory:
    """Shared inputs of all methods on one scene, computed once."""

    dataset: Dataset
    recipe: Recipe  # before the overrides of a variant
    work: Path  # folder for denoisers
    run: Run = field(default_factory=Run)  # its seed is not used
    _features: dict[tuple[int, ...], NDArray[np.float32]] = field(default_factory=dict)

    def predict(self, method: Method, samples: Samples, seed: int) -> Prediction:
        """Train on the training part of the samples, and classify the whole scene."""
        if method.kind == PROBE:
            denoiser = self.denoiser(changed(self.recipe, method.overrides), seed)
            p = probe(denoiser, self.dataset.stack, samples.train, method.shuffled, self._run(seed))
            return Prediction(np.unique(samples.train.codes)[p.argmax(0)], p.max(0))
        if method.kind != BDGF:
            features = self._features_of(method.windows_px)
            return Prediction(*fit_and_classify(method.kind, features, samples.train, seed))
        classifier = Classifier(self.model(changed(self.recipe, method.overrides), samples, seed), self._run(seed))

        def probabilities(block: Block) -> Tensor:
            return classifier.probabilities([block])[0]

        classes, stack = len(self.dataset.legend.entries), self.dataset.stack
        probability = whole_scene(probabilities, classes, classifier.viewer, stack, self._run(seed))
        return Prediction(probability.argmax(0) + 1, probability.max(0))

    def model(self, recipe: Recipe, samples: Samples, seed: int) -> Checkpoint:
        """The fusion network, trained on the training part of the samples."""
        denoiser = self.denoiser(recipe, seed)
        return train(self.dataset.stack, samples, denoiser=denoiser, recipe=recipe, run=self._run(seed))

    def denoiser(self, recipe: Recipe, seed: int) -> Checkpoint:
        """The denoiser, pre-trained on the whole scene without labels; the same for all protocols."""
        of_recipe = (recipe.diffusion.model_dump_json(), recipe.spectral.model_dump_json())
        version = version_of_networks(self.run.torch_device().type)
        identity = repr((self.dataset.stack.fingerprint(), *of_recipe, seed, version))
        path = self.work / f"denoiser_{hashlib.sha256(identity.encode()).hexdigest()[:16]}.safetensors"
        if path.is_file():
            return load_checkpoint(path, "denoiser")
        made = pretrain(self.dataset.stack, recipe, run=self._run(seed))
        made.save(path)
        return made

    def _run(self, seed: int) -> Run:
        return replace(self.run, seed=seed)

    def _features_of(self, windows_px: tuple[int, ...]) -> NDArray[np.float32]:
        if windows_px not in self._features:
            self._features[windows_px] = scene_features(self.dataset.stack, windows_px)
        return self._features[windows_px]


TREES = 500
CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "rf": lambda seed: RandomForestClassifier(TREES, n_jobs=-1, random_state=seed),
    "et": lambda seed: ExtraTreesClassifier(TREES, n_jobs=-1, random_state=seed),
    "svm": lambda seed: make_pipeline(StandardScaler(), SVC(random_state=seed)),
    "gb": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}
CONTEXTS_PX = (9, 17, 33)
# Normalised differences of bands at these wavelengths (nm), if the image has them.
INDICES_NM = {"NDVI": (833, 665), "NDWI": (560, 833), "NDBI": (1614, 833)}
TOLERANCE_NM = 40


def scene_features(stack: Stack, windows_px: tuple[int, ...]) -> NDArray[np.float32]:
    """Bands, SAR in dB and indices of all pixels; with windows, also their means and standard deviations: (F, h, w).

    Statistics are over valid pixels only. Bands and indices are 0 for pixels without data.
    """
    height, width = stack.grid.shape_hw
    tile = stack.read(Window(0, 0, width, height))
    sar = 10 * np.log10(np.maximum(tile.sar, 1e-6))
    layers = np.concatenate([tile.spectral, sar, _indices(stack.spectral, tile.spectral)]).astype(np.float64)
    if {"VV", "VH"} <= set(stack.sar.names):
        ratio = sar[stack.sar.names.index("VV")] - sar[stack.sar.names.index("VH")]
        layers = np.concatenate([layers, ratio[None]])
    layers[:, ~tile.valid] = 0
    features = [layers]
    for size in windows_px:
        share = np.maximum(uniform_filter(tile.valid.astype(np.float64), size), 1e-9)
        mean = np.stack([uniform_filter(layer, size) for layer in layers]) / share
        square = np.stack([uniform_filter(layer**2, size) for layer in layers]) / share
        features += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.concatenate(features).astype(np.float32)


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
    model.fit(features[:, train.rows, train.cols].T, train.codes)
    shape_hw, flat = features.shape[1:], features.reshape(len(features), -1).T
    if not hasattr(model, "predict_proba"):
        return model.predict(flat).reshape(shape_hw), None
    probability = model.predict_proba(flat)
    return model.classes_[probability.argmax(1)].reshape(shape_hw), probability.max(1).reshape(shape_hw)
