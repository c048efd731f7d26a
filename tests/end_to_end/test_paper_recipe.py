"""The recipe ``paper``, with narrow layers, small windows and few steps, from images and labels to a map."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from landcover_bdgf.app.info import describe
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.blocks import read_block
from landcover_bdgf.model.checkpoint import Checkpoint, load_checkpoint
from landcover_bdgf.model.classifier import Classifier
from landcover_bdgf.model.networks import group
from landcover_bdgf.model.recipe import load_recipe
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training import windows as module
from landcover_bdgf.training.pretraining import pretrain
from landcover_bdgf.training.training import train

SHORT = (
    "diffusion.steps=1", "diffusion.width=0.0625", "diffusion.batch=2", "fusion.d=8", "fusion.mamba_channels=4",
    "fusion.mamba_states=2", "fusion.cnn_widths=2,2,2", "fusion.patch=5", "training.steps=12", "training.batch=16",
    "training.learning_rate=0.01",
)  # fmt: skip


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Another scene, of 48 × 48 pixels: each has a window of its own, and they share no computation."""
    files = write_scene(simulate((48, 48), seed=3), tmp_path_factory.mktemp("corner"), seed=3)
    return align(files.spectral, files.sar)


@pytest.fixture(scope="module")
def denoiser(stack: Stack, samples: Samples) -> Checkpoint:
    return pretrain(stack, load_recipe("paper", SHORT), samples=samples)


@pytest.fixture(scope="module")
def paper(stack: Stack, samples: Samples, denoiser: Checkpoint) -> Checkpoint:
    return train(stack, samples, denoiser=denoiser)


def test_training_lowers_the_loss_and_its_temperatures_are_kept(paper: Checkpoint) -> None:
    losses = paper.history.columns["loss"]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    assert set(paper.history.columns) >= {"T_transformer_cnn", "T_mamba_cnn", "T_mamba_transformer"}
    assert not paper.shares
    assert paper.temperature == 1


def test_a_map_has_the_class_of_each_window(
    paper: Checkpoint, corner: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "LITERAL_WINDOWS", 1024)  # narrow layers are fast in large batches
    model = tmp_path / "m.safetensors"
    paper.save(model)
    output = map_scene(load_checkpoint(model), corner, tmp_path / "map.tif", settings=MapSettings(confidence=True))
    with rasterio.open(output) as opened:
        codes = opened.read(1)
    classifier = Classifier(paper, Run())
    block = read_block(corner, classifier.viewer.scaling, paper.recipe.halo_px, (0, 0))
    seen = classifier.see(block)
    valid = np.argwhere(corner.read_padded(0, 0, 48, 48).valid)
    for row, col in (valid[0], valid[len(valid) // 2], valid[-1]):
        place = (slice(None), slice(None), slice(row, row + 5), slice(col, col + 5))
        with torch.no_grad():
            z = classifier.experts.fusion(seen.spec[place], seen.sar[place], seen.dif[place]).z
        assert codes[row, col] == classifier.codes[int(z.argmax())]
    assert describe(model)["recipe"] == "paper"


def test_windows_in_a_file_train_the_same_model(
    paper: Checkpoint, stack: Stack, samples: Samples, denoiser: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of scenes with so many labels that their raw features take gigabytes."""
    monkeypatch.setattr(module, "HELD_BYTES", 0)
    again = train(stack, samples, denoiser=denoiser)
    assert all(np.array_equal(values, paper.weights[name]) for name, values in again.weights.items())
