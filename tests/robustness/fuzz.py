"""Files that nobody wrote: good ones, real ones among them, mutated, at every reader that runs in our own process.

Only our own errors may come out. Vector and MATLAB 5 files are read in a worker, see tests/geo/test_vector_worker.py.

``python tests/fuzz.py FOLDER --executions 1000000 --processes 2`` goes on for as many, and keeps in FOLDER what made a
reader fail otherwise, end the process, or take more than ten seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    from landcover_bdgf.geo.gdal_env import lock

    lock()

import h5py
import hypothesis
import numpy as np
import rasterio.shutil
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).parent))
import make_bad as bad
import mutations
from mutations import Change

from landcover_bdgf.app.info import describe
from landcover_bdgf.app.options import Shown
from landcover_bdgf.app.terminal import say
from landcover_bdgf.assessment.report import assess
from landcover_bdgf.bench.datasets import read_description, read_label_raster
from landcover_bdgf.bench.matlab import read_matlab
from landcover_bdgf.errors import BdgfError
from landcover_bdgf.geo.raster import grid_of, open_raster, read_band
from landcover_bdgf.labels.class_map import legend_of_map
from landcover_bdgf.labels.sample_file import read_samples
from landcover_bdgf.mapping.partial_map import PLAN, read_partial
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.checkpoint import load_checkpoint
from landcover_bdgf.model.classifier import Classifier
from landcover_bdgf.model.compatibility import fit_stack
from landcover_bdgf.model.recipe import load_recipe
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.image import open_image
from landcover_bdgf.storage.cache import _read as read_cached
from landcover_bdgf.storage.records import changed_files

DATA = Path(__file__).parents[3] / "shared/data"
SECONDS = 10  # of the processor that one file may take, and twelve times as long by the clock
SHARE = 25_000  # executions of one process
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a file system in memory

NUMBERS = {
    (value % (1 << 8 * size)).to_bytes(size, order)
    for value in (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, (1 << 31) - 1, 1 << 31, 1 << 62, (1 << 64) - 1)
    for size in (1, 2, 4, 8)
    for order in ("little", "big")
}
WORDS = (
    b"<OGRVRTDataSource>",
    b"/vsicurl/http://127.0.0.1:9/x",
    b"NaN",
    b"1e999",
    b"-1",
    b"[[[[",
    b"{}",
    b"\0",
    b"= =",
)
# Few choices for each change: they take as long as reading the file.
CHANGE: st.SearchStrategy[Change] = st.tuples(
    st.sampled_from(("over", "over", "into", "without", "again", "until")),
    st.integers(0, 1 << 24),
    st.sampled_from(sorted(NUMBERS)) | st.sampled_from(WORDS) | st.binary(min_size=1, max_size=64),
)
CHANGES = st.sampled_from((1, 1, 8)).flatmap(lambda most: st.lists(CHANGE, min_size=1, max_size=most))

STRIP = "0_0.npz"
SIGNED = "signed."  # how names of files begin whose checksums are made anew

Read = Callable[[Path], object]
Spoil = Callable[[bytes, Sequence[Change]], bytes]


def read_image(path: Path) -> None:
    """As align does: bands, grid, and some pixels."""
    image = open_image(path)
    height, width = image.grid.shape_hw
    image.read(Window(0, 0, min(width, 64), min(height, 64)))


def read_map(path: Path) -> None:
    """As assess and info do with a map, its class names and its record."""
    path = path.with_name(f"{path.name.partition('.')[0]}.tif")
    with open_raster(path) as dataset:
        grid_of(dataset)
        read_band(dataset)
    legend_of_map(path)
    changed_files(path)
    show(path)


def read_part(path: Path) -> None:
    """As mosaic and info do."""
    part = read_partial(path.parent)
    for window in filter(part.has, part.windows()):
        part.read(window)
    show(path.parent)


def show(path: Path) -> None:
    """As info does, as text and as JSON."""
    values = describe(path)
    for as_json in (False, True):
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
            say(Shown(json=as_json), [f"{key}: {value}" for key, value in values.items()], values)


@dataclass(frozen=True)
class Target:
    """A reader, what it reads, what must lie beside that, and how it is spoiled."""

    read: Read
    beside: tuple[str, ...] = ()
    spoil: Spoil = mutations.mutated


class Targets:
    """Each reader with the good files that are mutated: written for it, and real ones where they are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.readers = self._written() | self._signed() | (self._real(DATA) if DATA.is_dir() else {})
        self.good = {name: (folder / name).read_bytes() for name in self.readers}

    def _written(self) -> dict[str, Target]:
        folder = self.folder
        bad.good_scene(folder)
        stack = align(folder / "msi.tif", folder / "sar.tif")
        model = load_checkpoint(folder / "model.safetensors")
        map_scene(model, stack, folder / "map.tif")
        part = map_scene(model, stack, folder / "part.tif", settings=MapSettings(shard="1/2"))
        for name in (PLAN, STRIP):
            shutil.copy(part / name, folder)
        bad.image(lambda a: a[:2, :24, :20], to="small.tif")(folder)
        bad.image(
            lambda a: a[:2, :24, :20], to="deflate.tif", compress="deflate", tiled=True, blockxsize=16, blockysize=16
        )(folder)
        bad.image(lambda a: a[:2, :24, :20], to="small.img", driver="ENVI")(folder)
        bad.image(lambda a: a[:1, :24, :20].clip(0).astype(np.uint16), to="one.tif", nodata=None)(folder)
        rasterio.shutil.copy(folder / "one.tif", folder / "small.jp2", driver="JP2OpenJPEG")
        (folder / "recipe.toml").write_text("[diffusion]\nsteps = 3\n[fusion]\nbranches = ['cnn']\npatch = 9\n")
        beside = ("map.tif", "map.tif.aux.xml", "map.tif.json", "map.qml")
        with h5py.File(folder / "hdf5.mat", "w", userblock_size=512) as file:  # as MATLAB 7.3 does
            file.create_dataset("hdf5", data=np.eye(20), compression="gzip")
        (folder / "dataset.toml").write_text(
            'spectral = "a.tif"\nlabels = "l.tif"\nignore = [3]\n[names]\n1 = "wood"\n'
        )
        return {
            **{name: Target(read_image) for name in ("small.tif", "deflate.tif", "small.jp2")},
            "small.img": Target(read_image, ("small.hdr",)), "small.hdr": Target(read_image, ("small.img",)),
            **{name: Target(read_map, beside) for name in beside[:3]},
            STRIP: Target(read_part, (PLAN,)),
            "samples.gpkg.json": Target(lambda path: changed_files(path.with_suffix("")), ("samples.gpkg",)),
            "denoiser.safetensors": Target(show), "model.safetensors": Target(read_cached),
            "recipe.toml": Target(lambda path: load_recipe(str(path))), "dataset.toml": Target(read_description),
            "hdf5.mat": Target(lambda path: read_matlab(path, "hdf5")),
        }  # fmt: skip

    def _signed(self) -> dict[str, Target]:
        """What lies behind a checksum, with the work that would follow."""
        folder = self.folder
        for name in ("map.tif", "map.tif.aux.xml", "map.tif.json", "model.safetensors"):
            shutil.copy(folder / name, folder / f"{SIGNED}{name.partition('.')[2]}")
        stack, samples = align(folder / "msi.tif", folder / "sar.tif"), read_samples(folder / "samples.gpkg")

        def use_model(path: Path) -> None:
            show(path)
            model = load_checkpoint(path)
            fit_stack(model, stack)
            Classifier(model, Run(device="cpu"), novelty=True)

        def use_map(path: Path) -> None:
            read_map(path)
            assess(path.with_suffix(""), samples)

        return {
            "signed.safetensors": Target(use_model, spoil=mutations.checkpoint),
            "signed.tif.json": Target(use_map, ("signed.tif", "signed.tif.aux.xml"), mutations.record),
            PLAN: Target(read_part, (STRIP,), mutations.plan),
        }

    def _real(self, data: Path) -> dict[str, Target]:
        kashmir = next((data / "s1s2_different_grids/s2_l2a").iterdir())
        for file in (kashmir / "B11.tif", data / "enmap_potsdam/labels.tif"):
            shutil.copy(file, self.folder)
        with open_raster(data / "enmap_potsdam/labels.tif") as dataset:
            potsdam = grid_of(dataset)
        return {
            "B11.tif": Target(read_image), "labels.tif": Target(lambda path: read_label_raster(path, potsdam)),
        }  # fmt: skip


def fuzz(
    targets: Targets, executions: int, seed: int, crashes: Path | None = None, *, signed: bool = False
) -> Counter[str]:
    """Mutate and read; counts what came out. Another error than ours is made as small as can be, and raised.

    With ``signed`` only what lies behind checksums, made anew.
    """
    counts = Counter[str]()
    names = sorted(name for name in targets.readers if name.startswith((SIGNED, PLAN)) or not signed)

    @settings(
        max_examples=executions, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @hypothesis.seed(seed)
    @given(st.sampled_from(names), CHANGES)
    def attempt(name: str, changes: Sequence[Change]) -> None:
        spoiled = targets.readers[name].spoil(targets.good[name], changes)
        if crashes is not None:  # in case the process ends, or it fails
            (crashes / f"{seed}-{name}").write_bytes(spoiled)
        counts[outcome(targets, name, spoiled)] += 1
        if crashes is not None:
            (crashes / f"{seed}-{name}").unlink()

    attempt()
    return counts


def outcome(targets: Targets, name: str, spoiled: bytes) -> str:
    """Whether a file is read or refused; ends the process if that takes too long."""
    target = targets.readers[name]
    with tempfile.TemporaryDirectory(".partial", dir=MEMORY) as work:  # a partial map is known by its suffix
        for other in target.beside:
            (Path(work) / other).write_bytes((targets.folder / other).read_bytes())
        (Path(work) / name).write_bytes(spoiled)
        try:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(12 * SECONDS)
            target.read(Path(work) / name)
        except BdgfError:
            return "refused"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
    return "read"


def share(seed: int, executions: int, crashes: Path, signed: bool) -> Counter[str]:
    """What comes out of a share of the work, in a process of its own, which a reader may end."""
    words = [sys.executable, __file__, str(crashes), "--executions", str(executions), "--share", str(seed)]
    words += ["--signed"] if signed else []
    with (crashes / f"{seed}.txt").open("w") as told:
        done = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=told, text=True)
    return Counter(json.loads(done.stdout) if done.returncode == 0 else {"shares ended": 1})


def main() -> None:
    """Count what comes out of many mutated files, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crashes", type=Path)
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--signed", action="store_true", help="only behind checksums, which are made anew")
    parser.add_argument("--share", type=int, help="only this share of the work, in this process")
    arguments = parser.parse_args()
    arguments.crashes.mkdir(parents=True, exist_ok=True)
    if arguments.share is not None:
        warnings.simplefilter("ignore")
        logging.disable()
        with tempfile.TemporaryDirectory() as folder:
            targets, own = Targets(Path(folder)), (arguments.executions, arguments.share, arguments.crashes)
            print(json.dumps(fuzz(targets, *own, signed=arguments.signed)))
        return
    begun, total = time.monotonic(), Counter[str]()
    sizes = [min(SHARE, arguments.executions - start) for start in range(0, arguments.executions, SHARE)]
    with ThreadPoolExecutor(arguments.processes) as pool:
        for counts in pool.map(lambda job: share(*job, arguments.crashes, arguments.signed), enumerate(sizes)):
            total += counts
            print(
                f"{total['read'] + total['refused']} executions, {dict(total)}, {time.monotonic() - begun:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
