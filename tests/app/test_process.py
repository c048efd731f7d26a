"""A run that QGIS starts: its lines as they come, and Cancel, where QGIS is not needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from landcover_bdgf.app.qgis_plugin import process
from landcover_bdgf.app.qgis_plugin.command_line import Program
from landcover_bdgf.app.qgis_plugin.process import run

PYTHON = Program((sys.executable, "-c"), {**os.environ, "PYTHONIOENCODING": "utf-8"})
WAITS = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("bdgf: error: stopped. Continue with --resume.", file=sys.stderr)
    sys.exit(130)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('begun', flush=True); time.sleep(60)"
)


def test_lines_of_both_streams_and_the_exit_code() -> None:
    lines: list[tuple[str, str]] = []
    code = "import sys; print('été'); print('bdgf: map: 1 of 2', file=sys.stderr); sys.exit(3)"
    assert run(PYTHON, [code], tell=lambda *line: lines.append(line), cancelled=lambda: False) == 3
    assert sorted(lines) == [("stderr", "bdgf: map: 1 of 2"), ("stdout", "été")]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends the process at once")
@pytest.mark.parametrize(("program", "code"), [(WAITS, 130), (STUBBORN, -15)])
def test_cancel_sends_an_interrupt_and_ends_what_ignores_it(
    program: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.3 if program is STUBBORN else 60.0)
    lines: list[tuple[str, str]] = []
    assert run(PYTHON, [program], tell=lambda *line: lines.append(line), cancelled=lambda: bool(lines)) == code
    told = ("stderr", "bdgf: error: stopped. Continue with --resume.")
    assert (told in lines) == (program is WAITS)


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    def fails(stream: str, line: str) -> None:
        raise RuntimeError(line)

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(RuntimeError, match=r"^\d+$") as caught:
        run(PYTHON, [code], tell=fails, cancelled=lambda: False)
    if os.name != "nt":
        with pytest.raises(ProcessLookupError):
            os.kill(int(str(caught.value)), 0)
