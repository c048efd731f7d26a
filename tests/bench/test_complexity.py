"""Counts agree with those of the paper, as far as they count the same operations, and with hand counts."""

import pytest
import torch
from torch import nn

from landcover_bdgf.bench import complexity
from landcover_bdgf.bench.complexity import count_parts, counting_scans, inputs_of
from landcover_bdgf.bench.matlab import PUBLISHED
from landcover_bdgf.bench.published import published_costs, published_settings, published_tables
from landcover_bdgf.model.networks.mamba import MambaBlock
from landcover_bdgf.model.networks.unet import UNet
from landcover_bdgf.model.recipe import RECIPES, changed


def test_the_u_net_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """4.30 M parameters, and the paper's 950,272 multiply-adds per voxel: convolutions by output, 4 for each norm."""
    unet, total = UNet(), 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.BatchNorm3d):
            total += 4 * output.numel()
        else:
            total += output[0, 0].numel() * module.get_parameter("weight").numel()

    for module in unet.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.BatchNorm3d):
            module.register_forward_hook(count)
    unet(torch.zeros(1, 16, 8, 8), torch.zeros(1))
    assert total == 16 * 64 * 950_272
    monkeypatch.setattr(complexity, "TILE_PX", 8)  # changes only the count per pixel
    part, *others = count_parts(RECIPES["paper"], inputs_of(RECIPES["paper"], 14, 2, 7))
    assert all(other.per_window == other.per_pixel for other in others), "literal windows share no computation"
    assert part.parameters == 4_299_633
    published = next(row for row in published_tables()["complexity"]["augsburg"] if row["method"] == "BDGF (P)")
    assert part.parameters / 1e6 == pytest.approx(published["parameters_m"], abs=0.005)
    assert part.per_window / 16 == pytest.approx(950_272, rel=1e-4)  # and a linear layer for each tile


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_pretraining_costs_what_table_9_prints(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """BDGF (P): 16 tiles of 32 × 32 px, of LCZ HK 8; bands and SAR completed to 64, 64, 32 and 16."""
    monkeypatch.setattr(UNet, "features", lambda *_: None)  # for maps
    scene, recipe = PUBLISHED[name], changed(RECIPES["paper"], published_settings(name, "paper"))
    part = complexity._unet(recipe, inputs_of(recipe, scene.bands, scene.sar_bands, len(scene.classes)))
    pixels = recipe.diffusion.batch * recipe.diffusion.tile_px**2
    printed = published_costs(name)["bdgf (p)"]
    assert part.parameters / 1e6 == pytest.approx(printed["parameters_m"], abs=0.005)
    assert part.per_window * pixels / 1e9 == pytest.approx(printed["giga_macs"], rel=1e-4)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_training_costs_what_table_9_prints(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """BDGF (T) within 5 % in parameters and multiply-adds of 64 windows; 2048, 2048, 1024 and 512 features."""
    monkeypatch.setattr(complexity, "_unet", lambda recipe, inputs: None)  # counted above
    recipe, scene = RECIPES["paper"], PUBLISHED[name]
    inputs = inputs_of(recipe, scene.bands, scene.sar_bands, len(scene.classes))
    assert 2 * inputs.features == {"augsburg": 2048, "berlin": 2048, "yellow-river": 1024, "lcz-hk": 512}[name]
    _, *parts = count_parts(recipe, inputs)
    printed = published_costs(name)["bdgf (t)"]
    assert sum(part.parameters for part in parts) / 1e6 == pytest.approx(printed["parameters_m"], rel=0.05)
    assert 64 * sum(part.per_window for part in parts) / 1e9 == pytest.approx(printed["giga_macs"], rel=0.05)


def test_sharing_saves_repeated_computation() -> None:
    parts = {part.name: part for part in count_parts(RECIPES["laptop"], inputs_of(RECIPES["laptop"], 12, 2, 6))}
    assert parts["cnn"].per_window > 15 * parts["cnn"].per_pixel
    assert parts["head"].parameters == (3 * 64 + 1) * 6
    assert parts["head"].per_window == parts["head"].per_pixel == 3 * 64 * 6
    assert parts["context"].per_pixel == 7 * 14 * 128 + 128 * 6


def test_scans_are_counted_while_they_run() -> None:
    """2 · 8 channels, 4 states, 5 elements and 3 sequences; afterwards nothing is counted."""
    block, x = MambaBlock(8, states=4, conv=2), torch.zeros(8, 5, 3)
    with counting_scans(block) as found:
        block(x)
        block(x)
    block(x)
    assert found == [3 * 16 * 4 * 5 * 3] * 2
