"""The progress bar of the QGIS plugin rises over all steps of a command, and never falls."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

import pytest

import landcover_bdgf
from landcover_bdgf import progress as of_bdgf
from landcover_bdgf.app.qgis_description import STEPS
from landcover_bdgf.app.qgis_plugin.progress import Bar


@pytest.mark.parametrize(
    ("line", "percent"),
    [
        ("bdgf: map: 0 of 40", 20.0),
        ("bdgf: map: 10 of 40, about 5 min left tile 3", 40.0),
        ("bdgf: shift: 7 of 7 loss 0.2", 20.0),
        ("bdgf: reading the scene: 3 of 7", 0.0),  # a step that the bar does not show
        ("bdgf: warning: map: 3 of 20 polygons are small", None),
        ("bdgf: loading libraries", None),
        ("bdgf: map: 0 of 0", None),
        ("60 of 100", None),
    ],
)
def test_how_far_a_command_is(line: str, percent: float | None) -> None:
    bar = Bar({"shift": 20, "map": 80})
    assert bar.follow(line) == (percent is not None)
    assert bar.percent == (percent or 0.0)


def test_a_step_that_starts_anew_does_not_lower_the_bar() -> None:
    bar, seen = Bar({"shift": 20, "map": 70}), []
    for line in ("shift: 1 of 2", "shift: 0 of 4", "shift: 4 of 4", "map: 1 of 2", "shift: 1 of 4", "map: 2 of 2"):
        bar.follow(f"bdgf: {line}")
        seen.append(bar.percent)
    assert seen == [10, 10, 20, 55, 55, 90]


def test_the_lines_of_progress_are_understood(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that bdgf writes where it has no terminal."""
    now, bar, seen = 0.0, Bar({"map": 100}), []
    monkeypatch.setattr(of_bdgf.time, "monotonic", lambda: now)
    monkeypatch.setattr(of_bdgf.log, "propagate", True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with caplog.at_level(logging.INFO, "landcover_bdgf"), of_bdgf.progress("map", total=4) as advance:
        for _ in range(4):
            now += 6.0
            advance(note="loss 0.5")
    assert "map: 3 of 4, about 6 s left loss 0.5" in caplog.messages
    for line in caplog.messages:
        assert bar.follow(f"bdgf: {line}")
        seen.append(bar.percent)
    assert seen == [0.0, 25.0, 50.0, 75.0, 100.0]


@pytest.mark.parametrize("name", STEPS)
def test_the_steps_of_the_bar_are_steps_of_bdgf(name: str) -> None:
    source = "".join(path.read_text("utf-8") for path in Path(landcover_bdgf.__file__).parent.glob("*/*.py"))
    for step in STEPS[name]:
        assert f'"{step}"' in source or re.match(r"fold [123]$", step)
    assert 0 < sum(STEPS[name].values()) <= 100
