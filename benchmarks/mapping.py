"""Speed and memory of `bdgf map` on simulated scenes, compared with reading alone and with a random forest.

python benchmarks/mapping.py [--runs 5] [--sizes 256,512,1024,2048] [--large 8192]
"""

import argparse
import logging
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import rasterio
from polygons import DATA, statistics as window_statistics
from rasterio.windows import Window
from rows import print_row
from sklearn.ensemble import RandomForestClassifier

import landcover_bdgf as bdgf
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import grid_of, open_raster
from landcover_bdgf.model.blocks import Block, BlockStream
from landcover_bdgf.model.classifier import Classifier
from landcover_bdgf.model.run import available_threads
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.scene.stack import Tile

QUICK = ("diffusion.steps=3", "training.steps=5")  # the length of training does not change the speed of a map


def seconds(work: Callable[[], object], runs: int) -> float:
    """Median time of ``work``."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def scene(folder: Path, size: int) -> tuple[Path, Path]:
    """A simulated scene of ``size`` pixels, tiled from one of 512: simulating is slower than mapping."""
    folder = folder / f"s{size}"
    folder.mkdir()
    files = write_scene(simulate((min(size, 512),) * 2, seed=size), folder, seed=size)
    if size <= 512:
        return files.spectral, files.sar
    return _repeated(files.spectral, size), _repeated(files.sar, size)


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


def bench_sizes(model: bdgf.Checkpoint, scenes: dict[int, bdgf.Stack], folder: Path, runs: int) -> dict[int, float]:
    """Seconds per pixel for each scene size."""
    costs = {}
    for size, stack in scenes.items():
        mapped = seconds(lambda stack=stack: bdgf.map_scene(model, stack, folder / "m.tif", overwrite=True), runs)  # type: ignore[misc]
        costs[size] = mapped / size**2
        print_speed(size, costs[size])
    return costs


def print_speed(size: int, cost: float) -> None:
    bar = {"bar": "10,000 px/s", "met": 1 / cost >= 10_000} if size >= 1024 else {}
    print_row(f"map, {size} × {size}", f"{1 / cost:,.0f} px/s", **bar)  # type: ignore[arg-type]


def bench_overlap(model: bdgf.Checkpoint, stack: bdgf.Stack, cost: float, runs: int) -> None:
    """The time of a map against reading alone and computing alone, which overlap."""

    def read_all() -> list[Block]:
        stack.close()  # so that GDAL decodes all blocks again
        stream = BlockStream(stack, model.scaling, model.recipe.halo_px, 512)
        return list(stream.blocks(range(stream.strips)))

    run = bdgf.Run()
    classifier, blocks = Classifier(model, run), read_all()
    batches = [blocks[i : i + classifier.batch] for i in range(0, len(blocks), classifier.batch)]

    def compute() -> None:
        with open_workers(run.workers(run.torch_device())) as workers:
            list(workers.map(classifier.classify, batches))

    reading, computing = seconds(read_all, runs), seconds(compute, runs)
    mapped = cost * stack.grid.shape_hw[0] * stack.grid.shape_hw[1]
    ratio = mapped / max(reading, computing)
    print_row("map : the slower of reading and computing", f"{ratio:.2f}", bar="1.15", met=ratio <= 1.15)
    print_row("reading and scaling : map", f"{100 * reading / mapped:.1f} %")


def bench_checks(model: bdgf.Checkpoint, stack: bdgf.Stack, folder: Path, runs: int) -> None:
    """The cost of syncing and reading back a map and its unfinished parts before they get their names."""
    settings = bdgf.MapSettings(confidence=True, novelty=True)

    def mapped() -> float:
        return seconds(lambda: bdgf.map_scene(model, stack, folder / "m.tif", settings=settings, overwrite=True), runs)

    checked = mapped()
    with mock.patch("landcover_bdgf.geo.cog._verify"), mock.patch("os.fsync"):
        ratio = checked / mapped()
    size = stack.grid.shape_hw[0]
    what = f"map with layers, {size} × {size} : not read back and not synchronised, time"
    print_row(what, f"{ratio:.2f}", bar="1.15", met=ratio <= 1.15)


def bench_amplification(model: bdgf.Checkpoint, stack: bdgf.Stack) -> None:
    """Pixels read per pixel of the scene."""
    read = 0

    class Counting(bdgf.Stack):
        def read_image(self, window: Window) -> Tile:
            nonlocal read
            read += window.height * window.width
            return super().read_image(window)

    counting = Counting(**{name: getattr(stack, name) for name in stack.__dataclass_fields__})
    stream = BlockStream(counting, model.scaling, model.recipe.halo_px, 512)
    for _ in stream.blocks(range(stream.strips)):
        pass
    height, width = stack.grid.shape_hw
    amplification = read / (height * width)
    print_row("pixels read : pixels of the scene", f"{amplification:.2f}", bar="1.1", met=amplification <= 1.1)


def bench_bands(files: dict[int, tuple[Path, Path]], folder: Path, runs: int) -> None:
    """Speed for several numbers of bands, SAR included; of 14 bands, for the largest of the scenes too."""
    for bands, size in ((14, max(files)), (14, min(files)), (64, min(files)), (224, min(files))):
        spectral = _with_bands(files[size][0], bands - 2)
        stack = bdgf.align(spectral, files[size][1])
        model = _model(stack, files[size][0].with_name("labels.gpkg"))
        pixels = stack.grid.shape_hw[0] * stack.grid.shape_hw[1]
        mapped = seconds(lambda m=model, s=stack: bdgf.map_scene(m, s, folder / "m.tif", overwrite=True), runs)  # type: ignore[misc]
        seen = model.scaling.bands + 2
        what = f"map, {bands} bands, of which the networks see {seen}, {size} × {size}"
        print_row(what, f"{pixels / mapped:,.0f} px/s")
    model.save(folder / "many.safetensors", overwrite=True)
    bench_memory(folder / "many.safetensors", {size: (spectral, files[size][1])}, folder, "1.2GB", f"{bands} bands, ")


def _with_bands(path: Path, count: int) -> Path:
    """The scene with repeated bands, each with independent noise; tiled, band-interleaved."""
    result = path.with_name(f"bands{count}.tif")
    rng = np.random.default_rng(count)
    with open_raster(path) as dataset:
        bands = dataset.read().astype(np.float32)
        layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "band", "compress": "deflate"}
        profile = dataset.profile | layout | {"driver": "GTiff", "dtype": "float32", "count": count}
    with rasterio.open(result, "w", **profile) as output:
        for i in range(count):
            output.write((bands[i % len(bands)] * rng.normal(1, 0.05, bands.shape[1:])).astype(np.float32), i + 1)
    return result


def bench_tiles_and_threads(model: bdgf.Checkpoint, stack: bdgf.Stack, folder: Path, runs: int) -> None:
    """The same scene with other tile sizes and one thread, as ratios to 512 px and all threads."""

    def mapped(tile_px: int = 512, threads: int = 0) -> float:
        settings, run = bdgf.MapSettings(tile_px=tile_px), bdgf.Run(threads=threads)
        return seconds(
            lambda: bdgf.map_scene(model, stack, folder / "m.tif", settings=settings, run=run, overwrite=True), runs
        )

    base = mapped()
    for tile_px in (128, 256):
        print_row(f"tiles of {tile_px} px : of 512 px, time", f"{mapped(tile_px) / base:.2f}")
    print_row(f"one thread : {available_threads()} threads, time", f"{mapped(threads=1) / base:.2f}")


def bench_forest(folder: Path, size: int, runs: int) -> None:
    """A random forest of 300 trees on the bands and their 9 × 9 mean and deviation; its time includes the features.

    On a real scene, tiled to ``size``: simulated classes are so easy that the trees stay small.
    """
    source = DATA / "s1s2_chile"
    if not source.is_dir():
        return
    pair = [shutil.copy(source / name, folder) for name in ("s2_l2a.tif", "s1_rtc_db.tif")]
    labels = source / "train_polygons.shp"
    model = _model(bdgf.align(*pair), labels)
    stack = bdgf.align(*(_repeated(Path(path), size) for path in pair))
    train = bdgf.sample(stack, labels, field="class").train
    mapped = seconds(lambda: bdgf.map_scene(model, stack, folder / "m.tif", overwrite=True), runs)
    forest = RandomForestClassifier(300, n_jobs=-1, random_state=0)
    forest.fit(window_statistics(stack)[:, train.rows, train.cols].T, train.codes)

    def predict() -> None:
        features = window_statistics(stack)
        forest.predict(features.reshape(len(features), -1).T)

    ratio = mapped / seconds(predict, runs)
    print_row(f"bdgf map : random forest, Chile as {size} × {size}, time", f"{ratio:.2f}", bar="3", met=ratio <= 3)


# Runs in a separate process. VmHWM, because ru_maxrss starts with the memory of the parent process.
MAP = """
import re, sys, time
import landcover_bdgf as bdgf
from landcover_bdgf.geo.gdal_env import limit_cache
from landcover_bdgf.mapping.memory import parse_size
spectral, sar, model, output, max_ram = sys.argv[1:]
if max_ram:
    limit_cache(parse_size(max_ram))
loaded, stack = bdgf.load_checkpoint(model), bdgf.align(spectral, sar)
started = time.perf_counter()
bdgf.map_scene(loaded, stack, output, settings=bdgf.MapSettings(max_ram=max_ram or None), overwrite=True)
status = open("/proc/self/status").read()
print(time.perf_counter() - started, int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) * 1024)
"""


def bench_memory(
    model: Path, files: dict[int, tuple[Path, Path]], folder: Path, max_ram: str = "", of: str = ""
) -> dict[int, float]:
    """Peak memory of mapping, and seconds per pixel; each size once, in a separate process (Linux)."""
    costs, bar_gb = {}, float(max_ram.removesuffix("GB")) if max_ram else 2.0
    for size, pair in files.items():
        command = [sys.executable, "-c", MAP, *map(str, pair), str(model), str(folder / "c.tif"), max_ram]
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        elapsed, peak = map(float, done.stdout.split())
        costs[size] = elapsed / size**2
        what = f"peak memory, {of}{size} × {size}" + (f", --max-ram {max_ram}" if max_ram else "")
        print_row(what, f"{peak / 1e9:.2f} GB", bar=f"{bar_gb:g} GB", met=peak <= bar_gb * 1e9)
    return costs


def _model(stack: bdgf.Stack, labels: Path) -> bdgf.Checkpoint:
    samples = bdgf.sample(stack, labels, field="class")
    return bdgf.train(stack, samples, denoiser=bdgf.pretrain(stack, bdgf.load_recipe("laptop", QUICK), samples=samples))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sizes", default="256,512,1024,2048")
    parser.add_argument("--large", default="8192", help="mapped once each; empty for none")
    arguments = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    sizes, large = ([int(size) for size in text.split(",") if size] for text in (arguments.sizes, arguments.large))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {size: scene(folder, size) for size in [*sizes, *large]}
        scenes = {size: bdgf.align(*files[size]) for size in sizes}
        first, last = min(scenes), max(scenes)
        labels = files[first][0].with_name("labels.gpkg")
        model, path = _model(scenes[first], labels), folder / "model.safetensors"
        model.save(path)
        costs = bench_sizes(model, scenes, folder, arguments.runs)
        middle = 512 if 512 in scenes else first
        bench_overlap(model, scenes[middle], costs[middle], arguments.runs)
        bench_checks(model, scenes[last], folder, arguments.runs)
        bench_amplification(model, scenes[last])
        bench_tiles_and_threads(model, scenes[middle], folder, arguments.runs)
        reference = 1024 if 1024 in scenes else last
        bench_bands({size: files[size] for size in (first, reference)}, folder, arguments.runs)
        bench_forest(folder, 1000, arguments.runs)
        bench_memory(path, {reference: files[reference]}, folder, "1GB")
        costs |= bench_memory(path, {size: files[size] for size in [reference, *large]}, folder)
        for size in large:
            print_speed(size, costs[size])
        ratio = costs[max(costs)] / costs[reference]
        print_row(f"cost per pixel, {max(costs)}² : {reference}²", f"{ratio:.2f}", bar="1.10", met=ratio <= 1.1)


if __name__ == "__main__":
    main()
