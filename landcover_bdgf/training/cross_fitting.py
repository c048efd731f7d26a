"""Cross-fitting: temporary models, each trained without some polygons, judge these.

Their opinions fit the shares of the experts and calibrate the confidence of the final model, which learns from all
labels, and give an accuracy of every label (:class:`~landcover_bdgf.labels.LeftOut`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from landcover_bdgf.labels import JoinedSamples, LeftOut, distances_px
from landcover_bdgf.model import Checkpoint, pooled, tempered
from landcover_bdgf.training.calibration import Judged, fitted_temperature
from landcover_bdgf.training.folds import fold_count, folds, scene_folds
from landcover_bdgf.training.stacking import pool_of

LEAST_SHARE = 1e-3  # of a class, for its labels to count
Fitted = Callable[[int, NDArray[np.intp]], Checkpoint]
Judge = Callable[[Checkpoint, JoinedSamples], Judged]


@dataclass(frozen=True)
class CrossFitted:
    """What the folds tell: the judged pixels, and shares, averages and temperature for the model of all labels.

    ``similar`` is the index of the choice among those of the recipe.
    """

    left_out: LeftOut
    shares: dict[str, float]
    similar: int
    temperature: float


def cross_fit(
    samples: JoinedSamples, count: int, seed: int, names: Sequence[str], *,
    fit: Fitted, judge: Judge, elsewhere: bool = True,
) -> CrossFitted | None:  # fmt: skip
    """Judge the pixels of ``count`` folds, or polygon by polygon if they are few; None if none can be left out.

    With ``elsewhere``, labels of three scenes or more are judged once more, by models of other scenes only. These have
    no say in shares and temperature, which are for maps of scenes with labels (decision 28).

    ``fit(number, kept)`` trains a temporary model on some pixels; ``judge(model, left_out)`` lets it judge others, by
    its experts ``names``.
    """
    found, mapped_px, count = [], np.zeros(len(samples.legend.entries)), fold_count(samples, count)
    for fold in folds(samples, count, seed):
        own = judge(fit(fold.number, fold.kept), samples.where(fold.left_out))
        away = distances_px(samples.positions[fold.left_out[own.index]], samples.positions[fold.kept])
        found.append((fold.left_out[own.index], own.opinions, away, np.full(len(own.index), fold.number)))
        mapped_px += own.mapped_px
    if not found:
        return None
    index, opinions, away, number = (np.concatenate(parts) for parts in zip(*found, strict=True))
    codes, truth = samples.codes[index], samples.codes[index].astype(np.int64) - 1
    similar, shares = pool_of(opinions[:, 0], truth, names, samples.groups[index])
    p, unguided = (pooled(torch.from_numpy(opinions[:, way, similar]), tuple(shares.values())) for way in (0, -1))
    temperature = fitted_temperature(p.numpy(), truth, as_mapped(truth, mapped_px), 1 - 1 / count)
    calibrated = tempered(p, temperature)
    confidence, best = calibrated.max(dim=1)
    order = np.lexsort((samples.cols[index], samples.rows[index], samples.scene[index]))
    columns: tuple[NDArray[Any], ...] = (
        samples.rows[index], samples.cols[index], codes, (best.numpy() + 1).astype(np.uint16),
        confidence.numpy().astype(np.float32), away.astype(np.float32), number.astype(np.uint8),
        samples.groups[index], (unguided.argmax(dim=1).numpy() + 1).astype(np.uint16),
        calibrated.numpy()[np.arange(len(truth)), truth].astype(np.float32),
    )  # fmt: skip
    left_out = LeftOut(*(np.ascontiguousarray(values[order]) for values in columns))
    if len(samples.scenes) > 1:
        found_elsewhere = None
        if elsewhere:
            found_elsewhere = _judged_elsewhere(
                samples, seed, tuple(shares.values()), similar, first=count, fit=fit, judge=judge
            )
        by_others = None if found_elsewhere is None else found_elsewhere[index][order]
        left_out = replace(left_out, scene=samples.scene[index][order], elsewhere=by_others)
    return CrossFitted(left_out, shares, similar, temperature)


def _judged_elsewhere(
    samples: JoinedSamples, seed: int, shares: tuple[float, ...], similar: int, *,
    first: int, fit: Fitted, judge: Judge,
) -> NDArray[np.uint16] | None:  # fmt: skip
    """Codes (n,) by models that were trained on other scenes, 0 where none judged; None of fewer than three scenes.

    ``first`` is the number of the first of these models, after those of the folds.
    """
    codes, judged = np.zeros(len(samples), np.uint16), False
    for fold in scene_folds(samples, seed):
        own = judge(fit(first + fold.number, fold.kept), samples.where(fold.left_out))
        p = pooled(torch.from_numpy(own.opinions[:, 0, similar]), shares)
        codes[fold.left_out[own.index]] = p.argmax(dim=1).numpy() + 1
        judged = True
    return codes if judged else None


def as_mapped(truth: NDArray[np.int64], mapped_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (n,) of labels whose classes then have the shares of the map, at least a thousandth.

    Labels often have as many pixels of a rare class as of a common one, but the confidence must hold for the pixels of
    the map.
    """
    shares = np.maximum(mapped_px / max(1.0, mapped_px.sum()), LEAST_SHARE)
    weights: NDArray[np.float64] = (shares / np.maximum(np.bincount(truth, minlength=len(shares)), 1))[truth]
    return weights
