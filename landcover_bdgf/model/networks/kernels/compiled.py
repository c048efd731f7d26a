"""Functions of the compiled CPU kernels: exp, logistic function and softplus as polynomials.

A call to the exp of the C library would prevent vectorisation. The innermost loop of a kernel runs over windows or
pixels, contiguous in memory, so that no sum is taken across a vector.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

TERMS = 16  # of a sum; the compiler unrolls it and vectorises the loop around it

# LLVM prefers half of Intel's widest vectors to keep the clock high. Matrix products between these kernels lower the
# clock anyway, and full vectors make the fusion network an eighth faster. NUMBA_CPU_FEATURES takes precedence.
if config.CPU_FEATURES is None and "+avx512f" in get_host_cpu_features():
    config.CPU_FEATURES = f"{get_host_cpu_features()},-prefer-256-bit"

# Whether compiled kernels are cached on disk, in __pycache__ or the home folder. Without a home folder (no HOME,
# or unknown user) numba would create a folder "~" in the working folder: then each process compiles them.
KEEP = bool(config.CACHE_DIR) or os.path.expanduser(os.environ.get("XDG_CACHE_HOME", "~")) != "~"


@intrinsic
def _float_of_bits(typing: Any, bits: Any) -> Any:
    """Reinterpret 32 bits as float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@njit(inline="always", fastmath=True, error_model="numpy")
def exp(x):
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


@njit(inline="always", fastmath=True, error_model="numpy")
def logistic(x):
    """1 / (1 + exp(−x)), for x of both signs."""
    e = exp(-abs(x))
    s = np.float32(1.0) / (np.float32(1.0) + e)
    return s if x >= 0 else e * s


@njit(inline="always", fastmath=True, error_model="numpy")
def softplus(x):
    """log(1 + exp(x)); the logarithm by 2 atanh(s) with s = e / (2 + e) ≤ 1/3, its series to the 13th power."""
    e = exp(-abs(x))
    s = e / (np.float32(2.0) + e)
    q = s * s
    p = np.float32(1 / 13)
    p = p * q + np.float32(1 / 11)
    p = p * q + np.float32(1 / 9)
    p = p * q + np.float32(1 / 7)
    p = p * q + np.float32(1 / 5)
    p = p * q + np.float32(1 / 3)
    p = p * q + np.float32(1.0)
    return max(x, np.float32(0.0)) + np.float32(2.0) * s * p
