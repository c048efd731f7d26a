"""What the terminal shows: one plain line for a word, a warning or an error; the result as text or JSON."""

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

from landcover_bdgf.errors import BdgfError, OutputError, ResourceError, SettingsError, is_refusal, refused, unwritten

INTERRUPTED, TERMINATED = 130, 143
LONGEST = 800  # characters of an error
_told_to_stop: list[int] = []  # signals: a library may turn what they raise into an error of its own, without its cause
_flags: dict[str, str] = {}  # the options of the running command, by the names of the settings
_SETTING = re.compile(r"`([a-z_][\w.]*)(?:=([^`]*))?`")
_USED_UP = "out of memory, or a limit is reached (ulimit -a)."
# What torch, C++, oneDNN, GDAL, libtiff, the loader of libraries and Python say when they get no memory.
_NO_MEMORY = (
    "DefaultCPUAllocator", "bad_alloc", "could not create a primitive", "cannot allocate", "No space for data buffer",
    "failed to map segment", "can't start new thread",
)  # fmt: skip


class Output(Protocol):
    """The common options that shape what is shown."""

    @property
    def json(self) -> bool: ...
    @property
    def quiet(self) -> bool: ...
    @property
    def verbose(self) -> bool: ...


def open_streams() -> None:
    """Put /dev/null in the place of standard input, output and error that are closed.

    Nothing can be said there then, and no file that is opened later gets their numbers, by which libraries print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free, which is this
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115


def listen(output: Output, flags: Mapping[str, str]) -> None:
    """Show what the package logs, on standard error; ``flags`` are the options of the command, by setting."""
    _flags.clear()
    _flags.update(flags)
    handler = _StandardError()
    handler.setFormatter(_Line())
    log = logging.getLogger("landcover_bdgf")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.WARNING if output.quiet else logging.DEBUG if output.verbose else logging.INFO)
    if "--debug" not in sys.argv:  # of errors in its callbacks rasterio tells both hooks, which would print tracebacks
        sys.unraisablehook, sys.excepthook = _whisper, _whisper


def with_flags(message: str) -> str:
    """A message of the library with its settings as options of the running command.

    ```overwrite``` becomes ``--overwrite``, ```coreg="auto"``` becomes ``--coreg auto``. A setting that the command
    has no option for stays as it is, without backticks.
    """

    def shown(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        if name not in _flags:
            return found[0].strip("`")
        if value in (None, "True"):
            return _flags[name]
        return f"{_flags[name]} {value.strip(chr(34))}"

    return _SETTING.sub(shown, message)


def say(output: Output, lines: list[str], values: Any) -> None:
    """The result on standard output: JSON for programs, lines for people."""
    text = (
        json.dumps(_finite(values), default=str, indent=2, allow_nan=False)
        if output.json
        else "\n".join(map(one_line, lines))
    )
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader has gone, as in `bdgf info x | head`; what is done is done
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explain(error: BaseException) -> int:
    """Print the one line of an error and choose the exit code."""
    if "--debug" in sys.argv:
        whole = "".join(traceback.format_exception(error))
        print("\n".join(map(one_line, whole.splitlines())), file=sys.stderr)
    causes, told = list(_with_causes(error)), set(_told_to_stop)
    _told_to_stop.clear()
    if signal.SIGTERM in told or any(isinstance(cause, SystemExit) for cause in causes):
        return TERMINATED
    if signal.SIGINT in told or any(isinstance(cause, KeyboardInterrupt | typer.Abort) for cause in causes):
        return _error("stopped.", INTERRUPTED)
    if hasattr(error, "format_message"):  # a usage error; its class lives in click or in typer, by version
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "bdgf"
        said = error.format_message()
        return _error(
            f"{said}{'' if said.endswith(('.', '?')) else '.'} See {command} --help.", SettingsError.exit_code
        )
    if any(isinstance(e, MemoryError) or any(words in str(e) for words in _NO_MEMORY) for e in causes):
        wanted = "Close other programs; bdgf map needs less with --max-ram."
        return _error(f"{_USED_UP} {wanted}", ResourceError.exit_code)
    if isinstance(error, BdgfError):
        return _error(_told(error), error.exit_code)
    if "CUDA out of memory" in str(error):
        wanted = (
            "Close other programs that use it, halve training.batch or diffusion.batch (--set), or use --device cpu."
        )
        return _error(f"the GPU is out of memory. {wanted}", ResourceError.exit_code)
    if isinstance(error, OSError) and (said := _system_says(error)):
        return said
    found = f"{type(error).__name__}: {error}"
    return _error(f"internal error ({found}). Please report it with the output of --debug.", 1)


def heed_signals() -> None:
    """Unwind when told to stop, so that temporary files go, and remember it; Ctrl-C only where it is not ignored."""
    _told_to_stop.clear()
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    _told_to_stop.append(number)
    if number == signal.SIGTERM:
        raise SystemExit(TERMINATED)
    raise KeyboardInterrupt


def one_line(text: str) -> str:
    """Names come from files: no control character may reach the terminal, nor what cannot be written as text."""
    text = re.sub(r"[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)


def _finite(values: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for both."""
    if isinstance(values, dict):
        return {key: _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def _system_says(error: OSError) -> int:
    """What no file is to blame for, as an error; 0 if it is something else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
        return _error(str(unwritten(error.filename or "output", error)), OutputError.exit_code)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return _error(
            "too many files are open. Close other programs, or allow more with ulimit -n.", ResourceError.exit_code
        )
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return _error(f"{_USED_UP} Close other programs.", ResourceError.exit_code)
    if is_refusal(error):  # what is opened for the user says so by itself, this is left over
        return _error(str(refused(error, OutputError)), OutputError.exit_code)
    return 0


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those behind it: that a file could not be read says nothing of the file where there is no memory."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _whisper(*found: object) -> None:
    logging.getLogger("landcover_bdgf").debug("an error that could not be raised: %s", found)


def _told(error: BdgfError) -> str:
    """Its line; names of files are left as they are, whatever is in them."""
    setting = isinstance(error.path, str) and _SETTING.fullmatch(error.path)
    path = with_flags(str(error.path)) if setting else error.path
    return str(type(error)(path, with_flags(error.problem), with_flags(error.remedy)))


class _StandardError(logging.StreamHandler[TextIO]):
    """Looks for standard error with each line: while a bar is shown, another stream stands in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        word = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        message = with_flags(str(record.msg))  # before names of files are put in
        return f"bdgf: {word}{one_line(message % record.args if record.args else message)}"


def _error(message: str, code: int) -> int:
    line = one_line(message)
    if len(line) > LONGEST:  # SQLite quotes all that it was told to do; the file comes first, the remedy last
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
    print(f"bdgf: error: {line}", file=sys.stderr)
    return code
