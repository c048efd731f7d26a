"""The picture shows tiles of the scene, noisy and denoised; the seed decides it."""

from pathlib import Path

import pytest
from matplotlib.image import imread

from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training import denoiser_picture
from landcover_bdgf.training.denoiser_picture import draw_denoised


def test_the_picture_is_the_same_again(
    stack: Stack, denoiser: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoiser_picture, "STEP", 2)
    for name, threads in (("a.png", 1), ("b.png", 2)):
        draw_denoised(denoiser, stack, tmp_path / name, run=Run(threads=threads))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert imread(tmp_path / "a.png").std() > 0.05
