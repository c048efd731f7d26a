"""Classifiers recognise separate classes, and choose C by whole blocks."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from landcover_bdgf.bench import baselines
from landcover_bdgf.bench.baselines import fit_and_classify
from landcover_bdgf.bench.pixel_features import PixelFeatures
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.scene.stack import Stack


def given(stack: Stack, whole: NDArray[np.float32]) -> PixelFeatures:
    """Features (F, H, W) that do not come from the images."""

    class Given(PixelFeatures):
        def _strip(self, top: int, bottom: int) -> NDArray[np.float32]:
            return whole[:, top:bottom]

    return Given(stack, (), lambda tile: whole[:, :1, :1])


@pytest.mark.parametrize("classifier", ["rf", "et", "svm", "svm-cv", "lda"])
def test_baselines_recognise_separate_classes(
    classifier: str, samples: Samples, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landcover_bdgf.bench.baselines.TREES", 10)
    truth = np.random.default_rng(0).random(stack.grid.shape_hw, np.float32)
    truth[samples.rows, samples.cols] += 10 * samples.codes
    codes, probability = fit_and_classify(classifier, given(stack, truth[None]), samples.train, 0)
    assert (codes[samples.test.rows, samples.test.cols] == samples.test.codes).all()
    assert (probability is None) is classifier.startswith("svm")


def test_the_cost_is_chosen_by_whole_blocks(samples: Samples, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    folds = []

    class Recorded(baselines.StratifiedGroupKFold):
        def split(self, X: object, y: object = None, groups: object = None) -> Iterator[tuple[object, object]]:
            for kept, left_out in super().split(X, y, groups):
                folds.append((set(groups[kept]), set(groups[left_out])))
                yield kept, left_out

    monkeypatch.setattr(baselines, "StratifiedGroupKFold", Recorded)
    train = samples.train
    features = np.zeros((1, *stack.grid.shape_hw), np.float32)
    features[0, train.rows, train.cols] = train.codes
    fit_and_classify("svm-cv", given(stack, features), train, 0)
    assert len(folds) >= 3
    assert all(not kept & left_out for kept, left_out in folds)
