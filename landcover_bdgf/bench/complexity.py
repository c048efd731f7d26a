"""Count parameters and multiply-adds of each part of the method (Table 9 of the paper)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from landcover_bdgf.model import (
    Experts,
    GroupNetwork,
    Inputs,
    MambaBlock,
    Recipe,
    SpectralMamba,
    Spectrum,
    denoiser_network,
    feature_channels,
    group_network,
)

TILE_PX = 64  # large enough for shared layers to count about once per pixel
TRANSPOSED, NORMS = (nn.ConvTranspose2d, nn.ConvTranspose3d), (nn.BatchNorm2d, nn.BatchNorm3d)
SCAN = 3  # multiply-adds of a selective scan for each channel, state and element of a sequence


@dataclass(frozen=True)
class Part:
    """A part of the method, with its multiply-adds."""

    name: str
    parameters: int
    per_window: int  # for a single window; for the U-Net, per pixel of a training tile, as the paper counts
    per_pixel: int  # per pixel of a map, where windows share computation


def count_parts(recipe: Recipe, inputs: Inputs) -> list[Part]:
    """Count all parts: matrix products and convolutions, but no additions, norms and activations.

    Scans are counted as in :func:`counting_scans`. The training of the U-Net is counted as in
    :func:`counting_as_the_paper`, so that Table 9 can be compared.
    """
    patch = recipe.fusion.patch
    network = group_network(inputs, recipe.fusion).eval()
    whole = _counted(network, inputs, patch)
    tile = _counted(network, inputs, TILE_PX + patch - 1) if recipe.fusion.shares else None
    parts = [_unet(recipe, inputs)]
    for name, module in network.named_children():
        key = f"{type(network).__name__}.{name}"
        if name in ("head", "heads"):  # the counter misses them, as their weights are used without calling the module
            window = pixel = sum(m.weight.numel() for m in module.modules() if isinstance(m, nn.Linear))
        else:
            window = whole.get(key, 0) + _scan(module) * recipe.fusion.centre_px**2
            pixel = window if tile is None else tile.get(key, 0) // TILE_PX**2 + _scan(module)
        parts.append(Part(name, _parameters(module), window, pixel))
    return parts + _perceptrons(recipe, inputs)


def _perceptrons(recipe: Recipe, inputs: Inputs) -> list[Part]:
    """The two linear layers of each; the statistics of surroundings, which are sums, are not counted."""
    experts = Experts(inputs, recipe)
    networks = {"context": experts.context, "pixel": experts.pixel}
    return [
        Part(name, _parameters(network), products, products)
        for name, network in networks.items()
        if network is not None
        for products in [network.hidden.weight.numel() + network.head.weight.numel()]
    ]


def _unet(recipe: Recipe, inputs: Inputs) -> Part:
    bands = inputs.bands + inputs.sar_bands
    unet, side = denoiser_network(recipe.diffusion, bands).eval(), TILE_PX + 2 * recipe.diffusion.reach_px
    t = torch.zeros(1, dtype=torch.long)
    with counting_as_the_paper(unet) as more, FlopCounterMode(display=False) as counter:
        unet(torch.zeros(1, bands, 8, 8), t)
    whole = (counter.get_total_flops() // 2 + sum(more)) // 64
    with FlopCounterMode(display=False) as counter:
        unet.features(torch.zeros(1, bands, side, side), t)
    return Part("U-Net", _parameters(unet), whole, counter.get_total_flops() // 2 // TILE_PX**2)


def _counted(network: GroupNetwork, inputs: Inputs, side: int) -> dict[str, int]:
    """Multiply-adds by module; with gradients, so that countable library products are used."""
    tensors = [torch.zeros(1, channels, side, side) for channels in (inputs.bands, inputs.sar_bands, inputs.features)]
    with FlopCounterMode(display=False) as counter:
        network(*tensors)
    return {name: sum(ops.values()) // 2 for name, ops in counter.get_flop_counts().items()}


def _scan(module: nn.Module) -> int:
    """Multiply-adds of the scans of one pixel."""
    sequences = [m for m in module.modules() if isinstance(m, SpectralMamba | Spectrum)]
    blocks = [(m.bands, block) for m in sequences for block in m.modules() if isinstance(block, MambaBlock)]
    return sum(SCAN * block.log_a.numel() * bands for bands, block in blocks)


def counting_scans(network: nn.Module) -> AbstractContextManager[list[int]]:
    """Multiply-adds of each selective scan of a network that runs inside, three for each channel, state and element.

    Scans are those of modules with ``log_a``, the logarithm of the state matrix (channels, states), whose first
    argument is (·, L, N).
    """

    def count(module: nn.Module, given: Tensor, _: Tensor) -> int:
        length, sequences = given.shape[1:]
        return SCAN * module.get_parameter("log_a").numel() * length * sequences

    return _counting((module for module in network.modules() if hasattr(module, "log_a")), count)


def counting_as_the_paper(network: nn.Module) -> AbstractContextManager[list[int]]:
    """What the tool of the paper counts more than there is, of each layer that runs inside.

    A transposed convolution counts by its output instead of its input, and batch norm four for each value. With them,
    the U-Net has the 950,272 multiply-adds per voxel that Table 9 implies: 996.43 billion for 2²⁰ voxels.
    """

    def count(module: nn.Module, given: Tensor, output: Tensor) -> int:
        if isinstance(module, TRANSPOSED):
            return (output[:, 0].numel() - given[:, 0].numel()) * module.weight.numel()
        return 4 * output.numel()

    return _counting((module for module in network.modules() if isinstance(module, (*TRANSPOSED, *NORMS))), count)


@contextmanager
def _counting(modules: Iterable[nn.Module], count: Callable[[nn.Module, Tensor, Tensor], int]) -> Iterator[list[int]]:
    """What ``count(module, first argument, result)`` says of each of the modules that runs inside."""
    found: list[int] = []

    def add(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(count(module, given[0], output))

    hooks = [module.register_forward_hook(add) for module in modules]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def inputs_of(recipe: Recipe, bands: int, sar_bands: int, classes: int) -> Inputs:
    """Input sizes for a scene, with as many components as the recipe allows."""
    seen = bands if bands <= recipe.spectral.max_bands else min(recipe.spectral.max_components, bands)
    return Inputs(seen, sar_bands, feature_channels(recipe.diffusion, seen + sar_bands), classes)
