"""Maps and models of a GPU agree with the CPU and repeat; too little memory is reported. Skipped without a GPU."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from training.test_training import assert_same_weights, stopped

from landcover_bdgf.errors import ResourceError
from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.blocks import BlockStream
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.classifier import Classifier
from landcover_bdgf.model.recipe import load_recipe
from landcover_bdgf.model.run import Run
from landcover_bdgf.model.workers import full_precision
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.pretraining import pretrain
from landcover_bdgf.training.training import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
CPU, GPU = Run(device="cpu"), Run(device="cuda")


@pytest.fixture(autouse=True)
def precise() -> Iterator[None]:
    """The precision that all commands use."""
    with full_precision():
        yield


@pytest.fixture(scope="module")
def large_stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A simulated scene of 5 × 4 blocks; the last ones are incomplete."""
    files = write_scene(simulate((600, 500), seed=5), tmp_path_factory.mktemp("large"), seed=5)
    return align(files.spectral, files.sar)


def codes_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        codes: np.ndarray = dataset.read(1)
    return codes


def test_a_map_is_the_one_of_the_cpu(model: Checkpoint, large_stack: Stack, tmp_path: Path) -> None:
    settings = MapSettings(confidence=True, novelty=True)
    runs = (CPU, GPU)
    paths = [map_scene(model, large_stack, tmp_path / f"{r.device}.tif", settings=settings, run=r) for r in runs]
    ours, theirs = (codes_of(path) for path in paths)
    assert np.array_equal(ours > 0, theirs > 0)
    assert (ours != theirs).mean() < 1e-3
    for layer in ("confidence", "novelty"):
        ours, theirs = (codes_of(layer_path(path, layer)).astype(int) for path in paths)
        assert np.abs(ours - theirs).max() <= (1 if layer == "confidence" else 3), layer


def test_novel_pixels_in_a_sample_are_those_of_the_cpu(model: Checkpoint, large_stack: Stack) -> None:
    counts = []
    for run in (CPU, GPU):
        classifier = Classifier(model, run)
        stream = BlockStream(large_stack, model.scaling, model.recipe.halo_px, 512)
        found = [classifier.classify([block])[0] for block in stream.blocks(range(stream.strips))]
        counts.append((sum(part.novel_px for part in found), sum(part.compared_px for part in found)))
    (ours, of_ours), (theirs, of_theirs) = counts
    assert of_ours == of_theirs > 0
    assert abs(ours - theirs) <= 1e-3 * of_ours


@pytest.mark.parametrize("tile_px", [128, 200, 512])
def test_a_map_is_the_same_whatever_its_tiles(
    tile_px: int, model: Checkpoint, large_stack: Stack, tmp_path: Path
) -> None:
    paths = [
        map_scene(model, large_stack, tmp_path / f"{n}.tif", settings=MapSettings(tile_px=n), run=GPU)
        for n in (4096, tile_px)
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_training_again_gives_the_same_model(
    stack: Stack, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ctrl_c: Callable[[], None]
) -> None:
    """Uninterrupted, or stopped and resumed."""
    steps = ("diffusion.steps=4", "diffusion.batch=8", "training.steps=6", "training.batch=16")
    for recipe in (load_recipe(name, steps) for name in ("laptop", "base", "paper")):
        denoiser = pretrain(stack, recipe, samples=samples, run=GPU)
        assert_same_weights(pretrain(stack, recipe, samples=samples, run=GPU), denoiser)
        model = train(stack, samples, denoiser=denoiser, run=GPU)
        assert_same_weights(train(stack, samples, denoiser=denoiser, run=GPU), model)
        partial = tmp_path / f"{recipe.name}.safetensors"
        with stopped(monkeypatch, ctrl_c, after=2):
            pretrain(stack, recipe, samples=samples, run=GPU, partial=partial)
        resumed = pretrain(stack, recipe, samples=samples, run=GPU, partial=partial, resume=True)
        assert_same_weights(resumed, denoiser)
        partial.unlink()
        with stopped(monkeypatch, ctrl_c, after=3):
            train(stack, samples, denoiser=denoiser, run=GPU, partial=partial)
        resumed = train(stack, samples, denoiser=denoiser, run=GPU, partial=partial, resume=True)
        assert_same_weights(resumed, model)


@pytest.fixture
def little_memory() -> Iterator[Callable[[float], None]]:
    """A function that limits this process to a number of GiB on the GPU."""

    def leave(gib: float) -> None:
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(gib * 2**30 / total)

    yield leave
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_too_little_gpu_memory_halves_the_batch_or_is_reported(
    model: Checkpoint, stack: Stack, samples: Samples, denoiser: Checkpoint, large_stack: Stack, tmp_path: Path,
    little_memory: Callable[[float], None], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    whole = map_scene(model, large_stack, tmp_path / "whole.tif", run=GPU)
    caplog.set_level("INFO")
    little_memory(1.5)
    fewer = map_scene(model, large_stack, tmp_path / "fewer.tif", run=GPU)
    assert "out of memory" in caplog.text
    assert (codes_of(fewer) != codes_of(whole)).mean() < 1e-3
    little_memory(0.02)
    with pytest.raises(ResourceError, match="does not fit into"):
        map_scene(model, large_stack, tmp_path / "none.tif", run=GPU)
    assert not (tmp_path / "none.tif").exists()
    little_memory(1.0)
    recipe = load_recipe("base", ("diffusion.steps=3", "diffusion.batch=64"))
    with pytest.raises(ResourceError, match="a batch does not fit into"):
        pretrain(stack, recipe, samples=samples, run=GPU)


def test_a_model_of_one_device_maps_on_the_other(
    model: Checkpoint, stack: Stack, samples: Samples, denoiser: Checkpoint, tmp_path: Path
) -> None:
    there = train(stack, samples, denoiser=denoiser, run=GPU)
    there.save(tmp_path / "model.safetensors")
    blocks = [Classifier(there, CPU).viewer.read(stack, (0, 0))]
    with torch.no_grad():
        found, expected = (Classifier(there, run).probabilities(blocks).cpu() for run in (GPU, CPU))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
