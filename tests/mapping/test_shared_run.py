"""A worker computes a strip from paths and numbers, only for the map that is wanted, and only from the same inputs."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from landcover_bdgf.errors import BdgfError, CheckpointError, RasterError, ResourceError, SettingsError
from landcover_bdgf.mapping import shared_run
from landcover_bdgf.mapping.scene_map import BegunMap, Wanted, begin_map
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.shared_map import share
from landcover_bdgf.mapping.shared_run import STOP, TOKEN, PartResult, SharedMap, SharedPart, run_part
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.scaling_fit import with_scenes
from landcover_bdgf.progress import log
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage.records import file_sha256


@pytest.fixture(scope="module")
def begun(model: Checkpoint, wide_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BegunMap]:
    output = tmp_path_factory.mktemp("shared") / "m.tif"
    found = begin_map(model, wide_stack, output, Wanted(MapSettings(tile_px=128), Run(threads=1)))
    assert found is not None
    with found.opened:
        yield found


@pytest.fixture
def shared(begun: BegunMap, monkeypatch: pytest.MonkeyPatch) -> SharedMap:
    monkeypatch.setattr(shared_run, "SEEN_WITHIN_S", 0)
    monkeypatch.setattr(shared_run, "_worker_name", lambda: "tcp://w:1")
    shared_run._opened.cache_clear()
    return share(begun.work, "cpu")


def test_a_part_is_paths_and_numbers(shared: SharedMap) -> None:
    assert len(pickle.dumps(SharedPart(shared, 1))) < 4000
    assert hash(shared) == hash(pickle.loads(pickle.dumps(shared)))


def test_a_strip_is_written_again_in_the_same_bytes_and_nothing_is_printed(
    begun: BegunMap, shared: SharedMap, capfd: pytest.CaptureFixture[str]
) -> None:
    strip = begun.work.missing()[0]
    found = run_part(SharedPart(shared, strip))
    assert strip not in begun.work.missing()
    assert dict(found.files) == {name: file_sha256(begun.work.partial.path / name) for name, _ in found.files}
    assert run_part(SharedPart(shared, strip)) == found
    assert found.blocks == 2
    assert [pixels > 0 for pixels, _ in found.zeros] == [True, True]
    assert shared_run._opened.cache_info().hits == 1
    assert capfd.readouterr() == ("", "")
    assert not any(isinstance(handler, logging.NullHandler) for handler in log.handlers)


def test_nothing_is_computed_for_a_map_that_is_not_wanted_any_more(
    begun: BegunMap, shared: SharedMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C the current window is saved; after the end of a run, nothing is written."""
    part, token = SharedPart(shared, begun.work.strips[-1]), Path(shared.folder, TOKEN)
    before = len(list(begun.work.partial.path.glob("[12]*_*.npz")))
    for text, finished in (("another run", 0), (shared.token + STOP, 1)):
        token.write_text(shared.token)
        with monkeypatch.context() as patch:  # while the first window is computed
            patch.setattr(Stack, "check_unchanged", lambda _, text=text: token.write_text(text))
            assert run_part(part) == PartResult()
        assert shared.wanted == bool(finished)
        assert run_part(part) == PartResult()
        assert len(list(begun.work.partial.path.glob("[12]*_*.npz"))) - before == finished


@pytest.mark.parametrize(("change", "kind", "says"), [
    ({"device": "cuda"}, ResourceError, "a worker: computes on cpu, and the others on cuda (on worker tcp://w:1). "),
    ({"applied_shift_xy_px": (1.0, 0.0)}, RasterError, "msi.tif: is another image here than on the machine that asked"),
    ({"settings": MapSettings(rename=("crops=field",))}, SettingsError, "`legend`: is another one here"),
])  # fmt: skip
def test_other_inputs_are_refused(
    change: dict[str, object], kind: type[BdgfError], says: str, shared: SharedMap
) -> None:
    with pytest.raises(kind) as found:
        run_part(SharedPart(replace(shared, **change), 1))  # type: ignore[arg-type]
    assert says in str(found.value)


def test_a_worker_scales_a_scene_as_the_client_has_fitted_it(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    scaling = with_scenes(model.scaling, [replace(wide_stack, spectral_offset=1.0)], exclude=None, seed=0)
    work = Wanted(MapSettings(tile_px=128, force=True), Run(threads=1))
    begun = begin_map(replace(model, scaling=scaling), wide_stack, tmp_path / "m.tif", work)
    assert begun is not None
    with begun.opened:
        shared = share(begun.work, "cpu")
        opened = shared_run._opened(pickle.loads(pickle.dumps(shared)))
    assert opened.stream.scaling.digest() == begun.work.stream.scaling.digest() != scaling.digest()
    assert not opened.stream.scaling.by_scene


def test_other_versions_models_and_folders_are_refused(
    shared: SharedMap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = replace(shared, model=replace(shared.model, digest="0"))
    with pytest.raises(CheckpointError, match="is not the model that the map is made with"):
        run_part(SharedPart(other, 1))
    with monkeypatch.context() as patch:
        patch.setattr(shared_run, "version", lambda package: "0.0.1")
        with pytest.raises(ResourceError, match=r"a worker: has bdgf 0\.0\.1, and this machine has"):
            run_part(SharedPart(shared, 1))
    assert run_part(SharedPart(replace(shared, folder=str(tmp_path)), 1)) == PartResult()


def test_an_image_of_another_time_is_read_and_compared(shared: SharedMap) -> None:
    """A copy on another machine has its own time; its contents are what matters."""
    path = Path(shared.known[0].path)
    before = path.stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    try:
        assert run_part(SharedPart(replace(shared, token=shared.token), 1)).files
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
