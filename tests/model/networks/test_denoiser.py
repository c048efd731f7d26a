"""The denoiser of a recipe has the features and the reach that the recipe tells."""

import pytest
import torch

from landcover_bdgf.model.networks import unet, unet2d
from landcover_bdgf.model.networks.denoiser import denoiser_network, feature_channels
from landcover_bdgf.model.recipe import RECIPES, DiffusionRecipe


@pytest.mark.parametrize(("network", "halo_px"), [("2d", unet2d.HALO_PX), ("3d", unet.HALO_PX)])
@pytest.mark.parametrize("bands", [3, 14, 16])
def test_features_and_reach(network: str, halo_px: int, bands: int) -> None:
    settings = DiffusionRecipe.model_validate({"network": network, "width": 0.0625})
    made, side = denoiser_network(settings, bands).eval(), 2 * halo_px + 3
    cube, t = torch.randn(1, bands, side, side), torch.tensor([5])
    assert settings.reach_px == halo_px
    assert made(cube, t).shape == cube.shape
    assert made.features(cube, t).shape == (1, feature_channels(settings, bands), 3, 3)


def test_the_papers_network_and_target_stay_in_its_recipes() -> None:
    found = {name: (recipe.diffusion.network, recipe.diffusion.target) for name, recipe in RECIPES.items()}
    assert found == {"laptop": ("2d", "velocity"), "base": ("3d", "noise"), "paper": ("3d", "noise")}
