"""The experiments of the paper by name, and comparisons of any methods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from landcover_bdgf.bench.cells import Plan, run_plan
from landcover_bdgf.bench.datasets import check_dataset, open_dataset
from landcover_bdgf.bench.methods import BDGF, PROBE, Laboratory, Method, parse_method
from landcover_bdgf.bench.page import embedding, write_results
from landcover_bdgf.bench.protocols import PROTOCOLS, draw
from landcover_bdgf.bench.settings import BenchSettings, presto_file
from landcover_bdgf.bench.tables import ProtocolTable, tables
from landcover_bdgf.errors import OutputError, SettingsError, opening
from landcover_bdgf.labels import Samples, draw_per_class
from landcover_bdgf.model import Classifier, Recipe, Run, changed, open_workers
from landcover_bdgf.storage import Product, reserved
from landcover_bdgf.training import cut_windows

BASELINES = (
    *(f"{c}{context}" for c in ("et", "rf", "svm", "gb", "svm-cv", "lda") for context in ("", "+9", "+17", "+33")),
    *(f"{c}-components{context}" for c in ("et", "svm-cv", "lda") for context in ("", "+9")),
    "cnn-components",
)
COMPARISON = (BDGF, "fusion", *BASELINES)
_ALL = "cnn,transformer,mamba"
_NO_CONTEXT = ("context.sizes_px=",)  # as in the paper


def _variant(name: str, branches: str = _ALL, guidance: str = "", *more: str) -> Method:
    overrides = (f"fusion.branches={branches}", f"fusion.guidance={guidance or branches}", *_NO_CONTEXT, *more)
    return Method(name, BDGF, overrides=overrides)


# Rows 1 to 12 of Table 2 of the paper, where diffusion features guide every branch of the network. The last rows remove
# single parts of the recipe, and show the recipe itself.
ABLATION = (
    _variant("1 CNN", "cnn"),
    _variant("2 transformer", "transformer"),
    _variant("3 Mamba", "mamba"),
    _variant("4 CNN + transformer", "cnn,transformer"),
    _variant("5 CNN + Mamba", "cnn,mamba"),
    _variant("6 transformer + Mamba", "transformer,mamba"),
    _variant("7 CNN not guided", guidance="transformer,mamba"),
    _variant("8 transformer not guided", guidance="cnn,mamba"),
    _variant("9 Mamba not guided", guidance="cnn,transformer"),
    _variant("10 no masks", _ALL, "", "diffusion.mask=none"),
    _variant("11 no mutual learning", _ALL, "", "mutual.enabled=false"),
    _variant("12 whole", _ALL),
    Method("the recipe without context", BDGF, overrides=_NO_CONTEXT),
    Method("the recipe without diffusion", BDGF, overrides=("fusion.guidance=",)),
    Method("the recipe", BDGF),
)
# Table 8 of the paper: diffusion features with and without masks and speckle noise, with either classifier.
_CONCATENATED = ("diffusion.mask=none", "diffusion.speckle=false")
TRANSFER = (
    _variant("group network, masking", _ALL),
    _variant("group network, concatenated", _ALL, "", *_CONCATENATED),
    _variant("attention, masking", "attention"),
    _variant("attention, concatenated", "attention", "", *_CONCATENATED),
)
# Dependence of diffusion features on each sensor, with and without the masks of eq. 7.
BALANCE = tuple(
    Method(f"{masks}{f', {sensor} shuffled' if sensor else ''}", PROBE, overrides=sets, shuffled=sensor)
    for masks, sets in (("masks", ()), ("no masks", ("diffusion.mask=none",)))
    for sensor in ("", "sar", "spectral")
)
LABEL_COUNTS = (30, 40, 50, 60, 70)  # figure 14 (d)
CELLS = "cells"  # folder of finished results; also marks the output folder of a comparison


def columns_of(settings: BenchSettings) -> tuple[Method, ...]:
    """Methods to compare; all others are paired with the first.

    Raises
    ------
    SettingsError
        There is no such method, or it has no features to show.
    """
    fixed = {
        "ablation": ABLATION[::-1], "transfer": TRANSFER, "balance": BALANCE,
        "comparison": tuple(map(parse_method, COMPARISON)),
    }  # fmt: skip
    columns = tuple(map(parse_method, settings.method)) or fixed.get(settings.experiment, (parse_method(BDGF),))
    if settings.experiment == "embedding" and columns[0].kind != BDGF:
        raise SettingsError(
            f'`method="{columns[0].name}"`', "has no features to show", "List bdgf as the first method."
        )
    return columns


def run_experiment(
    settings: BenchSettings, output: Path, *, recipe: Recipe, run: Run
) -> tuple[list[ProtocolTable], str, Path]:
    """Compute missing results, and write ``results.csv``, ``summary.json`` and ``report.html`` into a folder.

    Finished results are kept there, so that the same call continues after an interruption. The first seed is that of
    ``run``.

    Returns
    -------
    tables, name of the method paired with all others, path of the page

    Raises
    ------
    SettingsError
        Unknown data set, method or protocol.
    OutputError
        The output folder contains other files.
    RasterError, LabelError
        A data set cannot be used, or has too few labels.
    """
    with reserved(Product(output)):
        columns = columns_of(settings)
        _check_folder(output)
        for name in settings.dataset:
            check_dataset(name)
        work = output / CELLS
        work.mkdir(parents=True, exist_ok=True)
        datasets = tuple(open_dataset(name, settings.data, work) for name in settings.dataset)
        _check_names([dataset.name for dataset in datasets])
        seeds = tuple(range(run.seed, run.seed + settings.seeds))
        plan = Plan(
            datasets, settings.protocols, columns, seeds, settings.per_class, recipe, work, run, presto_file(settings)
        )
        cells, reference = [], columns[0].name
        if settings.experiment == "labels":
            reference = f"{reference}, {settings.per_class} px"
            for count in sorted({*LABEL_COUNTS, settings.per_class}):
                found = run_plan(replace(plan, per_class=count))
                cells += [cell | {"method": f"{cell['method']}, {count} px"} for cell in found]
        else:
            cells = run_plan(plan)
        results = tables(cells, reference)
        places = _embeddings(plan) if settings.experiment == "embedding" else {}
        return results, reference, write_results(output, plan, cells, results, reference, places)


def _check_names(names: list[str]) -> None:
    """SettingsError if two data sets have the same name: their rows could not be told apart."""
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f'`dataset="{name}"`', "is the name of two data sets", "Rename one of the files.")


def _embeddings(plan: Plan) -> dict[str, list[tuple[str, str]]]:
    """Names and pictures by data set: embeddings of features of test pixels, for the first seed and protocol."""
    found = {}
    for dataset in plan.datasets:
        laboratory = Laboratory(dataset, plan.recipe, plan.work, plan.run)
        samples = draw(dataset, PROTOCOLS[plan.protocols[0]], per_class=plan.per_class, seed=plan.seeds[0])
        vectors, codes = vectors_of(laboratory, plan.methods[0], samples, plan.seeds[0])
        found[dataset.name] = [(name, embedding(embedded(own), codes, dataset.legend)) for name, own in vectors.items()]
    return found


@opening(OutputError)
def _check_folder(output: Path) -> None:
    if output.exists() and not (output / CELLS).is_dir() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(output, "contains files that are not of a comparison", "Choose a new folder.")


PER_CLASS = 50
COMPONENTS, PERPLEXITY, ITERATIONS = 50, 30, 1000  # section 4.3

Vectors = dict[str, NDArray[np.float32]]


def vectors_of(
    laboratory: Laboratory, method: Method, samples: Samples, seed: int
) -> tuple[Vectors, NDArray[np.uint16]]:
    """Diffusion features and branch vectors (n, ·) of 50 test pixels of each class, and their codes."""
    test = samples.test
    chosen = test.where(draw_per_class(test.codes, PER_CLASS, np.random.default_rng(seed)))
    model = laboratory.model(changed(laboratory.recipe, method.overrides), samples, seed)
    run = replace(laboratory.run, seed=seed)
    classifier = Classifier(model, run)
    viewer = classifier.viewer
    with open_workers(run.workers(viewer.device)) as workers:
        table = cut_windows(laboratory.dataset.stack, chosen, viewer, workers)
    windows = table[torch.arange(len(table))].to(viewer.device)
    middle = windows.dif.shape[-1] // 2
    with torch.no_grad():
        branches = classifier.experts.fusion.branch_vectors(windows.spec, windows.sar, windows.dif)
    vectors = {"diffusion features": windows.dif[:, :, middle, middle]} if viewer.features else {}
    vectors |= {name: v.flatten(1) for name, v in branches.items()}
    return {name: v.cpu().numpy() for name, v in vectors.items()}, chosen.codes


def embedded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """t-SNE of the first 50 principal components: (n, ·) -> (n, 2)."""
    components = PCA(min(COMPONENTS, *vectors.shape), random_state=0).fit_transform(vectors)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, max_iter=ITERATIONS, random_state=0)
    places: NDArray[np.float32] = tsne.fit_transform(components)
    return places
