"""Presto's features of the cube: the encoder with its weights, and the scene that its inputs come from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model.device import with_weights
from landcover_bdgf.model.networks.presto import Presto, dense
from landcover_bdgf.model.presto_scene import PrestoScene
from landcover_bdgf.model.presto_weights import presto_weights
from landcover_bdgf.model.recipe import FeatureRecipe
from landcover_bdgf.model.scaling import Scaling
from landcover_bdgf.scene import Stack
from landcover_bdgf.storage import Arrays, part

NETWORK, SCENE = "network.", "scene."


@dataclass(frozen=True)
class PrestoFeatures:
    """Computes features of the cube of a scene; thread-safe."""

    network: Presto
    scene: PrestoScene

    @classmethod
    def of(cls, arrays: Arrays, device: torch.device) -> PrestoFeatures:
        """From :func:`presto_arrays`."""
        network = with_weights(Presto, part(arrays, NETWORK)).to(device)
        return cls(network, PrestoScene.from_arrays(part(arrays, SCENE)))

    def arrays(self) -> Arrays:
        """As given to :meth:`of`."""
        weights = {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}
        return _arrays(weights, self.scene)

    @torch.no_grad()
    def see(self, cubes: Tensor) -> Tensor:
        """``(B, R + K, H, W) -> (B, 128, H, W)``; a pixel's features depend on this pixel alone."""
        latlon = torch.from_numpy(self.scene.latlon).to(cubes.device)
        return dense(self.network, self.scene.inputs(cubes), latlon, int(self.scene.month))


def presto_arrays(stack: Stack, scaling: Scaling, settings: FeatureRecipe) -> Arrays:
    """All that the features of a scene depend on besides its pixels, for a checkpoint.

    Raises
    ------
    SettingsError
        The settings name no file of weights, or do not fit the scene.
    CheckpointError
        The file cannot be used.
    RasterError
        The scene is not of Sentinel-2 and Sentinel-1.
    """
    scene = PrestoScene.of(stack, scaling, settings)
    if not settings.weights:
        problem = "names no file, but features of Presto need its weights"
        remedy = "Set it to data/default_model.pt of github.com/nasaharvest/presto, or to a safetensors file."
        raise SettingsError("`features.weights`", problem, remedy)
    return _arrays(presto_weights(settings.weights), scene)


def _arrays(weights: Arrays, scene: PrestoScene) -> Arrays:
    arrays = {NETWORK + name: value for name, value in weights.items()}
    return arrays | {SCENE + name: value for name, value in scene.arrays().items()}
