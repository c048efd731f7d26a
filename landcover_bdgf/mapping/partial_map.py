"""A map that is not finished yet: a folder with its plan and one file for each finished window.

``landcover.tif.partial/plan.json`` says which map it is and which windows the run computes; ``128_0.npz`` holds codes
and layers of the window whose first pixel is in row 128, column 0. Every file appears whole, so a run can be killed at
any moment and go on. The finished folder of a shard is the shard's result.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from pydantic import ConfigDict, NonNegativeInt, PositiveInt, model_validator
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError, opening, unwritten
from landcover_bdgf.geo import Grid
from landcover_bdgf.labels import Legend
from landcover_bdgf.model import Classified
from landcover_bdgf.progress import log
from landcover_bdgf.storage import Document, atomic_output, read_json

KIND: Final = "bdgf partial map"
PLAN, LOCK = "plan.json", ".lock"
_HEAD = f'{{"kind":"{KIND}",'.encode()
_OURS = re.compile(rf"{re.escape(PLAN)}|\d+_\d+\.npz|\..+")  # the last: the lock, and drafts that a killed run left

Place = tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt]  # row, column, height, width


class Plan(Document):
    """Which map a run is part of, and what the run computes.

    Attributes
    ----------
    identity : dict
        All that two runs must share to be parts of one map.
    shard : (int, int)
        Number, from 1, and count.
    windows : list of (row, column, height, width)
        From top to bottom, without overlap.
    grid, legend, layers, record
        Of the whole map.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    kind: Literal["bdgf partial map"] = KIND
    identity: dict[str, Any]
    shard: tuple[int, int] = (1, 1)
    windows: list[Place]
    grid: dict[str, Any]  # not a Grid: PROJ may write a CRS differently from how it was read, and the checksum changes
    legend: Legend
    layers: list[Literal["confidence", "novelty"]]
    record: dict[str, Any]
    sha256: str = ""

    @model_validator(mode="after")
    def _check(self) -> Plan:
        number, count = self.shard
        if not 1 <= number <= count:
            raise ValueError(f"its shard is {number} of {count}")
        height, width = self.map_grid().shape_hw
        if any(row + rows > height or col + cols > width for row, col, rows, cols in self.windows):
            raise ValueError("a window lies outside the map")
        return self

    def map_grid(self) -> Grid:
        """Of the whole map."""
        return Grid.from_dict(self.grid)

    @property
    def pixels(self) -> int:
        """Of all windows."""
        return sum(height * width for _, _, height, width in self.windows)

    def checksum(self) -> str:
        """Of all but the checksum itself."""
        return hashlib.sha256(self.model_dump_json(exclude={"sha256"}).encode()).hexdigest()


@dataclass(frozen=True)
class PartialMap:
    """The folder of a map that is not finished; made by :func:`begin_partial` or :func:`read_partial`."""

    path: Path
    plan: Plan

    def add(self, window: Window, piece: Classified) -> None:
        """Write a finished window; it survives the process and the machine."""
        try:
            with atomic_output(self._file(window), overwrite=True) as draft, draft.open("wb") as file:
                np.savez_compressed(file, codes=piece.codes, layers=piece.layers)
        except OutputError as error:
            raise OutputError(self.path, error.problem, f"{error.remedy} Then go on with --resume.") from error

    def has(self, window: Window) -> bool:
        """Whether a window is finished."""
        return self._file(window).is_file()

    def read(self, window: Window) -> Classified:
        """A finished window; OutputError if its file is damaged."""
        file = self._file(window)
        try:
            with file.open("rb") as opened, np.load(opened) as arrays:
                piece = Classified(arrays["codes"], arrays["layers"])
        except MemoryError:
            raise
        except Exception as error:  # NumPy, zipfile and zlib have ten kinds of errors for damaged bytes
            raise damaged(file, str(error)) from error
        if piece.codes.shape != (window.height, window.width) or piece.layers.shape[1:] != piece.codes.shape:
            raise damaged(file, f"it holds {piece.codes.shape} pixels")
        return piece

    def windows(self) -> Iterator[Window]:
        """All windows of the plan, from top to bottom."""
        for row, col, height, width in self.plan.windows:
            yield Window(col, row, width, height)

    @property
    def finished_px(self) -> int:
        """Pixels of the windows that are finished."""
        return sum(window.height * window.width for window in self.windows() if self.has(window))

    def _file(self, window: Window) -> Path:
        return self.path / f"{window.row_off}_{window.col_off}.npz"


@opening(OutputError)
def check_partial(path: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to begin a map whose folder is not a partial map, or holds one that is neither resumed nor overwritten.

    Raises
    ------
    OutputError
    """
    if path.is_symlink():
        raise OutputError(path, "is a link to another place, which would be written to", "Remove it.")
    if not path.exists():
        return
    if not path.is_dir() or not all(_OURS.fullmatch(file.name) for file in path.iterdir()):
        raise _foreign(path)
    if (path / PLAN).exists() and not _content(path).startswith(_HEAD):
        raise _foreign(path)
    if not (overwrite or resume):
        raise OutputError(
            path, "is what an interrupted run left", "Go on with --resume, or begin anew with --overwrite."
        )


@contextmanager
def begin_partial(path: Path, plan: Plan, *, resume: bool, overwrite: bool) -> Iterator[PartialMap]:
    """A folder for the windows of a plan, which this process alone may write; it stays when the block ends.

    With ``resume`` the finished windows of an interrupted run of the same plan are kept, but for damaged ones.

    Raises
    ------
    OutputError
        As by :func:`check_partial`; another run is writing it, or it belongs to another scene, model or settings.
    """
    check_partial(path, resume=resume, overwrite=overwrite)
    partial = PartialMap(path, plan)
    lock = _locked(path)
    try:
        if resume and (path / PLAN).exists():
            _check_same_run(read_partial(path).plan, plan, path)
            _remove_damaged(partial)
        else:
            for file in path.glob("*.npz"):
                file.unlink()
            _write_plan(partial)
        yield partial
    finally:
        lock.release()


@opening(OutputError)
def read_partial(path: Path) -> PartialMap:
    """What an interrupted run, or a shard, has left.

    Raises
    ------
    OutputError
        It is not a partial map, or its plan is damaged.
    """
    content = _content(path)
    if not content.startswith(_HEAD):
        raise _foreign(path)
    try:
        plan = read_json(Plan, content)
    except ValueError as error:
        raise damaged(path / PLAN, str(error)) from error
    if plan.sha256 != plan.checksum():
        raise damaged(path / PLAN, "its checksum does not match")
    return PartialMap(path, plan)


def damaged(path: Path, why: str) -> OutputError:
    """The error of a file that does not hold what was written."""
    return OutputError(path, f"is damaged ({why})", "Map again.")


def _foreign(path: Path) -> OutputError:
    return OutputError(path, "is not a partial map", "Expected a .partial folder from bdgf map.")


def _content(path: Path) -> bytes:
    """Of the plan; empty where there is none."""
    try:
        return (path / PLAN).read_bytes()
    except PermissionError:
        raise
    except OSError:
        return b""


def _locked(path: Path) -> BaseFileLock:
    """The lock of the folder, held by this process; the system lets go of it however the process ends."""
    lock = FileLock(path / LOCK, blocking=False)
    try:
        path.mkdir(exist_ok=True)
        lock.acquire()
        return lock
    except Timeout:
        raise OutputError(path, "another run is making this map", "Wait for it, or choose another name.") from None
    except OSError as error:
        raise unwritten(path, error) from error


def _write_plan(partial: PartialMap) -> None:
    signed = partial.plan.model_copy(update={"sha256": partial.plan.checksum()})
    with atomic_output(partial.path / PLAN, overwrite=True) as draft:
        draft.write_text(signed.model_dump_json(), encoding="utf-8")


def _check_same_run(before: Plan, now: Plan, path: Path) -> None:
    was, is_ = ({"shard": list(plan.shard), **plan.identity} for plan in (before, now))
    changed = [key for key in sorted({*was, *is_}) if was.get(key) != is_.get(key)]
    if changed:
        differences = "; ".join(f"{key} was {was.get(key)}, is {is_.get(key)}" for key in changed)
        raise OutputError(path, f"belongs to another run: {differences}", "Begin anew with --overwrite.")


def _remove_damaged(partial: PartialMap) -> None:
    for window in filter(partial.has, partial.windows()):
        try:
            partial.read(window)
        except OutputError as error:
            log.warning("%s: %s; it is computed again", error.path, error.problem)
            partial._file(window).unlink()
