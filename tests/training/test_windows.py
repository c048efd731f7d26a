"""Windows show the surroundings of their pixels, and each pixel is computed and kept once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover_bdgf.labels.joined_samples import join_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.features import Viewer
from landcover_bdgf.model.recipe import changed
from landcover_bdgf.model.workers import open_workers
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage.cache import VARIABLE
from landcover_bdgf.training.windows import WindowTable, cut_windows


@pytest.fixture
def viewer(denoiser: Checkpoint) -> Viewer:
    return Viewer.of(denoiser.weights, denoiser.scaling, denoiser.recipe, torch.device("cpu"), 0)


def cut(stack: Stack, samples: Samples, viewer: Viewer) -> WindowTable:
    with open_workers(2) as workers:
        return cut_windows([stack], join_samples(samples), viewer, workers)


@pytest.mark.parametrize("average_px", [1, 7])
def test_windows_are_centred_on_their_pixels_and_share_them(
    stack: Stack, samples: Samples, viewer: Viewer, average_px: int
) -> None:
    viewer = replace(viewer, recipe=changed(viewer.recipe, (f"fusion.average_px={average_px}",)))
    train, table = samples.train, cut(stack, samples.train, viewer)
    assert len(table) == len(train)
    assert len(table.at.unique()) == len(table.pixels) < 81 * len(table) / 4
    chosen = torch.tensor([0, len(table) // 2, len(table) - 1])
    windows = table[chosen]
    assert windows.spec.shape == (3, 10, 9, 9)
    for i, sample in enumerate(chosen.tolist()):
        tile = stack.read_padded(int(train.rows[sample]) - 4, int(train.cols[sample]) - 4, 9, 9)
        np.testing.assert_array_equal(windows.spec[i].numpy(), viewer.scaling.spectral(tile.spectral) * tile.valid)
        assert int(windows.codes[i]) == train.codes[sample] - 1


def test_features_are_computed_once(
    stack: Stack, samples: Samples, viewer: Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    first = cut(stack, samples.train, viewer)
    monkeypatch.setattr(Viewer, "see", None)  # any call fails
    assert cut(stack, samples.train, viewer).digest() == first.digest()
    with pytest.raises(TypeError):
        cut(stack, samples.test, viewer)
    with pytest.raises(TypeError):
        cut(stack, samples.train, replace(viewer, scaling=replace(viewer.scaling, low=viewer.scaling.low - 1)))
