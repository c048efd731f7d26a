"""Limits on memory, as ``ulimit`` sets them: too little is refused at once, and what is asked for is enough."""

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio
from conftest import Tally, commands_in
from test_faults import COMMANDS, IN_THE_DISK, SOME, TRIED

from landcover_bdgf.app.memory_limits import NEEDED_MIB, THREAD_MIB, WITHOUT_NETWORKS
from landcover_bdgf.model.run import available_threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")

START = "import sys; from landcover_bdgf.app.cli import main; sys.argv[0] = 'bdgf'; main()"
# As where a notebook calls the command: all libraries are there, and 100 MB beside them.
START_LATE = f"""
import resource
from pathlib import Path
import landcover_bdgf.geo.gdal_env
landcover_bdgf.geo.gdal_env.lock()
import landcover_bdgf.app.job
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 100 * 2**20, resource.RLIM_INFINITY))
{START}"""


def limited(command: str, folder: Path, *, start: str = START, **limits_mib: int) -> tuple[int, str]:
    """Exit code and standard error of a command in a process of its own."""
    import resource  # not on Windows

    def limit() -> None:
        for name, value in limits_mib.items():
            resource.setrlimit(getattr(resource, name), (value * 2**20,) * 2)

    words = [sys.executable, "-c", start, *command.split()]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=limit)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def scene(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scene with all that the commands need."""
    folder = shutil.copytree(good, tmp_path_factory.mktemp("scene"), dirs_exist_ok=True)
    (folder / "disk").mkdir()
    with commands_in(folder) as bdgf:
        assert bdgf("map", "msi.tif", "sar.tif", "--model", "model.safetensors", "-o", "map.tif", "-q") == 0
    return folder


def needed_mib(name: str, command: str) -> int:
    """What a limit must leave the command."""
    _, with_networks, without, _ = NEEDED_MIB[name]
    return (without if command in WITHOUT_NETWORKS else with_networks) + THREAD_MIB * available_threads()


def where(command: str, scene: Path) -> Path:
    """The folder to type it in."""
    return scene / "disk" if command in IN_THE_DISK else scene


@pytest.mark.parametrize("name", ["RLIMIT_AS", "RLIMIT_DATA"])
@pytest.mark.parametrize("command", ["info model.safetensors", "align msi.tif sar.tif -o out.tif", COMMANDS["train"]])
def test_too_little_is_refused_before_a_library_ends_the_process(name: str, command: str, scene: Path) -> None:
    typed, needed = NEEDED_MIB[name][0], needed_mib(name, command.split()[0])
    for limit_mib in (100, needed - 1):
        code, said = limited(command, scene, **{name: limit_mib})
        assert code == 7, said
        wanted = (
            rf"bdgf: error: {typed} {limit_mib * 1024}: allows {limit_mib * 2**20 / 1e9:.2f} GB of memory, "
            rf"bdgf {command.split()[0]} needs at least {needed * 2**20 / 1e9:.2f} GB with \d+ threads?\. "
            r"Raise the limit(, or set OMP_NUM_THREADS=1 to need less)?\.\n"
        )
        assert re.fullmatch(wanted, said)


@pytest.mark.parametrize("command", TRIED)
def test_what_is_asked_for_is_enough(command: str, scene: Path) -> None:
    limits = {name: needed_mib(name, command) for name in NEEDED_MIB}
    code, said = limited(f"{COMMANDS[command]} --overwrite", where(command, scene), **limits)
    assert code == 0, said


@pytest.mark.parametrize("command", TRIED)
def test_any_limit_is_told_or_enough(command: str, scene: Path, tally: Tally) -> None:
    chance, told = random.Random(command), 0
    for _ in range(SOME):
        name = chance.choice(list(NEEDED_MIB))
        limit = int(chance.uniform(0.1, 1.3) * needed_mib(name, command))
        code, said = limited(f"{COMMANDS[command]} --overwrite", where(command, scene), **{name: limit})
        assert code == 0 or (code == 7 and said.startswith("bdgf: error: ulimit -")), (name, limit, said)
        told += code == 7
    tally("limit on a process's memory, at random", SOME)
    tally("… of them told before work began", told)


def test_a_file_is_not_called_damaged_where_there_is_no_memory_to_read_it(scene: Path) -> None:
    with rasterio.open(
        scene / "block.tif", "w", driver="GTiff", width=8192, height=8192, count=3, dtype="uint8", interleave="pixel",
        crs="EPSG:32633", transform=rasterio.Affine(10, 0, 500_000, 0, -10, 6_300_000), tiled=True, blockxsize=8192,
        blockysize=8192, compress="deflate",
    ) as file:  # fmt: skip
        file.update_tags(made="of one block")
    code, said = limited("align block.tif sar.tif -o out.tif", scene, start=START_LATE)
    assert (code, said.splitlines()[-1]) == (
        7,
        "bdgf: error: out of memory, or a limit is reached (ulimit -a). Close other programs; "
        "bdgf map needs less with --max-ram.",
    )


def test_cores_are_those_of_the_process_or_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert available_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    assert available_threads() == 1
    for nothing in ("", "4,2"):
        monkeypatch.setenv("OMP_NUM_THREADS", nothing)
        assert available_threads() == len(os.sched_getaffinity(0))
