"""A verdict is a sentence that a reader can act on, and it follows the figures."""

import pytest

from landcover_bdgf.assessment.reliability import ReliabilityBin
from landcover_bdgf.assessment.verdicts import confidence_verdict, novelty_verdict


@pytest.mark.parametrize(("bins", "start"), [
    ([], "Not known"),
    ([(50, 0.6, 0.58), (50, 0.9, 0.93)], "It can be relied on: 75.0 % on average, and 75.5 % of these pixels"),
    ([(50, 0.6, 0.52), (50, 0.9, 0.82)], "It is a rough guide"),
    ([(100, 0.83, 0.03)], "It is too high: 83.0 % on average, and 3.0 %"),
    ([(100, 0.4, 0.9)], "It is too low"),
    ([(50, 0.5, 0.9), (50, 0.9, 0.5)], "It is misleading"),
])  # fmt: skip
def test_confidence(bins: list[tuple[int, float, float]], start: str) -> None:
    assert confidence_verdict([ReliabilityBin(*one) for one in bins]).startswith(start)


@pytest.mark.parametrize(("novel_px", "compared_px", "start"), [
    (0, 0, "Not known"),
    (1, 100, "The model knows this scene: 1.0 % of the 100 pixels compared"),
    (12, 100, "The model does not know parts"),
    (44, 100, "The model does not know much"),
    (94, 100, "The model does not know this scene"),
])  # fmt: skip
def test_novelty(novel_px: int, compared_px: int, start: str) -> None:
    assert novelty_verdict(novel_px, compared_px).startswith(start)
    assert ("Do not use this map" in novelty_verdict(novel_px, compared_px)) == (novel_px > 50)
