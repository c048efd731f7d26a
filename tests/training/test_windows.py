"""Windows show the surroundings of their pixels; each pixel is computed once; cached results are the same."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.features import Viewer
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage import cache
from landcover_bdgf.storage.tensors import digest
from landcover_bdgf.training.windows import WindowTable, cut_windows

Cut = Callable[..., WindowTable]


@pytest.fixture
def viewer(denoiser: Checkpoint) -> Viewer:
    return Viewer.of(denoiser.part("unet."), denoiser.scaling, denoiser.recipe, torch.device("cpu"), 0)


def cut(stack: Stack, samples: Samples, viewer: Viewer) -> WindowTable:
    with open_workers(2) as workers:
        return cut_windows(stack, samples, viewer, workers)


@pytest.mark.parametrize("average_px", [1, 7])
def test_windows_are_centred_on_their_pixels(stack: Stack, samples: Samples, viewer: Viewer, average_px: int) -> None:
    viewer = replace(viewer, recipe=changed(viewer.recipe, (f"fusion.average_px={average_px}",)))
    table = cut(stack, samples.train, viewer)
    assert len(table) == len(samples.train)
    chosen = torch.tensor([0, len(table) // 2, len(table) - 1])
    windows = table[chosen]
    assert windows.spec.shape == (3, 10, 9, 9)
    for i, sample in enumerate(chosen.tolist()):
        tile = stack.read_padded(int(samples.train.rows[sample]) - 4, int(samples.train.cols[sample]) - 4, 9, 9)
        expected = viewer.scaling.spectral(tile.spectral) * tile.valid
        torch.testing.assert_close(windows.spec[i], torch.from_numpy(expected.astype(np.float32)), atol=0, rtol=0)
        assert int(windows.codes[i]) == samples.train.codes[sample] - 1


def test_adjacent_windows_share_their_pixels(stack: Stack, samples: Samples, viewer: Viewer) -> None:
    table = cut(stack, samples.train, viewer)
    assert len(table.pixels) < 81 * len(table) / 4
    assert len(table.at.unique()) == len(table.pixels)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    return tmp_path


def kept(i: int, made: cache.Arrays) -> cache.Arrays:
    """The cached arrays of a number, else the given ones."""
    return cache.cached("numbers", {"i": i}, lambda: made, lambda arrays: True)


def test_features_are_computed_once(
    stack: Stack, samples: Samples, viewer: Viewer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cut(stack, samples.train, viewer)
    with monkeypatch.context() as patch:
        patch.setattr(Viewer, "see", None)  # any call fails
        assert cut(stack, samples.train, viewer).digest() == first.digest()
        with pytest.raises(TypeError):
            cut(stack, samples.test, viewer)
        with pytest.raises(TypeError):
            cut(stack, samples.train, replace(viewer, scaling=replace(viewer.scaling, low=viewer.scaling.low - 1)))
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_a_damaged_cache_file_is_computed_again(
    damage: Callable[[bytes], bytes], stack: Stack, samples: Samples, viewer: Viewer, folder: Path
) -> None:
    first = cut(stack, samples.train, viewer)
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert cut(stack, samples.train, viewer).digest() == first.digest()
    assert kept.read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {name: array[:1] for name, array in a.items()},
        lambda a: a | {"at": a["at"] + len(a["pixels"])},
        lambda a: a | {"at": a["at"] - len(a["pixels"])},
        lambda a: a | {"at": a["at"].astype(np.int32)},
        lambda a: a | {"pixels": a["pixels"][:, 1:].copy()},
        lambda a: a | {"around": a["around"] * np.float32(np.nan)},
        lambda a: a | {"more": a["around"]},
        lambda a: {"pixels": np.float32(1) * a["pixels"]},
        lambda a: a | {"pixels": np.array(1, np.float32)},
    ],
)
def test_a_cache_file_of_another_form_is_computed_again(
    change: Callable[[cache.Arrays], cache.Arrays], stack: Stack, samples: Samples, viewer: Viewer, folder: Path
) -> None:
    first = cut(stack, samples.train, viewer)
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    arrays = change(load_file(kept))
    save_file(arrays, kept, {"sha256": digest(arrays)})
    assert cut(stack, samples.train, viewer).digest() == first.digest()
    assert kept.read_bytes() == whole


@pytest.mark.skipif(os.name != "posix", reason="owners of folders are POSIX's")
def test_the_cache_of_another_user_is_left_alone(
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
    os.chown(folder, user, -1)  # or another run of the tests, by somebody else, could not remove it
    assert len(list(folder.iterdir())) == 1
    assert "belongs to another user; nothing is kept in it" in caplog.text


def test_without_a_cache_folder_windows_are_computed(
    stack: Stack, samples: Samples, viewer: Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "folder"))
    assert len(cut(stack, samples.train, viewer)) == len(samples.train)


def test_the_cache_stays_within_its_bounds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 3000)
    for i in range(6):
        kept(i, {"a": np.full(200, i, np.float32)})
        assert sum(f.stat().st_size for f in folder.iterdir()) <= 3000
    assert kept(5, {})["a"][0] == 5
    assert kept(0, {}) == {}


def test_the_cache_removes_nothing_that_is_not_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 3000)
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(bytes(9000))
    for i in range(6):
        kept(i, {"a": np.full(200, i, np.float32)})
    assert (folder / "model.safetensors").stat().st_size == 9000
