"""Rasters for tests: real scenes from a folder next to the checkout, and small simulated ones."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tensors of tests are small, and tests run side by side

import hashlib
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landcover_bdgf.geo.gdal_env import lock

lock()  # as the command line does, and before rasterio is imported

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

import landcover_bdgf  # loads PyTorch when a test needs it, and never where xdist only hands out the tests
from landcover_bdgf.app.cli import main
from landcover_bdgf.geo.vector_worker import Answer, read_in_worker
from landcover_bdgf.labels.settings import SampleSettings
from landcover_bdgf.model.recipe import changed, load_recipe
from landcover_bdgf.progress import log
from landcover_bdgf.scene.simulation import SceneFiles, simulate, write_scene
from landcover_bdgf.storage.cache import VARIABLE

if TYPE_CHECKING:
    from landcover_bdgf import Checkpoint, Samples, Stack

TALLY = "tally "
SHARED_DATA = Path(__file__).parents[2] / "shared/data"

WriteTif = Callable[..., Path]
Tally = Callable[[str, int], None]
Bdgf = Callable[..., int]


@pytest.fixture(scope="session", autouse=True)
def no_cache() -> Iterator[None]:
    """Nothing that an earlier run of the tests has kept, and nothing left for a later one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "")
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Outputs may stay in the cache of the system, as no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    """GeoPackages of the same bytes are read by one worker process, not by one for each test that has such labels."""
    answers: dict[str, Answer] = {}

    def read(path: Path, *how: Any, **request: Any) -> Answer:
        if path.suffix != ".gpkg":
            return read_in_worker(path, *how, **request)
        asked = repr((hashlib.sha256(path.read_bytes()).digest(), sorted((request | {"name": ""}).items())))
        answer = answers.get(asked) or read_in_worker(path, *how, **request)
        if "error" not in answer[0]:  # errors name the file
            answers[asked] = answer
        return deepcopy(answer[0]), answer[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landcover_bdgf.geo.vector.read_in_worker", read)
        yield


@contextmanager
def process_restored() -> Iterator[None]:
    """Undo what a command changes in the process: log level and handlers, hooks, signal handlers."""
    level, handlers, propagate = log.level, log.handlers, log.propagate
    hooks = sys.unraisablehook, sys.excepthook
    handlers_before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    sys.unraisablehook, sys.excepthook = hooks
    for number, handler in handlers_before.items():
        signal.signal(number, handler)
    log.setLevel(level)
    log.handlers, log.propagate = handlers, propagate


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """A command that a test runs with -q must not silence the next test."""
    with process_restored():
        yield


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """A function that counts trials of a kind, for the table at the end: ``tally("kill -9", 20)``."""
    return lambda what, number: request.node.user_properties.append((TALLY + what, number))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A table of what was tried on purpose to break something, and held."""
    counts = Counter[str]()
    for report in terminalreporter.stats.get("passed", []):
        for name, number in report.user_properties:
            if name.startswith(TALLY):
                counts[name.removeprefix(TALLY)] += number
    if counts:
        terminalreporter.section("tried, and held")
        for what, number in counts.items():
            terminalreporter.write_line(f"{number:6d}  {what}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scenes; the test is skipped where it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real scenes of ../shared/data, which are not here")
    return SHARED_DATA


@pytest.fixture
def write_tif(tmp_path: Path) -> WriteTif:
    """A function that writes a GeoTIFF: ``write_tif("a.tif", pixels, pixel_m=10, nodata=0, ...)``.

    ``pixels`` is (h, w) or (bands, h, w). ``origin_xy`` is the upper left corner. ``names`` and ``tags``
    are optional; other keywords go to ``rasterio.open``, and win over the defaults.
    """

    def write(
        name: str,
        pixels: NDArray[Any],
        *,
        origin_xy: tuple[float, float] = (500_000.0, 5_000_000.0),
        pixel_m: float = 10.0,
        names: tuple[str, ...] = (),
        tags: dict[str, str] | None = None,
        **options: Any,
    ) -> Path:
        pixels = pixels[None] if pixels.ndim == 2 else pixels
        count, height, width = pixels.shape
        defaults = {
            "driver": "GTiff",
            "crs": "EPSG:32633",
            "transform": Affine(pixel_m, 0, origin_xy[0], 0, -pixel_m, origin_xy[1]),
            "dtype": pixels.dtype,
        }
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = {"count": count, "height": height, "width": width}
        with rasterio.open(path, "w", **size, **(defaults | options)) as file:
            file.write(pixels)
            file.update_tags(**(tags or {}))
            for index, band_name in enumerate(names, start=1):
                file.set_band_description(index, band_name)
        return path

    return write


@pytest.fixture
def no_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shift between two images is not estimated, which is most of the time of an alignment."""
    monkeypatch.setattr("landcover_bdgf.scene.alignment.estimate_shift", lambda *_, **__: None)


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """A function that presses Ctrl-C, heard even where the tests run as a background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def noise() -> NDArray[np.float32]:
    """Smooth-free random pixels, (3, 40, 50), between 0 and 1."""
    return np.random.default_rng(0).random((3, 40, 50), dtype=np.float32)


# A group network of narrow layers, which trains and maps in half the time.
NARROW = (
    "fusion.d=8", "fusion.mamba_channels=4", "fusion.mamba_states=2", "fusion.attention_channels=8",
    "fusion.group_channels=4",
)  # fmt: skip
SHORT = (
    "diffusion.steps=2", "diffusion.width=0.0625", "training.steps=2", "training.batch=16", "training.folds=0", *NARROW,
)  # fmt: skip
SHORT_OPTIONS = [word for setting in SHORT for word in ("--set", setting)]  # for whole jobs
PICTURE = "landcover_bdgf.training.denoiser_picture"
QUICK = (
    "diffusion.steps=3", "diffusion.batch=4", "diffusion.width=0.0625", "training.steps=4", "training.batch=16",
    *NARROW,
)  # fmt: skip


@pytest.fixture(scope="session")
def scene_files(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    """A simulated scene of 104 × 120 pixels as files: spectral image, SAR in dB on another grid, polygons."""
    return write_scene(simulate((104, 120), seed=3), tmp_path_factory.mktemp("scene"), seed=3)


@pytest.fixture
def folder(tmp_path: Path, scene_files: SceneFiles) -> Path:
    """A folder with good labels."""
    shutil.copy(scene_files.labels, tmp_path / "labels.gpkg")
    return tmp_path


@pytest.fixture(scope="session")
def stack(scene_files: SceneFiles) -> Stack:
    """The simulated scene on one grid."""
    return landcover_bdgf.align(scene_files.spectral, scene_files.sar)


@pytest.fixture(scope="session")
def wide_stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A simulated scene of 3 × 2 blocks, 300 × 200 pixels."""
    files = write_scene(simulate((300, 200), seed=4), tmp_path_factory.mktemp("wide"), seed=4)
    return landcover_bdgf.align(files.spectral, files.sar)


@pytest.fixture(scope="session")
def samples(stack: Stack, scene_files: SceneFiles) -> Samples:
    """Its labelled pixels, split by polygon."""
    return landcover_bdgf.sample(stack, scene_files.labels, field="class", settings=SampleSettings(split="polygon"))


@pytest.fixture(scope="session")
def denoiser(stack: Stack, samples: Samples) -> Checkpoint:
    """A denoiser after three steps: good for nothing but tests, like the recipe that it brings."""
    return landcover_bdgf.pretrain(stack, load_recipe("laptop", QUICK), samples=samples)


@pytest.fixture(scope="session")
def model(stack: Stack, samples: Samples, denoiser: Checkpoint) -> Checkpoint:
    """A model after four steps."""
    return landcover_bdgf.train(stack, samples, denoiser=denoiser)


@pytest.fixture(scope="session")
def with_alone(stack: Stack, samples: Samples, denoiser: Checkpoint) -> Checkpoint:
    """The same model, with networks of each sensor alone."""
    return landcover_bdgf.train(
        stack, samples, denoiser=denoiser, recipe=changed(denoiser.recipe, ("training.one_sensor=true",))
    )


def draw_less(patch: pytest.MonkeyPatch) -> None:
    """One denoised tile in place of three, with 2 reverse steps of 40: they take longer than a short training."""
    for name, value in (("STEP", 2), ("PLACES", (0.5,)), ("TILES", 1)):
        patch.setattr(f"{PICTURE}.{name}", value)


@pytest.fixture
def quick_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small picture of denoised tiles."""
    draw_less(monkeypatch)


@pytest.fixture
def bdgf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_picture: None) -> Bdgf:
    """Run a command in an empty folder; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    return run_command


@contextmanager
def commands_in(folder: Path) -> Iterator[Bdgf]:
    """As the fixture ``bdgf``, for what several tests share: commands run in this folder."""
    with pytest.MonkeyPatch.context() as patch, process_restored():
        patch.chdir(folder)
        draw_less(patch)
        yield run_command


def run_command(*arguments: object) -> int:
    """Run a command in this process; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bdgf", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
    return int(stopped.value.code or 0)
