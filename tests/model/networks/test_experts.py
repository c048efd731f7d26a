"""A recipe has up to three experts; the pixel's own sees nothing of its surroundings."""

from pathlib import Path

import pytest
import torch

from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.mapping.scene_map import map_scene
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.networks.experts import Experts, expert_names
from landcover_bdgf.model.networks.fusion import Inputs
from landcover_bdgf.model.recipe import changed, load_recipe
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.training.training import train

INPUTS = Inputs(bands=6, sar_bands=2, features=8, classes=3)


@pytest.mark.parametrize(
    ("recipe", "sets", "expected"),
    [
        ("laptop", (), ("windows", "surroundings", "pixel")),
        ("laptop", ("context.sizes_px=",), ("windows", "pixel")),
        ("laptop", ("pixel.hidden=0",), ("windows", "surroundings")),
        ("paper", (), ("windows",)),
    ],
)
def test_experts_of_a_recipe(recipe: str, sets: tuple[str, ...], expected: tuple[str, ...]) -> None:
    chosen = load_recipe(recipe, sets)
    assert expert_names(chosen) == expected
    experts = Experts(INPUTS, chosen).eval()
    around = torch.randn(4, chosen.context.statistics(8), 1, 1)
    assert tuple(experts.beside_group(around)) == expected[1:]


def test_the_pixel_expert_sees_the_pixel_alone() -> None:
    experts = Experts(INPUTS, load_recipe("laptop")).eval()
    around = torch.randn(4, 56, 1, 1)
    elsewhere = torch.cat([around[:, :8], torch.randn(4, 48, 1, 1)], dim=1)
    first, second = experts.beside_group(around), experts.beside_group(elsewhere)
    assert torch.equal(first["pixel"], second["pixel"])
    assert not torch.equal(first["surroundings"], second["surroundings"])


@pytest.mark.parametrize(("setting", "prefix"), [("context.sizes_px=", "context."), ("pixel.hidden=0", "pixel.")])
def test_a_model_without_an_expert_maps(
    setting: str, prefix: str, stack: Stack, samples: Samples, denoiser: Checkpoint, model: Checkpoint, tmp_path: Path
) -> None:
    sets = (setting, "training.folds=0", "training.steps=1")
    alone = train(stack, samples, denoiser=denoiser, recipe=changed(denoiser.recipe, sets))
    assert not alone.part(prefix)
    assert model.part(prefix)
    assert map_scene(alone, stack, tmp_path / "map.tif").is_file()
