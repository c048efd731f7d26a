"""A map by workers of dask is the same bytes as one by this process, also when workers are killed or it is stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from conftest import Tally
from distributed import Client

from landcover_bdgf.errors import OutputError, RasterError, SettingsError
from landcover_bdgf.mapping import shared_map
from landcover_bdgf.mapping.many_scenes import map_scenes
from landcover_bdgf.mapping.scene_map import map_scene
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.shared_map import run_tasks
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.scene_table import SceneRow
from landcover_bdgf.scene.simulation import SceneFiles, simulate, write_scene
from landcover_bdgf.scene.stack import Stack

# dask leaves sockets of killed workers to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
KILLS = int(os.environ.get("BDGF_TRIALS", "1"))
MADE = MapSettings(confidence=True, tile_px=128, force=True, min_area="3px", rename=("crops=field",))


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def expected(model: Checkpoint, wide_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a map by this process."""
    folder = tmp_path_factory.mktemp("one")
    map_scene(model, wide_stack, folder / "m.tif", settings=MADE)
    return files_of(folder)


def test_workers_make_the_map_of_one_process(
    far_client: Client, expected: dict[str, bytes], model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    made = map_scene(model, wide_stack, tmp_path / "m.tif", settings=MADE, client=far_client)
    assert made == tmp_path / "m.tif"
    assert files_of(tmp_path) == expected
    before = made.stat()
    map_scene(model, wide_stack, tmp_path / "m.tif", settings=MADE, client=far_client, resume=True)
    assert made.stat() == before  # already complete


@contextmanager
def killing(most: int, killed: list[int]) -> Iterator[None]:
    """Kill a worker of this process now and then during the block, at most so many."""
    over, chance = threading.Event(), random.Random(most)

    def kill() -> None:
        while len(killed) < most and not over.wait(chance.uniform(0.2, 1)):
            workers = [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
            for worker in workers[:1]:
                os.kill(worker.pid, signal.SIGKILL)
                killed.append(worker.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_workers_that_are_killed_change_nothing(
    far_client: Client, expected: dict[str, bytes], model: Checkpoint, wide_stack: Stack, tmp_path: Path, tally: Tally
) -> None:
    killed: list[int] = []
    while len(killed) < KILLS:
        with killing(KILLS - len(killed), killed):
            map_scene(model, wide_stack, tmp_path / "m.tif", settings=MADE, client=far_client, overwrite=True)
        assert files_of(tmp_path) == expected
    far_client.wait_for_workers(2)
    tally("workers killed during a map by dask", len(killed))


def test_scenes_of_a_table_fill_one_queue(
    far_client: Client, model: Checkpoint, scene_files: SceneFiles, tmp_path: Path
) -> None:
    other = write_scene(simulate((90, 100), seed=8), tmp_path, seed=8)
    (tmp_path / "broken.tif").write_text("no image")
    pairs = [(scene_files.spectral, "one"), (tmp_path / "broken.tif", "broken"), (other.spectral, "two")]
    rows = [SceneRow((str(path),), (str(other.sar if name == "two" else scene_files.sar),), output=name, line=line)
            for line, (path, name) in enumerate(pairs, 2)]  # fmt: skip
    settings = replace(MADE, map_masked=True)
    found = {}
    for name, client in (("alone", None), ("shared", far_client)):
        found[name] = map_scenes(rows, model, tmp_path / name, settings=settings, client=client)
    for one, other_one in zip(*found.values(), strict=True):
        names = {"seconds": 0, "map": None}
        assert one.to_dict() | names == other_one.to_dict() | names
    assert [each.status for each in found["shared"]] == ["mapped", "failed", "mapped"]
    contents = [files_of(tmp_path / name) for name in found]
    for each in contents:
        del each["summary.csv"]  # has the seconds
    assert contents[0] == contents[1]
    again = map_scenes(rows, model, tmp_path / "shared", settings=settings, client=far_client, resume=True)
    assert [each.status for each in again] == ["complete", "failed", "complete"]


def test_ctrl_c_keeps_what_workers_have_finished(
    far_client: Client, expected: dict[str, bytes], model: Checkpoint, wide_stack: Stack, tmp_path: Path,
    ctrl_c: Callable[[], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def stopped_after_one(*arguments: object, **options: object) -> Iterator[object]:
        for number, found in enumerate(run_tasks(*arguments, **options)):  # type: ignore[arg-type]
            yield found
            if number == 0:
                ctrl_c()

    monkeypatch.setattr(shared_map, "run_tasks", stopped_after_one)
    with pytest.raises(KeyboardInterrupt):
        map_scene(model, wide_stack, tmp_path / "m.tif", settings=MADE, client=far_client)
    monkeypatch.undo()
    assert "map stopped; continue with `resume`" in caplog.messages
    left = {file.name for file in (tmp_path / "m.tif.partial").iterdir()}
    assert ".token" not in left
    assert any(name.endswith(".npz") for name in left)
    map_scene(model, wide_stack, tmp_path / "m.tif", settings=MADE, resume=True)  # by this process
    assert files_of(tmp_path) == expected


def test_zeros_and_damage_are_told_as_by_one_process(
    far_client: Client, model: Checkpoint, stack: Stack, wide_stack: Stack, tmp_path: Path
) -> None:
    """What workers count and warn of is in the record; what a worker cannot read is an error with its name."""
    path = tmp_path / "gone.tif"
    path.write_bytes(wide_stack.sar.paths[0].read_bytes())
    assert wide_stack.source is not None
    moved = replace(wide_stack, source=replace(wide_stack.source, sar=(str(path),)))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(RasterError, match=r"gone\.tif: .*\(on worker tcp://127\.0\.0\.1:\d+\)\."):
        map_scene(model, moved, tmp_path / "m.tif", settings=MADE, client=far_client)
    assert ".token" not in {file.name for file in (tmp_path / "m.tif.partial").iterdir()}
    unreported = replace(stack, spectral=replace(stack.spectral, zeros_reported=False))
    records = []
    for name, client in (("a", None), ("b", far_client)):
        made = map_scene(
            model, unreported, tmp_path / f"{name}.tif", settings=replace(MADE, min_area=None), client=client
        )
        records.append(json.loads(Path(f"{made}.json").read_text())["warnings"])
    assert records[0] == records[1]


def test_what_workers_cannot_do_is_refused(
    near_client: Client, model: Checkpoint, stack: Stack, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="`output`: is needed for workers, which write into its folder"):
        map_scene(model, stack, client=near_client)
    with pytest.raises(SettingsError, match="`shard=1/2`: is a part of a map"):
        map_scene(model, stack, tmp_path / "m.tif", settings=MapSettings(shard="1/2"), client=near_client)
    with pytest.raises(RasterError, match=r"is of arrays or a mapping of dates, .* Give files, or a table of dates"):
        map_scene(model, replace(stack, source=None), tmp_path / "m.tif", client=near_client)


def test_windows_that_this_process_does_not_see_are_refused(
    near_client: Client, model: Checkpoint, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_map, "SEEN_WITHIN_S", 0)
    monkeypatch.setattr(shared_map, "file_sha256", lambda path: "another")
    with pytest.raises(OutputError, match=r"\.npz: differs from what a worker has written\. Check the shared disk"):
        map_scene(model, stack, tmp_path / "m.tif", settings=MADE, run=Run(threads=2), client=near_client)
