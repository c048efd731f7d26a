"""An error is printed in one line; the exit code gives its kind."""

import ast
import errno
import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import landcover_bdgf
from landcover_bdgf.app.info import verify
from landcover_bdgf.app.options import Shown
from landcover_bdgf.app.terminal import explain, handle_signals, say, show_log, with_flags
from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.progress import log
from landcover_bdgf.scene.simulation import SceneFiles

LOGGING = ("log.debug", "log.info", "log.warning", "log.log", "level")


def caused(error: BaseException, by: BaseException) -> BaseException:
    error.__context__ = by
    return error


def system(number: int) -> OSError:
    return OSError(number, os.strerror(number), "map.tif")


FLAGS = {"overwrite": "--overwrite", "sar_unit": "--sar-unit", "coreg": "--coreg", "tile_px": "--tile"}


@pytest.fixture(autouse=True)
def of_a_command() -> None:
    """The options of the running command."""
    show_log(Shown(), FLAGS)


@pytest.mark.parametrize(("message", "shown"), [
    ("Use `overwrite` to replace it.", "Use --overwrite to replace it."),
    ("Use `overwrite=True`.", "Use --overwrite."),
    ('`coreg="auto"` corrects it', "--coreg auto corrects it"),
    ("`sar_unit=db` or `sar_unit`", "--sar-unit db or --sar-unit"),
    ("`tile_px=3`: is too small", "--tile 3: is too small"),
    ("continue with `resume`", "continue with resume"),  # no option of this command
    ('set `split="block"` or `training.batch`', 'set split="block" or training.batch'),
    ("a name with a ` in it", "a name with a ` in it"),
])  # fmt: skip
def test_settings_are_shown_as_options_of_the_command(message: str, shown: str) -> None:
    assert with_flags(message) == shown


def test_what_cannot_be_printed_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    nan, infinity = float("nan"), float("inf")
    say(Shown(json=True), [], {"value": [nan, -infinity, [1.0, nan], (infinity,)]})
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == {"value": [None, None, [1.0, None], [None]]}
    say(Shown(), ["name: \ud800a"], {})
    assert capsys.readouterr().out == "name: \N{REPLACEMENT CHARACTER}a\n"


def test_errors_and_log_lines_show_options_but_not_in_file_names(capsys: pytest.CaptureFixture[str]) -> None:
    explain(LabelError("`overwrite`/`coreg`.shp", "exists", "Use `overwrite`."))
    log.warning("%s: may need `sar_unit=%s`", "`coreg`.tif", "db")
    error, warning = capsys.readouterr().err.splitlines()
    assert error == "bdgf: error: `overwrite`/`coreg`.shp: exists. Use --overwrite."
    assert warning == "bdgf: warning: `coreg`.tif: may need --sar-unit db"


def test_settings_are_in_formats_of_log_lines_not_in_their_values() -> None:
    """Only there they are replaced by options, as values may be names of files."""
    for file in Path(landcover_bdgf.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in LOGGING:
                assert "`" not in "".join(map(ast.unparse, call.args[1:])), f"{file}:{call.lineno}"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (LabelError("a.shp", "has no field 'class'"), 4, "a.shp: has no field 'class'."),
        (SettingsError("`tile_px=3`", "is too small"), 2, "--tile 3: is too small."),
        (MemoryError(), 7, "(ulimit -a). Close other programs; bdgf map needs less with --max-ram."),
        (caused(LabelError("a.shp", "is damaged"), MemoryError()), 7, "memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 MiB."), 7, "the GPU is out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), 7, "GPU is out of memory"),
        (system(errno.ENOMEM), 7, "memory"),
        (system(errno.EMFILE), 7, "too many files are open"),
        (system(errno.ENOSPC), 6, "map.tif"),
        (system(errno.EACCES), 6, "map.tif"),
        (KeyboardInterrupt(), 130, "stopped."),
        (caused(ValueError("a library's"), KeyboardInterrupt()), 130, "stopped."),
        (system(errno.EIO), 1, "internal error (OSError"),
        (ZeroDivisionError("by zero"), 1, "internal error (ZeroDivisionError: by zero). Please report it with"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_and_a_code(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(error) == code
    said = capsys.readouterr().err
    assert said.startswith("bdgf: error: ")
    assert says in said
    assert said.count("\n") == 1


def test_sigterm_behind_an_error_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(caused(ValueError("a library's"), SystemExit(143))) == 143
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_library_swallows_is_remembered(number: int, code: int) -> None:
    """As pybind11 does, which calls an array that it could not ask for a wrong argument."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    handle_signals()
    with suppress(KeyboardInterrupt, SystemExit):
        signal.raise_signal(number)
    assert explain(TypeError("incompatible function arguments")) == code
    assert explain(TypeError("incompatible function arguments")) == 1


def test_debug_shows_where_an_error_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bdgf", "map", "--debug"])
    explain(caused(LabelError("a.shp", "is damaged"), ValueError("of a \x1b]0;library\x07")))
    said = capsys.readouterr().err
    assert "ValueError: of a  ]0;library" in said
    assert "\x1b" not in said


def test_a_command_works_where_standard_streams_are_closed(scene_files: SceneFiles, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "landcover_bdgf", "align", scene_files.spectral, scene_files.sar, "-o", "sar.tif"]
    for closed, code in (("<&- >&- 2>&-", 0), ("2>&-", 6)):  # at the second call it exists already
        command = f"exec {shlex.join(map(str, words))} {closed}"
        assert subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False, timeout=300).returncode == code
    assert "unchanged" in verify(tmp_path / "sar.tif")


@pytest.mark.parametrize("numbers", [(0, 1, 2), (0,)])
def test_no_file_gets_the_descriptor_of_a_closed_stream(numbers: tuple[int, ...]) -> None:
    looks = f"""
import os, sys
for number in {numbers}:
    os.close(number)
    setattr(sys, ("stdin", "stdout", "stderr")[number], None)
from landcover_bdgf.app.terminal import open_streams
open_streams()
assert os.open(os.devnull, os.O_RDONLY) > 2
assert all(os.path.samestat(os.fstat(number), os.stat(os.devnull)) for number in {numbers})
print("said", file=sys.stderr)
print("said")
assert {0 not in numbers} or not sys.stdin.read()
"""
    assert subprocess.run([sys.executable, "-c", looks], stdin=subprocess.DEVNULL, check=False).returncode == 0
