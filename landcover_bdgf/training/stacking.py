"""Shares of the experts, fitted to labels that they were not trained on.

Stacking (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1) with a logarithmic pool: the powers of the experts'
probabilities are those with the least cross-entropy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from landcover_bdgf.model import usual_shares

PULL = 3.0  # towards the usual shares, in cross-entropy per squared difference, over the polygons: decision 10
LEAST_POWER = 1e-3


def fitted_powers(
    opinions: NDArray[np.float64], truth: NDArray[np.int64], names: Sequence[str], polygons: int
) -> tuple[NDArray[np.float64], float]:
    """Powers (E,), none negative, of the least cross-entropy, and this cross-entropy.

    Every class counts the same, as in training. The fewer ``polygons`` the pixels are from, the more the shares are
    pulled to the usual ones.

    Parameters
    ----------
    opinions : (n, E, C)
        Log probabilities by each expert, for pixels that it was not trained on.
    truth : (n,)
        Classes from 0.
    names : sequence of str
        The experts.
    """
    x, codes = torch.from_numpy(opinions), torch.from_numpy(truth)
    weights = (1 / torch.bincount(codes).clamp(min=1).double())[codes]
    usual = torch.tensor(usual_shares(names), dtype=torch.float64)
    pull = PULL / polygons

    def loss(powers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = torch.tensor(powers, requires_grad=True)
        log_p = torch.log_softmax(torch.einsum("e,nec->nc", w, x), dim=1)
        own = -(weights * log_p[torch.arange(len(codes)), codes]).sum() / weights.sum()
        total = own + pull * ((w / w.sum() - usual) ** 2).sum()
        total.backward()
        assert w.grad is not None
        return total.item(), w.grad.numpy()

    found = minimize(loss, usual.numpy(), jac=True, bounds=[(LEAST_POWER, None)] * len(names), method="L-BFGS-B")
    return found.x, float(found.fun)


def as_shares(powers: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    """Powers that add up to 1, by name: their sum only scales the confidence, which is the temperature's task."""
    return {name: round(float(power) / sum(powers), 4) for name, power in zip(names, powers, strict=True)}
