"""The picture shows tiles of the scene, noisy and denoised; the seed decides it."""

from pathlib import Path

import numpy as np
from matplotlib.image import imread

from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training import denoiser_picture
from landcover_bdgf.training.denoiser_picture import _tiles, draw_denoised


def test_tiles_lie_on_the_diagonal(stack: Stack, denoiser: Checkpoint) -> None:
    tiles = _tiles(stack, denoiser)
    assert [tile.shape for tile in tiles] == [(12, 32, 32)] * 3
    middle = stack.read_padded(52 - 16, 60 - 16, 32, 32)
    np.testing.assert_array_equal(tiles[1][2:], denoiser.scaling.spectral(middle.spectral) * middle.valid)


def test_the_picture_is_the_same_again(stack: Stack, denoiser: Checkpoint, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(denoiser_picture, "STEP", 2)
    for name, threads in (("a", 1), ("b", 2)):
        draw_denoised(denoiser, stack, tmp_path / f"{name}.png", run=Run(threads=threads))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert imread(tmp_path / "a.png").std() > 0.05
