"""The selective scan compiled for the CPU, forward and backward; see :mod:`scan` for the recurrence and shapes.

It runs on one thread and releases the GIL: the caller divides the work (see ``device.py``), so that the result does not
depend on the number of threads. The innermost loops run over sequences, copied into local arrays, because the compiler
can only vectorise arrays that it knows not to overlap.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from landcover_bdgf.model.networks.kernels.compiled import KEEP, exp, logistic, softplus

LANES = 64  # sequences at once; the last group is padded with zeros


@njit(nogil=True, fastmath=True, error_model="numpy", cache=KEEP)
def forward(u, delta, A, B, C, D, z, y):
    """Fill y; all arrays float32 and contiguous."""
    channels, length, sequences = u.shape
    states = A.shape[1]
    b, c = np.zeros((states, length, LANES), np.float32), np.zeros((states, length, LANES), np.float32)
    h = np.empty((states, LANES), np.float32)
    x, step, total = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32), np.empty(LANES, np.float32)
    for start in range(0, sequences, LANES):
        lanes = min(LANES, sequences - start)
        b[..., :lanes], c[..., :lanes] = B[..., start : start + lanes], C[..., start : start + lanes]
        for d in range(channels):
            h[:] = 0
            for i in range(length):
                x[:lanes], step[:lanes] = u[d, i, start : start + lanes], delta[d, i, start : start + lanes]
                for w in range(LANES):
                    step[w] = softplus(step[w])
                    total[w] = D[d] * x[w]
                    x[w] *= step[w]
                for n in range(states):
                    for w in range(LANES):
                        state = exp(step[w] * A[d, n]) * h[n, w] + x[w] * b[n, i, w]
                        h[n, w] = state
                        total[w] += state * c[n, i, w]
                x[:lanes] = z[d, i, start : start + lanes]
                for w in range(LANES):
                    total[w] *= x[w] * logistic(x[w])
                y[d, i, start : start + lanes] = total[:lanes]


@njit(nogil=True, fastmath=True, error_model="numpy", cache=KEEP)
def backward(u, delta, A, B, C, D, z, gy, gu, gdelta, gA, gB, gC, gD, gz):
    """Add the gradients of Σ gy · y to gA and gD, initially zero, and fill the others."""
    channels, length, sequences = u.shape
    states = A.shape[1]
    b, c = np.zeros((states, length, LANES), np.float32), np.zeros((states, length, LANES), np.float32)
    gb, gc = np.empty((states, length, LANES), np.float32), np.empty((states, length, LANES), np.float32)
    h = np.zeros((length + 1, states, LANES), np.float32)
    decay = np.empty((length, states, LANES), np.float32)  # exp costs more than to keep its values
    raw, x = np.zeros((length, LANES), np.float32), np.zeros((length, LANES), np.float32)
    gate, g = np.zeros((length, LANES), np.float32), np.zeros((length, LANES), np.float32)
    step = np.empty((length, LANES), np.float32)
    carried = np.empty((states, LANES), np.float32)  # decay_{l+1} · dL/dh_{l+1}
    ungated, into_y = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    injected, through_a = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    written, s = np.empty(LANES, np.float32), np.empty(LANES, np.float32)  # Δ · u; a logistic function
    sum_a, sum_d = np.empty((states, LANES), np.float32), np.empty(LANES, np.float32)
    for start in range(0, sequences, LANES):
        lanes = min(LANES, sequences - start)
        here = slice(start, start + lanes)
        if lanes < LANES:
            b[:], c[:], x[:], raw[:], gate[:], g[:] = 0, 0, 0, 0, 0, 0
        b[..., :lanes], c[..., :lanes] = B[..., here], C[..., here]
        gb[:], gc[:] = 0, 0
        for d in range(channels):
            x[:, :lanes], raw[:, :lanes] = u[d, :, here], delta[d, :, here]
            gate[:, :lanes], g[:, :lanes] = z[d, :, here], gy[d, :, here]
            skip = D[d]
            for i in range(length):
                for w in range(LANES):
                    step[i, w] = softplus(raw[i, w])
                for n in range(states):
                    a = A[d, n]
                    for w in range(LANES):
                        decay[i, n, w] = exp(step[i, w] * a)
                    for w in range(LANES):
                        h[i + 1, n, w] = decay[i, n, w] * h[i, n, w] + step[i, w] * x[i, w] * b[n, i, w]
            carried[:], sum_a[:], sum_d[:] = 0, 0, 0
            for i in range(length - 1, -1, -1):
                for w in range(LANES):
                    s[w] = logistic(gate[i, w])
                for w in range(LANES):
                    into_y[w] = g[i, w] * gate[i, w] * s[w]
                    written[w] = step[i, w] * x[i, w]
                    ungated[w] = skip * x[i, w]
                    sum_d[w] += into_y[w] * x[i, w]
                    injected[w] = 0
                    through_a[w] = 0
                for n in range(states):
                    a = A[d, n]
                    for w in range(LANES):
                        into_h = into_y[w] * c[n, i, w] + carried[n, w]
                        carried[n, w] = into_h * decay[i, n, w]
                        injected[w] += into_h * b[n, i, w]
                        gb[n, i, w] += into_h * written[w]
                    for w in range(LANES):
                        through = carried[n, w] * h[i, n, w]
                        through_a[w] += through * a
                        sum_a[n, w] += through * step[i, w]
                    for w in range(LANES):
                        ungated[w] += c[n, i, w] * h[i + 1, n, w]
                        gc[n, i, w] += into_y[w] * h[i + 1, n, w]
                for w in range(LANES):
                    gate[i, w] = g[i, w] * ungated[w] * s[w] * (np.float32(1.0) + gate[i, w] * (np.float32(1.0) - s[w]))
                    g[i, w] = injected[w] * step[i, w] + into_y[w] * skip
                for w in range(LANES):
                    s[w] = logistic(raw[i, w])
                for w in range(LANES):
                    raw[i, w] = (injected[w] * x[i, w] + through_a[w]) * s[w]
            gu[d, :, here], gdelta[d, :, here], gz[d, :, here] = g[:, :lanes], raw[:, :lanes], gate[:, :lanes]
            for w in range(lanes):
                gD[d] += sum_d[w]
                for n in range(states):
                    gA[d, n] += sum_a[n, w]
        gB[..., here], gC[..., here] = gb[..., :lanes], gc[..., :lanes]
