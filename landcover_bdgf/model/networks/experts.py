"""The experts that classify a pixel: its windows, its surroundings, and the pixel itself.

The first is the group network together with the network of the surroundings, whose logits are added for each window
(a product of experts: Hinton 2002, doi:10.1162/089976602760128018), the second the surroundings alone, the third sees
the values of the pixel and nothing else. Each network has a loss of its own. The probabilities of the experts are
multiplied, each raised to the power of its share: a logarithmic opinion pool (Genest and Zidek 1986,
doi:10.1214/ss/1177013825). The shares belong to the scene, and are fitted to left-out labels (decision 10).

Glossary
    E       experts
    C       channels of the cube
    Q       statistics of the surroundings, the C values of the pixel itself first
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Generator, Tensor, nn

from landcover_bdgf.model.networks.fusion import Inputs
from landcover_bdgf.model.networks.group import group_network
from landcover_bdgf.model.networks.perceptron import Perceptron
from landcover_bdgf.model.recipe import Recipe

WINDOWS, SURROUNDINGS, PIXEL = "windows", "surroundings", "pixel"
# Without left-out labels, and where few of these say nothing clear.
USUAL_SHARES = {WINDOWS: 0.76, SURROUNDINGS: 0.09, PIXEL: 0.15}


def expert_names(recipe: Recipe) -> tuple[str, ...]:
    """Names of the E experts of a recipe, in the order of their shares."""
    present = {WINDOWS: True, SURROUNDINGS: bool(recipe.context.sizes_px), PIXEL: bool(recipe.pixel.hidden)}
    return tuple(name for name, there in present.items() if there)


def usual_shares(names: Sequence[str]) -> tuple[float, ...]:
    """Shares of experts, adding up to 1, on an ordinary scene."""
    total = sum(USUAL_SHARES[name] for name in names)
    return tuple(USUAL_SHARES[name] / total for name in names)


class Experts(nn.Module):
    """All networks that classify, as a recipe has them."""

    def __init__(self, inputs: Inputs, recipe: Recipe) -> None:
        super().__init__()
        self.channels = inputs.bands + inputs.sar_bands
        context, dropout = recipe.context, recipe.fusion.dropout
        self.fusion = group_network(inputs, recipe.fusion)
        self.context = self.pixel = None
        if context.sizes_px:
            self.context = Perceptron(context.statistics(self.channels), context.hidden, inputs.classes, dropout)
        if recipe.pixel.hidden:
            self.pixel = Perceptron(self.channels, recipe.pixel.hidden, inputs.classes, dropout)

    def beside_group(self, around: Tensor, generator: Generator | None = None) -> dict[str, Tensor]:
        """Logits (N, classes, 1, 1) of the networks beside the group network, from ``around`` (N, Q, 1, 1)."""
        logits = {}
        if self.context is not None:
            logits[SURROUNDINGS] = self.context(around, generator)
        if self.pixel is not None:
            logits[PIXEL] = self.pixel(around[:, : self.channels], generator)
        return logits
