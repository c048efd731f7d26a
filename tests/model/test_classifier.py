"""Probabilities are means over windows; a temperature keeps the classes; pixels without data get nothing."""

from dataclasses import replace

import numpy as np
import torch

from landcover_bdgf.labels.class_map import LAYER_NODATA
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classifier, empty_result, tempered
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.windows import cut_windows


def test_no_temperature_changes_a_class(model: Checkpoint, stack: Stack) -> None:
    cold, hot = (Classifier(replace(model, temperature=t), Run()) for t in (0.5, 4.0))
    block = cold.viewer.read(stack, (0, 0))
    first, second = (classifier.classify([block])[0] for classifier in (cold, hot))
    assert np.array_equal(first.codes, second.codes)
    assert (first.layers[0] > second.layers[0]).mean() > 0.9


def test_a_map_has_the_logits_that_are_trained(stack: Stack, samples: Samples, model: Checkpoint) -> None:
    """Of a labelled pixel's own window; both networks take part."""
    single = replace(model, recipe=changed(model.recipe, ("fusion.average_px=1",)))
    classifier = Classifier(single, Run())
    assert classifier.context is not None
    block = classifier.viewer.read(stack, (0, 0))
    inside = samples.train.where((samples.train.rows < 100) & (samples.train.cols < 100))
    dense = classifier.logits(classifier.see(block))[0][:, inside.rows, inside.cols].T
    with open_workers(1) as workers:
        table = cut_windows(stack, inside, classifier.viewer, workers)
    w = table[torch.arange(len(table))]
    with torch.no_grad():
        fused, around = classifier.network.logits(w.spec, w.sar, w.dif), classifier.context(w.around)
    torch.testing.assert_close(dense, (fused + around).flatten(1), atol=1e-4, rtol=0)
    assert fused.abs().max() > 0 < around.abs().max()


def test_probabilities_at_a_temperature_by_hand() -> None:
    p = torch.tensor([[0.64, 0.36]])
    torch.testing.assert_close(tempered(p, 2), torch.tensor([[0.8, 0.6]]) / 1.4)
    assert tempered(p, 1) is p
    assert float(tempered(torch.tensor([[1.0, 0.0]]), 2)[0, 1]) > 0, "no class is ruled out"


def test_pixels_without_data_get_no_class(stack: Stack, model: Checkpoint) -> None:
    classifier = Classifier(model, Run())
    block = classifier.viewer.read(stack, (0, 0))
    halo = classifier.viewer.recipe.halo_px
    block.seen.valid[:] = False
    block.seen.valid[halo : halo + 40, halo : halo + 50] = True
    (found,) = classifier.classify([block])
    inside = np.zeros(found.codes.shape, bool)
    inside[:40, :50] = True
    assert np.array_equal(found.codes > 0, inside)
    assert np.array_equal(found.layers[0] != LAYER_NODATA, inside)
    block.seen.valid[:] = False
    (empty,) = classifier.classify([block])
    expected = empty_result(empty.codes.shape, 1)
    assert np.array_equal(empty.codes, expected.codes)
    assert np.array_equal(empty.layers, expected.layers)


def test_novel_pixels_are_counted_in_one_block_of_eight_or_in_all(stack: Stack, model: Checkpoint) -> None:
    sampled, whole = (Classifier(model, Run(), novelty=novelty) for novelty in (False, True))
    block = sampled.viewer.read(stack, (0, 0))
    blocks = [replace(block, row=128 * i, col=128 * j) for i in range(4) for j in range(4)]
    some, all_ = ([classifier.classify([one])[0] for one in blocks] for classifier in (sampled, whole))
    assert [one.compared_px > 0 for one in some].count(True) == 2
    assert all(one.compared_px == (one.codes > 0).sum() for one in all_)
    assert all(one.novel_px == (one.layers[1] == 0).sum() for one in all_)
    assert all(one.novel_px == other.novel_px for one, other in zip(some, all_, strict=True) if one.compared_px)
    together = sampled.classify(blocks)
    assert [(one.novel_px, one.compared_px) for one in together] == [(one.novel_px, one.compared_px) for one in some]
    bare = replace(model, weights={k: v for k, v in model.weights.items() if not k.startswith("domain.")})
    assert Classifier(bare, Run()).classify([block])[0].compared_px == 0
