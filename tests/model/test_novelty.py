"""P-values of novelty are uniform for pixels from the distribution of the training pixels, and 0 far outside it."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.novelty import Novelty, fit_novelty

CPU = torch.device("cpu")


def drawn(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Features (n, 6) of two classes around 0 and 8 with correlated errors, their classes, and 40 polygons."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 3, count)
    errors = rng.normal(size=(count, 6)) @ np.linspace(0.2, 2, 36).reshape(6, 6)
    return errors + 0.1 * rng.normal(size=(count, 6)) + 8 * (codes[:, None] == 2), codes, rng.integers(0, 40, count)


def percents(novelty: Novelty, features: NDArray[np.float64]) -> NDArray[np.uint8]:
    layers = torch.from_numpy(features.T.astype(np.float32))[None, :, :, None]
    found: NDArray[np.uint8] = novelty.p_values(layers)[0, :, 0].numpy()
    return found


def test_p_values_are_uniform_inside_and_0_outside_the_training_data() -> None:
    novelty = Novelty.of(fit_novelty(*drawn(4000, 0), np.random.default_rng(0)), CPU)
    like = percents(novelty, drawn(4000, 1)[0])
    assert [round((like < p).mean(), 1) for p in (10, 30, 50, 70, 90)] == [0.1, 0.3, 0.5, 0.7, 0.9]
    between = np.full((1, 6), 4.0) + 30 * np.eye(6)[:1]
    assert percents(novelty, between).tolist() == [0]
    assert percents(novelty, np.full((1, 6), 1e6)).tolist() == [0]


def test_the_distance_is_that_of_mahalanobis_to_the_nearest_mean() -> None:
    features, codes, groups = drawn(2000, 2)
    arrays = fit_novelty(features, codes, groups, np.random.default_rng(0))
    means = np.stack([features[codes == code].mean(0) for code in (1, 2)])
    inverse = arrays["whiten"].T.astype(np.float64) @ arrays["whiten"]
    by_hand = cdist(features, means, "mahalanobis", VI=inverse).min(1)
    order = percents(Novelty.of(arrays, CPU), features)
    far, near = by_hand > np.quantile(by_hand, 0.9), by_hand < np.quantile(by_hand, 0.1)
    assert order[far].max() < order[near].min()


def test_too_few_polygons_to_leave_some_out() -> None:
    features, codes, groups = drawn(300, 3)
    assert fit_novelty(features, codes, groups % 4, np.random.default_rng(0)) == {}
    with pytest.raises(CheckpointError, match="`novelty`: the model has no novelty statistics: too few training"):
        Novelty.of({}, CPU)
