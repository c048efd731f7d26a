"""Parameters, multiply-adds and time per training step of BDGF and the systems of the paper, as in its Table 9."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from landcover_bdgf.bench.complexity import count_parts, counting_scans, inputs_of
from landcover_bdgf.bench.published import published_costs, published_settings
from landcover_bdgf.bench.systems import SYSTEMS, Patches, Sizes, settings_of
from landcover_bdgf.model import Inputs, Recipe, changed, denoiser_network, group_network, open_workers

BATCH = 64
RUNS = 3  # the fastest counts


@dataclass(frozen=True)
class Cost:
    """Costs of a method, or of its pre-training (p) and training (t); of the paper None where it prints none.

    ``macs`` are the multiply-adds of the loss of 64 windows, in pre-training of BDGF of a batch of the recipe, counted
    as by the paper: 950,272 per voxel, and 996.43 billion for 16 tiles of 32 × 32 px and 64 bands. ``step_s`` is the
    time of such a batch, forward and backward, in seconds; in pre-training of BDGF that of one tile, times their
    number.
    """

    name: str
    parameters: int
    macs: int
    step_s: float
    published_parameters_m: float | None
    published_giga_macs: float | None


def costs(dataset: str | None, bands: int, sar_bands: int, classes: int, recipe: Recipe) -> list[Cost]:
    """Costs of all methods for a data set of these sizes; ``dataset`` is its name if it is one of the paper."""
    published = published_costs(dataset) if dataset else {}
    recipe = changed(recipe, published_settings(dataset, recipe.name))
    diffusion = recipe.diffusion

    def cost(name: str, parameters: int, macs: int, step_s: float) -> Cost:
        row = published.get(name, {})
        return Cost(name, parameters, macs, step_s, row.get("parameters_m"), row.get("giga_macs"))

    with torch.random.fork_rng(devices=[]), open_workers(1):  # one thread, as each worker has
        torch.manual_seed(0)
        systems = [
            cost(phase, *counted)
            for name in SYSTEMS
            for phase, counted in _of_system(name, Sizes(bands, sar_bands, classes), dataset, recipe)
        ]
        inputs = inputs_of(recipe, bands, sar_bands, classes)
        unet, *parts = count_parts(recipe, inputs)
        pretraining_s, step_s = _tile_s(recipe, inputs) * diffusion.batch, _fusion_step_s(recipe, inputs)
    return [
        *systems,
        cost("bdgf (p)", unet.parameters, unet.per_window * diffusion.batch * diffusion.tile_px**2, pretraining_s),
        cost("bdgf (t)", sum(p.parameters for p in parts), sum(p.per_window for p in parts) * BATCH, step_s),
    ]


def _of_system(
    name: str, sizes: Sizes, dataset: str | None, recipe: Recipe
) -> Iterator[tuple[str, tuple[int, int, float]]]:
    """Phases of a system by name, with the parameters, multiply-adds and seconds of each."""
    system = SYSTEMS[name](**settings_of(name, published_settings(dataset, name)))
    seen = replace(sizes, bands=system.channels(sizes.bands, sizes.sar_bands, recipe))
    side = system.patch_px
    spec, sar = (torch.randn(BATCH, channels, side, side) for channels in (seen.bands, seen.sar_bands))
    patches, generator = Patches(spec, sar, torch.arange(BATCH) % seen.classes), torch.Generator().manual_seed(0)
    for ending, (network, loss) in system.phases(system.network(seen)).items():
        step_s = _step_s(network.train(), partial(loss, network, patches, generator))
        # other kinds of attention are not counted on a CPU
        with sdpa_kernel(SDPBackend.MATH), counting_scans(network) as scans, FlopCounterMode(display=False) as counter:
            loss(network, patches, generator)
        macs = counter.get_total_flops() // 2 + sum(scans)
        yield f"{name}{ending}", (sum(p.numel() for p in network.parameters()), macs, step_s)


def _tile_s(recipe: Recipe, inputs: Inputs) -> float:
    """Seconds of a step of the denoiser with one tile."""
    bands, side = inputs.bands + inputs.sar_bands, recipe.diffusion.tile_px
    unet, tile, t = denoiser_network(recipe.diffusion, bands), torch.randn(1, bands, side, side), torch.ones(1).long()
    return _step_s(unet.train(), lambda: unet(tile, t).square().mean())


def _fusion_step_s(recipe: Recipe, inputs: Inputs) -> float:
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
