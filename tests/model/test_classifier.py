"""Probabilities are pooled from experts; a temperature keeps the classes; pixels without data get nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.labels.joined_samples import join_samples
from landcover_bdgf.labels.layers import LAYER_NODATA
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classifier, pooled, tempered
from landcover_bdgf.model.map_layers import LayerPlan, empty_result
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.windows import cut_windows

CONFIDENCE, NOVELTY = LayerPlan({"confidence": "uint8"}), LayerPlan({"novelty": "uint8"})


def test_no_temperature_changes_a_class(model: Checkpoint, stack: Stack) -> None:
    cold, hot = (Classifier(replace(model, temperature=t), Run(), CONFIDENCE) for t in (0.5, 4.0))
    block = cold.viewer.read(stack, (0, 0))
    first, second = (classifier.classify([block])[0] for classifier in (cold, hot))
    assert np.array_equal(first.codes, second.codes)
    assert (first.layers["confidence"] > second.layers["confidence"]).mean() > 0.9


def test_a_map_has_the_opinions_that_are_trained(stack: Stack, samples: Samples, model: Checkpoint) -> None:
    """Of a labelled pixel's own window, surroundings and spectrum."""
    single = replace(model, recipe=changed(model.recipe, ("fusion.average_px=1",)))
    classifier = Classifier(single, Run())
    block = classifier.viewer.read(stack, (0, 0))
    inside = samples.train.where((samples.train.rows < 100) & (samples.train.cols < 100))
    dense = classifier.opinions(classifier.see(block), [block], 1.0)[0][0][:, :, inside.rows, inside.cols]
    with open_workers(1) as workers:
        table = cut_windows([stack], join_samples(inside), classifier.viewer, workers)
    w = table[torch.arange(len(table))]
    with torch.no_grad():
        group = classifier.experts.fusion.logits(w.spec, w.sar, w.dif)
        around, pixel = classifier.experts.beside_group(w.around).values()
        trained = [group + around, around, pixel]
    assert len(trained) == len(dense) == 3
    for own, logits in zip(dense, trained, strict=True):
        expected = torch.softmax(logits.flatten(1), dim=1).clamp(min=1e-3).log()
        torch.testing.assert_close(own.T, expected, atol=1e-4, rtol=0)
        assert own.std() > 0


def test_the_pixel_expert_is_not_averaged(stack: Stack, model: Checkpoint) -> None:
    """Of another pixel in a map, the other experts change around it, the pixel's own at it alone."""
    classifier = Classifier(model, Run())
    block = classifier.viewer.read(stack, (0, 0))
    halo = classifier.viewer.recipe.halo_px
    before = classifier.opinions(classifier.see(block), [block], 1.0)[0][0]
    block.seen.cube[:, halo + 50, halo + 60] += 1
    changed_by = (classifier.opinions(classifier.see(block), [block], 1.0)[0][0] - before).abs().amax(1) > 1e-5
    reach = [np.argwhere(of_expert.numpy()) for of_expert in changed_by]
    assert reach[2].tolist() == [[50, 60]]
    assert min(len(reach[0]), len(reach[1])) > 50


def test_pooled_probabilities_by_hand() -> None:
    p = torch.tensor([[[0.8, 0.2], [0.5, 0.5]], [[0.8, 0.2], [0.2, 0.8]]])
    found = pooled(p.log(), (0.5, 0.5))
    torch.testing.assert_close(found, torch.tensor([[2 / 3, 1 / 3], [0.5, 0.5]]))
    torch.testing.assert_close(pooled(p.log(), (1.0, 0.0)), p[:, 0])


def test_shares_of_other_experts_are_refused(model: Checkpoint) -> None:
    usual = Classifier(replace(model, shares={}), Run()).shares
    assert sum(usual) == pytest.approx(1)
    with pytest.raises(CheckpointError, match="shares of the experts windows, but windows, surroundings, pixel"):
        Classifier(replace(model, shares={"windows": 1.0}), Run())


def test_probabilities_at_a_temperature_by_hand() -> None:
    p = torch.tensor([[0.64, 0.36]])
    torch.testing.assert_close(tempered(p, 2), torch.tensor([[0.8, 0.6]]) / 1.4)
    assert tempered(p, 1) is p
    assert float(tempered(torch.tensor([[1.0, 0.0]]), 2)[0, 1]) > 0, "no class is ruled out"


def test_pixels_without_data_get_no_class(stack: Stack, model: Checkpoint) -> None:
    classifier = Classifier(model, Run(), CONFIDENCE)
    block = classifier.viewer.read(stack, (0, 0))
    halo = classifier.viewer.recipe.halo_px
    block.seen.condition[:] = 0
    block.seen.condition[halo : halo + 40, halo : halo + 50] = 1
    (found,) = classifier.classify([block])
    inside = np.zeros(found.codes.shape, bool)
    inside[:40, :50] = True
    assert np.array_equal(found.codes > 0, inside)
    assert np.array_equal(found.layers["confidence"][0] != LAYER_NODATA, inside)
    block.seen.condition[:] = 0
    (empty,) = classifier.classify([block])
    expected = empty_result(empty.codes.shape, {"confidence": ("uint8", 1)})
    assert np.array_equal(empty.codes, expected.codes)
    assert np.array_equal(empty.layers["confidence"], expected.layers["confidence"])


def test_novel_pixels_are_counted_in_one_block_of_eight_or_in_all(wide_stack: Stack, model: Checkpoint) -> None:
    sampled, whole = (Classifier(model, Run(), layers) for layers in (None, NOVELTY))
    block = sampled.viewer.read(wide_stack, (256, 128))  # at the corner of the scene, 44 × 72 px
    blocks = [replace(block, row=128 * i, col=128 * j) for i in range(4) for j in range(4)]
    some, all_ = ([classifier.classify([one])[0] for one in blocks] for classifier in (sampled, whole))
    assert [one.compared_px > 0 for one in some].count(True) == 2
    assert all(one.compared_px == (one.codes > 0).sum() for one in all_)
    assert all(one.novel_px == (one.layers["novelty"] == 0).sum() for one in all_)
    assert all(one.novel_px == other.novel_px for one, other in zip(some, all_, strict=True) if one.compared_px)
    together = sampled.classify(blocks)
    assert [(one.novel_px, one.compared_px) for one in together] == [(one.novel_px, one.compared_px) for one in some]
    bare = replace(model, weights={k: v for k, v in model.weights.items() if not k.startswith("domain.")})
    assert Classifier(bare, Run()).classify([block])[0].compared_px == 0


def test_the_confidence_of_novel_pixels_is_at_most_that_of_chance(stack: Stack, model: Checkpoint) -> None:
    """At half the distances of the training pixels, many pixels are novel."""
    weights = model.weights | {"domain.distances": model.weights["domain.distances"] / 2}
    stricter = replace(model, weights=weights)
    plan, alone = LayerPlan({"confidence": "uint8", "novelty": "uint8"}), LayerPlan({"confidence": "uint8"})
    capped, silent = Classifier(stricter, Run(), plan), Classifier(stricter, Run(), alone)
    block = capped.viewer.read(stack, (0, 0))
    (found,), (again,) = capped.classify([block]), silent.classify([block])
    before = 100 * capped.probabilities([block])[0].amax(dim=0).numpy().round(2)
    confidence, novelty = found.layers["confidence"][0], found.layers["novelty"][0]
    there, chance = found.codes > 0, 100 // len(model.classes.entries)
    novel = there & (novelty == 0)
    assert 0 < novel.sum() < there.sum()
    assert before[novel].max() > chance
    assert confidence[novel].max() == chance
    assert np.abs(confidence - before)[there & ~novel].max() <= 1
    assert np.array_equal(again.layers["confidence"][0], confidence)  # also without the layer of the novelty
