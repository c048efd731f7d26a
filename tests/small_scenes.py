"""A spectral and a SAR image of 40 × 50 pixels, and images and stacks read as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from landcover_bdgf.geo.raster import Window

_RNG = np.random.default_rng(0)
REFLECTANCE = _RNG.integers(100, 3000, (4, 40, 50)).astype("int16")
POWER = _RNG.gamma(4, 0.05, (2, 40, 50)).astype("float32")


def whole(source: Any) -> Any:
    """All pixels of an image or a stack."""
    height, width = source.grid.shape_hw
    return source.read(Window(0, 0, width, height))
