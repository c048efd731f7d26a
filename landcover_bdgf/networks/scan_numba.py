"""The selective scan compiled for the CPU, one thread, no lock held; see :mod:`scan` for the recurrence.

One thread, because parallel work is cut into pieces one level above (see ``device.py``), so that the
result does not depend on the number of threads. The innermost loops run over the states, side by side in
memory; exp is a polynomial, because a call to the library's exp would keep the loop from using vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic


@intrinsic
def _float_of_bits(typing: Any, bits: Any) -> Any:
    """Reinterpret 32 bits as float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@njit(inline="always", fastmath=True)
def _exp(x):
    """exp(x) for x ≤ 0 to 3e-7: 2^k · 2^f with f in [−½, ½], 2^f by its Taylor series to the sixth power."""
    y = max(np.float32(-126.0), x * np.float32(1.4426950408889634))
    k = np.floor(y + np.float32(0.5))
    f = (y - k) * np.float32(0.6931471805599453)
    p = np.float32(1 / 720)
    p = p * f + np.float32(1 / 120)
    p = p * f + np.float32(1 / 24)
    p = p * f + np.float32(1 / 6)
    p = p * f + np.float32(0.5)
    p = p * f + np.float32(1.0)
    p = p * f + np.float32(1.0)
    return p * _float_of_bits((np.int32(k) + np.int32(127)) << np.int32(23))


@njit(nogil=True, fastmath=True, cache=True)
def forward(u, delta, A, B, C, y):
    """Fill y; all arrays float32 and contiguous."""
    sequences, length, channels = u.shape
    n = A.shape[1]
    h = np.empty((channels, n), np.float32)
    for b in range(sequences):
        h[:] = 0
        for i in range(length):
            for d in range(channels):
                step, inject = delta[b, i, d], delta[b, i, d] * u[b, i, d]
                total = np.float32(0)
                for j in range(n):
                    h[d, j] = _exp(step * A[d, j]) * h[d, j] + inject * B[b, i, j]
                    total += h[d, j] * C[b, i, j]
                y[b, i, d] = total


@njit(nogil=True, fastmath=True, cache=True)
def backward(u, delta, A, B, C, gy, gu, gdelta, gA, gB, gC):
    """Add the gradients of Σ gy · y to gu, gdelta, gA, gB, gC, which come in as zeros."""
    sequences, length, channels = u.shape
    n = A.shape[1]
    h = np.zeros((length + 1, n), np.float32)
    decay = np.empty((length, n), np.float32)
    carried = np.empty(n, np.float32)
    for b in range(sequences):
        for d in range(channels):
            for i in range(length):
                step, inject = delta[b, i, d], delta[b, i, d] * u[b, i, d]
                for j in range(n):
                    decay[i, j] = _exp(step * A[d, j])
                    h[i + 1, j] = decay[i, j] * h[i, j] + inject * B[b, i, j]
            carried[:] = 0
            for i in range(length - 1, -1, -1):
                g, step, x = gy[b, i, d], delta[b, i, d], u[b, i, d]
                injected, through_a = np.float32(0), np.float32(0)
                for j in range(n):
                    gh = g * C[b, i, j] + carried[j]
                    carried[j] = gh * decay[i, j]
                    through = carried[j] * h[i, j]
                    injected += gh * B[b, i, j]
                    through_a += through * A[d, j]
                    gA[d, j] += through * step
                    gB[b, i, j] += gh * step * x
                    gC[b, i, j] += g * h[i + 1, j]
                gu[b, i, d] = injected * step
                gdelta[b, i, d] = injected * x + through_a
