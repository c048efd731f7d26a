"""Cross-fitting: temporary models, each trained without some polygons, judge these.

Their probabilities calibrate the confidence of the final model, which learns from all labels, and give an accuracy of
every label (:class:`~landcover_bdgf.model.LeftOut`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from landcover_bdgf.labels import FOLDS, LeftOut, Samples, apart, distances_px
from landcover_bdgf.model import Checkpoint, tempered
from landcover_bdgf.training.calibration import fitted_temperature

Fitted = Callable[[int, NDArray[np.intp]], Checkpoint]
Judge = Callable[[Checkpoint, Samples], tuple[NDArray[np.intp], NDArray[np.float64]]]


@dataclass(frozen=True)
class Fold:
    """Indices of the pixels that a model is trained on, and of those that it judges."""

    number: int
    kept: NDArray[np.intp]
    left_out: NDArray[np.intp]


def cross_fit(samples: Samples, count: int, seed: int, *, fit: Fitted, judge: Judge) -> tuple[LeftOut, float] | None:
    """The judged pixels of ``count`` folds, and the temperature that calibrates a model of all; None if none is judged.

    ``fit(number, kept)`` trains a temporary model on some pixels; ``judge(model, left_out)`` returns the indices of the
    pixels that it judges and its probabilities (n, C) for them.
    """
    found: list[tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], int]] = []
    for fold in folds(samples, count, seed):
        index, p = judge(fit(fold.number, fold.kept), samples.where(fold.left_out))
        away = distances_px(samples.positions[fold.left_out[index]], samples.positions[fold.kept])
        found.append((fold.left_out[index], p, away, fold.number))
    if not found:
        return None
    index, p, away = (np.concatenate(parts) for parts in list(zip(*found, strict=True))[:3])
    number = np.repeat([each[3] for each in found], [len(each[0]) for each in found])
    codes = samples.codes[index]
    temperature = fitted_temperature(p, codes.astype(np.int64) - 1, 1 - 1 / count)
    confidence, best = tempered(torch.from_numpy(p), temperature).max(dim=1)
    order = np.lexsort((samples.cols[index], samples.rows[index]))
    columns: tuple[NDArray[Any], ...] = (
        samples.rows[index], samples.cols[index], codes, (best.numpy() + 1).astype(np.uint16),
        confidence.numpy().astype(np.float32), away.astype(np.float32), number.astype(np.uint8),
    )  # fmt: skip
    return LeftOut(*(np.ascontiguousarray(values[order]) for values in columns)), temperature


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
