"""Maps by workers of dask: the same bytes as one process, also when workers are killed; memory of the scheduler.

python benchmarks/dask_trials.py [--workers 1,2,4] [--size 1024] [--kills 20] [--parts 1000]

Needs `pip install 'landcover-bdgf[dask]'`. Part of `--parts`: a scene of so many strips, 32 px wide.
"""

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import psutil
from distributed import Client
from rows import print_row

import landcover_bdgf as bdgf
from landcover_bdgf.mapping.dask_cluster import opened_client, quiet_dask
from landcover_bdgf.mapping.dask_queue import run_tasks
from landcover_bdgf.model.blocks import BLOCK_PX
from landcover_bdgf.scene.simulation import simulate, write_scene

QUICK = ("diffusion.steps=3", "diffusion.width=0.0625", "training.steps=5")  # a small network: parts are quick
SETTINGS = bdgf.MapSettings(confidence=True, tile_px=BLOCK_PX, force=True)


def scene(folder: Path, shape_hw: tuple[int, int]) -> bdgf.Stack:
    folder.mkdir()
    files = write_scene(simulate(shape_hw, seed=1), folder, seed=1)
    return bdgf.align(files.spectral, files.sar)


def trained(folder: Path) -> Path:
    folder.mkdir()
    files = write_scene(simulate(seed=1), folder, seed=1)
    stack = bdgf.align(files.spectral, files.sar)
    samples = bdgf.sample(stack, files.labels, field="class")
    denoiser = bdgf.pretrain(stack, bdgf.load_recipe("laptop", QUICK), samples=samples)
    bdgf.train(stack, samples, denoiser=denoiser).save(folder / "model.safetensors")
    return folder / "model.safetensors"


def mapped(
    model: Path, stack: bdgf.Stack, folder: Path, client: Client | None = None
) -> tuple[float, dict[str, bytes]]:
    """Seconds and files of a map."""
    folder.mkdir(exist_ok=True)
    started = time.perf_counter()
    bdgf.map_scene(model, stack, folder / "m.tif", settings=SETTINGS, client=client, overwrite=True)
    return time.perf_counter() - started, {file.name: file.read_bytes() for file in folder.iterdir()}


def same(found: dict[str, bytes], expected: dict[str, bytes]) -> str:
    return "the same bytes" if found == expected else "OTHER BYTES"


def bench_workers(model: Path, stack: bdgf.Stack, folder: Path, counts: list[int]) -> dict[str, bytes]:
    """Maps by one process and by some workers; each the second time, when the kernels and the model are loaded."""
    mapped(model, stack, folder / "one")
    alone, expected = mapped(model, stack, folder / "one")
    height, width = stack.grid.shape_hw
    strips = -(-height // BLOCK_PX)
    print_row(f"one process, {height} × {width} px, {strips} parts", f"{alone:.1f} s")
    for count in counts:
        with opened_client(f"local:{count}") as client:
            mapped(model, stack, folder / "many", client)
            took, found = mapped(model, stack, folder / "many", client)
        print_row(f"workers: {count}", f"{took:.1f} s, {same(found, expected)}", bar="the same", met=found == expected)
    return expected


def bench_kills(model: Path, stack: bdgf.Stack, folder: Path, expected: dict[str, bytes], kills: int) -> None:
    """Maps by two workers, one of which is killed every 6 to 14 s, until so many were."""
    equal, maps = True, 0
    with opened_client("local:2") as client, killing(kills) as killed:
        while len(killed) < kills:
            found = mapped(model, stack, folder / "killed", client)[1]
            maps, equal = maps + 1, equal and found == expected
    what = f"SIGKILL of a worker, {len(killed)} times in {maps} maps"
    print_row(what, "the same bytes" if equal else "OTHER BYTES", bar="the same", met=equal)


@contextmanager
def killing(most: int) -> Iterator[list[int]]:
    """Kill a worker of this process now and then during the block; yields their process numbers."""
    killed: list[int] = []
    over, chance = threading.Event(), random.Random(most)

    def kill() -> None:
        while len(killed) < most and not over.wait(chance.uniform(6, 14)):
            workers = [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
            if workers:
                victim = chance.choice(workers).pid
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[Client, psutil.Process]]:
    """A scheduler in a process of its own, and workers; yields a client and that process."""
    file, module = folder / "scheduler.json", "distributed.cli.dask_"
    options = ["--scheduler-file", str(file), "--no-dashboard"]
    command: Callable[[str], list[str]] = lambda what: [sys.executable, "-m", f"{module}{what}", *options]  # noqa: E731
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*command("scheduler"), "--port", "0"], **quiet)  # type: ignore[call-overload]
    processes = [scheduler]
    try:
        processes += [
            subprocess.Popen([*command("worker"), "--nthreads", "1", "--memory-limit", "0"], **quiet)  # type: ignore[call-overload]
            for _ in range(workers)
        ]
        with quiet_dask(), Client(scheduler_file=str(file), timeout=30) as client:
            client.wait_for_workers(workers)
            yield client, psutil.Process(scheduler.pid)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def bench_scheduler(model: Path, folder: Path, parts: int, workers: int) -> None:
    """Memory of the scheduler while a map of many parts is made."""
    stack = scene(folder / "long", ((parts + 1) * BLOCK_PX, 32))  # the first strip completes nothing
    memory: dict[int, float] = {}
    finished = 0
    with cluster(folder, workers) as (client, scheduler):

        def measure() -> None:
            memory[finished] = scheduler.memory_info().rss / 1e6
            print_row(f"memory of the scheduler after {finished:,} parts", f"{memory[finished]:.0f} MB")

        def measured(*arguments: object, **options: object) -> Iterator[object]:
            nonlocal finished
            measure()
            for found in run_tasks(*arguments, **options):  # type: ignore[arg-type]
                finished += 1
                if finished % (parts // 4) == 0:
                    measure()
                yield found

        with mock.patch("landcover_bdgf.mapping.shared_map.run_tasks", measured):
            took, _ = mapped(model, stack, folder / "long_map", client)
    grown = max(memory.values()) - memory[0]
    print_row(f"{parts:,} parts, {workers} workers", f"{took:.0f} s", bar="at most 15 MB more", met=grown <= 15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--parts", type=int, default=1000, help="0 for none")
    arguments = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    counts = [int(count) for count in arguments.workers.split(",") if count]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, stack = trained(folder / "training"), scene(folder / "scene", (arguments.size, arguments.size))
        expected = bench_workers(model, stack, folder, counts)
        bench_kills(model, stack, folder, expected, arguments.kills)
        if arguments.parts:
            bench_scheduler(model, folder, arguments.parts, 2)


if __name__ == "__main__":
    main()
