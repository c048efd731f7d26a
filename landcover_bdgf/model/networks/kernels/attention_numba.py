"""Attention between a few tokens or channels of each window, compiled for the CPU, for maps only (no gradients).

Windows are contiguous in memory, so that one vector instruction processes eight or sixteen of them. Definitions are in
:mod:`transformer` and :mod:`mamba`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import gcd
from typing import Any

import numpy as np
from numba import njit

from landcover_bdgf.model.networks.kernels.compiled import KEEP, TERMS, exp

LEAST = np.float32(-3e38)  # not infinity, as fastmath may assume there is none


@cache
def attend_kernel(channels: int, keys: int, common: bool) -> Callable[..., Any]:
    """Kernel for these numbers of channels per head and keys: ``q (d, i, N), k (d, j, N), v (d, j, N), out (d, i, N)``.

    With ``common``, there is an additional key and value shared by all windows, (d,) each.
    """
    root, every = np.float32(channels**-0.5), keys + common

    @njit(nogil=True, fastmath=True, error_model="numpy", cache=KEEP)
    def attend(q, k, v, common_k, common_v, out):
        d, queries, windows = q.shape
        scores = np.empty((every, windows), np.float32)
        best, total = np.empty(windows, np.float32), np.empty(windows, np.float32)
        for first in range(0, d, channels):
            for i in range(queries):
                best[:] = LEAST
                total[:] = 0
                for j in range(every):
                    for w in range(windows):
                        s = np.float32(0)
                        for c in range(channels):
                            s += q[first + c, i, w] * (k[first + c, j, w] if j < keys else common_k[first + c])
                        scores[j, w] = s * root
                        best[w] = max(best[w], s * root)
                for j in range(every):
                    for w in range(windows):
                        weight = exp(scores[j, w] - best[w])
                        scores[j, w] = weight
                        total[w] += weight
                for w in range(windows):
                    total[w] = np.float32(1.0) / total[w]
                for c in range(first, first + channels):
                    for w in range(windows):
                        s = scores[keys, w] * common_v[c] if common else np.float32(0)
                        for j in range(keys):
                            s += scores[j, w] * v[c, j, w]
                        out[c, i, w] = s * total[w]

    return attend


@cache
def group_kernel(g: int, size: int, stride: int) -> Callable[..., Any]:
    """Group attention of one kind of feature with g channels in size × size windows, added to ``out``.

    ``Q, K, V (g, h, w), f (d, h, w), mix (d, g), out (d, ⌈(h − size + 1) / stride⌉, ⌈(w − size + 1) / stride⌉)``.
    Products of two channels are first summed along columns, which adjacent windows share.
    """
    pixels, terms = np.float32(size * size), gcd(g, TERMS)

    @njit(nogil=True, fastmath=True, error_model="numpy", cache=KEEP)
    def group(Q, K, V, f, mix, out):
        d, height, width = out.shape
        cols = f.shape[2]
        column = np.empty(cols, np.float32)
        A = np.empty((g, g, width), np.float32)  # K's channel, Q's channel
        best, total = np.empty(width, np.float32), np.empty(width, np.float32)
        weight = np.empty(width, np.float32)
        for y in range(height):
            for b in range(g):
                best[:] = LEAST
                total[:] = 0
                for a in range(g):
                    for x in range(cols):
                        s = np.float32(0)
                        for r in range(size):
                            s += K[a, y * stride + r, x] * Q[b, y * stride + r, x]
                        column[x] = s
                    for x in range(width):
                        s = np.float32(0)
                        for r in range(size):
                            s += column[x * stride + r]
                        A[a, b, x] = -s / pixels
                        best[x] = max(best[x], -s / pixels)
                for a in range(g):
                    for x in range(width):
                        e = exp(A[a, b, x] - best[x])
                        A[a, b, x] = e
                        total[x] += e
                for a in range(g):
                    for x in range(width):
                        A[a, b, x] /= total[x]
            for a in range(g):
                for c in range(d):
                    for x in range(cols):
                        s = np.float32(0)
                        for r in range(size):
                            s += V[a, y * stride + r, x] * f[c, y * stride + r, x]
                        column[x] = s
                    weight[:] = 0
                    for first in range(0, g, terms):
                        for x in range(width):
                            s = weight[x]
                            for b in range(terms):
                                s += mix[c, first + b] * A[a, first + b, x]
                            weight[x] = s
                    for x in range(width):
                        s = np.float32(0)
                        for r in range(size):
                            s += column[x * stride + r]
                        out[c, y, x] += weight[x] * s

    return group


@cache
def tokens_kernel(patch: int, stride: int) -> Callable[..., Any]:
    """Weighted means over windows; a weight is the product of one for the pixel and one for its place in the window.

    ``weight (k, H, W), v (d, H, W), row (k, patch), col (k, patch)``, ``out (d, k, rows, ⌈(W − patch + 1) / stride⌉)``
    for windows from pixel row ``top`` on.
    """

    @njit(nogil=True, fastmath=True, error_model="numpy", cache=KEEP)
    def tokens(weight, v, row, col, top, out):
        d, k, height, width = out.shape
        rows, cols = (height - 1) * stride + patch, weight.shape[2]
        product, column = np.empty((rows, cols), np.float32), np.empty(cols, np.float32)
        total = np.empty((height, width), np.float32)
        for j in range(k):
            for c in range(-1, d):  # first the sum of the weights themselves
                for y in range(rows):
                    for x in range(cols):
                        w = weight[j, top + y, x]
                        product[y, x] = w * v[c, top + y, x] if c >= 0 else w
                for y in range(height):
                    for x in range(cols):
                        s = np.float32(0)
                        for r in range(patch):
                            s += row[j, r] * product[y * stride + r, x]
                        column[x] = s
                    for x in range(width):
                        s = np.float32(0)
                        for r in range(patch):
                            s += col[j, r] * column[x * stride + r]
                        if c >= 0:
                            out[c, j, y, x] = s * total[y, x]
                        else:
                            total[y, x] = np.float32(1.0) / s

    return tokens
