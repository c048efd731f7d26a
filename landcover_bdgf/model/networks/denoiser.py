"""The denoiser of a recipe: the 3-D U-Net of the paper, or a 2-D one."""

from __future__ import annotations

from landcover_bdgf.model.networks import unet, unet2d
from landcover_bdgf.model.recipe import DiffusionRecipe

Denoiser = unet.UNet | unet2d.UNet2d


def denoiser_network(settings: DiffusionRecipe, bands: int) -> Denoiser:
    """The network for a cube of ``bands`` channels, SAR and spectral, with its initial weights."""
    if settings.network == "3d":
        return unet.UNet(settings.width, settings.padded_bands(bands))
    return unet2d.UNet2d(bands, settings.width)


def feature_channels(settings: DiffusionRecipe, bands: int) -> int:
    """Number of its features per pixel."""
    if settings.network == "3d":
        return unet.feature_channels(settings.width, settings.padded_bands(bands))
    return unet2d.feature_channels(settings.width)
