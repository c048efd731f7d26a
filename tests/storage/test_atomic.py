"""Drafts are published complete, the main file last; drafts of killed runs are removed."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from interrupted import stopped_at

from landcover_bdgf.errors import OutputError
from landcover_bdgf.storage.atomic import check_free_space, draft_folder
from landcover_bdgf.storage.products import atomic_output


def test_drafts_of_killed_runs_are_removed_and_those_of_running_ones_stay(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_deferred_until_all_files_are_published(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def disturbed(source: Path, target: Path) -> None:
        signal.raise_signal(number)
        replace(source, target)

    def write(text: str) -> None:
        with atomic_output(tmp_path / "a.txt", overwrite=True) as draft:
            for name in ("a.txt", "a.csv", "a.png"):
                draft.with_name(name).write_text(text)

    write("old")
    for n in (signal.SIGINT, signal.SIGTERM):  # the fixture as_loud_as_before restores the handlers
        signal.signal(n, interrupt)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", disturbed)
        with pytest.raises(KeyboardInterrupt):
            write("new")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["new"] * 3
    assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is interrupt
    signal.signal(number, signal.SIG_IGN)
    write("newer")  # an ignored signal stays ignored
    assert signal.getsignal(number) is signal.SIG_IGN


def test_a_thread_can_publish_outputs(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_output(tmp_path / "a.txt") as draft:
            draft.write_text("whole")

    with ThreadPoolExecutor() as threads:
        threads.submit(write).result()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_all_files_are_synced_before_the_first_is_moved_and_the_main_one_comes_last(
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


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_outputs_get_the_permissions_of_the_umask(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        with atomic_output(tmp_path / "a.txt") as draft:
            draft.touch(0o600)  # as some libraries do
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~mask


def test_too_little_free_space_is_refused(tmp_path: Path) -> None:
    check_free_space(tmp_path / "map.tif", 1)
    with pytest.raises(OutputError, match=r"map\.tif: needs 1e\+09 GB of disk .* Free some space or write elsewhere"):
        check_free_space(tmp_path / "map.tif", 10**18)
