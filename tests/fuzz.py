"""Files that nobody wrote: real ones, mutated, at every reader of ours. Only our own errors may come out.

``python tests/fuzz.py FOLDER --executions 1000000 --processes 2`` goes on for as many, and keeps in FOLDER what made a
reader fail otherwise, end the process, or take more than ten seconds.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if __name__ == "__main__":
    from landcover_bdgf.gdal import lock

    lock()

import numpy as np
import rasterio.shutil
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).parent))
from data import make_bad as bad

from landcover_bdgf.cache import _read as read_cached
from landcover_bdgf.checkpoint import load_checkpoint
from landcover_bdgf.errors import BdgfError
from landcover_bdgf.image import open_image
from landcover_bdgf.journal import read_journal
from landcover_bdgf.labels import read_labels
from landcover_bdgf.legend import legend_of_map
from landcover_bdgf.parts import described
from landcover_bdgf.provenance import changed_files
from landcover_bdgf.raster import grid_of, open_raster
from landcover_bdgf.recipe import load_recipe
from landcover_bdgf.samples import read_samples

SHAPEFILE = ("bad.shp", "bad.dbf", "bad.shx", "bad.prj")
SECONDS = 10  # of the processor that one file may take, and twelve times as long by the clock
SHARE = 25_000  # executions of one process
INTERESTING = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 62,
    (1 << 64) - 1,
)
TOKENS = (
    b"<OGRVRTDataSource>",
    b"/vsicurl/http://127.0.0.1:9/x",
    b"NaN",
    b"1e999",
    b"-1",
    b"[[[[",
    b"{}",
    b"\x00",
    b"= =",
)

Read = Callable[[Path], object]


def read_image(path: Path) -> None:
    """As align does: bands, grid, and some pixels."""
    image = open_image(path)
    height, width = image.grid.shape_hw
    image.read(Window(0, 0, min(width, 64), min(height, 64)))


def read_raster(path: Path) -> None:
    """As assess does with a map."""
    with open_raster(path) as dataset:
        grid_of(dataset)
        legend_of_map(path)


def read_part(path: Path) -> None:
    """As mosaic does."""
    with read_journal(path) as journal:
        described(journal)


class Targets:
    """Each reader with the good files that are mutated, and what must lie beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bad.good_scene(folder)
        bad.image(lambda a: a[:2, :24, :20], to="small.tif")(folder)
        bad.image(
            lambda a: a[:2, :24, :20], to="deflate.tif", compress="deflate", tiled=True, blockxsize=16, blockysize=16
        )(folder)
        bad.image(lambda a: a[:2, :24, :20], to="small.img", driver="ENVI")(folder)
        bad.image(lambda a: a[:1, :24, :20].clip(0).astype(np.uint16), to="one.tif", nodata=None)(folder)
        rasterio.shutil.copy(folder / "one.tif", folder / "small.jp2", driver="JP2OpenJPEG")
        bad.shapefile()(folder)
        bad.geojson(bad.SOME_BAD)(folder)
        (folder / "recipe.toml").write_text("[diffusion]\nsteps = 3\n[fusion]\nbranches = ['cnn']\npatch = 9\n")
        grid = open_image(folder / "msi.tif").grid
        place = {"identity": {"a": 1}, "grid": grid.to_dict(), "pixels": 4, "shard": [1, 1]}
        (folder / "map.partial").write_text(json.dumps({"kind": "bdgf map journal", **place}) + "\n")

        def labels(path: Path) -> None:
            read_labels(path.with_suffix(".shp") if path.name in SHAPEFILE else path, "class", grid)

        self.readers: dict[str, tuple[Read, tuple[str, ...]]] = {
            "small.tif": (read_image, ()), "deflate.tif": (read_image, ()), "small.jp2": (read_image, ()),
            "small.img": (read_image, ("small.hdr",)), "small.hdr": (read_image, ("small.img",)),
            "one.tif": (read_raster, ()),
            **{part: (labels, tuple(other for other in SHAPEFILE if other != part)) for part in SHAPEFILE},
            "labels.gpkg": (labels, ()), "bad.geojson": (labels, ()), "samples.gpkg": (read_samples, ()),
            "samples.gpkg.json": (lambda p: changed_files(p.with_suffix("")), ("samples.gpkg",)),
            "denoiser.safetensors": (load_checkpoint, ()), "model.safetensors": (read_cached, ()),
            "recipe.toml": (lambda p: load_recipe(str(p)), ()), "map.partial": (read_part, ()),
        }  # fmt: skip
        self.good = {name: (folder / name).read_bytes() for name in self.readers}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A few changes, most of them near the beginning, where a file says what it is."""
    work = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = min(
            int(rng.expovariate(1 / 200)) if rng.random() < 0.7 else rng.randrange(len(work) + 1), max(len(work) - 1, 0)
        )
        kind = rng.randrange(7)
        if kind == 0 and work:
            work[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and work:
            work[at] = rng.randrange(256)
        elif kind == 2:
            size, order = rng.choice("BHIQ"), rng.choice("<>")
            value = struct.pack(order + size, rng.choice(INTERESTING) % (1 << 8 * struct.calcsize(size)))
            work[at : at + len(value)] = value
        elif kind == 3:
            del work[at:]
        elif kind == 4:
            del work[at : at + rng.randrange(1, 64)]
        elif kind == 5:
            start = rng.randrange(len(work) + 1)
            work[at:at] = work[start : start + rng.randrange(64)]
        else:
            work[at:at] = rng.choice(TOKENS)
    return bytes(work)


def fuzz(targets: Targets, executions: int, seed: int, crashes: Path | None = None) -> Counter[str]:
    """Mutate and read; counts what came out. Other errors than ours are kept in ``crashes``, and raised without one."""
    rng, counts = random.Random(seed), Counter[str]()
    names = list(targets.readers)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as work:
        for number in range(executions):
            name = names[number % len(names)]
            read, beside = targets.readers[name]
            spoiled = mutated(targets.good[name], rng)
            path = Path(work) / name
            for other in beside:
                (Path(work) / other).write_bytes((targets.folder / other).read_bytes())
            path.write_bytes(spoiled)
            if crashes is not None:  # in case the process ends
                (crashes / f"running-{os.getpid()}-{name}").write_bytes(spoiled)
            begun = time.process_time()
            try:
                signal.setitimer(signal.ITIMER_PROF, SECONDS)
                signal.alarm(12 * SECONDS)
                read(path)
                counts["read"] += 1
            except BdgfError:
                counts["refused"] += 1
            except Exception as error:
                counts["failed"] += 1
                if crashes is None:
                    raise AssertionError(f"{name}, seed {seed}, number {number}: {error!r}") from error
                digest = f"{type(error).__name__}-{number}-{seed}"
                (crashes / f"{digest}-{name}").write_bytes(spoiled)
                (crashes / f"{digest}-{name}.txt").write_text(traceback.format_exc())
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.alarm(0)
            counts["slow"] += time.process_time() - begun > SECONDS / 2
            for left in Path(work).iterdir():
                left.unlink()
            if crashes is not None:
                (crashes / f"running-{os.getpid()}-{name}").unlink()
    return counts


def share(seed: int, executions: int, crashes: Path) -> Counter[str]:
    """What comes out of a share of the work, in a process of its own, which a reader may end."""
    words = [sys.executable, __file__, str(crashes), "--executions", str(executions), "--share", str(seed)]
    done = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return Counter(json.loads(done.stdout) if done.returncode == 0 else {"processes ended": 1})


def main() -> None:
    """Count what comes out of many mutated files, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crashes", type=Path)
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--share", type=int, help="only this share of the work, in this process")
    arguments = parser.parse_args()
    arguments.crashes.mkdir(parents=True, exist_ok=True)
    if arguments.share is not None:
        warnings.simplefilter("ignore")
        logging.disable()
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(fuzz(Targets(Path(folder)), arguments.executions, arguments.share, arguments.crashes)))
        return
    begun, total = time.monotonic(), Counter[str]()
    sizes = [min(SHARE, arguments.executions - start) for start in range(0, arguments.executions, SHARE)]
    with ThreadPoolExecutor(arguments.processes) as pool:
        for counts in pool.map(lambda job: share(*job, arguments.crashes), enumerate(sizes)):
            total += counts
            done = sum(total[key] for key in ("read", "refused", "failed"))
            print(f"{done} executions, {dict(total)}, {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
