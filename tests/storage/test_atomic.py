"""Outputs appear whole or not at all, belong to one run at a time, and are never inputs."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK, Bdgf, WriteTif

from landcover_bdgf.app.job import Job, check_kept, keep_model, run_job
from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo import cog
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.raster import grid_of, open_raster
from landcover_bdgf.labels.class_map import paths_beside
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene, part_path
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.recipe import RECIPES, load_recipe
from landcover_bdgf.scene.simulation import SceneFiles
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage import locks
from landcover_bdgf.storage.atomic import atomic_folder, atomic_output, check_free_space, check_output, draft_folder
from landcover_bdgf.storage.locks import check_not_input, reserved, short_name
from landcover_bdgf.storage.records import changed_files


def test_what_a_killed_run_left_goes_and_what_a_live_one_writes_stays(tmp_path: Path) -> None:
    left = tmp_path / ".out.txt.0123abcd.part"
    left.mkdir()
    (left / "out.txt").write_text("half")
    (tmp_path / ".other.txt.0123abcd.part").mkdir()
    with draft_folder(tmp_path / "out.txt") as live:
        with atomic_output(tmp_path / "out.txt") as draft:
            draft.write_text("whole")
        assert live.is_dir()
        assert not left.exists()
    assert sorted(os.listdir(tmp_path)) == [".other.txt.0123abcd.part", "out.txt"]


def test_where_there_are_no_locks_nothing_is_taken_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    with draft_folder(tmp_path / "out.txt") as live, atomic_output(tmp_path / "out.txt") as draft:
        draft.write_text("whole")
        assert live.is_dir()
    assert os.listdir(tmp_path) == ["out.txt"]


def test_an_output_belongs_to_one_run(tmp_path: Path) -> None:
    with reserved(tmp_path / "out.tif"):
        with (
            pytest.raises(OutputError, match=r"out\.tif: another run is writing it\. Wait"),
            reserved(tmp_path / "out.tif"),
        ):
            pass
        with reserved(tmp_path / "other.tif"), reserved(), reserved(Path(".")):
            pass
    with reserved(tmp_path / "out.tif"):
        pass
    with reserved(tmp_path / "none" / "out.tif"):  # what writes there says so
        pass
    assert not os.listdir(tmp_path)


def test_a_model_belongs_to_one_job_whatever_its_map_is(stack: Stack, scene_files: SceneFiles, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    job = Job(scene_files.labels, "class", tmp_path / "b.tif", model, load_recipe("laptop", QUICK))
    with reserved(model), pytest.raises(OutputError, match=r"model\.safetensors: another run is writing it\. Wait"):
        run_job(stack, job)
    assert not os.listdir(tmp_path)


def test_a_lock_can_be_opened_by_other_users_and_is_no_link(tmp_path: Path) -> None:
    lock = tmp_path / ".out.tif.lock"
    mask = os.umask(0o077)
    try:
        with reserved(tmp_path / "out.tif"):
            assert lock.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(mask)
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match=r"out\.tif: its lock \.out\.tif\.lock is a link\. Remove it"):
        reserved(tmp_path / "out.tif").__enter__()
    assert os.listdir(tmp_path) == [lock.name]


def test_a_lock_that_may_not_be_opened_is_another_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(lock: Path, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(locks, "open_held", refused)
    with reserved(tmp_path / "out.tif"):  # there is none: nothing may be written there, and what writes says so
        pass
    (tmp_path / ".out.tif.lock").touch()
    with pytest.raises(OutputError, match=r"out\.tif: another run is writing it, as another user's \.out\.tif\.lock"):
        reserved(tmp_path / "out.tif").__enter__()


def test_what_the_system_says_of_a_lock_is_told(tmp_path: Path) -> None:
    (tmp_path / ".out.tif.lock").mkdir()
    with pytest.raises(OutputError, match=r"\.out\.tif\.lock: cannot be written, Is a directory"):
        reserved(tmp_path / "out.tif").__enter__()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_the_place_of_a_draft_or_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".out.txt.0123abcd.part")
    os.mkfifo(tmp_path / ".out.txt.lock")
    with reserved(tmp_path / "out.txt"), atomic_output(tmp_path / "out.txt") as draft:
        draft.write_text("whole")
    assert (tmp_path / "out.txt").read_text() == "whole"


def test_long_names_are_told_apart(tmp_path: Path) -> None:
    one, other = (tmp_path / f"{'ä' * 120}{number}" for number in (1, 2))
    assert short_name(one) != short_name(other)
    with reserved(one), reserved(other), atomic_output(one) as draft:
        draft.write_text("1")
    assert one.read_text() == "1"


def test_no_input_is_an_output(
    tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = shutil.copy(scene_files.labels, tmp_path / "labels.gpkg")
    (tmp_path / "link.gpkg").symlink_to(labels)
    before = labels.read_bytes()
    images = (scene_files.spectral, scene_files.sar)
    for name in ("labels.gpkg", "link.gpkg"):
        assert bdgf("sample", *images, "--labels", labels, "--field", "class", "-o", name, "--overwrite") == 6
        assert f"{name}: is one of the inputs" in capfd.readouterr().err
    with pytest.raises(OutputError, match="one of the inputs"):
        check_not_input(tmp_path / "labels.gpkg", [tmp_path])
    check_not_input(tmp_path / "labels.gpkg", [tmp_path], folders=False)
    assert labels.read_bytes() == before


def test_corrected_samples_are_not_replaced_by_samples_drawn_from_them(
    tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles, stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out_steps").mkdir()
    labels = shutil.copy(scene_files.labels, tmp_path / "out_steps/samples.gpkg")
    before = labels.read_bytes()
    job = ["map", scene_files.spectral, scene_files.sar, "--labels", labels, "--field", "class", "-o", "out.tif"]
    for more in ("--overwrite", "--resume"):
        assert bdgf(*job, more) == 6
        assert "out_steps/samples.gpkg: is one of the inputs" in capfd.readouterr().err
    with pytest.raises(OutputError, match="one of the inputs"):  # in Python too
        run_job(stack, Job(labels, "class", Path("out.tif"), Path("m.safetensors"), RECIPES["laptop"], overwrite=True))
    assert labels.read_bytes() == before


@pytest.mark.parametrize(("command", "beside"), [
    ("map", ".partial"), ("map --shard 1/2", ".1-of-2.partial"), ("align", ".json"), ("sample", "-journal"),
])  # fmt: skip
def test_a_name_that_does_not_fit_is_refused_before_any_work(
    command: str, beside: str, tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles, model: Checkpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    model.save(tmp_path / "m.safetensors")
    ending = ".gpkg" if command == "sample" else ".tif"
    more = ["--labels", scene_files.labels, "--field", "class"] if command == "sample" else []
    more += ["--model", "m.safetensors"] if command.startswith("map") else []
    words = [*command.split(), scene_files.spectral, scene_files.sar, *more]
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") - len(beside)
    too_long, fits = ("n" * (length - len(ending)) + ending for length in (longest + 1, longest))
    assert bdgf(*words, "-o", too_long) == 6
    said = capfd.readouterr().err.splitlines()[-1]
    assert re.search(
        rf"{beside}: (has a name of \d+ bytes, \d+ fit here|cannot be opened, file name too long)\. ", said
    )
    assert os.listdir(tmp_path) == ["m.safetensors"]
    assert bdgf(*words, "-o", fits) == 0


def test_what_was_never_written_is_no_success(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"a\.txt: cannot be written, its draft has vanished"),
        atomic_output(tmp_path / "a.txt"),
    ):
        pass
    assert not os.listdir(tmp_path)


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_output(tmp_path / "a.txt") as draft:
            draft.write_text("mine")
            (tmp_path / "a.txt").write_text("theirs")

    with pytest.raises(OutputError, match="exists already"):
        write()
    assert (tmp_path / "a.txt").read_text() == "theirs"


def test_a_report_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_folder(tmp_path / "report") as folder:
            (folder / "report.html").write_text("mine")
            (tmp_path / "report").mkdir()
            (tmp_path / "report/report.html").write_text("theirs")

    with pytest.raises(OutputError, match="holds a report already"):
        write()
    assert (tmp_path / "report/report.html").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["report"]


def test_what_appears_beside_meanwhile_is_not_replaced_either(tmp_path: Path) -> None:
    def write(*, overwrite: bool = False, begun: bool = False) -> None:
        with atomic_output(tmp_path / "a.txt", overwrite=overwrite, begun=begun) as draft:
            draft.write_text("mine")
            draft.with_suffix(".csv").write_text("mine")
            (tmp_path / "a.csv").write_text("theirs")

    with pytest.raises(OutputError, match=r"a\.csv: exists already"):
        write()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.csv", "theirs")]
    write(begun=True)
    assert (tmp_path / "a.csv").read_text() == "mine"
    with pytest.raises(OutputError, match=r"a\.txt: exists already"):
        write(begun=True)
    write(overwrite=True)
    assert (tmp_path / "a.csv").read_text() == "mine"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_among_the_files_of_an_output_waits_until_all_are_there(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def told(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def disturbed(source: Path, target: Path) -> None:
        signal.raise_signal(number)
        replace(source, target)

    def write(text: str) -> None:
        with atomic_output(tmp_path / "a.txt", overwrite=True) as draft:
            for name in ("a.txt", "a.csv", "a.png"):
                draft.with_name(name).write_text(text)

    write("old")
    for n in (signal.SIGINT, signal.SIGTERM):  # the fixture as_loud_as_before puts back what was there
        signal.signal(n, told)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", disturbed)
        with pytest.raises(KeyboardInterrupt):
            write("new")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["new"] * 3
    assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is told
    signal.signal(number, signal.SIG_IGN)
    write("newer")  # what is ignored stays so
    assert signal.getsignal(number) is signal.SIG_IGN


def test_signals_are_left_alone_where_none_are_handled(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_output(tmp_path / "a.txt") as draft:
            draft.write_text("whole")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_main_file_comes_last_and_all_are_on_the_disk_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, replace, fsync = list[tuple[str, str]](), os.replace, os.fsync

    def replaced(source: Path, target: Path) -> None:
        calls.append(("replace", Path(target).name))
        replace(source, target)

    def synchronised(descriptor: int) -> None:
        calls.append(("fsync", Path(f"/proc/self/fd/{descriptor}").resolve().name))
        fsync(descriptor)

    def write() -> None:
        with atomic_output(tmp_path / "b.txt") as draft:
            for name in ("a.txt", "b.txt", "c.txt"):
                draft.with_name(name).write_text("whole")

    with stopped_at(3, tmp_path):
        write()
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "c.txt"]
    for file in tmp_path.iterdir():
        file.unlink()
    monkeypatch.setattr(os, "replace", replaced)
    if os.path.isdir("/proc/self/fd"):
        monkeypatch.setattr(os, "fsync", synchronised)
        write()
        assert set(calls[:3]) == {("fsync", name) for name in ("a.txt", "b.txt", "c.txt")}
        assert set(calls[3:5]) == {("replace", name) for name in ("a.txt", "c.txt")}
        assert calls[5:] == [("replace", "b.txt"), ("fsync", tmp_path.name)]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_outputs_are_for_whom_the_mask_says(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        with atomic_output(tmp_path / "a.txt") as draft:
            draft.touch(0o600)  # as some libraries do
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~mask


@contextmanager
def stopped_at(number: int, folder: Path) -> Iterator[None]:
    """A run that ends when its number-th file, from 1, would come into a folder."""
    replace, seen = os.replace, list[Path]()

    def stop(source: Path, target: Path) -> None:
        seen.extend([Path(target)] if Path(target).parent == folder else [])
        if len(seen) == number:
            raise KeyboardInterrupt
        replace(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_what_was_stopped_among_its_files_goes_on(model: Checkpoint, stack: Stack, tmp_path: Path) -> None:
    path, layers = tmp_path / "a.tif", MapSettings(confidence=True)
    with stopped_at(5, tmp_path):
        map_scene(model, stack, path, settings=layers)
    assert set(os.listdir(tmp_path)) == {
        part_path(path, layers).name,
        *(p.name for p in paths_beside(path, ["confidence"])),
    }
    with pytest.raises(OutputError, match="exists already"):
        map_scene(model, stack, path, settings=layers)
    map_scene(model, stack, path, settings=layers, resume=True)
    assert changed_files(path) == []
    (tmp_path / "m.partial.safetensors").write_text("state")
    with stopped_at(2, tmp_path):
        keep_model(model, tmp_path / "m.safetensors", overwrite=False)
    begun = check_kept(tmp_path / "m.safetensors", overwrite=False, resume=True)
    keep_model(model, tmp_path / "m.safetensors", overwrite=False, begun=begun)
    assert {"m.csv", "m.safetensors"} <= set(os.listdir(tmp_path))


def test_what_was_killed_when_a_step_had_just_been_finished_goes(
    stack: Stack, scene_files: SceneFiles, tmp_path: Path
) -> None:
    def job(*, resume: bool) -> Job:
        model, recipe = tmp_path / "m.safetensors", load_recipe("laptop", QUICK)
        return Job(scene_files.labels, "class", tmp_path / "a.tif", model, recipe, resume=resume)

    run_job(stack, job(resume=False))
    written = {file for file in tmp_path.rglob("*") if "report" not in str(file) and file.name != "a.tif"}
    (tmp_path / "a.tif").unlink()
    shutil.rmtree(tmp_path / "a_steps/report")
    for file in tmp_path.glob("a.*"):
        file.unlink()
    for name in ("a_steps/.samples.gpkg", "a_steps/.denoiser.safetensors", ".m.safetensors", ".m.partial.safetensors"):
        (tmp_path / f"{name}.0123abcd.part").mkdir()
    (tmp_path / "m.partial.safetensors").write_text("state")
    run_job(stack, job(resume=True))
    left = {file for file in tmp_path.rglob("*") if "report" not in str(file) and file.name != "a.tif"}
    assert left == written


@pytest.mark.parametrize(("command", "beside"), [
    ("map --model m.safetensors -o a.tif --confidence", "a_confidence.tif"),
    ("map --model m.safetensors -o a.tiff", "a.qml"),
    ("map --model m.safetensors -o a.tif --shard 1/2", "a.tif.1-of-2.partial"),
    ("align -o a.tif", "a.tif.json"),
    ("train --samples s.gpkg -o a.safetensors", "a.csv"),
    ("pretrain -o a.safetensors", "a.partial.safetensors"),
])  # fmt: skip
def test_what_comes_beside_an_output_belongs_to_one_run_too(
    command: str, beside: str, tmp_path: Path, bdgf: Bdgf, scene_files: SceneFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    name, *rest = command.split()
    with reserved(tmp_path / beside):
        assert bdgf(name, scene_files.spectral, scene_files.sar, *rest) == 6
    assert f"{beside}: another run is writing it" in capfd.readouterr().err
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(("number", "remedy"), [
    (errno.ENOSPC, "Free some space"), (errno.EMFILE, "ulimit -n"), (errno.EIO, "Look at its folder and its disk"),
])  # fmt: skip
def test_what_the_system_says_comes_with_a_remedy(number: int, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"a.txt: cannot be written, .*{remedy}"), atomic_output(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))


def zeros(path: Path) -> None:
    """A disk that gives back nothing but zeros, in the second half of a file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - size // 2)
        file.write(bytes(size // 2))


def spoiled(write: Callable[..., object], place: int) -> Callable[..., object]:
    """A function that writes a file and loses some of it."""

    def spoil(*arguments: object) -> object:
        result = write(*arguments)
        zeros(Path(str(arguments[place])))
        return result

    return spoil


@pytest.mark.parametrize(("step", "place"), [("_write_draft", 0), ("_copy_as_cog", 1)])
def test_a_disk_that_loses_pixels_is_noticed(
    step: str, place: int, tmp_path: Path, write_tif: WriteTif, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_raster(write_tif("a.tif", noise)) as dataset:
        grid, pixels = grid_of(dataset), dataset.read()
    tiles = [(window, pixels[:, window.row_off : window.row_off + window.height]) for window in grid.tiles(512)]
    profile = RasterProfile("float32", 3)
    write_raster(tmp_path / "draft.tif", grid, tiles, profile=profile)  # a name like any other
    monkeypatch.setattr(cog, step, spoiled(getattr(cog, step), place))
    with pytest.raises(OutputError, match=r"b\.tif: could not be written whole, .* Is the disk full, or damaged\?"):
        write_raster(tmp_path / "b.tif", grid, tiles, profile=profile)
    assert sorted(os.listdir(tmp_path)) == ["a.tif", "draft.tif"]


def test_a_report_goes_into_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with reserved(Path(".")), atomic_folder(".") as folder:
        (folder / "report.html").write_text("page")
    assert os.listdir(tmp_path / "here") == ["report.html"]
    assert os.listdir(tmp_path) == ["here"]


def test_a_report_goes_into_a_folder_on_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "rep").symlink_to("disk")
    (tmp_path / "disk/.report.html.0123abcd.part").mkdir()  # what killed runs left
    (tmp_path / ".rep.0123abcd.part").mkdir()
    replace = os.replace

    def within_a_disk(source: Path, target: Path) -> None:
        if len({path.resolve().is_relative_to(tmp_path / "disk") for path in (Path(source), Path(target).parent)}) > 1:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        replace(source, target)

    monkeypatch.setattr(os, "replace", within_a_disk)
    with atomic_folder(tmp_path / "rep") as folder:
        (folder / "report.html").write_text("page")
    assert os.listdir(tmp_path / "disk") == ["report.html"]
    assert sorted(os.listdir(tmp_path)) == ["disk", "rep"]


def test_a_folder_is_no_output_and_a_file_no_report(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is a folder\. Give the name of a file"):
        check_output(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file, a report is a folder"), atomic_folder(tmp_path / "file"):
        pass


def test_what_no_disk_can_hold_is_not_begun(tmp_path: Path) -> None:
    check_free_space(tmp_path / "map.tif", 1)
    with pytest.raises(OutputError, match=r"map\.tif: needs 1e\+09 GB of disk .* Free some space or write elsewhere"):
        check_free_space(tmp_path / "map.tif", 10**18)


def test_systems_without_locks_write_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    with reserved(tmp_path / "out.txt"), atomic_output(tmp_path / "out.txt") as draft:
        draft.write_text("whole")
    assert os.listdir(tmp_path) == ["out.txt"]
