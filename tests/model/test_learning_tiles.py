"""Tiles for learning are random, have data, and hide all test pixels."""

from dataclasses import fields, replace

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.labels.joined_samples import join_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.learning_tiles import hidden_pixels, hide_pixels, pixels_of_sensors, random_tiles
from landcover_bdgf.scene.conditions import seen_by
from landcover_bdgf.scene.stack import Stack, Tile


def test_test_pixels_are_hidden_and_no_others(stack: Stack, samples: Samples) -> None:
    window = Window(10, 20, 90, 70)
    tile = stack.read(window)
    hidden = hide_pixels(tile, hidden_pixels(join_samples(samples), stack.grid), window)
    test = samples.test
    inside = (test.rows >= 20) & (test.rows < 90) & (test.cols >= 10) & (test.cols < 100)
    expected = tile.valid.copy()
    expected[test.rows[inside] - 20, test.cols[inside] - 10] = False
    assert inside.any()
    assert np.array_equal(hidden.valid, expected)
    assert not hidden.spectral[:, ~expected].any()
    assert np.array_equal(hidden.spectral[:, expected], tile.spectral[:, expected])
    assert hide_pixels(tile, hidden_pixels(None, stack.grid), window) is tile


def test_the_seed_decides_the_tiles(stack: Stack) -> None:
    one, same, other = (
        [tile.spectral for tile in random_tiles(stack, 32, 5, exclude=None, seed=seed)] for seed in (0, 0, 1)
    )
    assert len(one) == 5
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert len(list(random_tiles(stack, 64, 99, exclude=None, seed=0))) == 4, "each tile once"


def test_tiles_without_data_are_skipped_and_a_scene_of_them_is_refused(stack: Stack, samples: Samples) -> None:
    class Partial(Stack):
        """Data in the first 32 rows only."""

        def read(self, window: Window) -> Tile:
            tile = super().read(window)
            rows = np.arange(window.row_off, window.row_off + window.height)
            return replace(tile, condition=np.where((rows < 32)[:, None], tile.condition, 0))

    partial = Partial(**{f.name: getattr(stack, f.name) for f in fields(stack)})
    assert len(list(random_tiles(partial, 32, 99, exclude=None, seed=0))) == 4
    rows, cols = (places.ravel().astype(np.int32) for places in np.mgrid[:32, :120])
    one = np.ones(len(rows), np.uint8)
    all_test = replace(samples, rows=rows, cols=cols, codes=one, groups=one, parts=one)
    with pytest.raises(RasterError, match="no pixels to learn from"):
        next(random_tiles(partial, 32, 99, exclude=join_samples(all_test), seed=0))


def test_pixels_of_each_sensor_are_all_that_it_saw_outside_the_test_samples(stack: Stack, samples: Samples) -> None:
    both = replace(stack, missing="any").read(Window(0, 0, 120, 104))
    spectral, sar = pixels_of_sensors(stack, exclude=None, seed=0)
    assert (both.condition > 1).any()
    assert spectral.shape[1] == (seen_by(both.condition, "spectral")).sum()
    assert sar.shape[1] == (seen_by(both.condition, "sar")).sum()
    fewer, _ = pixels_of_sensors(stack, exclude=join_samples(samples), seed=0)
    assert fewer.shape[1] == spectral.shape[1] - len(samples.test)
    no_sar = replace(stack, sar=replace(stack.sar, bands=()))
    assert [values.shape for values in pixels_of_sensors(no_sar, exclude=None, seed=0)] == [spectral.shape, (0, 0)]
