"""Classify pixels that one sensor saw by the networks of this sensor alone, and the others by those of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.labels import PredictionSets
from landcover_bdgf.model.blocks import Block
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classifier
from landcover_bdgf.model.map_layers import Classified, LayerPlan, empty_result
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene import ALONE, BOTH, Missing, accepted

CONDITION = "condition"  # the layer that tells which sensors a pixel was mapped by


class ConditionClassifier:
    """A model with its networks of one sensor alone, ready to classify blocks; :meth:`classify` is thread-safe.

    Pixels of both sensors get what a :class:`Classifier` gives them, whatever sensors may be alone.
    """

    def __init__(
        self, model: Checkpoint, run: Run, layers: LayerPlan, missing: Missing, *, every_block: bool = False
    ) -> None:
        plan = replace(layers, dtypes={name: dtype for name, dtype in layers.dtypes.items() if name != CONDITION})
        self._of: dict[int, Classifier] = {BOTH: Classifier(model, run, plan, every_block=every_block)}
        for sensor in accepted(missing):
            own = _own_plan(model.alone[sensor], plan)
            self._of[ALONE[sensor]] = Classifier(model.alone[sensor], run, own, every_block=every_block)
        self.viewer, self._kinds = self._of[BOTH].viewer, self._of[BOTH].kinds

    @property
    def batch(self) -> int:
        """Recommended number of blocks per call; it falls when GPU memory runs out."""
        return min(each.batch for each in self._of.values())

    def classify(self, blocks: Sequence[Block]) -> list[Classified]:
        """Classes of some blocks of one size, without their halos, and the condition by which each pixel got its own.

        ResourceError as :meth:`Classifier.classify`.
        """
        halo = self.viewer.recipe.halo_px
        cases = [np.where(b.inside, b.seen.condition[halo:-halo, halo:-halo], 0).astype(np.uint8) for b in blocks]
        found = [empty_result(case.shape, self._kinds) for case in cases]
        for code, classifier in self._of.items():
            some = [i for i, case in enumerate(cases) if (case == code).any()]
            seen = [classifier.viewer.view(replace(blocks[i], inside=cases[i] == code)) for i in some]
            for i, own in zip(some, classifier.classify(seen) if seen else [], strict=True):
                found[i] = _joined(found[i], own, cases[i], code)
        with_case = zip(found, cases, strict=True)
        return [replace(each, layers=each.layers | {CONDITION: case[None]}) for each, case in with_case]


AnyClassifier = Classifier | ConditionClassifier


def classifier_of(
    model: Checkpoint, run: Run, layers: LayerPlan, missing: Missing, *, every_block: bool = False
) -> AnyClassifier:
    """The classifier of a map in which some sensors, or none, may be missing."""
    if missing == "error":
        return Classifier(model, run, layers, every_block=every_block)
    return ConditionClassifier(model, run, layers, missing, every_block=every_block)


def _own_plan(model: Checkpoint, plan: LayerPlan) -> LayerPlan:
    """The layers of pixels of one sensor; prediction sets are those of its own left-out labels."""
    if plan.sets is None:
        return plan
    legend = plan.classes.legend if plan.classes else model.classes
    return replace(plan, sets=PredictionSets.of(model.left_out, legend, plan.sets.level))


def _joined(before: Classified, own: Classified, case: NDArray[np.uint8], code: int) -> Classified:
    """What was found so far, with what is found of the pixels of one condition."""
    here: NDArray[np.bool_] = case == code
    layers = {name: np.where(here, own.layers[name], values) for name, values in before.layers.items()}
    return Classified(
        np.where(here, own.codes, before.codes), layers, before.novel_px + own.novel_px,
        before.compared_px + own.compared_px,
    )  # fmt: skip
