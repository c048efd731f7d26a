"""The group network of a recipe, and how it is applied to tiles."""

from __future__ import annotations

import torch
from torch import Tensor

from landcover_bdgf.model.networks.fusion import FusionNetwork, Inputs
from landcover_bdgf.model.networks.literal import LiteralNetwork
from landcover_bdgf.model.recipe import FusionRecipe

GroupNetwork = FusionNetwork | LiteralNetwork

SHARED_WINDOWS, LITERAL_WINDOWS = 512, 16  # at once; those of the recipe paper take 300 MB


def group_network(inputs: Inputs, recipe: FusionRecipe) -> GroupNetwork:
    """The network with its initial weights."""
    return FusionNetwork(inputs, recipe) if recipe.shares else LiteralNetwork(inputs, recipe)


@torch.no_grad()
def apply_windows(network: GroupNetwork, spec: Tensor, sar: Tensor, features: Tensor, stride: int = 1) -> Tensor:
    """As :func:`apply_dense`, but window by window: the reference implementation.

    The only way for a network whose windows share no computation.
    """
    patch = network.recipe.patch
    height, width = (n - patch + 1 for n in spec.shape[-2:])
    rows, cols = range(0, height, stride), range(0, width, stride)
    corners = [(b, r, c) for b in range(len(spec)) for r in rows for c in cols]
    parts, count = [], SHARED_WINDOWS if network.recipe.shares else LITERAL_WINDOWS
    for start in range(0, len(corners), count):
        chosen = corners[start : start + count]
        places = [(b, slice(None), slice(r, r + patch), slice(c, c + patch)) for b, r, c in chosen]
        parts.append(network(*(torch.stack([x[place] for place in places]) for x in (spec, sar, features))).z)
    return torch.cat(parts)[:, :, 0, 0].unflatten(0, (-1, len(rows), len(cols))).movedim(-1, 1)


@torch.no_grad()
def apply_dense(network: GroupNetwork, spec: Tensor, sar: Tensor, features: Tensor, stride: int = 1) -> Tensor:
    """Logits of tiles, each layer once per pixel: ``(B, ·, H, W) -> (B, C, ⌈(H − 8) / stride⌉, ⌈(W − 8) / stride⌉)``.

    With a stride, operations per window are done only for every second (third, …) window in rows and columns.
    """
    if isinstance(network, LiteralNetwork):
        return apply_windows(network, spec, sar, features, stride)
    return network.logits(spec, sar, features, stride)
