"""Progress is shown at once, and its remaining time does not jump."""

import builtins
import io
import logging
import signal
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest

from landcover_bdgf import progress as module
from landcover_bdgf.progress import Pace, duration, kept_warnings, log, progress, stop_between_steps, track


@pytest.fixture(autouse=True)
def in_a_pipe(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module.log, "propagate", True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    caplog.set_level(logging.INFO, "landcover_bdgf")


def test_a_line_every_few_seconds_shows_the_remaining_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    for _ in track(range(100), "map", 100):
        assert caplog.messages[0] == "map: 0 of 100"  # before the first step
        now += 2.0
    assert caplog.messages[:4] == [
        "map: 0 of 100", "map: 3 of 100", "map: 6 of 100, about 3 min left", "map: 9 of 100, about 3 min left",
    ]  # fmt: skip
    assert caplog.messages[-1] == "map: 99 of 100, about 2 s left"


def estimates(*steps_s: float) -> list[float]:
    """Seconds per step, as estimated after each step."""
    now, pace, told = 0.0, Pace(0.0), []
    for step_s in steps_s:
        now += step_s
        pace.add(1, now)
        if (left := pace.left_s(1)) is not None:
            told.append(left)
    return told


def test_a_slow_first_step_does_not_count() -> None:
    assert estimates(20.0, *[1.0] * 50) == pytest.approx([1.0] * 46)


def test_steps_that_end_together_do_not_make_it_jump() -> None:
    """Eight threads: their first blocks wait for the kernels, then eight blocks end together every eight seconds."""
    told = estimates(20.0, *[0.01] * 7, *[7.93, *[0.01] * 7] * 20)
    assert all(0.4 < seconds < 2 for seconds in told[8:])
    assert told[-1] == pytest.approx(1.0, rel=0.15)


def test_one_slow_step_moves_the_estimate_by_less_than_a_factor_of_two() -> None:
    told = estimates(*[1.0] * 60, 20.0, *[1.0] * 60)
    changes = [after / before for before, after in pairwise(told)]
    assert max(changes) < 2
    assert min(changes) > 0.9


def test_a_lasting_change_of_pace_is_followed() -> None:
    assert estimates(*[1.0] * 60, *[4.0] * 60)[-1] == pytest.approx(4.0, rel=0.1)


def test_a_bar_is_drawn_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress("map", total=40):
        assert "0/40" in screen.getvalue()


def test_times_are_short() -> None:
    assert [duration(seconds) for seconds in (3, 89, 300, 2 * 3600)] == ["3 s", "89 s", "5 min", "2.0 h"]


def test_ctrl_c_is_noted_and_a_second_one_stops_at_once(ctrl_c: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt), stop_between_steps() as stopped:  # noqa: PT012
        assert not stopped()
        ctrl_c()
        assert stopped()
        ctrl_c()
        pytest.fail("the second one was not heeded")


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_between_steps() as stopped:
            signal.raise_signal(signal.SIGINT)
            assert not stopped()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("level", "seen"), [(logging.INFO, True), (logging.ERROR, False)])
def test_progress_in_a_notebook(level: int, seen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As rich hands it over to IPython and ipywidgets, which need not be installed."""
    shown: list[object] = []
    modules = {"IPython": Mock(), "IPython.display": Mock(display=shown.append), "ipywidgets": MagicMock()}
    modules["ipywidgets"].__spec__ = sys.__spec__
    for name, part in modules.items():
        monkeypatch.setitem(sys.modules, name, part)
    monkeypatch.setattr(builtins, "get_ipython", type("ZMQInteractiveShell", (), {}), raising=False)
    log.setLevel(level)
    with progress("map", total=2) as advance:
        advance(2)
    assert any("2/2" in str(getattr(each, "text", "")) for each in shown) == seen


def test_warnings_are_kept_once_with_the_names_of_files_and_still_shown(caplog: pytest.LogCaptureFixture) -> None:
    with kept_warnings() as outer:
        log.warning("%s: %.1f px off", Path("/home/me/s1.tif"), 2.7)
        with kept_warnings() as inner:
            log.info("not a warning")
            log.warning("100 %")
            log.warning("%s: %.1f px off", Path("/home/me/s1.tif"), 2.7)
    log.warning("too late")
    assert outer == ["s1.tif: 2.7 px off", "100 %"]
    assert inner == ["100 %", "s1.tif: 2.7 px off"]
    assert "/home/me/s1.tif: 2.7 px off" in caplog.messages


def test_kept_warnings_tell_files_of_one_name_apart() -> None:
    with kept_warnings() as said:
        for folder in ("north", "south", "south"):
            log.warning("%s: has a gap", Path(folder) / "labels.gpkg")
        log.warning("%s: has a gap", Path("other.gpkg"))
    assert said == ["north/labels.gpkg: has a gap", "south/labels.gpkg: has a gap", "other.gpkg: has a gap"]


def test_a_step_that_fails_keeps_no_more_warnings() -> None:
    def failing(kept: list[list[str]]) -> None:
        with kept_warnings() as said:
            kept.append(said)
            log.warning("before")
            raise ValueError("later")

    kept: list[list[str]] = []
    with pytest.raises(ValueError, match="later"):
        failing(kept)
    log.warning("after")
    assert kept == [["before"]]
