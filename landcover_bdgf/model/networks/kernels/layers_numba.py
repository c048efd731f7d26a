"""Norms compiled for the CPU, for maps only (no gradients). Definitions are in :mod:`layers`."""

from __future__ import annotations

import numpy as np
from numba import njit

from landcover_bdgf.model.networks.kernels.compiled import KEEP


@njit(nogil=True, fastmath=True, error_model="numpy", cache=KEEP)
def normalise(x, out):
    """Mean 0 and variance 1 along the first axis: ``(d, n), (d, n)``."""
    d, windows = x.shape
    mean, scale = np.zeros(windows, np.float32), np.zeros(windows, np.float32)
    for i in range(d):
        for w in range(windows):
            mean[w] += x[i, w]
    for w in range(windows):
        mean[w] /= np.float32(d)
    for i in range(d):
        for w in range(windows):
            difference = x[i, w] - mean[w]
            out[i, w] = difference
            scale[w] += difference * difference
    for w in range(windows):
        scale[w] = np.float32(1.0) / np.sqrt(scale[w] / np.float32(d) + np.float32(1e-5))
    for i in range(d):
        for w in range(windows):
            out[i, w] *= scale[w]


@njit(nogil=True, fastmath=True, error_model="numpy", cache=KEEP)
def activate(x, scale, offset):
    """In place max(x, 0) · scale + offset, channels last: ``(M,), (P,), (P,)``, P a multiple of the channels."""
    period, whole = len(scale), len(x) // len(scale) * len(scale)
    for start in range(0, whole, period):
        for i in range(period):
            x[start + i] = max(x[start + i], np.float32(0)) * scale[i] + offset[i]
    for i in range(len(x) - whole):
        x[whole + i] = max(x[whole + i], np.float32(0)) * scale[i] + offset[i]
