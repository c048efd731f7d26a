"""The experiments of the paper by name, and comparisons of any methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from landcover_bdgf.bench.cells import Cell, Plan, run_plan
from landcover_bdgf.bench.costs import Cost, costs
from landcover_bdgf.bench.datasets import Dataset, check_dataset, open_dataset
from landcover_bdgf.bench.matlab import PUBLISHED
from landcover_bdgf.bench.methods import BDGF, PROBE, Laboratory, Method, parse_method
from landcover_bdgf.bench.page import Shown, embedding, write_costs, write_results
from landcover_bdgf.bench.protocols import PROTOCOLS, draw
from landcover_bdgf.bench.published import published_per_class, published_settings
from landcover_bdgf.bench.settings import BenchSettings, presto_file
from landcover_bdgf.bench.systems import DENOISER, SYSTEMS
from landcover_bdgf.bench.tables import ProtocolTable, tables
from landcover_bdgf.errors import OutputError, SettingsError, opening
from landcover_bdgf.labels import Samples, draw_per_class, join_samples
from landcover_bdgf.model import Classifier, Recipe, Run, changed, open_workers
from landcover_bdgf.progress import log
from landcover_bdgf.storage import Product, reserved
from landcover_bdgf.training import cut_windows

BASELINES = (
    *(f"{c}{context}" for c in ("et", "rf", "svm", "gb", "svm-cv", "lda") for context in ("", "+9", "+17", "+33")),
    *(f"{c}-components{context}" for c in ("et", "svm-cv", "lda") for context in ("", "+9")),
    "cnn-components",
)
COMPARISON = (BDGF, "fusion", *BASELINES)
SYSTEMS_OF_PAPER = (BDGF, *SYSTEMS)  # tables 3 to 6
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
    _variant("group network, masking", _ALL, "", *DENOISER),
    _variant("group network, concatenated", _ALL, "", *DENOISER, *_CONCATENATED),
    Method("attention, masking", "spectral-diff-masking"),
    Method("attention, concatenated", "spectral-diff"),
)
# Dependence of diffusion features on each sensor, with and without the masks of eq. 7.
BALANCE = tuple(
    Method(f"{masks}{f', {sensor} shuffled' if sensor else ''}", PROBE, overrides=sets, shuffled=sensor)
    for masks, sets in (("masks", ()), ("no masks", ("diffusion.mask=none",)))
    for sensor in ("", "sar", "spectral")
)
HYPERSPECTRAL, MULTISPECTRAL = (60, 80, 100, 120, 140), (30, 40, 50, 60, 70)  # training pixels of figure 14
# Figure 4: diffusion features with and without masks, of which those of the branches are shown once.
EMBEDDING = (Method(BDGF, BDGF), Method("no masks", BDGF, overrides=("diffusion.mask=none",)))
PER_CLASS = 50
CELLS = "cells"  # folder of finished results; also marks the output folder of a comparison


def columns_of(settings: BenchSettings) -> tuple[Method, ...]:
    """Methods to compare, BDGF first; all others are paired with the first.

    Raises
    ------
    SettingsError
        There is no such method, it has no features to show, or the experiment takes none.
    """
    of_paper, published = tuple(map(parse_method, SYSTEMS_OF_PAPER)), {*settings.dataset} <= {*PUBLISHED}
    fixed = {
        "ablation": ABLATION[::-1], "transfer": TRANSFER, "balance": BALANCE,
        "comparison": of_paper if published else tuple(map(parse_method, COMPARISON)),
        "labels": of_paper if published else (parse_method(BDGF),),
        "embedding": EMBEDDING, "tables": of_paper + TRANSFER,
    }  # fmt: skip
    asked = sorted(map(parse_method, settings.method), key=lambda method: method.name != BDGF)
    columns = tuple(asked) or fixed.get(settings.experiment, (parse_method(BDGF),))
    others = [method.name for method in columns if method.kind != BDGF]
    if settings.experiment == "complexity" and settings.method:
        problem = "has no effect on complexity, which counts BDGF and all systems of the paper"
        raise SettingsError("`method`", problem, "Leave it out.")
    if settings.experiment == "embedding" and others:
        raise SettingsError(f'`method="{others[0]}"`', "has no features to show", "List variants of bdgf only.")
    return columns


def run_experiment(
    settings: BenchSettings, output: Path, *, recipe: Recipe, run: Run
) -> tuple[list[ProtocolTable], Path]:
    """Compute missing results, and write ``results.csv``, ``summary.json`` and ``report.html`` into a folder.

    Finished results are kept there, so that the same call continues after an interruption. The first seed is that of
    ``run``. The experiment ``complexity`` needs no files of the published data sets, and writes page and summary only;
    ``tables`` has on one page what the paper has in tables 3 to 9.

    Returns
    -------
    tables, path of the page

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
        if settings.experiment == "complexity":
            found = [_costs(name, settings, work, recipe) for name in settings.dataset]
            _check_names([name for name, _ in found])
            return [], write_costs(output, dict(found), recipe)
        datasets = tuple(open_dataset(name, settings.data, work) for name in settings.dataset)
        _check_names([dataset.name for dataset in datasets])
        seeds = tuple(range(run.seed, run.seed + settings.seeds))
        cells, results, places, found_costs = [], [], {}, {}
        for dataset in datasets:
            own_count = published_per_class(dataset.name) if dataset.published else None
            count = settings.per_class or own_count or PER_CLASS
            presto = presto_file(settings)
            own_columns = tuple(_as_published(method, dataset, recipe) for method in columns)
            plan = Plan(dataset, settings.protocols, own_columns, seeds, count, recipe, work, run, presto)
            own, reference = run_plan(plan), columns[0].name
            if settings.experiment == "labels":
                own = _by_labels(plan, own)
                pairs = {cell["method"]: f"{reference}, {cell['per_class']} px" for cell in own}
                results += tables(own, f"{reference}, {count} px", f"{reference} with as many px", pairs)
            else:
                results += tables(own, reference)
            cells += own
            if settings.experiment == "embedding":
                places[dataset.name] = _embeddings(plan)
            if settings.experiment == "tables":
                found_costs[dataset.name] = _costs_of(dataset, recipe)
        shown = Shown(settings.experiment, datasets, settings.protocols, seeds, recipe)
        return results, write_results(output, shown, cells, results, places, found_costs)


def _as_published(method: Method, dataset: Dataset, recipe: Recipe) -> Method:
    """A method with the settings that its authors have for this data set, before its own, which replace them."""
    name = recipe.name if method.kind == BDGF else method.kind
    sets = published_settings(dataset.name, name) if dataset.published else ()
    return replace(method, overrides=(*sets, *method.overrides))


def _by_labels(plan: Plan, cells: Sequence[Cell]) -> list[Cell]:
    """The cells, and those of other numbers of training pixels, with the number in the name of the method."""
    dataset = plan.dataset
    many = len(dataset.stack.spectral.bands) > plan.recipe.spectral.max_bands
    counts = {*(HYPERSPECTRAL if many else MULTISPECTRAL)} - {plan.per_class}
    fewest = int(np.bincount(dataset.truth[dataset.truth > 0])[1:].min())
    if too_many := [str(count) for count in sorted(counts) if count >= fewest]:
        log.warning("%s: a class has %d labelled pixels: without %s", dataset.name, fewest, ", ".join(too_many))
    kept = [count for count in sorted(counts) if count < fewest]
    found = [*cells, *(cell for count in kept for cell in run_plan(replace(plan, per_class=count)))]
    found.sort(key=lambda cell: cell["per_class"])
    return [cell | {"method": f"{cell['method']}, {cell['per_class']} px"} for cell in found]


def _costs(name: str, settings: BenchSettings, work: Path, recipe: Recipe) -> tuple[str, list[Cost]]:
    if name in PUBLISHED:
        published = PUBLISHED[name]
        return name, costs(name, published.bands, published.sar_bands, len(published.classes), recipe)
    dataset = open_dataset(name, settings.data, work)
    return dataset.name, _costs_of(dataset, recipe)


def _costs_of(dataset: Dataset, recipe: Recipe) -> list[Cost]:
    sizes = len(dataset.stack.spectral.bands), len(dataset.stack.sar.bands), len(dataset.legend.entries)
    return costs(dataset.name if dataset.published else None, *sizes, recipe)


def _check_names(names: list[str]) -> None:
    """SettingsError if two data sets have the same name: their rows could not be told apart."""
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f'`dataset="{name}"`', "is the name of two data sets", "Rename one of the files.")


def _embeddings(plan: Plan) -> list[tuple[str, str]]:
    """Names and pictures: embeddings of features of test pixels, for the first seed and protocol.

    Of methods after the first, only the diffusion features are shown.
    """
    dataset, seed = plan.dataset, plan.seeds[0]
    laboratory = Laboratory(dataset, plan.recipe, plan.work, plan.run)
    samples = draw(dataset, PROTOCOLS[plan.protocols[0]], per_class=plan.per_class, seed=seed)
    found = []
    for method in plan.methods:
        vectors, codes = vectors_of(laboratory, method, samples, seed)
        kept = vectors if method is plan.methods[0] else {name: vectors[name] for name in {DIFFUSION} & {*vectors}}
        for name, own in kept.items():
            title = name if method is plan.methods[0] else f"{name}, {method.name}"
            found.append((title, embedding(embedded(own), codes, dataset.legend)))
    return sorted(found, key=lambda one: not one[0].startswith(DIFFUSION))  # with and without masks side by side


@opening(OutputError)
def _check_folder(output: Path) -> None:
    if output.exists() and not (output / CELLS).is_dir() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(output, "contains files that are not of a comparison", "Choose a new folder.")


SHOWN_PX = 50  # of each class
COMPONENTS, PERPLEXITY, ITERATIONS = 50, 30, 1000  # section 4.3
DIFFUSION = "diffusion features"

Vectors = dict[str, NDArray[np.float32]]


def vectors_of(
    laboratory: Laboratory, method: Method, samples: Samples, seed: int
) -> tuple[Vectors, NDArray[np.uint16]]:
    """Diffusion features and branch vectors (n, ·) of 50 test pixels of each class, and their codes."""
    test = samples.test
    chosen = test.where(draw_per_class(test.codes, SHOWN_PX, np.random.default_rng(seed)))
    model = laboratory.model(changed(laboratory.recipe, method.overrides), samples, seed)
    run = replace(laboratory.run, seed=seed)
    classifier = Classifier(model, run)
    viewer = classifier.viewer
    with open_workers(run.workers(viewer.device)) as workers:
        table = cut_windows([laboratory.dataset.stack], join_samples(chosen), viewer, workers)
    found = []
    for index in torch.arange(len(table)).split(SHOWN_PX):
        windows = table[index].to(viewer.device)
        middle = windows.dif.shape[-1] // 2
        with torch.no_grad():
            branches = classifier.experts.fusion.branch_vectors(windows.spec, windows.sar, windows.dif)
        vectors = {DIFFUSION: windows.dif[:, :, middle, middle]} if viewer.features else {}
        found.append(vectors | {name: v.flatten(1) for name, v in branches.items()})
    return {name: torch.cat([own[name] for own in found]).cpu().numpy() for name in found[0]}, chosen.codes


def embedded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """t-SNE of the first 50 principal components: (n, ·) -> (n, 2)."""
    components = PCA(min(COMPONENTS, *vectors.shape), random_state=0).fit_transform(vectors)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, max_iter=ITERATIONS, random_state=0)
    places: NDArray[np.float32] = tsne.fit_transform(components)
    return places
