"""What can be known on a GPU only, in one run of some minutes: tests, speed of each step, and which bars are met.

python benchmarks/gpu.py [--device cuda] [--tiny] > table.md

Scenes are arrays in memory, so that it runs where there is PyTorch, Triton, NumPy, SciPy, Numba, scikit-learn,
safetensors, filelock, lazy-loader, pydantic and pytest, but no rasterio, geopandas or pyproj; nothing is read
or written. With ``PYTHONPATH=.`` the package need not be installed. ``--tiny``: a few steps on small arrays, as a test.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from raster_stand_ins import stand_in_for_missing
from rows import print_row

MISSING = stand_in_for_missing()

from landcover_bdgf.labels import Legend  # noqa: E402
from landcover_bdgf.model.blocks import BlockStream, Piece  # noqa: E402
from landcover_bdgf.model.checkpoint import Checkpoint  # noqa: E402
from landcover_bdgf.model.classifier import Classifier  # noqa: E402
from landcover_bdgf.model.device import choose_device  # noqa: E402
from landcover_bdgf.model.networks.denoiser import denoiser_network, feature_channels  # noqa: E402
from landcover_bdgf.model.networks.experts import Experts  # noqa: E402
from landcover_bdgf.model.networks.fusion import Inputs  # noqa: E402
from landcover_bdgf.model.networks.scan import COMPILED, KERNELS, trial  # noqa: E402
from landcover_bdgf.model.recipe import RECIPES, Recipe, changed  # noqa: E402
from landcover_bdgf.model.run import Run  # noqa: E402
from landcover_bdgf.model.scaling import Scaling  # noqa: E402
from landcover_bdgf.model.workers import full_precision, open_mappers, open_workers  # noqa: E402
from landcover_bdgf.training import pretraining, training  # noqa: E402
from landcover_bdgf.training.loop import fit  # noqa: E402
from landcover_bdgf.training.task import Task  # noqa: E402
from landcover_bdgf.training.windows import WindowTable  # noqa: E402

TESTS = Path(__file__).parents[1] / "tests" / "end_to_end"
AUGSBURG_HW, AUGSBURG_BANDS, AUGSBURG_SAR, AUGSBURG_CLASSES, AUGSBURG_PX = (332, 485), 180, 4, 7, 761
MAP_BANDS, MAP_SAR, MAP_CLASSES = 12, 2, 6  # 14 in all
TINY = (
    "diffusion.width=0.0625", "diffusion.batch=2", "diffusion.tile_px=16", "training.batch=8", "fusion.d=8",
    "fusion.mamba_channels=4", "fusion.mamba_states=2", "spectral.max_components=6",
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How much is measured: steps of a training, and the side of a map for each recipe."""

    steps: int
    map_px: dict[str, int]
    changes: tuple[str, ...] = ()

    def recipe(self, name: str, **steps: int) -> Recipe:
        return changed(RECIPES[name], (*self.changes, *(f"{group}.steps={n}" for group, n in steps.items())))


WHOLE = Size(40, {"laptop": 8192, "base": 4096})
SMALL = Size(2, {"laptop": 128}, TINY)


@contextmanager
def timed(device: torch.device) -> Iterator[list[float]]:
    """The seconds of a block, with all work on the GPU done."""
    took: list[float] = []
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    yield took
    wait()
    took.append(time.perf_counter() - started)


def plain_scaling(bands: int, sar_bands: int) -> Scaling:
    """Bands from 0 to 1, log SAR with mean 0 and deviation 1."""
    zero, one = np.zeros(bands, np.float32), np.ones(bands, np.float32)
    none, of_sar = np.zeros(0, np.float32), np.ones(sar_bands, np.float32)
    return Scaling(zero, one, np.zeros((0, bands), np.float32), none, none, none, 0 * of_sar, of_sar, of_sar)


def reduced(recipe: Recipe) -> int:
    """Spectral bands of Augsburg that the networks see."""
    return min(AUGSBURG_BANDS, recipe.spectral.max_components)


def bench_tests() -> None:
    """The tests on a GPU: all of them, or those on arrays where libraries are missing."""
    files = [TESTS / "test_cuda_arrays.py", *([] if MISSING else [TESTS / "test_cuda.py"])]
    conftest = ["--noconftest"] if MISSING else []
    command = [sys.executable, "-m", "pytest", "-q", *conftest, "-p", "no:cacheprovider", *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parents[1], check=False)
    last = next((line for line in reversed(run.stdout.splitlines()) if re.search(r"\d+ \w+.* in ", line)), "no result")
    print_row("CUDA tests" + (" on arrays" if MISSING else ""), last, bar="all pass", met=run.returncode == 0)
    if run.returncode:
        print(run.stdout, run.stderr, file=sys.stderr)


def seconds_of_step(make: Any, device: torch.device, run: Run) -> tuple[float, bool]:
    """Seconds of a step of a task, after a first short training; whether both trainings of that gave the same bits."""
    weights = []
    with open_workers(run.workers(device)) as workers:
        for _ in range(2):
            short: Task[Any] = make(3)
            fit(short, workers)
            weights.append(short.network.state_dict())
        task: Task[Any] = make(None)
        with timed(device) as took:
            fit(task, workers)
    same = all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    return took[0] / task.steps, same


def report_steps(what: str, step_s: float, same: bool, steps: int, bar_min: float | None = None) -> None:
    """Rows of a training: a step, its repeatability, and the whole by extrapolation."""
    print_row(f"{what}, a step", f"{1000 * step_s:.1f} ms")
    print_row(f"{what}, repeated with the same seed", "same bits" if same else "differs", bar="same bits", met=same)
    whole_min = steps * step_s / 60
    bar = {"bar": f"{bar_min:g} min", "met": whole_min < bar_min} if bar_min else {}
    print_row(f"{what}, {steps:,} steps by extrapolation", f"{whole_min:.1f} min", **bar)  # type: ignore[arg-type]


def bench_pretraining(name: str, size: Size, run: Run) -> None:
    """Of the denoiser on random numbers with the size of Augsburg."""
    device, recipe = run.torch_device(), size.recipe(name, diffusion=size.steps)
    scaling, rng = plain_scaling(reduced(recipe), AUGSBURG_SAR), np.random.default_rng(0)
    channels = reduced(recipe) + AUGSBURG_SAR
    cube = rng.standard_normal((channels, *AUGSBURG_HW), np.float32)
    regions = [Piece(cube, np.ones(AUGSBURG_HW, bool))]

    def make(steps: int | None) -> Task[Any]:
        torch.manual_seed(run.seed)
        unet = denoiser_network(recipe.diffusion, channels).to(device)
        task = pretraining._task(unet, regions, scaling, recipe, run)
        return task if steps is None else replace(task, steps=steps)

    bar_min = 30.0 if name == "paper" and not size.changes else None
    steps = RECIPES[name].diffusion.steps
    report_steps(f"pre-training, `{name}`, Augsburg", *seconds_of_step(make, device, run), steps, bar_min)


def bench_training(name: str, size: Size, run: Run) -> None:
    """Of the fusion network, on random windows in the number of Augsburg's training pixels."""
    device, recipe = run.torch_device(), size.recipe(name, training=size.steps)
    bands, channels = reduced(recipe), reduced(recipe) + AUGSBURG_SAR
    features, rng = feature_channels(recipe.diffusion, channels), np.random.default_rng(0)
    widths = bands, AUGSBURG_SAR, features
    pixels = torch.from_numpy(rng.standard_normal((20 * AUGSBURG_PX, sum(widths)), np.float32))
    at = torch.from_numpy(rng.integers(len(pixels), size=(AUGSBURG_PX, recipe.fusion.patch**2)))
    around = torch.from_numpy(rng.standard_normal((AUGSBURG_PX, recipe.context.statistics(channels)), np.float32))
    windows = WindowTable(pixels, at, around, torch.arange(AUGSBURG_PX) % AUGSBURG_CLASSES, widths)

    def make(steps: int | None) -> Task[Any]:
        torch.manual_seed(run.seed)
        sizes = Inputs(bands, AUGSBURG_SAR, features, AUGSBURG_CLASSES)
        task = training._task("train", training.Trained(sizes, recipe).to(device), windows, recipe, run)
        return task if steps is None else replace(task, steps=steps)

    steps = RECIPES[name].training.steps_for(AUGSBURG_PX)
    report_steps(f"training, `{name}`, Augsburg", *seconds_of_step(make, device, run), steps)


@dataclass(frozen=True)
class Scene:
    """A square scene of repeated random pixels, with what a stream of blocks asks of a stack."""

    side_px: int
    tile: SimpleNamespace
    origin_rc: tuple[int, int] = (0, 0)
    extra: tuple[()] = ()

    @classmethod
    def of(cls, side_px: int, part_px: int = 1024) -> "Scene":
        rng = np.random.default_rng(0)
        spectral = rng.random((MAP_BANDS, part_px, part_px), np.float32)
        sar = rng.random((MAP_SAR, part_px, part_px), np.float32) + np.float32(0.1)
        return cls(side_px, SimpleNamespace(spectral=spectral, sar=sar))

    @property
    def grid(self) -> SimpleNamespace:
        return SimpleNamespace(shape_hw=(self.side_px, self.side_px))

    def read_padded(self, row: int, col: int, height: int, width: int) -> SimpleNamespace:
        rows, cols = np.arange(row, row + height), np.arange(col, col + width)
        spectral, sar = (
            a.take(rows, 1, mode="wrap").take(cols, 2, mode="wrap") for a in (self.tile.spectral, self.tile.sar)
        )
        condition = np.ones((height, width), np.uint8)  # of both sensors
        return SimpleNamespace(spectral=spectral, sar=sar, condition=condition, valid=condition > 0)

    def read_inside(self, window: Any) -> np.ndarray:
        return np.ones((window.height, window.width), bool)


def random_model(recipe: Recipe) -> Checkpoint:
    """A model with random weights and the statistics of novelty."""
    channels = MAP_BANDS + MAP_SAR
    sizes = Inputs(MAP_BANDS, MAP_SAR, feature_channels(recipe.diffusion, channels), MAP_CLASSES)
    networks = {"unet.": denoiser_network(recipe.diffusion, channels), "": Experts(sizes, recipe)}
    weights = {f"{prefix}{k}": v.numpy() for prefix, made in networks.items() for k, v in made.state_dict().items()}
    vector = recipe.fusion.d * len(recipe.fusion.branches)
    weights["domain.whiten"] = np.eye(vector, dtype=np.float32)
    weights["domain.means"] = np.zeros((MAP_CLASSES, vector), np.float32)
    weights["domain.distances"] = np.linspace(0, 9, 101, dtype=np.float32)
    legend = Legend.from_values(range(1, MAP_CLASSES + 1))
    scaling = plain_scaling(MAP_BANDS, MAP_SAR)
    return Checkpoint("model", weights, recipe, (), (), "power", scaling, None, legend=legend)  # type: ignore[arg-type]


def bench_map(name: str, side_px: int, size: Size, run: Run) -> None:
    """From arrays to classes: scaling, transfers and networks, as in a map, without files."""
    device = run.torch_device()
    classifier = Classifier(random_model(size.recipe(name)), run)
    scaling, halo_px = classifier.viewer.scaling, classifier.viewer.recipe.halo_px
    for side in (min(side_px, 512), side_px):  # the first warms up
        stream = BlockStream(Scene.of(side), scaling, halo_px, 512)  # type: ignore[arg-type]
        with open_mappers(run, device) as workers, timed(device) as took:
            found = workers.map(classifier.classify, batches(stream, classifier))
            mapped = sum(int((block.codes > 0).sum()) for part in found for block in part)
    assert mapped == side_px**2
    speed = mapped / took[0]
    bar = {"bar": "5,000,000 px/s", "met": speed >= 5e6} if name == "laptop" else {}
    what = f"map, `{name}`, {side_px:,} × {side_px:,}, {MAP_BANDS + MAP_SAR} bands, {classifier.batch} blocks at once"
    print_row(what, f"{speed:,.0f} px/s", **bar)  # type: ignore[arg-type]
    if device.type == "cuda":
        print_row(f"greatest GPU memory of this map, `{name}`", f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
        torch.cuda.reset_peak_memory_stats()


def batches(stream: BlockStream, classifier: Classifier) -> Iterator[list[Any]]:
    """Blocks of equal size, as many at once as the classifier wants."""
    waiting: list[Any] = []
    for block in stream.blocks(range(stream.strips)):
        if waiting and (len(waiting) >= classifier.batch or block.seen.valid.shape != waiting[0].seen.valid.shape):
            yield waiting
            waiting = []
        waiting.append(block)
    yield waiting


def bench_scan(device: torch.device, tiny: bool) -> None:
    """Each selective scan that starts, forward and with gradients."""
    channels, length, sequences, states = (8, 5, 70, 4) if tiny else (128, 81, 4096, 16)
    long, short = (channels, length, sequences), (states, length, sequences)
    shapes = [long, long, (channels, states), short, short, (channels,), long]
    u, delta, A, B, C, D, z = (torch.randn(shape, device=device) for shape in shapes)
    arguments = [a.requires_grad_() for a in (u, delta, -A.abs().detach(), B, C, D, z)]
    for name in ("torch", *COMPILED[device.type]):
        failure = "" if name == "torch" else trial(name, device.type)
        if failure:
            print_row(f"scan, {name}", failure)
            continue
        for what in ("forward", "with gradients"):
            times = []
            for _ in range(4):
                with timed(device) as took, torch.set_grad_enabled(what != "forward"):
                    y = KERNELS[name](*arguments)
                    if what != "forward":
                        torch.autograd.grad(y.sum(), arguments)
                times.append(took[0])
            print_row(f"scan, {name}, {what}", f"{1000 * min(times[1:]):.2f} ms")


def print_head(device: torch.device) -> None:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    lacking = f"; without {', '.join(MISSING)}" if MISSING else ""
    machine = f"{name}, torch {torch.__version__}, {os.cpu_count()} cores, {date.today()}"
    print(f"{machine}: `python benchmarks/gpu.py`{lacking}.")
    print("\n| measurement | value | bar | |\n|---|---|---|---|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    run, size = Run(device=arguments.device), SMALL if arguments.tiny else WHOLE
    device, started = choose_device(arguments.device), time.perf_counter()
    print_head(device)
    if device.type == "cuda":
        bench_tests()
    with full_precision():
        for name, side_px in size.map_px.items():
            bench_map(name, side_px, size, run)
        bench_scan(device, arguments.tiny)
        for name in ("laptop", "base", "paper"):
            bench_pretraining(name, size, run)
        for name in ("laptop", "base"):
            bench_training(name, size, run)
    took_min = (time.perf_counter() - started) / 60
    print_row("all of this", f"{took_min:.1f} min", bar="8 min", met=took_min < 8)


if __name__ == "__main__":
    main()
