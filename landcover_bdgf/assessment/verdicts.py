"""A sentence each for a reader who decides: can the confidence be relied on, and does the model know the scene?"""

from __future__ import annotations

from collections.abc import Sequence

from landcover_bdgf.assessment.reliability import ReliabilityBin, calibration_error
from landcover_bdgf.text import percent, rough_percent

CLOSE, ROUGH = 0.05, 0.1  # largest calibration errors of a confidence that is right, and of one that is a guide
EXPECTED = 0.01  # share of novel pixels in a scene like the training data, by the definition of the p-value
SOME, MANY, MOST = 0.05, 0.2, 0.5


def confidence_verdict(bins: Sequence[ReliabilityBin]) -> str:
    """What the calibration of the confidence means for its use."""
    if not bins:
        return "Not known: the confidence of the map was not compared with labels."
    pixels = sum(one.n for one in bins)
    says = sum(one.n * one.probability for one in bins) / pixels
    right = sum(one.n * one.right for one in bins) / pixels
    error = calibration_error(bins)
    means = f"{percent(says)} on average, and {percent(right)} of these pixels are right"
    off = f"at a given confidence it is off by {100 * error:.1f} percentage points"
    if error <= CLOSE:
        return f"It can be relied on: {means}; {off}."
    if error <= ROUGH:
        return f"It is a rough guide: {means}; {off}."
    if abs(says - right) < error / 2:
        return f"It is misleading: {means}, but {off}."
    return f"It is too {'high' if says > right else 'low'}: {means}. Do not rely on it."


def novelty_verdict(novel_px: int, compared_px: int) -> str:
    """What the share of novel pixels means for the map."""
    if not compared_px:
        return "Not known: the pixels of the map were not compared with the training data."
    share = novel_px / compared_px
    found = (
        f"{percent(share)} of the {compared_px:,} pixels compared are unlike all training data "
        f"({rough_percent(EXPECTED)} is usual)"
    )
    if share <= SOME:
        return f"The model knows this scene: {found}."
    if share <= MANY:
        return f"The model does not know parts of this scene: {found}. Check the classes there."
    if share <= MOST:
        return f"The model does not know much of this scene: {found}. Add labels there and train again."
    return f"The model does not know this scene: {found}. Do not use this map; train on labels of this scene."
