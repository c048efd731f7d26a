"""Faults for real: kills, full disks, limits, signals, two runs at once. Nothing is lost, nothing left half-written.

Whatever bears the name of an output is, byte for byte, what an undisturbed run writes. How many trials there are is up
to ``BDGF_TRIALS``; ``make trust`` asks for all.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from data import make_bad as bad

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork, rlimits and tmpfs")

TRIALS = int(os.environ.get("BDGF_TRIALS", "3"))  # kills of each command, and sizes of the disk
QUICK = "--set diffusion.steps=3 --set diffusion.batch=4 --set training.steps=4 --set training.batch=16"
COMMANDS = {
    "align": "align msi.tif sar.tif -o disk/out.tif",
    "sample": "sample msi.tif sar.tif --labels labels.gpkg --field class -o disk/out.gpkg",
    "pretrain": f"pretrain msi.tif sar.tif --samples samples.gpkg -o disk/out.safetensors {QUICK}",
    "train": "train msi.tif sar.tif --samples samples.gpkg --denoiser denoiser.safetensors -o disk/out.safetensors",
    "map": "map msi.tif sar.tif --model model.safetensors -o disk/out.tif --confidence --ood",
    "assess": "assess map.tif --reference samples.gpkg -o disk/out",
}
PARTIAL = (".partial", ".partial.safetensors")  # what an interrupted run may leave, for --resume
FULL = ("Free some space", "Is the disk full, or damaged?", "GB of disk while it is written", "cannot be written")


@dataclass
class Server:
    """The process that runs the commands; see forked.py."""

    process: subprocess.Popen[str]

    def ask(self, **request: Any) -> Any:
        """The answer to a request."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def run(self, folder: Path, command: str, **more: Any) -> tuple[int, str]:
        """Exit code and standard error of a command, to its end."""
        code = self.ask(wait=self.start(folder, command, **more))
        return code, (folder / "err.txt").read_text()

    def start(self, folder: Path, command: str, **more: Any) -> int:
        """Its process number."""
        return int(self.ask(run=command.split(), cwd=str(folder), err=str(folder / "err.txt"), **more))

    def outputs(self, folder: Path) -> dict[str, str]:
        """sha256 of what bears the name of an output, by name."""
        files = self.ask(list=str(folder / "disk"))
        return {n: s for n, s in files.items() if not n.startswith(".") and not n.endswith(PARTIAL)}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """In a name space of its own where that is allowed, so that it may mount disks."""
    command = [sys.executable, str(Path(__file__).with_name("forked.py"))]
    apart = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") and subprocess.run([*apart, "true"], check=False, capture_output=True).returncode == 0:
        command = [*apart, *command]
    alone = os.environ | {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def scene(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scene with all that the commands need; kernels are compiled."""
    folder = tmp_path_factory.mktemp("scene")
    bad.good_scene(folder)
    code, err = server.run(folder, "map msi.tif sar.tif --model model.safetensors -o map.tif")
    assert code == 0, err
    return folder


@pytest.fixture
def place(scene: Path, tmp_path: Path) -> Path:
    """A folder with the scene and an empty folder for what is written."""
    for file in scene.iterdir():
        (tmp_path / file.name).hardlink_to(file)
    (tmp_path / "disk").mkdir()
    return tmp_path


def undisturbed(server: Server, place: Path, command: str) -> tuple[dict[str, str], float]:
    """What a command writes, by name and sha256, and how long that takes; removed again."""
    for _ in range(2):  # the second one has nothing to compile
        begun = time.monotonic()
        code, err = server.run(place, command)
        took = time.monotonic() - begun
        assert code == 0, err
        whole = server.outputs(place)
        shutil.rmtree(place / "disk")
        (place / "disk").mkdir()
    assert whole
    return whole, took


def resumed(place: Path, command: str) -> str:
    """The command, to go on with what it left."""
    partial = any((place / "disk").glob("*.partial*"))
    return f"{command} --overwrite" + (" --resume" if partial else "")


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_random_moments(name: str, server: Server, place: Path) -> None:
    command, killed, moments = COMMANDS[name], 0, random.Random(0)
    whole, usual_s = undisturbed(server, place, command)
    for _ in range(50 * TRIALS):
        child = server.start(place, resumed(place, command))
        time.sleep(moments.uniform(0, usual_s))
        os.kill(child, signal.SIGKILL)
        killed += server.ask(wait=child) == -signal.SIGKILL
        left = server.outputs(place)
        assert left.items() <= whole.items(), (name, left)
        if killed == TRIALS:
            break
        for file in (place / "disk").glob("out*"):
            if not file.name.endswith(PARTIAL) and killed % 2:
                shutil.rmtree(file) if file.is_dir() else file.unlink()
    assert killed == TRIALS
    code, err = server.run(place, resumed(place, command))
    assert code == 0, err
    assert server.outputs(place) == whole


@pytest.mark.parametrize("name", COMMANDS)
def test_the_disk_is_full(name: str, server: Server, place: Path) -> None:
    if not server.ask(mount=str(place / "disk"), kilobytes=1 << 16):
        pytest.skip("no disk can be mounted here")
    command = COMMANDS[name]
    code, err = server.run(place, command)
    assert code == 0, err
    whole, full, sizes = server.outputs(place), 0, random.Random(1)
    enough = 3 * server.ask(used=str(place / "disk"))  # for drafts beside what is finished
    for _ in range(TRIALS):
        server.ask(unmount=str(place / "disk"))
        server.ask(mount=str(place / "disk"), kilobytes=sizes.choice(range(8, enough, 4)))
        code, err = server.run(place, command)
        left = server.outputs(place)
        if code == 0:
            assert left == whole
            continue
        full += 1
        assert code == 6, err
        assert any(words in err.splitlines()[-1] for words in FULL), err
        assert "Traceback" not in err
        assert not left, err
        server.ask(mount=str(place / "disk"), kilobytes=1 << 16)
        code, err = server.run(place, resumed_there(server, place, command))
        assert code == 0, err
        assert server.outputs(place) == whole
    server.ask(unmount=str(place / "disk"))
    assert full or TRIALS < 3


def resumed_there(server: Server, place: Path, command: str) -> str:
    """As :func:`resumed`, of a disk that only the server sees."""
    partial = any(name.endswith(PARTIAL) for name in server.ask(list=str(place / "disk")))
    return f"{command} --overwrite" + (" --resume" if partial else "")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("limit", "code"), [("FSIZE", 6), ("NOFILE", None), ("AS", None)])
def test_limits_of_the_system(name: str, limit: str, code: int | None, server: Server, place: Path) -> None:
    """On the size of files, their number, and memory: an error in one line, or the whole output."""
    whole, _ = undisturbed(server, place, COMMANDS[name])
    values = {"FSIZE": (1, 5000, 60_000), "NOFILE": (8, 16, 24), "AS": (3 << 30, 2 << 30, 1 << 30)}[limit]
    for value in values:
        found, err = server.run(place, COMMANDS[name], limits={limit: value})
        left = server.outputs(place)
        assert "Traceback" not in err
        if found == 0:
            assert left == whole
        else:
            assert found in ({code} if code else {3, 4, 5, 6, 7}), (value, err)
            assert err.splitlines()[-1].startswith("bdgf: error: ")
            assert not left
        shutil.rmtree(place / "disk")
        (place / "disk").mkdir()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", COMMANDS)
def test_signals(name: str, number: signal.Signals, code: int, server: Server, place: Path) -> None:
    """Once; Ctrl-C also twice: what was begun is finished or gone, and the exit code says which."""
    command, moments = COMMANDS[name], random.Random(2)
    whole, usual_s = undisturbed(server, place, command)
    for trial in range(TRIALS):
        child = server.start(place, resumed(place, command))
        time.sleep(moments.uniform(0.05, usual_s))
        for _ in range(1 + trial % 2):
            os.kill(child, number)
            time.sleep(0.01)
        found, err = server.ask(wait=child), (place / "err.txt").read_text()
        assert found in (0, code, -number), err  # the last before Python has begun to listen
        assert "Traceback" not in err
        left = server.outputs(place)
        assert left == whole if found == 0 else left.items() <= whole.items()
        assert not [f for f in (place / "disk").iterdir() if f.name.endswith(".part")] or found == -number
    code, err = server.run(place, resumed(place, command))
    assert code == 0, err
    assert server.outputs(place) == whole


def test_nobody_reads_standard_output(server: Server, place: Path) -> None:
    for command in (*COMMANDS.values(), "info model.safetensors", "check msi.tif sar.tif"):
        code, err = server.run(place, f"{command} --overwrite" if "disk" in command else command, out="closed")
        assert code == 0, err
        assert "Traceback" not in err


@pytest.mark.parametrize("name", ["map", "pretrain", "train"])
def test_two_runs_on_one_output(name: str, server: Server, place: Path) -> None:
    whole, _ = undisturbed(server, place, COMMANDS[name])
    children = [
        server.ask(run=[*COMMANDS[name].split(), "--overwrite"], cwd=str(place), err=str(place / f"{i}.txt"))
        for i in (1, 2)
    ]
    codes = [server.ask(wait=child) for child in children]
    errors = [(place / f"{i}.txt").read_text() for i in (1, 2)]
    assert 0 in codes, errors
    assert set(codes) <= {0, 6}
    if 6 in codes:
        assert "another run is " in errors[codes.index(6)]
    assert server.outputs(place) == whole


@pytest.mark.parametrize("name", ["align", "map"])
def test_an_image_that_is_replaced_meanwhile(name: str, server: Server, place: Path) -> None:
    for file in ("msi.tif", "sar.tif"):  # its own, not the scene's
        content = (place / file).read_bytes()
        (place / file).unlink()
        (place / file).write_bytes(content)
    _, usual_s = undisturbed(server, place, COMMANDS[name])
    found = set()
    for trial in range(8):
        child = server.start(place, f"{COMMANDS[name]} --overwrite")
        time.sleep(usual_s * (trial + 1) / 10)
        content = (place / "sar.tif").read_bytes()
        (place / "new.tif").write_bytes(content)
        (place / "new.tif").rename(place / "sar.tif")
        code, err = server.ask(wait=child), (place / "err.txt").read_text()
        found.add(code)
        assert code in (0, 3), err
        if code:
            assert "was changed or replaced while it was read" in err
            assert not server.outputs(place)
        shutil.rmtree(place / "disk")
        (place / "disk").mkdir()
    assert 3 in found


def test_a_folder_that_vanishes(server: Server, place: Path) -> None:
    for name, command in COMMANDS.items():
        child = server.start(place, command)
        time.sleep(0.3)
        shutil.rmtree(place / "disk", ignore_errors=True)
        code, err = server.ask(wait=child), (place / "err.txt").read_text()
        assert code in (0, 6), (name, err)
        assert "Traceback" not in err
        (place / "disk").mkdir(exist_ok=True)
