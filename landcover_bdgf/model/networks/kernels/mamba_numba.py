"""The Mamba block over the spectra of many pixels, compiled for the CPU, for maps only (no gradients).

:class:`~landcover_bdgf.model.networks.mamba.MambaBlock` is the definition. Pixels are contiguous in memory, and 64 at a
time go through all bands and layers, so that all values stay in the first-level caches.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import gcd
from typing import Any

import numpy as np
from numba import njit

from landcover_bdgf.model.networks.kernels.compiled import KEEP, TERMS, exp, logistic, softplus

LANES = 64  # pixels at once


@njit(inline="always", fastmath=True, error_model="numpy")
def _add_product(matrix, x, terms, out):
    """Add the product of a matrix and x (n, LANES) to ``out``; ``terms`` divides n."""
    for row in range(len(out)):
        for first in range(0, len(x), terms):
            for w in range(LANES):
                total = out[row, w]
                for i in range(terms):
                    total += matrix[row, first + i] * x[first + i, w]
                out[row, w] = total


@cache
def tokens_kernel(e: int, states: int, rank: int, taps: int) -> Callable[..., Any]:
    """Kernel for a block of these sizes: ``(x (L, P), weights …, out (e, L, P))``; P at least :data:`LANES`."""
    inner, outputs = 2 * e, rank + 2 * states
    terms, inner_terms = gcd(e, TERMS), gcd(inner, TERMS)

    @njit(nogil=True, fastmath=True, error_model="numpy", cache=KEEP)
    def tokens(x, weight, position, enter, bias, conv, conv_bias, select, delta, delta_bias, A, D, leave, out):
        length, pixels = x.shape
        token, normed = np.empty((e, LANES), np.float32), np.empty((e, LANES), np.float32)
        entered = np.empty((taps, inner, LANES), np.float32)  # the last bands, before the convolution
        gate, u = np.empty((inner, LANES), np.float32), np.empty((inner, LANES), np.float32)
        selected = np.empty((outputs, LANES), np.float32)
        h = np.empty((inner, states, LANES), np.float32)
        step, y = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        mean, spread = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        for chunk in range((pixels + LANES - 1) // LANES):
            start = min(chunk * LANES, pixels - LANES)  # the last chunk may overlap the one before
            h[:] = 0
            entered[:] = 0
            for band in range(length):
                now = band % taps
                # token and layer norm
                mean[:] = 0
                spread[:] = 0
                for i in range(e):
                    for w in range(LANES):
                        token[i, w] = x[band, start + w] * weight[i, band] + position[i, band]
                        mean[w] += token[i, w]
                for i in range(e):
                    for w in range(LANES):
                        normed[i, w] = token[i, w] - mean[w] / np.float32(e)
                        spread[w] += normed[i, w] * normed[i, w]
                for w in range(LANES):
                    spread[w] = np.float32(1.0) / np.sqrt(spread[w] / np.float32(e) + np.float32(1e-5))
                for i in range(e):
                    for w in range(LANES):
                        normed[i, w] *= spread[w]
                # two projections: input of the causal convolution, and gate
                for d in range(inner):
                    for w in range(LANES):
                        entered[now, d, w], gate[d, w] = bias[d], bias[inner + d]
                    for first in range(0, e, terms):
                        for w in range(LANES):
                            total, other = entered[now, d, w], gate[d, w]
                            for i in range(terms):
                                total += enter[d, first + i] * normed[first + i, w]
                                other += enter[inner + d, first + i] * normed[first + i, w]
                            entered[now, d, w], gate[d, w] = total, other
                    for w in range(LANES):
                        gate[d, w] *= logistic(gate[d, w])
                        u[d, w] = conv_bias[d]
                    for k in range(taps):
                        past = (now + 1 + k) % taps  # the oldest first
                        for w in range(LANES):
                            u[d, w] += conv[d, k] * entered[past, d, w]
                    for w in range(LANES):
                        u[d, w] *= logistic(u[d, w])
                # step size, B and C from u
                selected[:] = 0
                _add_product(select, u, inner_terms, selected)
                # the state space model
                for d in range(inner):
                    for w in range(LANES):
                        total = delta_bias[d]
                        for r in range(rank):
                            total += delta[d, r] * selected[r, w]
                        step[w] = softplus(total)
                        y[w] = D[d] * u[d, w]
                    for n in range(states):
                        for w in range(LANES):
                            state = exp(step[w] * A[d, n]) * h[d, n, w] + step[w] * u[d, w] * selected[rank + n, w]
                            h[d, n, w] = state
                            y[w] += state * selected[rank + states + n, w]
                    for w in range(LANES):
                        gate[d, w] *= y[w]
                _add_product(leave, gate, inner_terms, token)
                out[:, band, start : start + LANES] = token

    return tokens
