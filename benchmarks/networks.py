"""Speed of the networks on arrays, each compared with a second implementation; needs no raster library.

python benchmarks/networks.py [--runs 5] [--device cpu] [--recipe laptop]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rows import print_row

from landcover_bdgf.model.device import choose_device
from landcover_bdgf.model.networks.denoiser import denoiser_network, feature_channels
from landcover_bdgf.model.networks.fusion import Inputs
from landcover_bdgf.model.networks.group import apply_dense, apply_windows, group_network
from landcover_bdgf.model.networks.scan import KERNELS, Scan, kernel
from landcover_bdgf.model.recipe import RECIPES, Recipe
from landcover_bdgf.model.run import available_threads
from landcover_bdgf.model.workers import full_precision, open_workers

BLOCK_PX = 128
GPU_BLOCKS = 16  # at once, as in a map on a GPU
WINDOWS_PX = 32  # side of the area computed window by window; the time includes cutting the windows
BANDS, SAR_BANDS, CLASSES = 12, 2, 6


def seconds(work: Callable[[], object], runs: int, device: torch.device) -> float:
    """Median time of ``work``, after one run to warm up."""
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def blocks_at_once(device: torch.device) -> int:
    """Number of blocks in a batch."""
    return 1 if device.type == "cpu" else GPU_BLOCKS


def where(device: torch.device) -> str:
    """The device, as text for a row."""
    return "one thread" if device.type == "cpu" else torch.cuda.get_device_name(device)


def bench_gemm(runs: int, device: torch.device) -> None:
    a, b = (torch.randn(2048, 2048, device=device) for _ in range(2))
    torch.set_num_threads(available_threads())
    print_row("fp32 matrix product", f"{2 * 2048**3 / seconds(lambda: a @ b, runs, device) / 1e9:,.0f} GFLOP/s")
    torch.set_num_threads(1)


@torch.no_grad()
def bench_fusion(runs: int, device: torch.device, recipe: Recipe) -> None:
    """The dense network on a block (several on a GPU) against windows that are cut out; and on all threads."""
    features = feature_channels(recipe.diffusion, BANDS + SAR_BANDS)
    network = group_network(Inputs(BANDS, SAR_BANDS, features, CLASSES), recipe.fusion).eval().to(device)
    patch, blocks = recipe.fusion.patch, blocks_at_once(device)
    side = BLOCK_PX + patch - 1
    block = [torch.randn(blocks, c, side, side, device=device) for c in (BANDS, SAR_BANDS, features)]
    part = [x[..., : WINDOWS_PX + patch - 1, : WINDOWS_PX + patch - 1] for x in block]
    dense = blocks * BLOCK_PX**2 / seconds(lambda: apply_dense(network, *block), runs, device)
    cut = blocks * WINDOWS_PX**2 / seconds(lambda: apply_windows(network, *part), runs, device)
    print_row(f"fusion network, dense, {where(device)}", f"{dense:,.0f} px/s")
    print_row(f"fusion network, window by window, {where(device)}", f"{cut:,.0f} windows/s")
    print_row("dense : windows", f"{dense / cut:.1f}", bar="20", met=dense / cut >= 20)
    if device.type != "cpu":
        return
    threads = available_threads()
    with open_workers(threads) as workers:
        pieces = 2 * threads

        def work() -> None:
            list(workers.map(lambda _: apply_dense(network, *block), range(pieces)))

        together = pieces * BLOCK_PX**2 / seconds(work, runs, device)
    print_row(
        f"fusion network, dense, {threads} threads", f"{together:,.0f} px/s", bar="25,000", met=together >= 25_000
    )


@torch.no_grad()
def bench_encoder(runs: int, device: torch.device, recipe: Recipe) -> None:
    """Diffusion features of a block (several on a GPU) with its halo, for three numbers of bands."""
    settings, blocks = recipe.diffusion, blocks_at_once(device)
    side = BLOCK_PX + recipe.fusion.patch - 1 + 2 * settings.reach_px
    for bands in (16, 32, 64):
        unet = denoiser_network(settings, bands).eval().to(device)
        cube, t = torch.randn(blocks, bands, side, side, device=device), torch.full((blocks,), 5, device=device)
        took = seconds(lambda unet=unet, cube=cube, t=t: unet.features(cube, t), runs, device)  # type: ignore[misc]
        print_row(f"encoder, {bands} bands, {where(device)}", f"{blocks * BLOCK_PX**2 / took:,.0f} px/s")


def bench_scan(runs: int, device: torch.device) -> None:
    """The fastest scan against the torch loop, forward only and with gradients."""
    channels, length, sequences, states = 128, 81, 256, 16
    long, short = (channels, length, sequences), (states, length, sequences)
    shapes = [long, long, (channels, states), short, short, (channels,), long]
    u, delta, A, B, C, D, z = (torch.randn(shape, device=device) for shape in shapes)
    arguments = [u, delta, -A.abs(), B, C, D, z]
    leaves = [a.clone().requires_grad_() for a in arguments]

    def both(scan: Scan) -> None:
        torch.autograd.grad(scan(*leaves).sum(), leaves)

    name = kernel(device.type)
    scans = (KERNELS["torch"], KERNELS[name])
    with torch.no_grad():
        forward = [seconds(lambda scan=scan: scan(*arguments), runs, device) for scan in scans]  # type: ignore[misc]
    trained = [seconds(lambda scan=scan: both(scan), runs, device) for scan in scans]  # type: ignore[misc]
    print_row(f"scan, torch : {name}, forward", f"{forward[0] / forward[1]:.1f}")
    print_row(f"scan, torch : {name}, with gradients", f"{trained[0] / trained[1]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--recipe", default="laptop", choices=RECIPES)
    arguments = parser.parse_args()
    device, recipe = choose_device(arguments.device), RECIPES[arguments.recipe]
    torch.manual_seed(0)
    with full_precision():
        bench_gemm(arguments.runs, device)
        bench_fusion(arguments.runs, device, recipe)
        bench_encoder(arguments.runs, device, recipe)
        bench_scan(arguments.runs, device)


if __name__ == "__main__":
    main()
