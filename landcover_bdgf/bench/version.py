"""Version of the program that a result depends on: a hash of the relevant source files."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import torch

PACKAGE = Path(__file__).parents[1]
# Modules that show results and do not change them.
SHOWN_BY = {"training.denoiser_picture"}
OF_SAMPLES = ("bench.datasets", "bench.matlab", "bench.protocols", "labels.split", "labels.samples", "labels.settings")
OF_PIXELS = (
    "geo.raster", "geo.grid", "geo.crs", "geo.resampling", "scene.bands", "scene.band_reader", "scene.image",
    "scene.shift", "scene.pair_checks", "scene.value_checks", "scene.sar", "scene.stack", "scene.alignment",
    "scene.settings",
)  # fmt: skip
OF_FIGURES = ("bench.cells", *(f"assessment.{name}" for name in ("measures", "borders", "distances", "reliability")))
OF_SCALING = ("components", "scaling", "scaling_fit", "learning_tiles")
OF_PRESTO = ("networks.presto", "presto_weights", "presto_scene", "presto_features")
OF_BASELINES = (
    "bench.methods",
    "bench.baselines",
    "bench.pixel_features",
    "bench.small_cnn",
    *(f"model.{name}" for name in OF_SCALING + OF_PRESTO),
)

OF_SYSTEMS = (
    *(f"bench.systems.{name}" for name in ("catalogue", "learner", "patches", "stems", "system")),
    *("bench.methods", "bench.whole_scene", "training.loop", "training.task", "model.blocks"),
    *(f"model.networks.{name}" for name in ("layers", "mamba", "scan", "kernels.compiled", "kernels.scan_numba")),
    *(f"model.{name}" for name in OF_SCALING),
)


def version_of_baselines() -> str:
    """Version of the baselines: classifiers, samples, and the reading and scaling of images."""
    return _sha256((*OF_SAMPLES, *OF_PIXELS, *OF_FIGURES, *OF_BASELINES))


def version_of_system(module: str) -> str:
    """Version of a system of the paper, of its file, and of its training."""
    own = module.removeprefix(f"{PACKAGE.name}.")
    return f"{_sha256((*OF_SAMPLES, *OF_PIXELS, *OF_FIGURES, *OF_SYSTEMS, own))} torch {torch.__version__}"


def version_of_networks(device: str) -> str:
    """Version of everything that a denoiser depends on."""
    shows = ("assessment.", "mapping.", "bench.", "app.", "survey.", "__")
    modules = [name for name in _files() if not name.startswith(shows) and name not in SHOWN_BY]
    return f"{_sha256(tuple(modules))} torch {torch.__version__} {device}"


def version_of_models(device: str) -> str:
    """Version of everything that a trained model and its accuracy depend on."""
    own = "bench.methods", "bench.probe", "bench.whole_scene"
    return f"{version_of_networks(device)} {_sha256((*OF_SAMPLES, *OF_FIGURES, *own))}"


@cache
def _files() -> dict[str, Path]:
    files = sorted(PACKAGE.rglob("*.py"))
    return {".".join(file.relative_to(PACKAGE).with_suffix("").parts): file for file in files}


@cache
def _sha256(modules: tuple[str, ...]) -> str:
    return hashlib.sha256(b"".join(_files()[name].read_bytes() for name in modules)).hexdigest()[:24]
