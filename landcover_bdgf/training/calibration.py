"""What is fitted to labelled pixels after the networks: shares of the experts, the temperature, and novelty.

All are computed from means over windows, as in a map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from landcover_bdgf.labels import JoinedSamples
from landcover_bdgf.model import (
    BLOCK_PX,
    NOVELTY_PREFIX,
    Block,
    Checkpoint,
    Classifier,
    Run,
    Workers,
    fit_novelty,
    open_workers,
    pooled,
    tempered,
)
from landcover_bdgf.progress import track
from landcover_bdgf.scene import Stack

BLOCKS = 48  # those with the most labelled pixels; their features are kept in memory
JUDGED_BLOCKS = 400  # for the pixels that a model judges; all of them on most scenes
TEMPERATURES = 1.0, 5.0  # limits; a few easy polygons must not raise the confidence above that of the windows
Result = TypeVar("Result")


@dataclass(frozen=True)
class LabelledBlock:
    """A block and its labelled pixels: rows and columns in the block, index among all samples."""

    block: Block
    rows: NDArray[np.integer]
    cols: NDArray[np.integer]
    index: NDArray[np.intp]

    def pixels(self, layers: Tensor) -> NDArray[np.float64]:
        """Values (n, …) of the labelled pixels in (1, …, h, w)."""
        return np.moveaxis(layers[0].double().cpu().numpy()[..., self.rows, self.cols], -1, 0)


@dataclass(frozen=True)
class Judged:
    """What a model says of pixels that it was not trained on.

    Attributes
    ----------
    index : (n,)
        Which of the pixels it judges.
    opinions : (n, G, F, E, C)
        Log probabilities by its E experts, for the F choices in ``fusion.similar`` of its recipe. Along G the model
        with the features that guide it comes first, then, if it has any, the model without what they tell.
    mapped_px : (C,)
        Pixels of each class in its map of the landscape around them.
    """

    index: NDArray[np.intp]
    opinions: NDArray[np.float64]
    mapped_px: NDArray[np.int64]


def left_out_opinions(model: Checkpoint, stacks: Sequence[Stack], left_out: JoinedSamples, run: Run) -> Judged:
    """Apply a model to the blocks around pixels that it was not trained on."""
    classifier, recipe = Classifier(model, run), model.recipe
    guided = bool(recipe.fusion.guided) and bool(classifier.viewer.features)

    halo, classes = recipe.halo_px, len(model.classes.entries)

    def opinions(one: LabelledBlock) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        seen = classifier.see(one.block)
        ways = [seen, seen.unguided()] if guided else [seen]
        found = [torch.stack(classifier.opinions(way, [one.block], *recipe.fusion.similar), dim=1) for way in ways]
        mapped = pooled(found[0][:, 0], classifier.shares)[0].argmax(0).cpu().numpy()
        mapped_px = np.bincount(mapped[one.block.seen.valid[halo:-halo, halo:-halo]], minlength=classes)
        return one.pixels(torch.stack(found, dim=1)), mapped_px

    with open_workers(run.workers(classifier.viewer.device)) as workers:
        found = [
            (one.index, own) for one, own in _computed(opinions, classifier, stacks, left_out, workers, JUDGED_BLOCKS)
        ]
    index, judged = zip(*found, strict=True)
    opinions_of, mapped_px = zip(*judged, strict=True)
    return Judged(np.concatenate(index), np.concatenate(opinions_of), np.sum(mapped_px, axis=0))


def fitted_temperature(
    p: NDArray[np.float64], truth: NDArray[np.int64], weights: NDArray[np.float64], share_learned: float = 1.0
) -> float:
    """The temperature of least cross-entropy for probabilities (n, C) and true classes (n,) from 0, weighted (n,).

    A model trained on a share of the polygons has more errors than one trained on all, at the same confidence. Its
    temperature raised to the power of ``share_learned`` is closer to that of the model trained on all (decision 13).
    """

    def cross_entropy(log_temperature: float) -> float:
        found = tempered(torch.from_numpy(p), math.exp(log_temperature)).numpy()
        return float(-weights @ np.log(np.maximum(found[np.arange(len(truth)), truth], 1e-9)))

    limits = [math.log(limit) for limit in TEMPERATURES]
    fitted = minimize_scalar(cross_entropy, bounds=limits, options={"xatol": 0.01}).x
    return round(math.exp(share_learned * fitted), 3)


def with_novelty(model: Checkpoint, stacks: Sequence[Stack], samples: JoinedSamples, run: Run) -> Checkpoint:
    """Add the statistics of the training pixels to the model, see :class:`~landcover_bdgf.model.novelty.Novelty`."""
    if not model.recipe.fusion.shares:
        return model
    classifier = Classifier(model, run)

    def features(one: LabelledBlock) -> NDArray[np.float64]:
        return one.pixels(classifier.features(classifier.see(one.block), [one.block]))

    with open_workers(run.workers(classifier.viewer.device)) as workers:
        found = [(one.index, own) for one, own in _computed(features, classifier, stacks, samples, workers, BLOCKS)]
    index, vectors = (np.concatenate(parts) for parts in zip(*found, strict=True))
    arrays = fit_novelty(vectors, samples.codes[index], samples.groups[index], np.random.default_rng(run.seed))
    return replace(model, weights=model.weights | {f"{NOVELTY_PREFIX}{name}": array for name, array in arrays.items()})


def _computed(
    compute: Callable[[LabelledBlock], Result],
    classifier: Classifier,
    stacks: Sequence[Stack],
    samples: JoinedSamples,
    workers: Workers,
    most: int,
) -> Iterator[tuple[LabelledBlock, Result]]:
    """The blocks of each scene with the most labelled pixels, with the result of ``compute`` for each.

    At most ``most`` of all scenes; each scene has the same part in them.
    """
    lattice = np.stack([samples.scene.astype(np.int64), samples.rows // BLOCK_PX, samples.cols // BLOCK_PX], axis=1)
    places, counts = np.unique(lattice, axis=0, return_counts=True)
    order = np.lexsort((-counts, places[:, 0]))  # stable
    rank = np.arange(len(order)) - np.searchsorted(places[order, 0], places[order, 0])
    chosen = places[order[rank < -(-most // len(np.unique(places[:, 0])))]]

    def labelled(place: NDArray[np.int64]) -> LabelledBlock:
        index = np.flatnonzero((lattice == place).all(axis=1))
        scene, row, col = place[0], int(place[1]) * BLOCK_PX, int(place[2]) * BLOCK_PX
        block = classifier.viewer.read(stacks[scene], (row, col))
        return LabelledBlock(block, samples.rows[index] - row, samples.cols[index] - col, index)

    results = workers.map(lambda one: (one, compute(one)), map(labelled, chosen))
    yield from track(results, "labelled blocks", len(chosen))
