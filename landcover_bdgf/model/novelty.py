"""How far a pixel lies from all that a model was trained on.

Features of the branches, averaged over the windows round a pixel as its probabilities are, have a mean for each class
and a covariance that all classes share; a pixel's distance is that of Mahalanobis to the nearest mean (Lee et al. 2018,
arXiv 1807.03888). It becomes a p-value by the distances of training pixels whose polygons were left out of means and
covariance: the share of them that lies as far or farther. The network itself was trained on them, so p-values of pixels
that it never saw come out somewhat lower than they should.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from threadpoolctl import threadpool_limits
from torch import Tensor

from landcover_bdgf.errors import CheckpointError

Floats = NDArray[np.float64]

DOMAIN_PREFIX = "domain."  # in a checkpoint
FOLDS = 5
STEPS = 100  # of the p-value


@dataclass(frozen=True)
class Domain:
    """What training pixels look like to a model.

    Attributes
    ----------
    whiten : (D, D)
        Turns features into some of unit covariance.
    means : (C, D)
        Of the classes, whitened.
    distances : (101,)
        Squared distances of left-out training pixels, from the least to the greatest, at each percent.
    """

    whiten: Tensor
    means: Tensor
    distances: Tensor

    @classmethod
    def of(cls, arrays: dict[str, NDArray[Any]], device: torch.device, features: int | None = None) -> Domain:
        """From the arrays of a checkpoint, of so many ``features``; CheckpointError where they are not there."""
        try:
            parts = [torch.from_numpy(np.array(arrays[name])).to(device) for name in ("whiten", "means", "distances")]
        except KeyError:
            raise CheckpointError(
                "`novelty`", "the model knows too few training polygons, or is of the recipe paper", "Train another."
            ) from None
        size = features or len(arrays["whiten"])
        shapes = (size, size), (len(arrays["means"]), size), (STEPS + 1,)
        if any((tuple(p.shape), p.dtype) != (shape, torch.float32) for p, shape in zip(parts, shapes, strict=True)):
            raise CheckpointError("`novelty`", "what the model knows of its training pixels is damaged", "Train again.")
        return cls(*parts)

    def p_values(self, features: Tensor) -> Tensor:
        """Share of left-out training pixels that lie as far or farther, in percent: ``(B, D, h, w) -> (B, h, w)``."""
        white = torch.einsum("ed,bdhw->behw", self.whiten, features)
        squares = (white**2).sum(1, keepdim=True) + (self.means**2).sum(1)[:, None, None]
        squared = (squares - 2 * torch.einsum("cd,bdhw->bchw", self.means, white)).amin(1)
        nearer = torch.searchsorted(self.distances, squared.contiguous())  # quantiles below this distance
        return (STEPS - nearer).clamp(0, STEPS).to(torch.uint8)


def fit_domain(
    features: Floats, codes: NDArray[Any], groups: NDArray[Any], rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Arrays for :meth:`Domain.of`; none where polygons are too few to leave some out.

    Parameters
    ----------
    features : (n, D)
    codes, groups : integer (n,)
        Class and polygon of each pixel.
    """
    names = rng.permutation(np.unique(groups))
    folds = [np.isin(groups, names[i::FOLDS]) for i in range(FOLDS)]
    if len(names) < FOLDS or any(len(np.unique(codes[~left_out])) < 2 for left_out in folds):
        return {}
    with threadpool_limits(1):  # products split over threads round differently
        distances = np.concatenate([_distances(features[f], *_fitted(features[~f], codes[~f])) for f in folds])
        whiten, means = _fitted(features, codes)
    quantiles = np.quantile(distances, np.linspace(0, 1, STEPS + 1))
    return {
        name: np.asarray(values, np.float32)
        for name, values in (("whiten", whiten), ("means", means), ("distances", quantiles))
    }


def _fitted(features: Floats, codes: NDArray[Any]) -> tuple[Floats, Floats]:
    """Whitening matrix (D, D), and whitened means of the classes that there are (C, D)."""
    means = {code: features[codes == code].mean(0) for code in np.unique(codes)}
    covariance, _ = ledoit_wolf(features - np.stack([means[code] for code in codes]), assume_centered=True)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    return whiten, np.stack(list(means.values())) @ whiten.T


def _distances(features: Floats, whiten: Floats, means: Floats) -> Floats:
    """Squared, to the nearest mean, (n,)."""
    white = features @ whiten.T
    return np.asarray(((white[:, None] - means) ** 2).sum(2).min(1))
