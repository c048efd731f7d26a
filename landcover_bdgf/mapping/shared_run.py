"""What a worker of dask computes of a map: the windows of one strip, written into the folder of the unfinished map.

All work is done in the process of the worker: a child of a worker that is killed would live on. A worker holds no lock
on the map, so that another one can compute a strip again whatever became of the first; both write the same bytes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from landcover_bdgf.errors import BdgfError, CheckpointError, RasterError, ResourceError, SettingsError
from landcover_bdgf.geo import limit_cache
from landcover_bdgf.mapping.dask_cluster import COMPARED, SEEN_WITHIN_S, other_version
from landcover_bdgf.mapping.map_record import layer_plan, to_map
from landcover_bdgf.mapping.memory import parse_size
from landcover_bdgf.mapping.partial_map import PartialMap, read_partial
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.window_blocks import classified_windows
from landcover_bdgf.model import (
    AnyClassifier,
    BlockStream,
    Checkpoint,
    Run,
    Scaling,
    classifier_of,
    fit_stack,
    load_checkpoint,
    open_mappers,
)
from landcover_bdgf.progress import kept_warnings, log
from landcover_bdgf.scene import KnownFile, ReadCounts, SceneSource, open_again
from landcover_bdgf.storage import file_sha256

MODEL, TOKEN = ".model.safetensors", ".token"  # hidden files in the folder of the unfinished map
STOP = " stop"
_one_at_a_time = threading.Lock()  # a part uses all threads of its worker


@dataclass(frozen=True)
class ModelFile:
    """A copy of the model in the folder of the map, known by its digest: loaded once, also for other scenes."""

    path: str = field(compare=False)
    digest: str


@dataclass(frozen=True)
class SharedMap:
    """What a worker needs to know of a map: paths and numbers.

    Attributes
    ----------
    folder : str
        Of the unfinished map.
    token : str
        Content of its file ``TOKEN`` as long as the map is wanted; followed by ``STOP`` after Ctrl-C.
    model : ModelFile
    source : SceneSource
    applied_shift_xy_px : (float, float)
        The shift of the SAR that is corrected, as the client has estimated it.
    known : tuple of KnownFile
        The files of the scene, as the client sees them.
    settings, run, tile_px, every_block
        How it is computed.
    device : "cpu" or "cuda"
    scaling : Scaling, optional
        That of the scene, if the model scales each by its own values: fitted once, by the client.
    """

    folder: str
    token: str
    model: ModelFile
    source: SceneSource
    applied_shift_xy_px: tuple[float, float]
    known: tuple[KnownFile, ...]
    settings: MapSettings
    run: Run
    tile_px: int
    every_block: bool
    device: str
    scaling: Scaling | None = field(default=None, compare=False)

    @property
    def wanted(self) -> bool:
        """Whether the client still waits for windows of the map, and this machine sees its folder."""
        return self._text().removesuffix(STOP) == self.token

    @property
    def stopping(self) -> bool:
        """Whether the client wants no window after the one that is computed now."""
        return self._text() != self.token

    def _text(self) -> str:
        try:
            return Path(self.folder, TOKEN).read_text(encoding="ascii")
        except OSError:
            return ""


@dataclass(frozen=True)
class SharedPart:
    """One strip of a map."""

    map: SharedMap
    strip: int


@dataclass(frozen=True)
class PartResult:
    """What became of a part.

    Attributes
    ----------
    files : tuple of (str, str)
        Names of its windows in the folder of the map, and their sha256; empty if the map was no longer wanted.
    zeros : tuple of (int, int)
        For each file of the scene, image by image: the pixels that were read, and those that are 0 in all bands.
    warnings : tuple of str
    blocks : int
        Number of blocks that were computed.
    """

    files: tuple[tuple[str, str], ...] = ()
    zeros: tuple[tuple[int, int], ...] = ()
    warnings: tuple[str, ...] = ()
    blocks: int = 0


@dataclass(frozen=True, eq=False)
class _Opened:
    """A map that this worker computes parts of."""

    partial: PartialMap
    stream: BlockStream
    classifier: AnyClassifier


def run_part(part: SharedPart) -> PartResult:
    """Compute the windows of a strip; errors name the worker."""
    with _one_at_a_time, _not_printed():
        try:
            return _computed(_opened(part.map), part)
        except _NotWantedError:
            return PartResult()
        except BdgfError as error:
            raise type(error)(error.path, f"{error.problem} (on worker {_worker_name()})", error.remedy) from None


class _NotWantedError(Exception):
    """The client no longer waits for the map."""


def _computed(opened: _Opened, part: SharedPart) -> PartResult:
    if part.map.stopping:
        raise _NotWantedError
    counts, blocks = ReadCounts(), 0
    stream = replace(opened.stream, stack=opened.stream.stack.counting(counts))

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal blocks
        blocks += steps

    files, run = [], part.map.run
    with kept_warnings() as said, open_mappers(run, opened.classifier.viewer.device) as workers:
        for window, piece in classified_windows(opened.classifier, workers, stream, [part.strip], advance):
            stream.stack.check_unchanged()  # keep nothing of a changed image
            if not part.map.wanted:  # nor write into the folder of another run
                raise _NotWantedError
            path = opened.partial.add(window, piece)
            files.append((path.name, file_sha256(path)))
            if part.map.stopping:
                raise _NotWantedError
    read = [path for image in stream.stack.images for path in image.paths]
    zeros = tuple((counts.pixels[path], counts.zeros[path]) for path in read)
    return PartResult(tuple(files), zeros, tuple(said), blocks)


@lru_cache(maxsize=2)  # the last parts of a scene are computed beside the first ones of the next
def _opened(shared: SharedMap) -> _Opened:
    """Open a map whose parts this worker is to compute, and check that it is the client's."""
    until = time.monotonic() + SEEN_WITHIN_S
    while shared.stopping:
        if time.monotonic() > until:
            raise _NotWantedError
        time.sleep(0.1)
    if shared.settings.max_ram:
        limit_cache(parse_size(shared.settings.max_ram))
    partial = read_partial(Path(shared.folder))
    _check_versions(partial.plan.record["versions"])
    model = _loaded(shared.model)
    stack = to_map(
        fit_stack(model, open_again(shared.source, shared.applied_shift_xy_px), name="the model"), shared.settings
    )
    if stack.fingerprint(shared.known) != partial.plan.record["inputs"]["scene"]:
        problem = "is another image here than on the machine that asked for the map"
        raise RasterError(stack.spectral.paths[0], problem, "Put the images into a folder that all machines share.")
    layers = layer_plan(model, shared.settings)
    if layers.classes is None or layers.classes.legend != partial.plan.legend:
        remedy = "Put the legend into a folder that all machines share."
        raise SettingsError("`legend`", "is another one here than on the machine that asked for the map", remedy)
    classifier = classifier_of(model, shared.run, layers, shared.settings.missing, every_block=shared.every_block)
    if classifier.viewer.device.type != shared.device:
        problem = f"computes on {classifier.viewer.device.type}, and the others on {shared.device}"
        raise ResourceError("a worker", problem, 'Choose one kind of device, with `device="cpu"` or `device="cuda"`.')
    scaling = shared.scaling or model.scaling
    return _Opened(partial, BlockStream(stack, scaling, model.recipe.halo_px, shared.tile_px), classifier)


@lru_cache(maxsize=1)
def _loaded(file: ModelFile) -> Checkpoint:
    model = load_checkpoint(file.path, "model")
    if model.digest() != file.digest:
        raise CheckpointError(file.path, "is not the model that the map is made with", "Make the map again.")
    return model


def _check_versions(wanted: dict[str, str]) -> None:
    """ResourceError for a worker that joined late with other versions."""
    for package, name in COMPARED.items():
        if version(package) != wanted[package]:
            raise other_version("a worker", name, version(package), wanted[package])


def _worker_name() -> str:
    from distributed import get_worker

    return str(get_worker().address)


@contextmanager
def _not_printed() -> Iterator[None]:
    """Log messages are not printed by the worker: the client tells warnings."""
    nothing = logging.NullHandler()
    before, log.propagate = log.propagate, False
    log.addHandler(nothing)
    try:
        yield
    finally:
        log.removeHandler(nothing)
        log.propagate = before
