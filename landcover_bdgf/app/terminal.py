"""Terminal output: log messages, warnings and errors in one line each; results as text or JSON."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, Protocol, TextIO

import typer

from landcover_bdgf.errors import (
    GPU_IS_FULL,
    BdgfError,
    OutputError,
    ResourceError,
    SettingsError,
    is_refusal,
    refused,
    unwritten,
)
from landcover_bdgf.processes import is_first, tells_error

INTERRUPTED, TERMINATED = 130, 143
LONGEST = 800  # characters of an error
_signals: list[int] = []  # received; a library may replace the exception that they raise, and drop the cause
_flags: dict[str, str] = {}  # options of the running command by setting
_results: list[Any] = []  # that the running command has printed
_OUT_OF_MEMORY = (
    "out of memory, or a limit is reached (ulimit -a)",
    "Close other programs; bdgf map needs less with --max-ram.",
)
_SETTING = re.compile(r"`([a-z_][\w.]*)(?:=([^`]*))?`")
# Messages of torch, C++, oneDNN, GDAL, libtiff, the dynamic linker and Python when they run out of memory.
_NO_MEMORY = (
    "DefaultCPUAllocator", "bad_alloc", "could not create a primitive", "cannot allocate", "No space for data buffer",
    "failed to map segment", "can't start new thread",
)  # fmt: skip


class Output(Protocol):
    """Options of every command that control the output."""

    @property
    def json(self) -> bool: ...
    @property
    def quiet(self) -> bool: ...
    @property
    def verbose(self) -> bool: ...


def open_streams() -> None:
    """Open /dev/null for closed standard streams, so that no later file gets their numbers and what libraries print."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number, this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115


def show_log(output: Output, flags: Mapping[str, str]) -> None:
    """Print log messages to standard error; ``flags`` are the options of the command by setting."""
    _flags.clear()
    _flags.update(flags)
    handler = _StandardError()
    handler.setFormatter(_Line())
    log = logging.getLogger("landcover_bdgf")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.WARNING if output.quiet else logging.DEBUG if output.verbose else logging.INFO)
    if not is_first():
        log.setLevel(logging.ERROR)
    if "--debug" not in sys.argv:  # rasterio passes errors in its callbacks to both hooks, which print tracebacks
        sys.unraisablehook, sys.excepthook = _log_unraisable, _log_unraisable


def with_flags(text: str) -> str:
    """Replace settings in a message by options of the running command.

    ```overwrite``` becomes ``--overwrite``, ```coreg="auto"``` becomes ``--coreg auto``. Settings for which the command
    has no option only lose their backticks.
    """

    def shown(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        if name not in _flags:
            return found[0].strip("`")
        if value in (None, "True"):
            return _flags[name]
        return f"{_flags[name]} {value.strip(chr(34))}"

    return _SETTING.sub(shown, text)


def say(output: Output, lines: list[str], values: Any) -> None:
    """Print the result to standard output, as JSON or text; only the first of several processes does."""
    if not is_first():
        return
    _results.append(values)
    text = "\n".join(map(one_line, lines))
    if output.json:
        text = json.dumps(_finite(values), default=str, indent=2, allow_nan=False)
    try:
        print(text, flush=True)
    except BrokenPipeError:  # closed by the reader, as in `bdgf info x | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explain(error: BaseException) -> int:
    """Print an error in one line; returns the exit code."""
    if "--debug" in sys.argv:
        whole = "".join(traceback.format_exception(error))
        print("\n".join(map(one_line, whole.splitlines())), file=sys.stderr)
    causes, received = list(_with_causes(error)), set(_signals)
    way_on = " ".join(note for each in causes for note in getattr(each, "__notes__", ()))  # how to continue the run
    _signals.clear()
    if signal.SIGTERM in received or any(isinstance(cause, SystemExit) for cause in causes):
        return TERMINATED
    if signal.SIGINT in received or any(isinstance(cause, KeyboardInterrupt | typer.Abort) for cause in causes):
        return _error(with_flags(f"stopped. {way_on}".rstrip()), INTERRUPTED)
    if hasattr(error, "format_message"):  # a usage error; depending on the version, its class is in click or typer
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "bdgf"
        usage = error.format_message().replace("Value error, ", "")  # typer's own words
        if not usage:  # no arguments: the help is printed already
            return SettingsError.exit_code
        stop = "" if usage.endswith((".", "?")) else "."
        return _error(f"{usage}{stop} See {command} --help.", SettingsError.exit_code)
    if any(isinstance(e, MemoryError) or any(words in str(e) for words in _NO_MEMORY) for e in causes):
        return _bdgf_error(ResourceError(None, *_OUT_OF_MEMORY), way_on)
    if isinstance(error, RuntimeError) and any(words in str(error) for words in GPU_IS_FULL):
        remedy = (
            "Close other programs that use it, halve training.batch or diffusion.batch (--set), or use --device cpu."
        )
        return _bdgf_error(ResourceError(None, "the GPU is out of memory", remedy))
    if isinstance(error, OSError):
        error = _system_error(error) or error
    if isinstance(error, BdgfError):
        return _bdgf_error(error, way_on if isinstance(error, OutputError) else "")
    found = f"{type(error).__name__}: {error}"
    return _error(f"internal error ({found}). Please report it with the output of --debug.", 1)


def handle_signals() -> None:
    """Raise on SIGTERM and Ctrl-C, so that temporary files are removed; Ctrl-C only if it is not ignored."""
    _signals.clear()
    _results.clear()
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    _signals.append(number)
    if number == signal.SIGTERM:
        raise SystemExit(TERMINATED)
    raise KeyboardInterrupt


def one_line(text: str) -> str:
    """Text without control characters and surrogates, which names in files may contain."""
    text = re.sub(r"[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)


def _finite(values: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, by null."""
    if isinstance(values, dict):
        return {key: _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def _system_error(error: OSError) -> BdgfError | None:
    """The error for the user if the system refused, None otherwise."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
        return unwritten(error.filename or "output", error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ResourceError(None, "too many files are open", "Close other programs, or allow more with ulimit -n.")
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return ResourceError(None, *_OUT_OF_MEMORY)
    return refused(error, OutputError) if is_refusal(error) else None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes: a file may only seem unreadable because memory ran out."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _log_unraisable(*found: object) -> None:
    logging.getLogger("landcover_bdgf").debug("an error that could not be raised: %s", found)


def message(error: BdgfError, way_on: str = "") -> str:
    """An error with options for settings, but not inside file names; ``way_on`` unless its remedy tells it."""
    setting = isinstance(error.path, str) and _SETTING.fullmatch(error.path)
    path = with_flags(str(error.path)) if setting else error.path
    remedy = error.remedy if "`resume`" in error.remedy else f"{error.remedy} {way_on}".strip()
    return str(BdgfError(path, with_flags(error.problem), with_flags(remedy)))


def _bdgf_error(error: BdgfError, way_on: str = "") -> int:
    return _error(message(error, way_on), error.exit_code)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes each line to the current ``sys.stderr``, which a progress bar replaces while it is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        word = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        text = with_flags(str(record.msg))  # before file names are inserted
        return f"bdgf: {word}{one_line(text % record.args if record.args else text)}"


def _error(text: str, code: int) -> int:
    line = one_line(text)
    if len(line) > LONGEST:  # SQLite quotes whole statements; the file comes first, the remedy last
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
    if tells_error():
        print(f"bdgf: error: {line}", file=sys.stderr)
        if "--json" in sys.argv and not _results:  # a reader of JSON expects one value
            print(json.dumps({"error": line, "exit_code": code}, indent=2), flush=True)
    return code
