"""Commands in children of a process that has everything imported, so that a trial costs what the command itself does.

``python forked.py`` reads requests, one JSON object a line, and answers each with one:

- ``{"run": [words], "cwd": folder, ...}``: starts ``bdgf`` with these words; answers with its process number. Further
  keys: ``limits`` (of setrlimit, such as {"FSIZE": 1000}; "AS" is what may come on top of what there is), ``closed``
  (nobody reads standard output), ``unreadable`` (names of files) and ``after_s`` (reading them fails from then on),
  ``clock`` (it jumps by years whenever it is asked, in another time zone and language).
- ``{"warm": folder, "words": words}``: runs ``bdgf`` in the process itself, so that its children have the compiled
  kernels, too.
- ``{"wait": number}``: waits for it; answers with the exit code, minus the signal's number if it was killed, and what
  it wrote on standard error.
- ``{"mount": folder, "how": "size=100k"}``: puts an empty disk of that size there; false where this may not be done.
- ``{"remount": folder, "how": "ro"}``, or another size; ``{"unmount": folder}``
- ``{"fill": folder}``: leaves nothing free; ``{"empty": folder}`` takes that back.
- ``{"list": folder}``: sha256 of its files by name, of a folder "folder"; tests cannot see a disk that is mounted here.
- ``{"remove": folder}``: all that lies in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import locale
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import seccomp

PIPES: dict[int, int] = {}  # of children: where their standard error can be read
FILLER = ".filler"


def main() -> None:
    """Answer until there are no more requests."""
    import landcover_bdgf.geo.gdal_env

    landcover_bdgf.geo.gdal_env.lock()
    for module in ("app.job", "app.check", "app.cli", "app.info", "assessment.report", "mapping.scene_map"):
        importlib.import_module(f"landcover_bdgf.{module}")
    for module in ("torch._dynamo", "matplotlib.backends.backend_agg", "geopandas"):  # what they import on the way
        importlib.import_module(module)
    import landcover_bdgf.training.denoiser_picture as picture

    picture.STEP = 2  # of the reverse process: a picture in a tenth of the time
    while line := sys.stdin.readline():
        print(json.dumps(answer(json.loads(line))), flush=True)


def answer(request: dict[str, Any]) -> Any:
    """What a request gets."""
    if "run" in request:
        return started(request)
    if "wait" in request:
        return ended(request["wait"])
    kind = next(iter(request))
    folder = Path(request[kind])
    if kind == "warm":
        return warmed(folder, request["words"])
    if kind == "mount":
        return called("mount", "-t", "tmpfs", "-o", request["how"], "disk", str(folder))
    if kind == "remount":
        return called("mount", "-o", f"remount,{request['how']}", str(folder))
    if kind == "unmount":
        return called("umount", "--lazy", str(folder))
    if kind == "fill":
        return filled(folder / FILLER)
    if kind == "empty":
        return (folder / FILLER).unlink()
    if kind == "remove":
        return [shutil.rmtree(child) if child.is_dir() else child.unlink() for child in folder.iterdir()] and None
    return {str(path.relative_to(folder)): known(path) for path in folder.rglob("*")}


def warmed(folder: Path, words: list[str]) -> int:
    """Run a command here; its exit code."""
    from landcover_bdgf.app.cli import main

    sys.argv = ["bdgf", *words]
    with contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr):
        try:
            main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
    return 0


def known(path: Path) -> str:
    """The sha256 of a file; of a folder that it is one."""
    return "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()


def started(request: dict[str, Any]) -> int:
    """Fork a child that runs a command."""
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        PIPES[child] = reader
        return child
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(120)  # rather a failure than a test without end
        os.chdir(request["cwd"])
        os.dup2(writer, 2)
        os.dup2(nobody() if "closed" in request else os.open(os.devnull, os.O_WRONLY), 1)
        if "clock" in request:
            elsewhen()
        if "unreadable" in request:
            files = [Path(name).resolve() for name in request["unreadable"]]
            threading.Thread(target=break_disk, args=(files, request["after_s"]), daemon=True).start()
        for name, value in request.get("limits", {}).items():
            kind = getattr(resource, f"RLIMIT_{name}")
            taken = 1024 * int(Path("/proc/self/status").read_text().split("VmSize:")[1].split()[0])
            resource.setrlimit(kind, (value + taken if name == "AS" else value, resource.getrlimit(kind)[1]))
        sys.argv = ["bdgf", *request["run"]]
        from landcover_bdgf.app.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return 0


def ended(child: int) -> tuple[int, str]:
    """Exit code and standard error of a child, when it has ended."""
    with os.fdopen(PIPES.pop(child), "rb") as pipe:
        said = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def nobody() -> int:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def elsewhen() -> None:
    """Another time zone, another language where it is installed, and a clock that jumps by years when it is asked."""
    os.environ["TZ"] = "Pacific/Kiritimati"
    time.tzset()
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
    now, jumps = time.time, random.Random(0)
    time.time = lambda: now() + jumps.choice((-1e9, -3600.0, 0.0, 3600.0, 1e9))
    time.time_ns = lambda: int(time.time() * 1e9)


def break_disk(files: list[Path], after_s: float) -> None:
    """Let reading of files fail from a moment on, as soon as one of them is open."""
    time.sleep(after_s)
    while True:
        found = []
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                found += [int(entry.name)] if entry.readlink() in files else []
        if found:
            with contextlib.suppress(OSError):  # a kernel that takes no filters: then nothing breaks
                seccomp.unreadable(found)
            return
        time.sleep(0.002)


def called(*words: str) -> bool:
    """Whether a program of the system did what it should."""
    return subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode == 0


def filled(path: Path) -> int:
    """Fill a disk to its last byte; how much went in."""
    size = 0
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            size += file.write(bytes(4096))
    return size


if __name__ == "__main__":
    main()
