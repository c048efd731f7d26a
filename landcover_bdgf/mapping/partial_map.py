"""An unfinished map: a folder with its plan and one file per finished window.

``landcover.tif.partial/plan.json`` identifies the map and lists the windows of the run; ``128_0.npz`` holds the codes
and layers of the window that starts at row 128, column 0, and the numbers of its novel pixels; ``warnings.json`` what
the run warned of. Files are written atomically, so a run that was killed at any moment can be resumed. The finished
folder of a shard is the output of that shard.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from numpy.typing import NDArray
from pydantic import ConfigDict, NonNegativeInt, PositiveInt
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError, opening, unwritten
from landcover_bdgf.geo import Grid
from landcover_bdgf.labels import Legend
from landcover_bdgf.model import Classified
from landcover_bdgf.progress import log
from landcover_bdgf.storage import Document, atomic_output, read_json

KIND: Final = "bdgf partial map"
SUFFIX, PLAN, LOCK, WARNINGS = ".partial", "plan.json", ".lock", "warnings.json"
_HEAD = f'{{"kind":"{KIND}",'.encode()
_EXPECTED = re.compile(
    rf"{re.escape(PLAN)}|{re.escape(WARNINGS)}|\d+_\d+\.npz|\..+"
)  # hidden: the lock, and drafts of killed runs

LayerName = Literal["confidence", "novelty", "probabilities", "sets", "entropy", "condition"]


class Plan(Document):
    """The map that a run works on, and the windows that it computes.

    Attributes
    ----------
    identity : dict
        Must be equal for parts of one map.
    shard : (int, int)
        Number, from 1, and count.
    windows : list of (row, column, height, width)
        From top to bottom, without overlap.
    grid, legend, record
        Of the whole map.
    layers : dict of str to str
        Names of the layers, and data types of their pixels.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    kind: Literal["bdgf partial map"] = KIND
    identity: dict[str, Any]
    shard: tuple[int, int] = (1, 1)
    windows: list[tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt]]
    grid: dict[str, Any]  # not a Grid: PROJ may write a CRS differently from how it was read, and the checksum changes
    legend: Legend
    layers: dict[LayerName, Literal["uint8", "uint16"]]
    record: dict[str, Any]
    sha256: str = ""

    def map_grid(self) -> Grid:
        """Grid of the whole map."""
        return Grid.from_dict(self.grid)

    @property
    def pixels(self) -> int:
        """Number of pixels in all windows."""
        return sum(height * width for _, _, height, width in self.windows)

    def checksum(self) -> str:
        """SHA-256 of all other fields."""
        return hashlib.sha256(self.model_dump_json(exclude={"sha256"}).encode()).hexdigest()


@dataclass(frozen=True)
class PartialMap:
    """The folder of an unfinished map, from :func:`begin_partial` or :func:`read_partial`."""

    path: Path
    plan: Plan

    def add(self, window: Window, piece: Classified) -> Path:
        """Write a finished window, synced to disk; returns its file."""
        try:
            with atomic_output(self._file(window), overwrite=True) as draft, draft.open("wb") as file:
                counts = np.array([piece.novel_px, piece.compared_px])
                arrays: dict[str, Any] = {"codes": piece.codes, "counts": counts, **piece.layers}
                np.savez_compressed(file, **arrays)
        except OutputError as error:
            raise OutputError(self.path, error.problem, f"{error.remedy} Then continue with `resume`.") from error
        return self._file(window)

    def has(self, window: Window) -> bool:
        """Whether a window is finished."""
        return self._file(window).is_file()

    def read(self, window: Window, *names: str) -> Classified:
        """A finished window with the layers named; OutputError if its file is damaged."""
        codes, (novel_px, compared_px), *layers = self._arrays(window, "codes", "counts", *names)
        if {codes.shape, *(layer.shape[1:] for layer in layers)} != {(window.height, window.width)}:
            raise damaged(self._file(window), f"it holds {codes.shape} pixels")
        return Classified(codes, dict(zip(names, layers, strict=True)), int(novel_px), int(compared_px))

    def compared(self) -> tuple[int, int]:
        """Novel pixels of the finished windows, and pixels that were compared with the training data."""
        counts = [self._arrays(window, "counts") for window in self.windows() if self.has(window)]
        total = np.array(counts, np.int64).reshape(-1, 2).sum(axis=0)
        return int(total[0]), int(total[1])

    def _arrays(self, window: Window, *names: str) -> list[NDArray[Any]]:
        file = self._file(window)
        try:
            with file.open("rb") as opened, np.load(opened) as arrays:
                return [arrays[name] for name in names]
        except MemoryError:
            raise
        except Exception as error:  # NumPy, zipfile and zlib raise ten types for damaged bytes, and advise to unpickle
            raise damaged(file, "its arrays cannot be read") from error

    def keep_warnings(self, warnings: Iterable[str]) -> None:
        """Keep what the run warned of, for the record of the map."""
        with atomic_output(self.path / WARNINGS, overwrite=True) as draft:
            draft.write_text(json.dumps(list(dict.fromkeys(warnings))), encoding="utf-8")

    def warnings(self) -> list[str]:
        """What the run warned of; OutputError if the file is damaged."""
        try:
            return read_json(list[str], self.path / WARNINGS)
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise damaged(self.path / WARNINGS, str(error)) from error

    def read_whole(self, window: Window) -> Classified:
        """A finished window with all its layers."""
        return self.read(window, *self.plan.layers)

    def windows(self) -> Iterator[Window]:
        """All windows of the plan, from top to bottom."""
        for row, col, height, width in self.plan.windows:
            yield Window(col, row, width, height)

    @property
    def finished_px(self) -> int:
        """Number of pixels in the finished windows."""
        return sum(window.height * window.width for window in self.windows() if self.has(window))

    def _file(self, window: Window) -> Path:
        return self.path / f"{window.row_off}_{window.col_off}.npz"


@opening(OutputError)
def check_partial(path: Path, *, resume: bool, overwrite: bool) -> None:
    """Check that a folder is free, or a partial map that may be resumed or overwritten; OutputError otherwise."""
    if path.is_symlink():
        raise OutputError(path, "is a symbolic link, and its target would be overwritten", "Remove it.")
    if not path.exists():
        return
    if not path.is_dir() or not all(_EXPECTED.fullmatch(file.name) for file in path.iterdir()):
        raise _not_partial(path)
    if (path / PLAN).exists() and not _plan_bytes(path).startswith(_HEAD):
        raise _not_partial(path)
    if not (overwrite or resume):
        remedy = "Continue it with `resume` if it was this run; else choose another name, or `overwrite` it."
        raise OutputError(path, "was left by an interrupted run", remedy)


@contextmanager
def begin_partial(path: Path, plan: Plan, *, resume: bool, overwrite: bool) -> Iterator[PartialMap]:
    """Make and lock a folder for the windows of a plan; it stays when the block ends.

    With ``resume``, undamaged windows of an interrupted run of the same plan are kept.

    Raises
    ------
    OutputError
        As :func:`check_partial`; another run holds the lock, or the folder has another scene, model or settings.
    """
    check_partial(path, resume=resume, overwrite=overwrite)
    partial = PartialMap(path, plan)
    lock = _locked(path)
    try:
        if resume and (path / PLAN).exists():
            _check_same_run(read_partial(path).plan, plan, path)
            for window in filter(partial.has, partial.windows()):
                try:
                    partial.read_whole(window)
                except OutputError as error:
                    log.warning("%s: %s; recomputing", error.path, error.problem)
                    partial._file(window).unlink()
        else:
            for file in path.glob("*.npz"):
                file.unlink()
            signed = plan.model_copy(update={"sha256": plan.checksum()})
            with atomic_output(path / PLAN, overwrite=True) as draft:
                draft.write_text(signed.model_dump_json(), encoding="utf-8")
        yield partial
    finally:
        lock.release()


@opening(OutputError)
def read_partial(path: Path) -> PartialMap:
    """Open the folder of an interrupted run or a shard; OutputError if it is not a partial map, or is damaged."""
    content = _plan_bytes(path)
    if not content and not path.exists():
        raise OutputError(path, "does not exist", "Check its name and the folder you are in.")
    if not content.startswith(_HEAD):
        raise _not_partial(path)
    try:
        plan = read_json(Plan, content)
    except ValueError as error:
        raise damaged(path / PLAN, str(error)) from error
    if plan.sha256 != plan.checksum():
        raise damaged(path / PLAN, "its checksum does not match")
    return PartialMap(path, plan)


def damaged(path: Path, why: str) -> OutputError:
    """The error for a damaged file."""
    return OutputError(path, f"is damaged ({why})", "Make the map again.")


def _not_partial(path: Path) -> OutputError:
    return OutputError(path, "is not a partial map", "Expected a .partial folder from bdgf map.")


def _plan_bytes(path: Path) -> bytes:
    """Content of the plan; empty if it is missing."""
    try:
        return (path / PLAN).read_bytes()
    except PermissionError:
        raise
    except OSError:
        return b""


def _locked(path: Path) -> BaseFileLock:
    """Lock the folder; the system releases the lock when the process ends, even if it is killed."""
    lock = FileLock(path / LOCK, blocking=False)
    try:
        path.mkdir(exist_ok=True)
        lock.acquire()
        return lock
    except Timeout:
        raise OutputError(path, "another run is making this map", "Wait for it, or choose another name.") from None
    except OSError as error:
        raise unwritten(path, error) from error


# Keys of an identity whose values say nothing, or too much.
_HASHED = {
    "scene": "other images, mask, area or alignment", "model": "another model", "classes": "other classes or names",
}  # fmt: skip


def _check_same_run(before: Plan, now: Plan, path: Path) -> None:
    was, is_ = ({"shard": list(plan.shard), **plan.identity} for plan in (before, now))
    changed = [key for key in sorted({*was, *is_}) if was.get(key) != is_.get(key)]
    if changed:
        differences = "; ".join(_HASHED.get(key, f"{key} was {was.get(key)}, is {is_.get(key)}") for key in changed)
        remedy = "Give the inputs and options of that run, or start again with `overwrite`."
        raise OutputError(path, f"belongs to another run: {differences}", remedy)
