"""Cross-fitting: temporary models, each trained without some polygons, judge these.

Their opinions fit the shares of the experts and calibrate the confidence of the final model, which learns from all
labels, and give an accuracy of every label (:class:`~landcover_bdgf.labels.LeftOut`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from landcover_bdgf.labels import FOLDS, LeftOut, Samples, apart, distances_px
from landcover_bdgf.model import Checkpoint, pooled, tempered
from landcover_bdgf.training.calibration import fitted_shares, fitted_temperature

Fitted = Callable[[int, NDArray[np.intp]], Checkpoint]
Judge = Callable[[Checkpoint, Samples], tuple[NDArray[np.intp], NDArray[np.float64]]]


@dataclass(frozen=True)
class Fold:
    """Indices of the pixels that a model is trained on, and of those that it judges."""

    number: int
    kept: NDArray[np.intp]
    left_out: NDArray[np.intp]


@dataclass(frozen=True)
class CrossFitted:
    """What the folds tell: the judged pixels, shares (E,) of the experts, and the temperature of a model of all."""

    left_out: LeftOut
    shares: NDArray[np.float64]
    temperature: float


def cross_fit(samples: Samples, count: int, seed: int, *, fit: Fitted, judge: Judge) -> CrossFitted | None:
    """Judge the pixels of ``count`` folds; None if none can be left out.

    ``fit(number, kept)`` trains a temporary model on some pixels; ``judge(model, left_out)`` returns the indices of the
    pixels that it judges and the log probabilities (n, E, C) by its experts.
    """
    found: list[tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], int]] = []
    for fold in folds(samples, count, seed):
        index, opinions = judge(fit(fold.number, fold.kept), samples.where(fold.left_out))
        away = distances_px(samples.positions[fold.left_out[index]], samples.positions[fold.kept])
        found.append((fold.left_out[index], opinions, away, fold.number))
    if not found:
        return None
    index, opinions, away = (np.concatenate(parts) for parts in list(zip(*found, strict=True))[:3])
    number = np.repeat([each[3] for each in found], [len(each[0]) for each in found])
    codes, truth = samples.codes[index], samples.codes[index].astype(np.int64) - 1
    shares = fitted_shares(opinions, truth)
    p = pooled(torch.from_numpy(opinions), shares.tolist())
    temperature = fitted_temperature(p.numpy(), truth, 1 - 1 / count)
    confidence, best = tempered(p, temperature).max(dim=1)
    order = np.lexsort((samples.cols[index], samples.rows[index]))
    columns: tuple[NDArray[Any], ...] = (
        samples.rows[index], samples.cols[index], codes, (best.numpy() + 1).astype(np.uint16),
        confidence.numpy().astype(np.float32), away.astype(np.float32), number.astype(np.uint8),
    )  # fmt: skip
    left_out = LeftOut(*(np.ascontiguousarray(values[order]) for values in columns))
    return CrossFitted(left_out, shares, temperature)


def folds(samples: Samples, count: int, seed: int) -> Iterator[Fold]:
    """Training and judged pixels of each fold; empty folds are skipped.

    They are as far apart as the buffer of the samples where they judge a map; the temperature needs no distance, and
    would be fitted to models of far fewer labels.
    """
    number = folds_of(samples, count, seed)
    buffer_px = samples.split.buffer_px if samples.split.method == FOLDS else 0
    for fold in range(count):
        held = number == fold
        if held.any():
            far = apart(samples.positions, samples.codes, held, buffer_px)
            yield Fold(fold, np.flatnonzero(far & ~held), np.flatnonzero(far & held))


def folds_of(samples: Samples, count: int, seed: int) -> NDArray[np.int64]:
    """Fold of each pixel, by whole polygons of each class; −1 for the only polygon of a class, never left out."""
    numbers, rng = np.full(len(samples.rows), -1), np.random.default_rng(seed)
    for code in np.unique(samples.codes):
        groups = rng.permutation(np.unique(samples.groups[samples.codes == code]))
        for i, group in enumerate(groups if len(groups) > 1 else ()):
            numbers[(samples.groups == group) & (samples.codes == code)] = i % count
    return numbers
