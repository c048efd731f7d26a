"""All systems by name, trained on samples and applied to a whole scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landcover_bdgf.bench.systems.asyffnet import AsyFFNet
from landcover_bdgf.bench.systems.calc import Calc
from landcover_bdgf.bench.systems.fusion_hct import FusionHct
from landcover_bdgf.bench.systems.hlmamba import HlMamba
from landcover_bdgf.bench.systems.learner import Learner, Sizes
from landcover_bdgf.bench.systems.macn import Macn
from landcover_bdgf.bench.systems.msfmamba import MsfMamba
from landcover_bdgf.bench.systems.ncglf import Ncglf
from landcover_bdgf.bench.systems.patches import Patches, View
from landcover_bdgf.bench.systems.spectral_diff import OnOurFeatures, SpectralDiff
from landcover_bdgf.bench.systems.ss_mae import SsMae
from landcover_bdgf.bench.systems.system import Source, System
from landcover_bdgf.bench.systems.uacl import Uacl
from landcover_bdgf.bench.whole_scene import TILE_PX, whole_scene
from landcover_bdgf.labels import Samples
from landcover_bdgf.model import Block, BlockStream, open_workers

SYSTEMS: dict[str, type[System]] = {
    "fusion-hct": FusionHct, "macn": Macn, "uacl": Uacl, "asyffnet": AsyFFNet, "spectral-diff": SpectralDiff,
    "calc": Calc, "ncglf": Ncglf, "hlmamba": HlMamba, "msfmamba": MsfMamba, "ss-mae": SsMae,
}  # fmt: skip
# Also the one that is no system of its own, but part of an experiment.
ALL = SYSTEMS | {"spectral-diff-masking": OnOurFeatures}
WINDOWS = 512  # classified at once


def system_codes(name: str, source: Source, samples: Samples) -> tuple[NDArray[Any], NDArray[np.floating[Any]]]:
    """Codes of the whole scene (h, w), and their probabilities (h, w), by a system trained on the training part.

    Systems are small, and run on the CPU; only a denoiser uses a GPU.
    """
    system, stack = ALL[name](), source.stack
    run = replace(source.run, device="cpu")
    with torch.random.fork_rng(devices=[]), open_workers(run.workers(run.torch_device())) as workers:
        view = system.view(source)
        sizes = Sizes(view.bands, len(view.scaling.sar_mean), len(samples.legend.entries))
        torch.manual_seed(run.seed)  # initial weights, and dropout
        patches = view.patches(stack, samples.train)
        network = system.trained(Learner(name, sizes, patches, view, stack, samples.positions, run, workers)).eval()

    @torch.no_grad()
    def probabilities(block: Block) -> Tensor:
        found = [
            system.probabilities(network, Patches(spec, sar, torch.empty(len(spec), dtype=torch.long)))
            for spec, sar in _rows(view, block)
        ]
        height, width = (n - 2 * view.halo_px for n in block.seen.valid.shape)
        return torch.cat(found).T.unflatten(1, (height, width))

    stream = BlockStream(stack, view.scaling, view.halo_px, TILE_PX)
    p = whole_scene(probabilities, sizes.classes, stream, run)
    return p.argmax(0) + 1, p.max(0)


def _rows(view: View, block: Block) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows of a block, some rows at a time, as all of them take gigabytes."""
    spec, sar = (x.permute(1, 2, 0, 3, 4) for x in view.windows(block))  # (h, w, channels, p, p)
    rows = max(1, WINDOWS // spec.shape[1])
    for a, b in zip(spec.split(rows), sar.split(rows), strict=True):
        yield a.flatten(0, 1).contiguous(), b.flatten(0, 1).contiguous()
