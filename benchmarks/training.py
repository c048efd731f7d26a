"""Time of pre-training and training, on the scene of the demo and on a real one.

python benchmarks/training.py [--runs 5] [--recipe laptop] [--set key=value …]
"""

import argparse
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path

from polygons import DATA
from rows import print_row

import landcover_bdgf as bdgf
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.storage.cache import VARIABLE


def learn(recipe: bdgf.Recipe, spectral: Path, sar: Path, labels: Path, field: str) -> tuple[float, float]:
    """Seconds of pre-training and of training."""
    stack = bdgf.align(spectral, sar)
    samples = bdgf.sample(stack, labels, field=field)
    started = time.perf_counter()
    denoiser = bdgf.pretrain(stack, recipe, samples=samples)
    between = time.perf_counter()
    bdgf.train(stack, samples, denoiser=denoiser)
    return between - started, time.perf_counter() - between


def bench(name: str, bar_s: float, runs: int, recipe: bdgf.Recipe, *scene: object) -> None:
    times = [learn(recipe, *scene) for _ in range(runs)]  # type: ignore[arg-type]
    first, second = (statistics.median(part) for part in zip(*times, strict=True))
    both = statistics.median(sum(part) for part in times)
    what = f"{name}: pre-training {first:.0f} s, training {second:.0f} s"
    print_row(what, f"{both:.0f} s", bar=f"{bar_s:.0f} s", met=both <= bar_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--recipe", default="laptop")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    arguments = parser.parse_args()
    recipe = bdgf.load_recipe(arguments.recipe, tuple(arguments.settings))
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    os.environ[VARIABLE] = ""  # compute features, do not take them from the cache
    with tempfile.TemporaryDirectory() as folder:
        files = write_scene(simulate(seed=0), Path(folder), seed=0)
        bench("demo", 90, arguments.runs, recipe, files.spectral, files.sar, files.labels, files.field)
    chile = DATA / "s1s2_chile"
    if chile.is_dir():
        files_of_chile = (chile / "s2_l2a.tif", chile / "s1_rtc_db.tif", chile / "train_polygons.shp", "class")
        bench("Chile", 240, arguments.runs, recipe, *files_of_chile)


if __name__ == "__main__":
    main()
