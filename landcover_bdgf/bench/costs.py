"""Parameters, multiply-adds and time per training step of BDGF and the systems of the paper, as in its Table 9."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from landcover_bdgf.bench.complexity import count_parts, inputs_of
from landcover_bdgf.bench.published import published_costs
from landcover_bdgf.bench.systems import SYSTEMS, Patches, Sizes
from landcover_bdgf.model import Recipe, group_network, open_workers

BATCH = 64
RUNS = 3  # the fastest counts


@dataclass(frozen=True)
class Cost:
    """Costs of a method; those of the paper are None where it prints none.

    ``macs`` are the multiply-adds of the loss of 64 windows, in pre-training of a batch of the recipe: for 16 tiles of
    32 × 32 px and 64 bands, the 950,272 per voxel of the paper's U-Net give its 996.43 billion. ``step_s`` is the time
    of such a batch, forward and backward, in seconds, None where it is not measured.
    """

    name: str
    parameters: int
    macs: int
    step_s: float | None
    published_parameters_m: float | None
    published_giga_macs: float | None


def costs(dataset: str | None, bands: int, sar_bands: int, classes: int, recipe: Recipe) -> list[Cost]:
    """Costs of all methods for a data set of these sizes; ``dataset`` is its name if it is one of the paper."""
    published, diffusion = published_costs(dataset) if dataset else {}, recipe.diffusion

    def cost(name: str, parameters: int, macs: int, step_s: float | None) -> Cost:
        row = published.get(name) or published.get(f"{name} (t)", {})  # of two phases, the training
        return Cost(name, parameters, macs, step_s, row.get("parameters_m"), row.get("giga_macs"))

    with torch.random.fork_rng(devices=[]), open_workers(1):  # one thread, as each worker has
        torch.manual_seed(0)
        systems = [cost(name, *_of_system(name, Sizes(bands, sar_bands, classes))) for name in SYSTEMS]
        unet, *parts = count_parts(recipe, inputs_of(recipe, bands, sar_bands, classes))
        step_s = _fusion_step_s(recipe, bands, sar_bands, classes)
    return [
        *systems,
        cost("bdgf (p)", unet.parameters, unet.per_window * diffusion.batch * diffusion.tile_px**2, None),
        cost("bdgf (t)", sum(p.parameters for p in parts), sum(p.per_window for p in parts) * BATCH, step_s),
    ]


def _of_system(name: str, sizes: Sizes) -> tuple[int, int, float]:
    system = SYSTEMS[name]()
    seen = replace(sizes, bands=system.channels(sizes.bands, sizes.sar_bands))
    network, side = system.network(seen).train(), system.patch_px
    spec, sar = (torch.randn(BATCH, channels, side, side) for channels in (seen.bands, seen.sar_bands))
    patches, generator = Patches(spec, sar, torch.arange(BATCH) % seen.classes), torch.Generator().manual_seed(0)
    step_s = _step_s(network, lambda: system.loss(network, patches, generator))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # others are not counted on a CPU
        system.loss(network, patches, generator)
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2, step_s


def _fusion_step_s(recipe: Recipe, bands: int, sar_bands: int, classes: int) -> float:
    inputs = inputs_of(recipe, bands, sar_bands, classes)
    network, side = group_network(inputs, recipe.fusion).train(), recipe.fusion.patch
    channels = inputs.bands, inputs.sar_bands, inputs.features
    spec, sar, dif = (torch.randn(BATCH, count, side, side) for count in channels)
    return _step_s(network, lambda: network(spec, sar, dif, None).z.square().mean())


def _step_s(network: nn.Module, loss: Callable[[], Tensor]) -> float:
    seconds = []
    for _ in range(RUNS):
        network.zero_grad()
        started = time.perf_counter()
        loss().backward()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
