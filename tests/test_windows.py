"""Windows hold what lies round their pixels, each pixel is computed and kept once, and kept results are the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover_bdgf import cache
from landcover_bdgf.checkpoint import Checkpoint
from landcover_bdgf.device import open_workers
from landcover_bdgf.features import Viewer
from landcover_bdgf.recipe import changed
from landcover_bdgf.samples import Samples
from landcover_bdgf.stack import Stack
from landcover_bdgf.windows import WindowTable, cut_windows

Cut = Callable[..., WindowTable]


@pytest.fixture
def viewer(denoiser: Checkpoint) -> Viewer:
    return Viewer.of(denoiser.part("unet."), denoiser.scaling, denoiser.recipe, torch.device("cpu"), 0)


def cut(stack: Stack, samples: Samples, viewer: Viewer) -> WindowTable:
    with open_workers(2) as workers:
        return cut_windows(stack, samples, viewer, workers)


@pytest.mark.parametrize("average_px", [1, 7])
def test_windows_are_cut_round_their_pixels(stack: Stack, samples: Samples, viewer: Viewer, average_px: int) -> None:
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


def test_neighbouring_windows_share_their_pixels(stack: Stack, samples: Samples, viewer: Viewer) -> None:
    table = cut(stack, samples.train, viewer)
    assert len(table.pixels) < 81 * len(table) / 4
    assert len(table.at.unique()) == len(table.pixels)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    return tmp_path


def test_features_are_computed_once(
    stack: Stack, samples: Samples, viewer: Viewer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cut(stack, samples.train, viewer)
    with monkeypatch.context() as patch:
        patch.setattr(Viewer, "see", None)  # whoever asks, fails
        assert cut(stack, samples.train, viewer).digest() == first.digest()
        with pytest.raises(TypeError):
            cut(stack, samples.test, viewer)
        with pytest.raises(TypeError):
            cut(stack, samples.train, replace(viewer, scaling=replace(viewer.scaling, low=viewer.scaling.low - 1)))
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_what_is_damaged_is_computed_again(
    damage: Callable[[bytes], bytes], stack: Stack, samples: Samples, viewer: Viewer, folder: Path
) -> None:
    first = cut(stack, samples.train, viewer)
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert cut(stack, samples.train, viewer).digest() == first.digest()
    assert kept.read_bytes() == whole


def test_what_cannot_be_kept_is_computed(
    stack: Stack, samples: Samples, viewer: Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "folder"))
    assert len(cut(stack, samples.train, viewer)) == len(samples.train)


def test_the_cache_stays_within_its_bounds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 3000)
    for i in range(6):
        cache.cached("numbers", {"i": i}, lambda i=i: {"a": np.full(200, i, np.float32)})  # type: ignore[misc]
        assert sum(f.stat().st_size for f in folder.iterdir()) <= 3000
    assert cache.cached("numbers", {"i": 5}, dict)["a"][0] == 5
    assert cache.cached("numbers", {"i": 0}, dict) == {}


def test_the_cache_removes_nothing_that_is_not_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 3000)
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(bytes(9000))
    for i in range(6):
        cache.cached("numbers", {"i": i}, lambda i=i: {"a": np.full(200, i, np.float32)})  # type: ignore[misc]
    assert (folder / "model.safetensors").stat().st_size == 9000
