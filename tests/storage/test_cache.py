"""Cached results equal computed ones, damaged files are computed again, and the cache stays within its size limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from landcover_bdgf.storage import cache
from landcover_bdgf.storage.atomic import draft_folder
from landcover_bdgf.storage.tensors import Arrays


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    return tmp_path


def kept(i: int, made: Arrays) -> Arrays:
    """The cached arrays of a number, else those made now."""
    return cache.cached("numbers", {"i": i}, lambda: made)


def test_a_result_is_computed_once_per_key(folder: Path) -> None:
    assert kept(1, {"a": np.arange(3.0)})["a"].tolist() == [0, 1, 2]
    assert kept(1, {})["a"].tolist() == [0, 1, 2]
    assert kept(2, {}) == {}
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_a_damaged_file_is_computed_again(damage: Callable[[bytes], bytes], folder: Path) -> None:
    kept(1, {"a": np.arange(50.0)})
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert kept(1, {"a": np.arange(50.0)})["a"].tolist() == list(range(50))
    assert file.read_bytes() == whole


@pytest.mark.skipif(os.name != "posix", reason="owners of folders are POSIX's")
def test_the_cache_of_another_user_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert kept(1, {"a": np.zeros(3)})["a"].any() == 0
    if (user := os.geteuid()) == 0:
        try:
            os.chown(folder, 12345, -1)
        except OSError:
            pytest.skip("there is no other user in this namespace")
    else:
        monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert kept(1, {"a": np.ones(3)})["a"].all()
    assert kept(2, {}) == {}
    os.chown(folder, user, -1)  # so that pytest can remove it
    assert len(list(folder.iterdir())) == 1
    assert "belongs to another user; nothing is kept in it" in caplog.text


def test_a_result_that_cannot_be_cached_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "folder"))
    assert kept(1, {"a": np.ones(3)})["a"].all()


def test_the_cache_stays_within_its_size_limit_and_keeps_other_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 3000)
    (folder / "model.safetensors").write_bytes(bytes(9000))
    for i in range(6):
        kept(i, {"a": np.full(200, i, np.float32)})
        assert sum(f.stat().st_size for f in folder.iterdir()) <= 3000 + 9000
    assert (folder / "model.safetensors").stat().st_size == 9000
    assert kept(5, {})["a"][0] == 5
    assert kept(0, {}) == {}


def test_drafts_of_killed_runs_are_removed_from_the_cache(tmp_path: Path) -> None:
    left, theirs = tmp_path / f".{'0' * 64}.safetensors.0123abcd.part", tmp_path / ".map.tif.0123abcd.part"
    left.mkdir()
    theirs.mkdir()
    with draft_folder(tmp_path / f"{'1' * 64}.safetensors") as live:
        cache._make_room(tmp_path, 100)
        assert set(tmp_path.iterdir()) == {live, theirs}
