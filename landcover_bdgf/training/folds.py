"""Folds of labelled polygons, as far from one another as the pixels of the map from the labels.

A model that judges labels next to its own training polygons is judged too kindly, one that judges labels far from them
too harshly. What counts is how far the map's pixels are from the labels, so the folds are made of clusters of polygons
that are large enough for the judged labels to be as far from those that are kept: nearest-neighbour distance matching
(Milà et al. 2022, doi:10.1111/2041-210X.13851; with folds, Linnenbrink et al. 2024, doi:10.5194/gmd-17-5897-2024).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from landcover_bdgf.geo import overlapping
from landcover_bdgf.labels import JoinedSamples, distances_px, same_places

JOINED_PX = 2, 4, 8, 16, 32, 64, 128  # polygons nearer than this are one cluster; tried beside single polygons
PAIRED_PX = 20_000  # labelled pixels among which near ones are searched; more are thinned
NEAR_ENOUGH = 0.9  # of the median distance of the map's pixels
FEW_POLYGONS = 6  # up to so many, each is a fold of its own: a third of them would leave too little to learn from
FEWEST_SCENES, MOST_SCENE_FOLDS = 3, 10  # that do not overlap; more scenes are left out several at once
UNEVEN = 1.5  # largest fold of a class, in parts of an even one; more would leave too little to learn from

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Indices of the pixels that a model is trained on, and of those that it judges."""

    number: int
    kept: NDArray[np.intp]
    left_out: NDArray[np.intp]


def fold_count(samples: JoinedSamples, count: int) -> int:
    """The number of folds: ``count``, or with few polygons theirs (leave-one-polygon-out)."""
    polygons = len(np.unique(_polygons(samples)))
    return polygons if count < polygons <= FEW_POLYGONS else count


def folds(samples: JoinedSamples, count: int, seed: int) -> Iterator[Fold]:
    """Training and judged pixels of each fold; empty folds are skipped."""
    number = folds_of(samples, count, seed)
    for fold in range(count):
        if (number == fold).any():
            yield Fold(fold, np.flatnonzero(number != fold), np.flatnonzero(number == fold))


def scene_folds(samples: JoinedSamples, seed: int) -> Iterator[Fold]:
    """Folds of whole scenes, each its own up to ten; overlapping scenes are in one. None of fewer than three.

    Labels of a neighbouring scene whose windows reach those that are judged are not kept: a polygon may cross the
    border. A fold whose other scenes have fewer than two classes is skipped, as nothing can be learned from them.
    """
    unit = overlapping([each.grid for each in samples.scenes])
    units = unit.max() + 1
    if units < FEWEST_SCENES:
        return
    dealt = np.arange(units)
    if units > MOST_SCENE_FOLDS:
        dealt = np.random.default_rng(seed).permutation(units) % MOST_SCENE_FOLDS
    number, clear_px = dealt[unit][samples.scene], max(each.split.clear_px for each in samples.scenes)
    for fold in np.unique(number).tolist():
        left_out, others = np.flatnonzero(number == fold), np.flatnonzero(number != fold)
        away_px = distances_px(samples.positions[others], samples.positions[left_out])
        kept = others[away_px >= clear_px]
        if len(np.unique(samples.codes[kept])) > 1:
            yield Fold(fold, kept, left_out)


def folds_of(samples: JoinedSamples, count: int, seed: int) -> Ints:
    """Fold of each pixel, by whole polygons of each class; −1 for the only polygon of a class, never left out.

    The smallest clusters are taken whose labels are judged from as far as the map's pixels are from the labels.
    """
    polygons = _polygons(samples)
    number = _dealt(samples.codes, polygons, count, np.random.default_rng(seed))
    number[np.isin(polygons, polygons[_is_only(samples.codes, polygons)])] = -1
    best, tried = number, polygons
    if not (best >= 0).any():
        return best
    enough_px = NEAR_ENOUGH * float(np.median(samples.map_distances_px()))
    usual = np.maximum(_largest_shares(samples.codes, best), UNEVEN / count)
    farthest_px = _judged_at_px(samples, best)
    for joined_px in JOINED_PX:
        if farthest_px >= enough_px:
            break
        clusters = _joined(samples, polygons, joined_px)
        if np.array_equal(clusters, tried):
            continue
        tried, number = clusters, _dealt(samples.codes, clusters, count, np.random.default_rng(seed))
        number[best < 0] = -1
        if (_largest_shares(samples.codes, number) > usual).any():
            break  # larger clusters are no better
        if (away_px := _judged_at_px(samples, number)) > farthest_px:
            farthest_px, best = away_px, number
    return best


def _polygons(samples: JoinedSamples) -> Ints:
    """Number of the polygon of each pixel; a block with several classes is a polygon of each.

    Polygons of different scenes that show the same ground are one: no model judges a place that it has seen.
    """
    pairs = np.stack([samples.codes.astype(np.int64), samples.groups.astype(np.int64)], axis=1)
    numbers = np.unique(pairs, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    return same_places(samples.positions, samples.scene, numbers)


def _is_only(codes: NDArray[np.integer], polygons: Ints) -> NDArray[np.bool_]:
    """Pixels of classes with a single polygon."""
    single = [code for code in np.unique(codes) if len(np.unique(polygons[codes == code])) == 1]
    return np.isin(codes, single)


def _largest_shares(codes: NDArray[np.integer], number: Ints) -> NDArray[np.float64]:
    """Share of the pixels of each class in its largest fold; 0 for classes that are never left out."""
    shares = []
    for code in np.unique(codes):
        own = number[codes == code]
        shares.append(np.bincount(own[own >= 0], minlength=1).max() / len(own))
    return np.array(shares)


def _judged_at_px(samples: JoinedSamples, number: Ints) -> float:
    """Median distance of the judged labels to those that are kept."""
    positions, judged = samples.positions, np.unique(number[number >= 0])
    found = [distances_px(positions[number == fold], positions[number != fold]) for fold in judged]
    return float(np.median(np.concatenate(found)))


def _joined(samples: JoinedSamples, polygons: Ints, joined_px: int) -> Ints:
    """Cluster of each pixel: polygons chained by gaps below ``joined_px``."""
    thin = np.arange(0, len(samples), -(-len(samples) // PAIRED_PX))
    pairs = cKDTree(samples.positions[thin]).query_pairs(joined_px - 0.5, p=np.inf, output_type="ndarray")
    first, second = polygons[thin][pairs].T
    links = coo_array((np.ones(len(first), bool), (first, second)), shape=(polygons.max() + 1,) * 2)
    found: Ints = connected_components(links, directed=False)[1][polygons].astype(np.int64)
    return found


def _dealt(codes: NDArray[np.integer], clusters: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Deal clusters to folds, the largest first, each to the fold with the smallest shares of its classes so far."""
    classes, of_class = np.unique(codes, return_inverse=True)
    shares = np.zeros((clusters.max() + 1, len(classes)))
    np.add.at(shares, (clusters, of_class), 1)
    shares /= shares.sum(0)
    filled, fold_of = np.zeros((count, len(classes))), np.empty(len(shares), np.int64)
    order = rng.permutation(len(shares))
    for cluster in order[np.argsort(-shares[order].max(1), kind="stable")]:
        fold = int(np.lexsort((filled.sum(1), filled @ shares[cluster]))[0])
        fold_of[cluster] = fold
        filled[fold] += shares[cluster]
    return fold_of[clusters]
