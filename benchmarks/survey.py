"""Time and memory of a survey: design, labels from the truth, assess and areas, on a simulated map.

python benchmarks/survey.py [--side 11000] [--points 1000] [--folder DIR]
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.class_raster import open_classes
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.survey.points_file import read_design

SHARES = (0.35, 0.25, 0.2, 0.12, 0.06, 0.02)
LEGEND = Legend.from_values(["bare", "built", "crops", "grass", "trees", "water"])
FIELD_PX, ERRORS, ROWS = 25, 0.15, 512


def tiles(side: int, errors: float) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Square fields of six classes, strip by strip; a share of the pixels is drawn anew."""
    for row in range(0, side, ROWS):
        height = min(ROWS, side - row)
        fields = [
            np.random.default_rng([1, line]).choice(6, -(-side // FIELD_PX), p=SHARES)
            for line in range(row // FIELD_PX, (row + height - 1) // FIELD_PX + 1)
        ]
        codes = np.array(fields)[(np.arange(row, row + height) // FIELD_PX) - row // FIELD_PX]
        codes = codes.repeat(FIELD_PX, axis=1)[:, :side].astype(np.uint8) + 1
        rng = np.random.default_rng([2, row])
        wrong = rng.random(codes.shape, np.float32) < errors
        codes[wrong] = rng.integers(1, 7, int(wrong.sum()))
        yield Window(0, row, side, height), codes[None]


def write_maps(folder: Path, side: int) -> tuple[Path, Path]:
    """The true map, and the one with errors, unless they are there."""
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_500_000), (side, side))
    profile = RasterProfile("uint8", nodata=0, colormap=LEGEND.colors)
    paths = folder / f"truth_{side}.tif", folder / f"map_{side}.tif"
    for path, errors in zip(paths, (0.0, ERRORS), strict=True):
        if not path.exists():
            write_raster(path, grid, tiles(side, errors), profile=profile)
            write_companions(path, LEGEND)
    return paths


def label(points: Path, truth: Path) -> None:
    """Fill in the field ``reference`` as an interpreter would, from the truth."""
    design = read_design(points)
    with open_classes(truth) as map_:
        codes = map_.codes_at(design.rows.astype(np.int32), design.cols.astype(np.int32))
    with closing(sqlite3.connect(points)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')  # they need functions of SpatiaLite
        names = [(LEGEND.names[code - 1], number + 1) for number, code in enumerate(codes)]
        database.executemany("UPDATE points SET reference = ? WHERE id = ?", names)
        database.commit()


def run(*words: Any) -> None:
    """Run a command and print its time and peak memory."""
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "landcover_bdgf", *map(str, words), "-q"])
    _, status, usage = os.wait4(child.pid, 0)
    seconds, cpu_s = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    print(f"  bdgf {words[0]}: {seconds:.1f} s, {cpu_s:.1f} CPU s, {usage.ru_maxrss / 1024:.0f} MB\n")
    if status:
        sys.exit(1)


def main() -> None:
    """Print the output of each step with its time and memory, and the true figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=11_000)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        truth, path = write_maps(folder, given.side)
        points = folder / "points.gpkg"
        run("design", path, "-n", given.points, "-o", points, "--overwrite")
        label(points, truth)
        run("assess", path, "--design", points, "-o", folder / "report", "--overwrite")
        run("areas", path, "-o", folder / "areas.csv", "--overwrite")
        print("truth:")
        run("areas", truth)


if __name__ == "__main__":
    main()
