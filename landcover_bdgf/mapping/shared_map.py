"""Maps computed by the workers of dask: what is done once by this process, before, meanwhile and after."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from landcover_bdgf.errors import BdgfError, OutputError, RasterError, unwritten
from landcover_bdgf.mapping.dask_cluster import SEEN_WITHIN_S, Cluster
from landcover_bdgf.mapping.dask_queue import run_tasks
from landcover_bdgf.mapping.map_work import MapWork
from landcover_bdgf.mapping.shared_run import (
    MODEL,
    STOP,
    TOKEN,
    ModelFile,
    PartResult,
    SharedMap,
    SharedPart,
    run_part,
)
from landcover_bdgf.progress import Advance, log, stop_between_steps
from landcover_bdgf.storage import absolute_path, file_sha256


@dataclass(eq=False)
class _Shared:
    """A map of which workers compute parts, and what has come back."""

    work: MapWork
    map: SharedMap
    waiting: int
    warnings: dict[int, tuple[str, ...]] = field(default_factory=dict)
    error: BdgfError | None = None

    def stop(self) -> None:
        """Tell the workers to save their current windows, and then to stop."""
        with suppress(OSError):
            Path(self.map.folder, TOKEN).write_text(self.map.token + STOP, encoding="ascii")

    def end(self) -> None:
        """Tell the workers that no more is wanted."""
        with suppress(OSError):
            Path(self.map.folder, TOKEN).unlink()

    def found(self) -> list[str] | BdgfError:
        """What workers have warned of, in the order of the strips; or what went wrong."""
        if self.error is not None:
            return self.error
        return list(dict.fromkeys(text for strip in sorted(self.warnings) for text in self.warnings[strip]))


def check_source(work: MapWork) -> None:
    """RasterError for a scene that another process cannot open."""
    if work.stream.stack.source is None:
        path = work.stream.stack.spectral.paths[0]
        raise RasterError(
            path, "is of arrays or a mapping of dates, which workers cannot open", "Give files, or a table of dates."
        )


def compute_shared(
    cluster: Cluster, works: Iterable[MapWork], advance: Advance | None = None
) -> Iterator[tuple[MapWork, list[str] | BdgfError]]:
    """Compute maps on workers; yields each when all its parts are there, with what workers warned of, or an error.

    Parameters
    ----------
    cluster : Cluster
    works : iterable of MapWork
        Taken when workers are about to run out of parts.
    advance : callable, optional
        Called with the number of blocks of each part that is finished.

    Raises
    ------
    ResourceError
        The scheduler is lost.
    KeyboardInterrupt
        After Ctrl-C, once each worker has saved its current window.
    """
    shared: dict[str, _Shared] = {}  # by token: maps with parts that are not finished
    complete: list[MapWork] = []

    def parts() -> Iterator[SharedPart]:
        for work in works:
            missing = work.missing()
            if not missing:
                complete.append(work)
                continue
            one = _Shared(work, share(work, cluster.device.type), len(missing))
            shared[one.map.token] = one
            for strip in missing:
                if one.error is None:
                    yield SharedPart(one.map, strip)

    with stop_between_steps() as pressed:
        try:
            stopped = _stopping(pressed, shared)
            for part, result in run_tasks(cluster, run_part, parts(), check=_check_result, stopped=stopped):
                one = shared.get(part.map.token)
                if one is not None and not stopped():
                    _take(one, part, result, advance)
                    if one.waiting == 0 or one.error is not None:
                        one.end()
                        del shared[part.map.token]
                        yield one.work, one.found()
                yield from ((work, []) for work in _drained(complete))
            if pressed():
                log.warning("map stopped; continue with `resume`")
                raise KeyboardInterrupt
            yield from ((work, []) for work in _drained(complete))
        finally:
            for one in shared.values():
                one.end()


def _drained(works: list[MapWork]) -> Iterator[MapWork]:
    while works:
        yield works.pop(0)


def _stopping(pressed: Callable[[], bool], shared: dict[str, _Shared]) -> Callable[[], bool]:
    """Whether Ctrl-C was pressed; tells the workers the first time."""
    told = False

    def stopped() -> bool:
        nonlocal told
        if pressed() and not told:
            told = True
            log.info("waiting for the workers to save their current windows; Ctrl-C again to leave them")
            for one in shared.values():
                one.stop()
        return pressed()

    return stopped


def share(work: MapWork, device: str) -> SharedMap:
    """Put what workers need into the folder of the unfinished map; ``device`` is the kind that all have."""
    check_source(work)
    stack, folder = work.stream.stack, Path(absolute_path(work.partial.path))
    assert stack.source is not None
    token = secrets.token_hex(8)
    work.model.save(folder / MODEL, overwrite=True)
    try:
        (folder / TOKEN).write_text(token, encoding="ascii")
    except OSError as error:
        raise unwritten(folder / TOKEN, error) from error
    return SharedMap(
        folder=str(folder),
        token=token,
        model=ModelFile(str(folder / MODEL), work.model.digest()),
        source=stack.source,
        applied_shift_xy_px=stack.applied_shift_xy_px,
        known=stack.known_files(),
        settings=replace(work.settings, legend=work.settings.legend and absolute_path(work.settings.legend)),
        run=work.run,
        tile_px=work.stream.tile_px,
        every_block=work.every_block,
        device=device,
        scaling=work.stream.scaling if work.model.scaling.by_scene else None,
    )


def _take(one: _Shared, part: SharedPart, result: PartResult | BdgfError, advance: Advance | None) -> None:
    """Count a part that is finished, or note what went wrong."""
    if isinstance(result, BdgfError):
        one.error = result
        return
    one.waiting -= 1
    for text in result.warnings:
        if not any(text in told for told in one.warnings.values()):
            log.warning("%s", text)
    one.warnings[part.strip] = result.warnings
    stack, counts = one.work.stream.stack, one.work.counts
    paths = [path for image in stack.images for path in image.paths]
    for path, (pixels, zeros) in zip(paths, result.zeros, strict=True):
        counts.pixels[path] += pixels
        counts.zeros[path] += zeros
    if advance is not None:
        advance(result.blocks)


def _check_result(part: SharedPart, result: PartResult) -> None:
    """OutputError unless this process sees the windows as the worker has written them."""
    if not part.map.wanted:  # the map was stopped
        return
    if not result.files:
        raise OutputError(part.map.folder, "is not seen by a worker", "Write to a folder that all machines share.")
    until = time.monotonic() + SEEN_WITHIN_S
    for name, sha256 in result.files:
        path = Path(part.map.folder, name)
        while not (path.is_file() and file_sha256(path) == sha256):
            if time.monotonic() > until:
                raise OutputError(path, "differs from what a worker has written", "Check the shared disk.")
            time.sleep(0.1)
