"""Faults for real: kills, full disks, broken disks, limits, signals, two runs. Nothing is lost, nothing half-written.

Whatever has the name of an output is, byte for byte, what an undisturbed run writes. ``BDGF_TRIALS`` sets the number
of trials; ``make trust`` tries all commands, ``make test`` two: reading, and a whole job.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import seccomp
from conftest import Tally

from landcover_bdgf.storage.products import Product, reserved

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork, limits and tmpfs")

TRIALS = int(os.environ.get("BDGF_TRIALS", "1"))  # kills of each command, and full disks
SOME = max(1, TRIALS // 3)  # of other faults
SETTINGS = (
    "diffusion.steps=2", "diffusion.batch=1", "diffusion.width=0.0625", "training.steps=3", "training.batch=16",
    "training.folds=0", "fusion.branches=cnn",
)  # fmt: skip
QUICK = " ".join(f"--set {setting}" for setting in SETTINGS)
# What is typed in a folder with the scene, beside an empty folder "disk".
COMMANDS = {
    "align": "align msi.tif sar.tif -o disk/out.tif",
    "sample": "sample msi.tif sar.tif --labels labels.gpkg --field class -o disk/out.gpkg",
    "pretrain": f"pretrain msi.tif sar.tif --samples samples.gpkg -o disk/out.safetensors {QUICK}",
    "train": "train msi.tif sar.tif --samples samples.gpkg --denoiser denoiser.safetensors -o disk/out.safetensors",
    "map": "map msi.tif sar.tif --model model.safetensors -o disk/out.tif --confidence --novelty",
    "assess": "assess map.tif --reference samples.gpkg -o disk/out",
    "job": f"map ../msi.tif ../sar.tif --labels ../labels.gpkg --field class -o out.tif {QUICK}",
}
PLACE = "spectral = 'msi.tif'\nsar = 'sar.tif'\nlabels = 'labels.gpkg'\nfield = 'class'\n"
COMPARISON = "bench --dataset place.toml --method et --protocols random --seeds 2 --per-class 5 -o"
NUMBER = {name: number for number, name in enumerate(COMMANDS)}
THREADED = ("pretrain", "train", "map", "job")
TRIED = tuple(COMMANDS) if TRIALS > 1 else ("align", "job")
IN_THE_DISK = ("job",)  # its model lies where one is
PARTIAL = r"\.partial(/|\.safetensors$|$)"  # what an interrupted run may leave, for --resume
DISK = "size=64m"
FULL = ("Free some space", "Is the disk full, or damaged?", "GB of disk while it is written")


@dataclass
class Server:
    """The process that runs the commands; see forked.py."""

    process: subprocess.Popen[str]
    known: dict[str, tuple[dict[str, str], float]] = field(default_factory=dict)

    def ask(self, **request: Any) -> Any:
        """The answer to a request."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@dataclass
class Place:
    """A folder with a scene, and a folder ``disk`` for what is written."""

    server: Server
    folder: Path

    @property
    def disk(self) -> str:
        return str(self.folder / "disk")

    def start(self, name: str, more: str = "", **faults: Any) -> int:
        """The process number of a command."""
        cwd = self.disk if name in IN_THE_DISK else str(self.folder)
        return int(self.server.ask(run=[*COMMANDS[name].split(), *more.split()], cwd=cwd, **faults))

    def end(self, child: int) -> tuple[int, str]:
        """Exit code and standard error."""
        code, said = self.server.ask(wait=child)
        assert "Traceback" not in said, said
        assert "internal error" not in said, said
        return code, said

    def run(self, name: str, more: str = "", **faults: Any) -> tuple[int, str]:
        """A command to its end."""
        return self.end(self.start(name, more, **faults))

    def files(self) -> dict[str, str]:
        """sha256 of all files that were written, by name; of folders that they are."""
        return dict(self.server.ask(list=self.disk))

    def outputs(self) -> dict[str, str]:
        """Of those, what bears the name of an output."""
        return {n: s for n, s in self.files().items() if not re.search(PARTIAL, n) and not re.search(r"(^|/)\.", n)}

    def to_go_on(self, name: str) -> str:
        """What is added to a command that was interrupted."""
        partial = name in IN_THE_DISK or any(re.search(PARTIAL, file) for file in self.files())
        return "--overwrite --resume" if partial else "--overwrite"

    def clear(self) -> None:
        """Remove all that was written."""
        self.server.ask(remove=self.disk)

    def undisturbed(self, name: str) -> tuple[dict[str, str], float]:
        """What a command writes, by name and sha256, and how long that takes."""
        if name not in self.server.known:
            self.clear()
            begun = time.monotonic()
            code, said = self.run(name)
            took = time.monotonic() - begun
            assert code == 0, said
            self.server.known[name] = self.outputs(), took
            assert self.outputs() == self.files()  # nothing hidden is left
            self.clear()
        return self.server.known[name]

    def check_end(self, name: str) -> None:
        """The command, gone on with, writes what an undisturbed run does, and leaves nothing else."""
        code, said = self.run(name, self.to_go_on(name))
        assert code == 0, said
        assert self.files() == self.undisturbed(name)[0]


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
def scene(good: Path, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scene with all that the commands need."""
    folder = shutil.copytree(good, tmp_path_factory.mktemp("scene"), dirs_exist_ok=True)
    (folder / "disk").mkdir()
    for name in ("train", "map"):
        assert server.ask(warm=str(folder), words=COMMANDS[name].split()) == 0
    (folder / "disk/out.safetensors").unlink()
    for file in (folder / "disk").iterdir():
        file.rename(folder / file.name.replace("out", "map"))
    return folder


@pytest.fixture
def place(server: Server, scene: Path, tmp_path: Path) -> Place:
    """With its own copy of the scene."""
    for file in scene.iterdir():
        if file.is_file():
            shutil.copy2(file, tmp_path / file.name)
    (tmp_path / "disk").mkdir()
    return Place(server, tmp_path)


@pytest.fixture
def small_disk(place: Place) -> Iterator[Place]:
    """Whose folder for outputs is a disk of its own."""
    if not place.server.ask(mount=place.disk, how=DISK):
        pytest.skip("no disk can be mounted here")
    yield place
    place.server.ask(unmount=place.disk)


@pytest.mark.parametrize("name", TRIED)
def test_killed_at_random_moments(name: str, place: Place, tally: Tally) -> None:
    moments, killed = random.Random(0), 0
    whole, usual_s = place.undisturbed(name)
    for trial in range(20 * TRIALS):
        child = place.start(name, place.to_go_on(name))
        time.sleep(moments.uniform(0, usual_s))
        os.kill(child, signal.SIGKILL)
        killed += place.end(child)[0] == -signal.SIGKILL
        assert place.outputs().items() <= whole.items()
        if killed == TRIALS:
            break
        if trial % 3 == 2:
            place.clear()
    assert killed == TRIALS
    place.check_end(name)
    tally("kill -9 at a random moment", killed)


def test_a_comparison_is_killed_at_random_moments(place: Place, tally: Tally) -> None:
    """What it has computed is whole and kept; the table comes out as without kills, but for the seconds."""
    (place.folder / "place.toml").write_text(PLACE)

    def start(name: str) -> int:
        return int(place.server.ask(run=[*COMPARISON.split(), f"disk/{name}"], cwd=str(place.folder)))

    def table(name: str) -> list[dict[str, str]]:
        with (place.folder / "disk" / name / "results.csv").open(encoding="utf-8-sig") as file:
            return [{key: text for key, text in row.items() if key != "seconds"} for row in csv.DictReader(file)]

    begun = time.monotonic()
    code, said = place.end(start("whole"))
    usual_s = time.monotonic() - begun
    assert code == 0, said
    moments, killed = random.Random(6), 0
    for _ in range(TRIALS):
        child = start("killed")
        time.sleep(moments.uniform(0, usual_s / 2))
        os.kill(child, signal.SIGKILL)
        killed += place.end(child)[0] == -signal.SIGKILL
        for cell in (place.folder / "disk/killed/cells").glob("cell_*.json"):
            assert json.loads(cell.read_text())["version"]
    code, said = place.end(start("killed"))
    assert code == 0, said
    assert table("killed") == table("whole")
    tally("kill -9 at a random moment", killed)


@pytest.mark.parametrize("name", TRIED)
def test_the_disk_is_full(name: str, small_disk: Place, tally: Tally) -> None:
    """From the beginning, or from a random moment on."""
    whole, usual_s = small_disk.undisturbed(name)
    ask, disk, chance, full = small_disk.server.ask, small_disk.disk, random.Random(1), 0
    for trial in range(TRIALS):
        small_disk.clear()
        if (trial + NUMBER[name]) % 2:
            ask(remount=disk, how=f"size={chance.choice(range(4, 600, 4))}k")
            code, said = small_disk.run(name)
            ask(remount=disk, how=DISK)
        else:
            child = small_disk.start(name)
            time.sleep(chance.uniform(0, usual_s))
            ask(fill=disk)
            code, said = small_disk.end(child)
            ask(empty=disk)
        if code:
            full += 1
            assert code == 6, said
            assert any(words in said.splitlines()[-1] for words in FULL), said
            assert small_disk.outputs().items() <= (whole.items() if name in IN_THE_DISK else set())
            small_disk.check_end(name)
        assert small_disk.outputs() == whole
    tally("disk full, at another size or moment", TRIALS)
    tally("… of them noticed and told", full)


@pytest.mark.skipif(platform.machine() not in seccomp.ARCHITECTURES, reason="needs seccomp")
@pytest.mark.parametrize("name", [name for name in TRIED if name != "assess"])
def test_reading_fails_in_mid_file(name: str, place: Place, tally: Tally) -> None:
    """The system says so, as of a broken disk; or an image is suddenly shorter."""
    whole, usual_s = place.undisturbed(name)
    images, chance, noticed = ("msi.tif", "sar.tif"), random.Random(3), 0
    kept = {image: (place.folder / image).read_bytes() for image in images}
    for trial in range(SOME):
        place.clear()
        after_s = chance.uniform(0, usual_s)
        if (trial + NUMBER[name]) % 2:
            code, said = place.run(name, unreadable=[str(place.folder / image) for image in images], after_s=after_s)
        else:
            child = place.start(name)
            time.sleep(after_s)
            image = chance.choice(images)
            os.truncate(place.folder / image, chance.randrange(len(kept[image])))
            code, said = place.end(child)
        for image, content in kept.items():
            (place.folder / image).write_bytes(content)
        if code:
            noticed += 1
            last = said.splitlines()[-1]
            assert code == (6 if "out." in last else 3), said  # an open file's number may be the output's by now
            assert any(file in last for file in (*images, "out."))
            assert place.outputs().items() <= (whole.items() if name in IN_THE_DISK else set())
        else:
            assert place.outputs() == whole
    tally("image unreadable or shorter from a random moment on", SOME)
    tally("… of them noticed, before the output was made", noticed)


LIMITS = [("FSIZE", n) for n in (1, 5_000, 60_000)] + [("NOFILE", n) for n in (8, 16, 24, 40)]
LIMITS += [("AS", n << 20) for n in (1, 16, 24, 64, 96, 128, 192, 256, 1024)]


@pytest.mark.parametrize("name", TRIED)
def test_limits_of_the_system(name: str, place: Place, tally: Tally) -> None:
    """On the size of files, their number, and memory: an error in one line, or the whole output."""
    whole, _ = place.undisturbed(name)
    limits = LIMITS[:: 1 if TRIALS > 9 else 4]
    for limit, value in limits:
        place.clear()
        code, said = place.run(name, limits={limit: value})
        left = place.outputs()
        if code == 0:
            assert left == whole
            continue
        assert code in {"FSIZE": (6,), "NOFILE": (3, 4, 5, 6, 7), "AS": (7,)}[limit], (limit, value, said)
        assert said.splitlines()[-1].startswith("bdgf: error: "), (limit, value, said)
        assert left.items() <= (whole.items() if name in IN_THE_DISK else set())
    tally("limit on memory, file size or open files", len(limits))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", TRIED)
def test_signals(name: str, number: signal.Signals, code: int, place: Place, tally: Tally) -> None:
    """Once, and twice: what was begun is finished or gone, and the exit code says which."""
    moments = random.Random(2)
    whole, usual_s = place.undisturbed(name)
    for trial in range(SOME):
        place.clear()
        child = place.start(name)
        time.sleep(moments.uniform(0.05, usual_s))
        for _ in range(1 + (trial + NUMBER[name]) % 2):
            os.kill(child, number)
            time.sleep(0.01)
        found, said = place.end(child)
        assert found in (0, code) or (found == -number and not said), said  # the last before it has begun to listen
        left = place.outputs()
        assert left == whole if found == 0 else left.items() <= whole.items()
        assert found == -number or not any(file.endswith(".part") for file in place.files())
    place.check_end(name)
    tally(f"{number.name}, once or twice", SOME)


@pytest.mark.parametrize("name", TRIED)
def test_neither_the_clock_nor_a_closed_standard_output_changes_a_byte(name: str, place: Place, tally: Tally) -> None:
    """The clock jumps by years, in another time zone and language; inputs come from the past and the future."""
    whole, _ = place.undisturbed(name)
    for number, file in enumerate(sorted(place.folder.glob("*.*"))):
        os.utime(file, (0, 0) if number % 2 else (4e9, 4e9))
    code, said = place.run(name, "--threads 2" if name in THREADED else "", clock=True, closed=True)
    assert code == 0, said
    assert place.files() == whole
    tally("clock that jumps by years, another time zone, two threads, standard output closed", 1)


@pytest.mark.parametrize("name", TRIED)
def test_two_runs_on_one_output(name: str, place: Place, tally: Tally) -> None:
    """At the same moment, and one after the other has begun: one is told at once, the other finishes."""
    whole, usual_s = place.undisturbed(name)
    output = next(word for word in COMMANDS[name].split() if "out" in word)
    with reserved(Product(Path(place.disk if name in IN_THE_DISK else place.folder) / output)):
        code, said = place.run(name, "--overwrite")
        assert (code, f"{output}: another run is writing it" in said, place.outputs()) == (6, True, {})
    for pause_s in (0, usual_s / 4, usual_s / 2)[:SOME]:
        place.clear()
        children = [place.start(name, "--overwrite")]
        time.sleep(pause_s)
        children.append(place.start(name, "--overwrite"))
        ends = [place.end(child) for child in children]
        codes = [code for code, _ in ends]
        assert 0 in codes, ends
        assert set(codes) <= {0, 6}
        assert all("another run is writing it" in said for code, said in ends if code)
        assert place.files() == whole
        tally("two runs on one output", 1)


@pytest.mark.parametrize("name", [name for name in TRIED if name not in ("sample", "assess")])
def test_an_image_that_is_replaced_meanwhile(name: str, place: Place, tally: Tally) -> None:
    whole, usual_s = place.undisturbed(name)
    moments, noticed = random.Random(5), 0
    for _ in range(SOME):
        place.clear()
        child = place.start(name)
        time.sleep(moments.uniform(0, usual_s))
        shutil.copy(place.folder / "sar.tif", place.folder / "new.tif")
        (place.folder / "new.tif").rename(place.folder / "sar.tif")
        code, said = place.end(child)
        noticed += code != 0
        assert code in (0, 3), said
        if code:
            assert "was modified while it was being read" in said
        assert place.outputs().items() <= whole.items()
    tally("image replaced at a random moment", SOME)
    tally("… of these noticed before the output was made", noticed)


@pytest.mark.parametrize("name", [name for name in TRIED if name not in IN_THE_DISK])
def test_a_folder_that_vanishes(name: str, place: Place, tally: Tally) -> None:
    _, usual_s = place.undisturbed(name)
    moments = random.Random(4)
    for _ in range(SOME):
        child = place.start(name)
        time.sleep(moments.uniform(0, usual_s))
        shutil.rmtree(place.disk, ignore_errors=True)
        code, said = place.end(child)
        assert code in (0, 6), said
        (place.folder / "disk").mkdir(exist_ok=True)
        place.clear()
    tally("folder that vanishes", SOME)


@pytest.mark.parametrize("name", TRIED)
def test_a_folder_that_cannot_be_written(name: str, small_disk: Place, tally: Tally) -> None:
    small_disk.undisturbed(name)
    small_disk.clear()
    assert small_disk.server.ask(remount=small_disk.disk, how="ro")
    code, said = small_disk.run(name)
    assert code == 6, said
    assert "is read-only" in said
    tally("read-only disk", 1)
