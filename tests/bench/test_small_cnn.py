"""The small CNN tells textures apart, classifies every pixel from its window alone, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from landcover_bdgf.bench import small_cnn
from landcover_bdgf.bench.pixel_features import PixelFeatures, component_layers
from landcover_bdgf.bench.small_cnn import WINDOW_PX, SmallCnn, cnn_codes
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.recipe import RECIPES
from landcover_bdgf.scene.stack import Stack


@pytest.fixture(scope="module")
def components(stack: Stack) -> NDArray[np.float32]:
    """SAR and bands as the networks see them."""
    return PixelFeatures(stack, (), component_layers(stack, RECIPES["laptop"])).whole()


def test_classes_of_a_simulated_scene_are_found_the_same_each_time(
    components: NDArray[np.float32], samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_cnn, "STEPS", 60)
    codes, probability = cnn_codes(components, samples.train, 0)
    again, _ = cnn_codes(components, samples.train, 0)
    test = samples.test
    assert codes.shape == probability.shape == components.shape[1:]
    assert (codes[test.rows, test.cols] == test.codes).mean() > 0.8
    assert np.array_equal(codes, again)
    other, _ = cnn_codes(components, samples.train, 1)
    assert not np.array_equal(codes, other)


def test_a_pixel_is_classified_as_its_window_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, image = SmallCnn(3, 4).eval(), torch.randn(3, 40, 30)
    monkeypatch.setattr(small_cnn, "BAND_PX", 7)
    dense = torch.cat([small_cnn._probabilities(network, part) for part in small_cnn._bands(image)], 1)
    window = small_cnn._probabilities(network, image[:, 10 : 10 + WINDOW_PX, 5 : 5 + WINDOW_PX])
    assert dense.shape == (4, 32, 22)
    torch.testing.assert_close(dense[:, 10, 5], window[:, 0, 0])
