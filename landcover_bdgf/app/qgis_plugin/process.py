"""A run of bdgf in a process of its own, without QGIS: its lines as they come, and the interrupt that stops it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any, Optional, TextIO

from .command_line import Program

WAIT_S = 0.1  # how soon Cancel is noticed
PATIENCE_S = 300.0  # after an interrupt, which bdgf heeds after the tile or step at hand; then the process is ended
# Name of the stream and text; None at its end. Python 3.9 evaluates this.
Line = Optional[tuple[str, str]]  # noqa: UP045


def run(
    program: Program, words: list[str], *, tell: Callable[[str, str], None], cancelled: Callable[[], bool],
    folder: str | None = None,
) -> int:  # fmt: skip
    """Run bdgf and wait for it; returns its exit code.

    Parameters
    ----------
    program : Program
        How bdgf is started.
    words : list of str
        Its command and options.
    tell : callable
        Called with ``"stdout"`` or ``"stderr"`` and each line.
    cancelled : callable
        Whether the user has cancelled; asked ten times a second. The process then gets an interrupt, as by Ctrl-C,
        after which bdgf keeps what it needs to continue. Windows has no interrupt for a process without a console: it
        is ended there, which loses what it has computed since it last saved.
    folder : str, optional
        Its working folder.
    """
    hidden: dict[str, Any] = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}  # type: ignore[attr-defined]
    with subprocess.Popen(
        [*program.words, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=program.environment, cwd=folder, encoding="utf-8", errors="replace", **hidden,
    ) as process:  # fmt: skip
        try:
            _follow(process, tell, cancelled)
        finally:
            if process.poll() is None:  # something else went wrong: no process is left behind
                process.kill()
    return process.returncode


def _follow(process: Any, tell: Callable[[str, str], None], cancelled: Callable[[], bool]) -> None:
    """Pass on the lines of a process until it has closed both streams."""
    lines: queue.Queue[Line] = queue.Queue()
    streams = {"stdout": process.stdout, "stderr": process.stderr}
    for name, stream in streams.items():
        threading.Thread(target=_read, args=(name, stream, lines), daemon=True).start()
    stopping, left = _Stopping(process), len(streams)
    while left:
        try:
            line = lines.get(timeout=WAIT_S)
        except queue.Empty:
            pass
        else:
            left -= line is None
            if line is not None:
                tell(*line)
        if cancelled():
            stopping.go_on()
    process.wait()


class _Stopping:
    """Ends a process: by an interrupt, then more firmly if it takes long."""

    def __init__(self, process: Any) -> None:
        self._process, self._asked_s, self._ended = process, 0.0, False

    def go_on(self) -> None:
        """Take the next step when it is due."""
        now = time.monotonic()
        if not self._asked_s:
            self._asked_s = now
            if os.name == "nt":
                self._process.terminate()
            else:
                self._process.send_signal(signal.SIGINT)
        elif now - self._asked_s > PATIENCE_S and not self._ended:
            self._ended = True
            self._process.terminate()


def _read(name: str, stream: TextIO, lines: queue.Queue[Line]) -> None:
    for text in stream:
        lines.put((name, text.rstrip("\r\n")))
    lines.put(None)
