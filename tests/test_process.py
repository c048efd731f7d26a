"""Ctrl-C between steps, signals during a short block, and the number of threads."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from landcover_bdgf.process import available_threads, signals_held_back, stop_between_steps


def test_ctrl_c_is_noted_and_the_step_goes_on(ctrl_c: Callable[[], None]) -> None:
    with stop_between_steps() as stopped:
        assert not stopped()
        ctrl_c()
        assert stopped()


def test_a_second_ctrl_c_stops_at_once(ctrl_c: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt), stop_between_steps():  # noqa: PT012
        ctrl_c()
        ctrl_c()
        pytest.fail("the second one was not heeded")


def test_ctrl_c_in_a_short_block_is_heeded_after_it(ctrl_c: Callable[[], None]) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), signals_held_back():  # noqa: PT012
        ctrl_c()
        done.append("the block went on")
    assert done


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_between_steps() as stopped:
            signal.raise_signal(signal.SIGINT)
            assert not stopped()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("wanted", "threads"), [("3", 3), ("0", 1), ("many", None), ("", None)])
def test_omp_num_threads_sets_the_number_of_threads(
    wanted: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert available_threads() == (threads or cores)
