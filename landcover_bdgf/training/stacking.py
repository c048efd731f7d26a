"""Shares of the experts, fitted to labels that they were not trained on.

Stacking (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1) with a logarithmic pool: the powers of the experts'
probabilities are those with the least cross-entropy, every class counting the same, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from landcover_bdgf.model import usual_shares

PULL = 3.0  # towards the usual shares, in cross-entropy per squared difference, over the polygons: decision 10
PARTS = 10  # of the polygons; each judges shares that were fitted to the others
LEAST_POWER = 1e-3


@dataclass(frozen=True)
class Pool:
    """One of the F choices of averages, powers (E,) of the experts, and the cross-entropy of their pool."""

    similar: int
    powers: NDArray[np.float64]
    cross_entropy: float


def pool_of(
    opinions: NDArray[np.float64], truth: NDArray[np.int64], names: Sequence[str], groups: NDArray[np.integer]
) -> tuple[int, dict[str, float]]:
    """The choice of averages that suits the scene, and the shares of the experts, which add up to 1.

    The shares are the usual ones unless fitted shares are better on polygons that they were not fitted to, by more than
    a standard error: what a few polygons say by chance does not hold elsewhere (decision 10).

    Parameters
    ----------
    opinions : (n, F, E, C)
        Log probabilities by each expert, for F choices of averages and pixels that they were not trained on.
    truth : (n,)
        Classes from 0.
    names : sequence of str
        The experts.
    groups : (n,)
        Polygons of the pixels.
    """
    polygons, polygon = np.unique(groups, return_inverse=True)
    usual = np.array(usual_shares(names))
    as_usual = np.einsum("e,nfec->nfc", usual, opinions)[:, :, None]  # one expert with the usual shares of all
    part = np.random.default_rng(0).permutation(len(polygons))[polygon] % PARTS
    gain = np.zeros(len(truth))
    for out in (part == number for number in np.unique(part)):
        if not out.all():
            fitted = fitted_pool(opinions[~out], truth[~out], usual, len(polygons))
            bound = fitted_pool(as_usual[~out], truth[~out], np.ones(1), len(polygons))
            gain[out] = _losses(as_usual[out], truth[out], bound) - _losses(opinions[out], truth[out], fitted)
    of_polygons = np.bincount(polygon, gain / np.bincount(truth)[truth])
    if of_polygons.sum() > np.sqrt(len(polygons) * of_polygons.var(ddof=min(1, len(polygons) - 1))):
        pool = fitted_pool(opinions, truth, usual, len(polygons))
        powers = pool.powers
    else:
        pool, powers = fitted_pool(as_usual, truth, np.ones(1), len(polygons)), usual
    # their sum only scales the confidence, which is the temperature's task
    return pool.similar, dict(zip(names, (powers / powers.sum()).round(4).tolist(), strict=True))


def fitted_pool(
    opinions: NDArray[np.float64], truth: NDArray[np.int64], usual: NDArray[np.float64], polygons: int
) -> Pool:
    """Choice and powers of the least cross-entropy.

    The fewer ``polygons`` the pixels are from, the more the shares are pulled to the ``usual`` ones (E,).
    """
    pools = (_fitted(opinions, similar, truth, usual, polygons) for similar in range(opinions.shape[1]))
    return min(pools, key=lambda pool: pool.cross_entropy)


def _fitted(
    opinions: NDArray[np.float64], similar: int, truth: NDArray[np.int64], usual: NDArray[np.float64], polygons: int
) -> Pool:
    x, codes, shares = (torch.from_numpy(np.ascontiguousarray(a)) for a in (opinions[:, similar], truth, usual))
    weights = (1 / torch.bincount(codes).clamp(min=1).double())[codes]

    def loss(powers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = torch.tensor(powers, requires_grad=True)
        own = (weights * _losses_of(x, codes, w)).sum() / weights.sum()
        total = own + PULL / polygons * ((w / w.sum() - shares) ** 2).sum()
        total.backward()
        assert w.grad is not None
        return total.item(), w.grad.numpy()

    found = minimize(loss, usual, jac=True, bounds=[(LEAST_POWER, None)] * len(usual), method="L-BFGS-B")
    return Pool(similar, found.x, float(found.fun))


def _losses(opinions: NDArray[np.float64], truth: NDArray[np.int64], pool: Pool) -> NDArray[np.float64]:
    x = torch.from_numpy(np.ascontiguousarray(opinions[:, pool.similar]))
    return _losses_of(x, torch.from_numpy(truth), torch.from_numpy(pool.powers)).numpy()


def _losses_of(x: Tensor, codes: Tensor, powers: Tensor) -> Tensor:
    """Cross-entropies (n,) of the pool, from log probabilities (n, E, C)."""
    return torch.nn.functional.cross_entropy(torch.einsum("e,nec->nc", powers, x), codes, reduction="none")
