"""Methods by name: the fusion network with its variants, and the baselines, all on the same samples."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.bench.baselines import CLASSIFIERS, CONTEXTS_PX, fit_and_classify, scene_features
from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.probe import probe
from landcover_bdgf.bench.version import version_of_networks
from landcover_bdgf.bench.whole import whole_scene
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import Samples
from landcover_bdgf.model import Checkpoint, Classifier, Recipe, Run, changed, load_checkpoint
from landcover_bdgf.training import pretrain, train

BDGF = "bdgf"
FUSION = "fusion"  # without diffusion features
PROBE = "probe"  # a linear classifier on diffusion features
_SPLIT = re.compile(r"(?P<label>[^=:]+)=(?P<kind>bdgf|fusion)(?::(?P<sets>.*))?")


@dataclass(frozen=True)
class Method:
    """One column of the comparison.

    Attributes
    ----------
    name : str
        As it is shown.
    kind : str
        ``bdgf``, ``probe``, or a key of :data:`~landcover_bdgf.bench.baselines.CLASSIFIERS`.
    windows_px : tuple of int
        Of a baseline's statistics.
    overrides : tuple of str
        Settings of the recipe, for ``bdgf`` and ``probe``.
    shuffled : {"", "sar", "spectral"}
        For ``probe``: the sensor whose pixels change places in what is classified.
    """

    name: str
    kind: str
    windows_px: tuple[int, ...] = ()
    overrides: tuple[str, ...] = ()
    shuffled: str = ""

    def settings(self, recipe: Recipe) -> str:
        """All that decides its result beside data, seed and program, as text."""
        if self.kind in (BDGF, PROBE):
            return f"{self.kind} {self.shuffled} {changed(recipe, self.overrides).model_dump_json()}"
        return f"{self.kind} {self.windows_px}"


@dataclass(frozen=True, eq=False)
class Prediction:
    """Codes of the whole scene (h, w), and the probability (h, w) of each; None where a method has none."""

    codes: NDArray[Any]
    probability: NDArray[np.floating[Any]] | None


def parse_method(text: str) -> Method:
    """A method by its name: ``bdgf``, ``fusion``, ``probe``, ``et``, ``et+9``, or ``NAME=bdgf:key=value;key=value``.

    Raises
    ------
    SettingsError
        There is none; names the nearest.
    """
    if text == BDGF:
        return Method(text, BDGF)
    if text == PROBE:
        return Method(text, PROBE)
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
    raise SettingsError(f"--method {text}: there is no such method. {hint}")


@dataclass
class Laboratory:
    """What all methods need on one scene; what they can share is made once.

    Attributes
    ----------
    dataset : Dataset
    recipe : Recipe
        Of ``bdgf``, before the overrides of a variant.
    work : Path
        Keeps denoisers.
    run : Run
        Its seed is not used.
    """

    dataset: Dataset
    recipe: Recipe
    work: Path
    run: Run = field(default_factory=Run)
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
        model = self.model(changed(self.recipe, method.overrides), samples, seed)
        probability = scene_probabilities(model, self.dataset, self._run(seed))
        return Prediction(probability.argmax(0) + 1, probability.max(0))

    def model(self, recipe: Recipe, samples: Samples, seed: int) -> Checkpoint:
        """The fusion network, trained on the training part of the samples."""
        denoiser = self.denoiser(recipe, seed)
        return train(self.dataset.stack, samples, denoiser=denoiser, recipe=recipe, run=self._run(seed))

    def denoiser(self, recipe: Recipe, seed: int) -> Checkpoint:
        """Pre-trained on the images of the whole scene, without any label; the same for all protocols."""
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


def scene_probabilities(model: Checkpoint, dataset: Dataset, run: Run) -> NDArray[np.float32]:
    """Of every pixel, (C, h, w)."""
    classifier = Classifier(model, run)
    classes = len(dataset.legend.entries)
    return whole_scene(
        lambda block: classifier.probabilities([block])[0], classes, classifier.viewer, dataset.stack, run
    )
