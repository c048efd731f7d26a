"""Speed and memory of `bdgf map` on simulated scenes, beside reading alone and a random forest.

python benchmarks/mapping.py [--runs 5] [--sizes 256,512,1024,2048]
"""

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from accuracy import statistics as window_statistics
from rasterio.windows import Window
from rows import print_row
from sklearn.ensemble import RandomForestClassifier

import landcover_bdgf as bdgf
from landcover_bdgf.blocks import BlockStream
from landcover_bdgf.device import available_threads
from landcover_bdgf.raster import Grid, RasterProfile, grid_of, open_raster, write_raster
from landcover_bdgf.simulate import simulate, write_scene

QUICK = ("diffusion.steps=3", "training.steps=5")  # how long a model was trained does not change its speed


def seconds(work: Callable[[], object], runs: int) -> float:
    """Median time."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def scene(folder: Path, size: int) -> tuple[Path, Path]:
    """A simulated scene of that size, made by repeating one of 512 pixels: simulating is slower than mapping."""
    files = write_scene(simulate((min(size, 512),) * 2, seed=size), _made(folder / f"s{size}"), seed=size)
    if size <= 512:
        return files.spectral, files.sar
    return _repeated(files.spectral, size), _repeated(files.sar, size)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _repeated(path: Path, size: int) -> Path:
    with open_raster(path) as dataset:
        small, grid, names = dataset.read(), grid_of(dataset), tuple(name or "" for name in dataset.descriptions)
        profile = RasterProfile(dataset.dtypes[0], dataset.count, dataset.nodata, names, overviews="average")
    wide = np.tile(small, (1, 1, -(-size // small.shape[2])))[..., :size]
    step = small.shape[1]
    strips = ((Window(0, r, size, min(step, size - r)), wide[:, : size - r]) for r in range(0, size, step))
    large = path.with_name(f"large_{path.name}")
    write_raster(large, Grid(grid.crs, grid.transform, (size, size)), strips, profile=profile)
    return large


def bench_sizes(
    model: bdgf.Checkpoint, scenes: dict[int, bdgf.Stack], files: dict[int, tuple[Path, Path]], folder: Path, runs: int
) -> None:
    """Cost per pixel against the size of the scene, and how much of it is reading."""
    costs = {}
    for size, stack in scenes.items():
        mapped = seconds(lambda stack=stack: bdgf.map_scene(model, stack, folder / "m.tif", overwrite=True), runs)  # type: ignore[misc]
        fresh = bdgf.align(*files[size])  # whose blocks GDAL has not decoded yet
        stream = BlockStream(fresh, model.scaling, model.recipe.halo_px, 512)
        read = seconds(lambda stream=stream: [b.row for b in stream.blocks(range(stream.strips))], 1)  # type: ignore[misc]
        costs[size] = mapped / size**2
        bar = {"bar": "10,000 px/s", "met": 1 / costs[size] >= 10_000} if size >= 1024 else {}
        print_row(f"map, {size} × {size}", f"{1 / costs[size]:,.0f} px/s", **bar)  # type: ignore[arg-type]
        print_row(f"reading and scaling alone, {size} × {size}", f"{100 * read / mapped:.1f} % of mapping")
    if 1024 in costs and max(costs) > 1024:
        ratio = costs[max(costs)] / costs[1024]
        print_row(f"cost per pixel, {max(costs)}² : 1024²", f"{ratio:.2f}", bar="1.10", met=ratio <= 1.1)


def bench_tiles_and_threads(model: bdgf.Checkpoint, stack: bdgf.Stack, folder: Path, runs: int) -> None:
    """The same scene with other tiles and threads, as ratios to 512 px and one thread."""

    def mapped(tile_px: int = 512, threads: int = 0) -> float:
        settings, run = bdgf.MapSettings(tile_px=tile_px), bdgf.Run(threads=threads)
        return seconds(
            lambda: bdgf.map_scene(model, stack, folder / "m.tif", settings=settings, run=run, overwrite=True), runs
        )

    base = mapped()
    for tile_px in (128, 256):
        print_row(f"tiles of {tile_px} px : of 512 px, time", f"{mapped(tile_px) / base:.2f}")
    print_row(f"one thread : {available_threads()} threads, time", f"{mapped(threads=1) / base:.2f}")


def bench_forest(samples: bdgf.Samples, stack: bdgf.Stack, mapped_s: float) -> None:
    """A random forest of 300 trees on the bands and their 9 × 9 mean and deviation, features included."""
    started = time.perf_counter()
    features = window_statistics(stack).reshape(-1, stack.grid.shape_hw[0] * stack.grid.shape_hw[1]).T
    computed = time.perf_counter() - started
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(features), len(samples.train.codes), replace=False)
    forest = RandomForestClassifier(300, n_jobs=-1, random_state=0).fit(features[chosen], samples.train.codes)
    started = time.perf_counter()
    forest.predict(features)
    forest_s = computed + time.perf_counter() - started
    print_row("bdgf map : random forest, time", f"{mapped_s / forest_s:.2f}", bar="3", met=mapped_s / forest_s <= 3)


def bench_memory(model: Path, files: dict[int, tuple[Path, Path]], folder: Path) -> None:
    """Peak memory of the command."""
    for size, pair in files.items():
        inputs, output = map(str, pair), str(folder / "c.tif")
        command = [sys.executable, "-m", "landcover_bdgf", "map", *inputs, "--model", str(model), "-o", output]
        process = subprocess.Popen([*command, "--overwrite", "-q"], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"bdgf map ended with {os.waitstatus_to_exitcode(status)}")
        peak_gb = usage.ru_maxrss / 1e6
        print_row(f"peak memory, {size} × {size}", f"{peak_gb:.2f} GB", bar="2 GB", met=peak_gb <= 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", default="256,512,1024,2048")
    arguments = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {int(size): scene(folder, int(size)) for size in arguments.sizes.split(",")}
        scenes = {size: bdgf.align(*pair) for size, pair in files.items()}
        first = min(scenes)
        samples = bdgf.sample(scenes[first], files[first][0].with_name("labels.gpkg"), field="class")
        recipe = bdgf.load_recipe("laptop", QUICK)
        model = bdgf.train(scenes[first], samples, denoiser=bdgf.pretrain(scenes[first], recipe, samples=samples))
        model.save(folder / "model.safetensors")
        bench_sizes(model, scenes, files, folder, arguments.runs)
        middle = scenes.get(512, scenes[first])
        bench_tiles_and_threads(model, middle, folder, arguments.runs)
        mapped_s = seconds(lambda: bdgf.map_scene(model, middle, folder / "m.tif", overwrite=True), arguments.runs)
        bench_forest(samples, middle, mapped_s)
        bench_memory(folder / "model.safetensors", files, folder)


if __name__ == "__main__":
    main()
