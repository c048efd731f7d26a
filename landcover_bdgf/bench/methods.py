"""Methods by name: the fusion network, its variants, systems of the paper, and baselines, all on the same samples."""

from __future__ import annotations

import difflib
import hashlib
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from landcover_bdgf.bench.baselines import (
    CLASSIFIERS,
    CONTEXTS_PX,
    fit_and_classify,
)
from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.pixel_features import PixelFeatures, component_layers, physical_layers, presto_layers
from landcover_bdgf.bench.probe import probe
from landcover_bdgf.bench.small_cnn import cnn_codes
from landcover_bdgf.bench.systems import ALL, SYSTEMS, Source, settings_of, system_codes
from landcover_bdgf.bench.version import version_of_networks
from landcover_bdgf.bench.whole_scene import TILE_PX, whole_scene
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import LeftOut, Samples
from landcover_bdgf.model import (
    Block,
    BlockStream,
    Checkpoint,
    Classifier,
    FeatureRecipe,
    Recipe,
    Run,
    changed,
    load_checkpoint,
)
from landcover_bdgf.training import pretrain, train

BDGF = "bdgf"
FUSION = "fusion"  # without diffusion features
PROBE = "probe"  # a linear classifier on diffusion features
COMPONENTS = "-components"  # after the name of a baseline
PRESTO = "presto"  # extra trees on Presto's features
CNN = "cnn-components"
_SPLIT = re.compile(rf"(?P<label>[^=:]+)=(?P<kind>{'|'.join([BDGF, FUSION, *SYSTEMS])})(?::(?P<sets>.*))?")


@dataclass(frozen=True)
class Method:
    """One column of the comparison."""

    name: str
    kind: str  # "bdgf", "probe", "cnn-components", the name of a system, or a key of CLASSIFIERS
    windows_px: tuple[int, ...] = ()  # sizes of the windows for the statistics of a baseline
    # What a baseline is given: bands and SAR, both as the networks see them, or Presto's features of them.
    layers: Literal["bands", "components", "presto"] = "bands"
    overrides: tuple[str, ...] = ()  # changed settings of the recipe, for "bdgf" and "probe", or of the system
    shuffled: str = ""  # for "probe": the sensor whose pixels are shuffled for classification, "sar" or "spectral"

    def settings(self, recipe: Recipe) -> str:
        """Everything that its result depends on besides data, seed and program version, as text."""
        if self.kind in (BDGF, PROBE):
            return f"{self.kind} {self.shuffled} {changed(recipe, self.overrides).model_dump_json()}"
        if self.kind in ALL:
            of_denoiser = recipe.model_dump_json() if ALL[self.kind].denoises else ""
            return f"{self.kind} {settings_of(self.kind, self.overrides)} {of_denoiser}"
        seen = {
            "bands": "",
            "components": recipe.spectral.model_dump_json(),
            "presto": recipe.features.model_dump_json(),
        }
        return f"{self.kind} {self.windows_px} {self.layers} {seen[self.layers]}"


@dataclass(frozen=True, eq=False)
class Prediction:
    """Codes of the whole scene (h, w) and their probabilities (h, w), None if a method has none.

    ``left_out``: the training pixels as the folds of BDGF judge them.
    """

    codes: NDArray[Any]
    probability: NDArray[np.floating[Any]] | None
    left_out: LeftOut | None = None


def parse_method(text: str) -> Method:
    """Parse a method, such as ``bdgf``, ``fusion``, ``probe``, ``et+9``, ``et-components``, ``presto+9`` or
    ``NAME=bdgf:key=value``, or ``NAME=ss-mae:steps=2000``.

    Raises
    ------
    SettingsError
        The method is unknown; names the nearest. Or a system has no such setting.
    """
    if text in (BDGF, PROBE, *ALL):
        return Method(text, text)
    if text == FUSION:
        return Method(text, BDGF, overrides=("fusion.guidance=",))
    if match := _SPLIT.fullmatch(text):
        sets = tuple(part for part in (match["sets"] or "").split(";") if part)
        method = parse_method(match["kind"])
        if method.kind in SYSTEMS:
            settings_of(method.kind, sets)
        return replace(method, name=match["label"], overrides=(*method.overrides, *sets))
    if text == CNN:
        return Method(text, CNN, layers="components")
    name, *sizes = text.split("+")
    if all(size in map(str, CONTEXTS_PX) for size in sizes):
        windows_px, kind = tuple(map(int, sizes)), name.removesuffix(COMPONENTS)
        if name == PRESTO:
            return Method(text, "et", windows_px, "presto")
        if kind in CLASSIFIERS:
            return Method(text, kind, windows_px, "bands" if name == kind else "components")
    baselines = [*(f"{kind}{seen}" for seen in ("", COMPONENTS) for kind in CLASSIFIERS), PRESTO]
    known = [
        BDGF,
        FUSION,
        PROBE,
        *SYSTEMS,
        CNN,
        *baselines,
        *(f"{name}+{size}" for name in baselines for size in CONTEXTS_PX),
    ]
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
    presto: Path | None = None  # file of Presto's weights, instead of the recipe's
    pretraining_s: float = 0  # seconds that all pre-training has taken
    _features: dict[tuple[tuple[int, ...], str], PixelFeatures] = field(default_factory=dict)

    def predict(self, method: Method, samples: Samples, seed: int, *, whole: bool = True) -> Prediction:
        """Train on the training part of the samples, and classify the scene.

        If the ``whole`` scene is not needed, slow methods classify the pixels of the samples alone.
        """
        if method.kind == PROBE:
            denoiser = self.denoiser(changed(self.recipe, method.overrides), seed)
            p = probe(denoiser, self.dataset.stack, samples.train, method.shuffled, self._run(seed))
            return Prediction(np.unique(samples.train.codes)[p.argmax(0)], p.max(0))
        if method.kind in ALL:
            source = Source(
                self.dataset.stack, self._run(seed), self.recipe, lambda recipe: self.denoiser(recipe, seed)
            )
            where = None
            if not whole:
                where = np.zeros(self.dataset.stack.grid.shape_hw, bool)
                where[samples.rows, samples.cols] = True
            return Prediction(*system_codes(method.kind, source, samples, where, method.overrides))
        if method.kind != BDGF:
            features = self._features_of(method)
            if method.kind == CNN:
                return Prediction(*cnn_codes(features.whole(), samples.train, seed))
            return Prediction(*fit_and_classify(method.kind, features, samples.train, seed))
        model = self.model(changed(self.recipe, method.overrides), samples, seed)
        classifier = Classifier(model, self._run(seed))

        def probabilities(block: Block) -> Tensor:
            return classifier.probabilities([block])[0]

        classes, stack = len(self.dataset.legend.entries), self.dataset.stack
        stream = BlockStream(stack, classifier.viewer.scaling_of(stack), classifier.viewer.recipe.halo_px, TILE_PX)
        probability = whole_scene(probabilities, classes, stream, self._run(seed))
        return Prediction(probability.argmax(0) + 1, probability.max(0), model.left_out)

    def model(self, recipe: Recipe, samples: Samples, seed: int) -> Checkpoint:
        """The fusion network, trained on the training part of the samples."""
        denoiser = self.denoiser(recipe, seed)
        return train(self.dataset.stack, samples, denoiser=denoiser, recipe=recipe, run=self._run(seed))

    def denoiser(self, recipe: Recipe, seed: int) -> Checkpoint:
        """The denoiser, pre-trained on the whole scene without labels; the same for all protocols."""
        parts = recipe.diffusion, recipe.spectral, recipe.scaling, recipe.features
        of_recipe = [part.model_dump_json() for part in parts]
        version = version_of_networks(self.run.torch_device().type)
        identity = repr((self.dataset.stack.fingerprint(), *of_recipe, seed, version))
        path = self.work / f"denoiser_{hashlib.sha256(identity.encode()).hexdigest()[:16]}.safetensors"
        if path.is_file():
            return load_checkpoint(path, "denoiser")
        started = time.monotonic()
        made = pretrain(self.dataset.stack, recipe, run=self._run(seed))
        self.pretraining_s += time.monotonic() - started
        made.save(path)
        return made

    def _run(self, seed: int) -> Run:
        return replace(self.run, seed=seed)

    def _features_of(self, method: Method) -> PixelFeatures:
        key, stack = (method.windows_px, method.layers), self.dataset.stack
        if key not in self._features:
            layers = {
                "bands": lambda: physical_layers(stack),
                "components": lambda: component_layers(stack, self.recipe),
                "presto": lambda: presto_layers(stack, self._with_weights()),
            }[method.layers]()
            self._features[key] = PixelFeatures(stack, method.windows_px, layers)
        return self._features[key]

    def _with_weights(self) -> FeatureRecipe:
        settings = self.recipe.features
        return settings.model_copy(update={"weights": str(self.presto)}) if self.presto else settings
