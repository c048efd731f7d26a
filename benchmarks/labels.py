"""Time of reading 20,000 polygons, as a ratio to pyogrio and rasterio; CPU time and memory of a million points.

python benchmarks/labels.py [--polygons 20000] [--points 1000000]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.features import rasterize

from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.rasterize import read_labels

SIDE_PX = 4000
GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), (SIDE_PX, SIDE_PX))
POINTS = "import sys; from labels import GRID, read_labels; read_labels(sys.argv[1], 'class', GRID)"


def layer(path: Path, count: int, radius_m: float) -> Path:
    """Points, or discs around them, with five classes."""
    rng = np.random.default_rng(0)
    x, y = 500_000 + rng.uniform(0, 10 * SIDE_PX, count), 5_000_000 - rng.uniform(0, 10 * SIDE_PX, count)
    shapes = shapely.points(x, y)
    shapes = shapely.buffer(shapes, radius_m, quad_segs=4) if radius_m else shapes
    classes = np.array(["bare", "crops", "trees", "urban", "water"])[rng.integers(0, 5, count)]
    geopandas.GeoDataFrame({"class": classes}, geometry=shapes, crs=32633).to_file(path)
    return path


def seconds(work: Callable[[], object]) -> float:
    """The least of three times, in seconds."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polygons", type=int, default=20_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = layer(Path(folder) / "polygons.gpkg", given.polygons, 40)

        def read_and_burn() -> None:
            frame = pyogrio.read_dataframe(path)
            numbered = zip(frame.geometry, range(1, len(frame) + 1), strict=True)
            rasterize(numbered, out_shape=GRID.shape_hw, transform=GRID.transform, dtype="int32")

        read, burnt = seconds(lambda: pyogrio.read_dataframe(path)), seconds(read_and_burn)
        ours = seconds(lambda: read_labels(path, "class", GRID))
        print(
            f"{given.polygons} polygons: {ours:.2f} s, {ours / read:.1f} × pyogrio, {ours / burnt:.1f} × with rasterio"
        )
        points = layer(Path(folder) / "points.gpkg", given.points, 0)
        child = subprocess.Popen([sys.executable, "-c", POINTS, points], cwd=Path(__file__).parent)
        _, _, usage = os.wait4(child.pid, 0)
        cpu_s, peak_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
        print(f"{given.points} points: {cpu_s:.1f} CPU seconds, {peak_mb:.0f} MB (Linux)")


if __name__ == "__main__":
    main()
