"""Small scenes, written and aligned."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import WriteTif
from small_scenes import POWER, REFLECTANCE

from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.stack import Stack


@pytest.fixture
def pair(write_tif: WriteTif) -> Callable[..., Stack]:
    """A function that writes a spectral and a SAR image, the latter with options, and aligns them."""

    def make(sar=POWER, settings=None, spectral=REFLECTANCE, **options) -> Stack:
        return align(write_tif("hsi.tif", spectral), write_tif("sar.tif", sar, **options), settings=settings)

    return make
