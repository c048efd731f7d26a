"""Small scenes, written and aligned."""

from __future__ import annotations

import pytest
from small_scenes import POWER, REFLECTANCE

from landcover_bdgf.scene.alignment import align


@pytest.fixture
def pair(write_tif):
    """A function that writes a spectral and a SAR image, the latter with options, and aligns them."""

    def make(sar=POWER, settings=None, spectral=REFLECTANCE, **options):
        return align(write_tif("hsi.tif", spectral), write_tif("sar.tif", sar, **options), settings=settings)

    return make
