"""Pixels and areas of the classes of a map, tile by tile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.geo import PixelAreas


def class_sizes(
    windows: Iterable[tuple[Window, NDArray[Any]]], classes: int, areas: PixelAreas
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Number of pixels, int64 (classes,), and area in m², float64 (classes,), of the codes 1 to ``classes``."""
    pixels, area_m2 = np.zeros(classes + 1, np.int64), np.zeros(classes + 1)
    for window, codes in windows:
        of_pixels = areas.of(window)
        flat = codes.ravel()
        counts = np.bincount(flat, minlength=classes + 1)
        pixels += counts
        if of_pixels.shape[1] == 1:  # one area a row
            for row, area in zip(codes, of_pixels[:, 0], strict=True):
                area_m2 += np.bincount(row, minlength=classes + 1) * area
        else:
            area_m2 += np.bincount(flat, of_pixels.ravel(), minlength=classes + 1)
    return pixels[1:], area_m2[1:]
