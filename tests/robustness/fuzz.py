"""Mutated files, of good ones and real ones, at every reader that runs in the process of bdgf itself.

Only errors of bdgf may come out, and within ten seconds. Vector and MATLAB 5 files are read in a worker process: see
tests/geo/test_vector_worker.py.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import hypothesis
import make_bad as bad
import numpy as np
import rasterio.shutil
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from rasterio.windows import Window

from landcover_bdgf.app.info import describe
from landcover_bdgf.app.options import Shown
from landcover_bdgf.app.terminal import say
from landcover_bdgf.bench.datasets import read_description, read_label_raster
from landcover_bdgf.bench.matlab import read_matlab
from landcover_bdgf.errors import BdgfError
from landcover_bdgf.geo.raster import grid_of, open_raster, read_band
from landcover_bdgf.labels.class_map import legend_of_map
from landcover_bdgf.mapping.partial_map import PLAN, read_partial
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.checkpoint import load_checkpoint
from landcover_bdgf.model.recipe import load_recipe
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.image import open_image
from landcover_bdgf.storage.cache import _read as read_cached
from landcover_bdgf.storage.records import changed_files

Change = tuple[str, int, bytes]  # how a file is changed, where, and with which bytes

DATA = Path(__file__).parents[3] / "shared/data"
SECONDS = 10  # of the processor that one file may take, and twelve times as long by the clock
NEAR = 600  # bytes in which a file says what it is
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

Read = Callable[[Path], object]


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
    """A reader, and the companion files that it needs."""

    read: Read
    beside: tuple[str, ...] = ()


class Targets:
    """Each reader with the good files that are mutated: written for it, and real ones where they are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.readers = self._written() | (self._real(DATA) if DATA.is_dir() else {})
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
            STRIP: Target(read_part, (PLAN,)), PLAN: Target(read_part, (STRIP,)),
            "samples.gpkg.json": Target(lambda path: changed_files(path.with_suffix("")), ("samples.gpkg",)),
            "denoiser.safetensors": Target(show), "model.safetensors": Target(read_cached),
            "recipe.toml": Target(lambda path: load_recipe(str(path))), "dataset.toml": Target(read_description),
            "hdf5.mat": Target(lambda path: read_matlab(path, "hdf5")),
        }  # fmt: skip

    def _real(self, data: Path) -> dict[str, Target]:
        kashmir = next((data / "s1s2_different_grids/s2_l2a").iterdir())
        for file in (kashmir / "B11.tif", data / "enmap_potsdam/labels.tif"):
            shutil.copy(file, self.folder)
        with open_raster(data / "enmap_potsdam/labels.tif") as dataset:
            potsdam = grid_of(dataset)
        return {
            "B11.tif": Target(read_image), "labels.tif": Target(lambda path: read_label_raster(path, potsdam)),
        }  # fmt: skip


def mutated(data: bytes, changes: Sequence[Change]) -> bytes:
    """Changes, one after the other; those in even places near the beginning."""
    work = bytearray(data)
    for kind, place, what in changes:
        at = place // 2 % (len(work) + 1 if place % 2 else min(len(work) + 1, NEAR))
        if kind == "over":
            work[at : at + len(what)] = what
        elif kind == "into":
            work[at:at] = what
        elif kind == "without":
            del work[at : at + len(what)]
        elif kind == "again":
            work[at:at] = work[-at:][: len(what)]
        else:
            del work[at:]
    return bytes(work)


def fuzz(targets: Targets, executions: int, seed: int) -> Counter[str]:
    """Mutate and read; counts the outcomes. hypothesis shrinks and raises an error that is not of bdgf."""
    counts = Counter[str]()

    @settings(
        max_examples=executions, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @hypothesis.seed(seed)
    @given(st.sampled_from(sorted(targets.readers)), CHANGES)
    def attempt(name: str, changes: Sequence[Change]) -> None:
        counts[outcome(targets, name, mutated(targets.good[name], changes))] += 1

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
