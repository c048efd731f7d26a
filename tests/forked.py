"""Commands in children of a process that has everything imported, so that a trial costs what the command itself does.

``python forked.py`` reads requests, one JSON object a line, and answers each with one:

- ``{"run": [words], "cwd": folder, ...}``: starts ``bdgf`` with these words; answers with its process number. Further
  keys: ``limits`` (of setrlimit, such as {"FSIZE": 1000}), ``out`` and ``err`` (files; "closed" for none).
- ``{"wait": number}``: waits for it; answers with the exit code, minus the signal's number if it was killed.
- ``{"mount": folder, "kilobytes": size}``: puts a disk of that size there, or changes its size.
- ``{"used": folder}``: how many kilobytes of that disk are full.
- ``{"unmount": folder}``: takes it away.
- ``{"list": folder}``: sha256 of its files by name; the tests cannot see a disk that is mounted here.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer until there are no more requests."""
    import landcover_bdgf.gdal

    landcover_bdgf.gdal.lock()
    for module in ("chain", "check", "info", "report", "mapping", "training"):
        importlib.import_module(f"landcover_bdgf.{module}")
    while line := sys.stdin.readline():
        print(json.dumps(answer(json.loads(line))), flush=True)


def answer(request: dict[str, Any]) -> Any:
    """What a request gets."""
    if "run" in request:
        return started(request)
    if "wait" in request:
        return os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
    if "mount" in request:
        return mounted(request["mount"], request["kilobytes"])
    if "unmount" in request:
        return subprocess.run(["umount", "--lazy", request["unmount"]], check=False).returncode
    if "used" in request:
        disk = os.statvfs(request["used"])
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize // 1024
    folder = Path(request["list"])
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()
    }


def started(request: dict[str, Any]) -> int:
    """Fork a child that runs a command."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(120)  # rather a failure than a test without end
        os.chdir(request["cwd"])
        for number, stream in ((1, "out"), (2, "err")):
            redirect(number, request.get(stream, os.devnull))
        for name, value in request.get("limits", {}).items():
            kind = getattr(resource, f"RLIMIT_{name}")
            resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
        sys.argv = ["bdgf", *request["run"]]
        from landcover_bdgf.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return 0


def redirect(number: int, target: str) -> None:
    """Send a standard stream into a file, or close it."""
    if target == "closed":
        reader, writer = os.pipe()
        os.close(reader)  # what is written finds nobody who reads
    else:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(writer, number)


def mounted(folder: str, kilobytes: int) -> bool:
    """A small disk; False where this may not be done."""
    options = f"size={kilobytes}k"
    if os.path.ismount(folder):
        options += ",remount"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "disk", folder], check=False, stderr=subprocess.DEVNULL
    )
    return done.returncode == 0


if __name__ == "__main__":
    main()
