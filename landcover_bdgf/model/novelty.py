"""Novelty of a pixel: its distance from the training data of a model, as a p-value.

The branch features of a pixel, averaged over windows as its probabilities are, are compared with the class means of the
training pixels. The distance is the Mahalanobis distance to the nearest class mean, with one covariance for all classes
(Lee et al. 2018, arXiv 1807.03888). The p-value is the share of left-out training pixels at this distance or farther:
pixels of polygons that were left out of the means and the covariance. The network itself was trained on these pixels,
so p-values of unseen pixels are somewhat too low.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from landcover_bdgf.errors import CheckpointError

Floats = NDArray[np.float64]

NOVELTY_PREFIX = "domain."  # of its tensors in a checkpoint file
FOLDS = 5
STEPS = 100  # resolution of the p-value: one percent


@dataclass(frozen=True)
class Novelty:
    """Distribution of the training pixels in feature space.

    Attributes
    ----------
    whiten : (D, D)
        Matrix that whitens features: unit covariance.
    means : (C, D)
        Whitened class means.
    distances : (101,)
        Quantiles, 0 to 100 %, of the squared distances of left-out training pixels.
    """

    whiten: Tensor
    means: Tensor
    distances: Tensor

    @classmethod
    def of(cls, arrays: dict[str, NDArray[Any]], device: torch.device, features: int | None = None) -> Novelty:
        """Build it from the arrays of :func:`fit_novelty`; ``features`` is the expected number of features D.

        Raises
        ------
        CheckpointError
            The arrays are missing or do not belong together.
        """
        try:
            parts = [torch.from_numpy(np.array(arrays[name])).to(device) for name in ("whiten", "means", "distances")]
        except KeyError:
            raise CheckpointError(
                "`novelty`",
                "the model has no novelty statistics: too few training polygons, or the recipe paper",
                "Train a model with more polygons or another recipe, or map without `novelty`.",
            ) from None
        size = features or len(arrays["whiten"])
        shapes = (size, size), (len(arrays["means"]), size), (STEPS + 1,)
        if any((tuple(p.shape), p.dtype) != (shape, torch.float32) for p, shape in zip(parts, shapes, strict=True)):
            problem = "the novelty statistics of the model are damaged"
            raise CheckpointError("`novelty`", problem, "Train the model again.")
        return cls(*parts)

    def p_values(self, features: Tensor) -> Tensor:
        """Share of left-out training pixels at this distance or farther, in percent: ``(B, D, h, w) -> (B, h, w)``."""
        white = torch.einsum("ed,bdhw->behw", self.whiten, features)
        squares = (white**2).sum(1, keepdim=True) + (self.means**2).sum(1)[:, None, None]
        squared = (squares - 2 * torch.einsum("cd,bdhw->bchw", self.means, white)).amin(1)
        nearer = torch.searchsorted(self.distances, squared.contiguous())  # quantiles below this distance
        return (STEPS - nearer).clamp(0, STEPS).to(torch.uint8)


def fit_novelty(
    features: Floats, codes: NDArray[Any], groups: NDArray[Any], rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Fit the arrays for :meth:`Novelty.of`; empty if there are too few polygons to leave some out.

    Parameters
    ----------
    features : (n, D)
    codes, groups : integer (n,)
        Class and polygon of each pixel.
    """
    folds = novelty_folds(codes, groups, rng)
    if not folds:
        return {}
    with threadpool_limits(1):  # products split over threads round differently
        distances = np.concatenate([_distances(features[f], *_fitted(features[~f], codes[~f])) for f in folds])
        whiten, means = _fitted(features, codes)
    quantiles = np.quantile(distances, np.linspace(0, 1, STEPS + 1))
    arrays = {"whiten": whiten, "means": means, "distances": quantiles}
    return {name: np.asarray(values, np.float32) for name, values in arrays.items()}


def novelty_folds(codes: NDArray[Any], groups: NDArray[Any], rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Masks of the pixels to leave out, by polygons; empty if there are too few polygons."""
    names = rng.permutation(np.unique(groups))
    folds = [np.isin(groups, names[i::FOLDS]) for i in range(FOLDS)]
    too_few = len(names) < FOLDS or any(len(np.unique(codes[~left_out])) < 2 for left_out in folds)
    return [] if too_few else folds


def _fitted(features: Floats, codes: NDArray[Any]) -> tuple[Floats, Floats]:
    """Whitening matrix (D, D), and whitened means of the classes present (C, D)."""
    means = {code: features[codes == code].mean(0) for code in np.unique(codes)}
    from sklearn.covariance import ledoit_wolf  # takes a second to import, which only training needs

    covariance, _ = ledoit_wolf(features - np.stack([means[code] for code in codes]), assume_centered=True)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    return whiten, np.stack(list(means.values())) @ whiten.T


def _distances(features: Floats, whiten: Floats, means: Floats) -> Floats:
    """Squared distances to the nearest mean, (n,)."""
    white = features @ whiten.T
    return np.asarray(((white[:, None] - means) ** 2).sum(2).min(1))
