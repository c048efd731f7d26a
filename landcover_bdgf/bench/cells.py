"""The cells of a comparison, scene × protocol × seed × method: each computed once, and kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment import (
    accuracy,
    accuracy_by_border,
    accuracy_by_distance,
    border_bins,
    calibration_error,
    reliability_bins,
)
from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.methods import BDGF, PROBE, Laboratory, Method, Prediction
from landcover_bdgf.bench.protocols import PROTOCOLS, draw, shortages
from landcover_bdgf.bench.systems import ALL
from landcover_bdgf.bench.version import (
    version_of_baselines,
    version_of_models,
    version_of_networks,
    version_of_system,
)
from landcover_bdgf.labels import Samples, codes_picture, distances_px
from landcover_bdgf.model import Recipe, Run
from landcover_bdgf.progress import errors_only, log, progress
from landcover_bdgf.scene import THIN_PX
from landcover_bdgf.storage import atomic_output

# Bounds of the bins of accuracy against the distance to the nearest training pixel.
DISTANCES_PX = (0, 4, 9, 16, 32, 64, 1_000_000)
# Overall accuracy by the distance to the nearest pixel of another class of the truth.
BORDERS = {"oa_0_2": "0 to 2 px", "oa_3_5": "3 to 5 px", "oa_6": "6 px and more"}
# Share of the length of streams that the map shows, by their width.
KEPT = {f"kept_{width}px": f"{width} px" for width in THIN_PX}
# What models of the folds of BDGF say of its training pixels, as reports of maps do.
FOLDS = {"folds_oa": "overall", "folds_aa": "average"}

Cell = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Inputs of a comparison, with ``per_class`` training pixels per class.

    ``work`` is the folder for cells and denoisers, so that an interrupted comparison can continue.
    """

    dataset: Dataset
    protocols: tuple[str, ...]
    methods: tuple[Method, ...]
    seeds: tuple[int, ...]
    per_class: int
    recipe: Recipe
    work: Path
    run: Run
    presto: Path | None = None  # file of Presto's weights


@dataclass
class Archive:
    """Cells in a folder. Cells of another version of the program are computed again, and counted."""

    folder: Path
    outdated: int = 0

    def cell(self, identity: dict[str, Any], version: str, make: Callable[[], Cell]) -> Cell:
        """The cell of that identity; computed if it is missing, damaged or of another version."""
        name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]
        path = self.folder / f"cell_{name}.json"
        try:
            kept: Cell = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            kept = {}
        if kept.get("version") == version:
            return kept
        self.outdated += "version" in kept
        cell = make() | {"version": version}
        with atomic_output(path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(cell), encoding="utf-8")
        return cell


def run_plan(plan: Plan) -> list[Cell]:
    """All cells; seed by seed, so that the results of an interrupted run can be compared in pairs."""
    archive, cells = Archive(plan.work), []
    learned = any(method.layers == "presto" for method in plan.methods)
    weights = hashlib.sha256(plan.presto.read_bytes()).hexdigest() if learned and plan.presto else ""
    size = len(plan.protocols) * len(plan.methods) * len(plan.seeds)
    dataset = plan.dataset
    laboratory = Laboratory(dataset, plan.recipe, plan.work, plan.run, plan.presto)
    fingerprint = dataset.fingerprint()
    with progress("comparison", size) as advance:
        for seed, name in product(plan.seeds, plan.protocols):
            protocol = PROTOCOLS[name]
            samples = draw(dataset, protocol, per_class=plan.per_class, seed=seed)
            drawn = {"protocol": asdict(protocol), "per_class": plan.per_class, "seed": seed}
            for method in plan.methods:
                shown = seed == plan.seeds[0]  # a picture of each map, once
                settings = f"{method.settings(plan.recipe)}{weights if method.layers == 'presto' else ''}"
                identity = {"dataset": fingerprint, **drawn, "method": settings, "shown": shown}
                make = partial(_computed, laboratory, samples, method, seed, shown=shown)
                cell = archive.cell(identity, _version(method.kind, laboratory), make)
                names = {"dataset": dataset.name, "protocol": name, "seed": seed, "method": method.name}
                cells.append({**names, "per_class": plan.per_class, **cell})
                advance(note=" ".join(map(str, names.values())))
    if archive.outdated:
        log.warning("%d saved results of another program version were computed again", archive.outdated)
    return cells


def _computed(laboratory: Laboratory, samples: Samples, method: Method, seed: int, *, shown: bool) -> Cell:
    started, before_s = time.monotonic(), laboratory.pretraining_s
    with errors_only():
        found = laboratory.predict(method, samples, seed, whole=shown)
    pretraining_s = laboratory.pretraining_s - before_s  # the first cell of a seed would pay for all
    cell = {"seconds": time.monotonic() - started - pretraining_s, "picture": None} | judged(
        laboratory.dataset, samples, found
    )
    return cell | {"picture": codes_picture(found.codes, samples.legend.colors)} if shown else cell


def judged(dataset: Dataset, samples: Samples, found: Prediction) -> Cell:
    """Accuracy of a prediction on the test part."""
    test = samples.test
    codes = found.codes[test.rows, test.cols]
    result = accuracy(test.codes, codes, samples.legend)
    right = codes == test.codes
    cell: Cell = {
        "oa": 100 * result.overall, "aa": 100 * result.average, "kappa": _percent(result.kappa),
        "train_px": len(samples.train), "test_px": len(test), "leak": samples.leak(),
        "shortages": shortages(samples),
        "producers": dict(zip(samples.legend.names, map(_percent, result.producers), strict=True)),
        "by_distance": _by_distance(right, distances_px(test.positions, samples.train.positions)),
        "ece": None, "reliability": [],
    }  # fmt: skip
    cell |= _by_border(dataset, samples, right) | _streams_kept(dataset, samples, right)
    if found.probability is not None:
        bins = reliability_bins(found.probability[test.rows, test.cols], right)
        cell |= {"ece": 100 * calibration_error(bins), "reliability": [asdict(one) for one in bins]}
    return cell | _by_folds(samples, found)


def _by_distance(right: NDArray[np.bool_], away_px: NDArray[np.float64]) -> list[dict[str, float]]:
    found = accuracy_by_distance(right, away_px, pairwise(DISTANCES_PX))
    return [{"from_px": one.from_px, "to_px": one.to_px, "n": one.n, "oa": 100 * one.overall} for one in found]


def _by_border(dataset: Dataset, samples: Samples, right: NDArray[np.bool_]) -> dict[str, float | None]:
    found = accuracy_by_border(right, border_bins(dataset.truth)[samples.test.rows, samples.test.cols])
    return dict.fromkeys(BORDERS) | {name: 100 * one.overall for name, one in zip(BORDERS, found, strict=False)}


def _by_folds(samples: Samples, found: Prediction) -> dict[str, float | None]:
    if found.left_out is None:
        return dict.fromkeys(FOLDS)
    said = accuracy(found.left_out.codes, found.left_out.mapped, samples.legend)
    return dict(zip(FOLDS, (100 * said.overall, 100 * said.average), strict=True))


def _streams_kept(dataset: Dataset, samples: Samples, right: NDArray[np.bool_]) -> dict[str, float | None]:
    """Share of the pixels on the centre lines of streams, in the test part, that have their class."""
    if dataset.stream_px is None:
        return dict.fromkeys(KEPT)
    width_px = dataset.stream_px[samples.test.rows, samples.test.cols]
    on_line = {name: right[width_px == width] for name, width in zip(KEPT, THIN_PX, strict=True)}
    return {name: 100 * float(own.mean()) if len(own) else None for name, own in on_line.items()}


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else 100 * float(share)


def _version(kind: str, laboratory: Laboratory) -> str:
    device = laboratory.run.torch_device().type
    if system := ALL.get(kind):
        own = version_of_system(system.__module__)
        return f"{own} {version_of_networks(device)}" if system.denoises else own
    return version_of_models(device) if kind in (BDGF, PROBE) else version_of_baselines()
