"""The pixels of each case are counted over all tiles, and their shares told."""

import logging

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.mapping.condition_counts import condition_counts


def test_pixels_of_each_case(caplog: pytest.LogCaptureFixture) -> None:
    codes = np.repeat(np.array([0, 1, 2, 3], np.uint8), [10, 60, 30, 10]).reshape(1, 11, 10)
    tiles = [(Window(0, row, 10, 1), codes[:, row : row + 1]) for row in range(11)]
    with caplog.at_level(logging.INFO, "landcover_bdgf"):
        assert condition_counts(tiles) == {"both": 60, "spectral": 30, "sar": 10}
    assert caplog.messages == [
        "pixels are mapped by: both sensors 60.0 %, the spectral image alone 30.0 %, the SAR image alone 10.0 %"
    ]
    assert condition_counts([]) == {"both": 0, "spectral": 0, "sar": 0}
