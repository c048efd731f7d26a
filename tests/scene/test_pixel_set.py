"""A set of pixels gives back the mask of any window; nothing beyond its border belongs to it."""

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.scene.pixel_set import PixelSet

MASK = np.random.default_rng(0).random((23, 37)) < 0.4


@pytest.mark.parametrize("window", [(0, 0, 23, 37), (3, 9, 5, 7), (22, 36, 1, 1), (0, 8, 4, 16), (5, 7, 0, 3)])
def test_a_window_of_the_set_is_that_of_the_mask(window: tuple[int, int, int, int]) -> None:
    row, col, height, width = window
    found = PixelSet.of(MASK).read(Window(col, row, width, height))
    assert np.array_equal(found, MASK[row : row + height, col : col + width])


def test_beyond_the_border_nothing_is_in_the_set() -> None:
    found = PixelSet.of(MASK).read(Window(-3, -2, 50, 30))
    assert np.array_equal(found, np.pad(MASK, ((2, 5), (3, 10))))
    assert not PixelSet.of(MASK).read(Window(40, 0, 5, 5)).any()


def test_the_digest_tells_sets_apart() -> None:
    other = MASK.copy()
    other[-1, -1] ^= True
    assert PixelSet.of(MASK).digest() == PixelSet.of(MASK.copy()).digest() != PixelSet.of(other).digest()
