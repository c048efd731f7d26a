"""All systems by name, trained on samples and applied to a whole scene."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
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
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import Samples
from landcover_bdgf.model import Block, BlockStream, open_workers

SYSTEMS: dict[str, type[System]] = {
    "fusion-hct": FusionHct, "macn": Macn, "uacl": Uacl, "asyffnet": AsyFFNet, "spectral-diff": SpectralDiff,
    "calc": Calc, "ncglf": Ncglf, "hlmamba": HlMamba, "msfmamba": MsfMamba, "ss-mae": SsMae,
}  # fmt: skip
# Also the one that is no system of its own, but part of an experiment.
ALL = SYSTEMS | {"spectral-diff-masking": OnOurFeatures}
WINDOWS = 512  # classified at once


def settings_of(name: str, sets: Sequence[str]) -> dict[str, int]:
    """Settings of a system from texts such as ``steps=2000``.

    Raises
    ------
    SettingsError
        The system has no such setting (names the nearest), or the value is not a whole number in its range.
    """
    known, found = ALL[name].settings, {}
    for text in sets:
        key, _, value = text.partition("=")
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(known) or 'none'}."
            raise SettingsError(f"`{text}`", f"{name} has no setting {key}", hint)
        if not (value.isascii() and value.isdecimal() and int(value) in known[key]):
            ends = f"{known[key][0]} to {known[key][-1]}"
            raise SettingsError(
                f"`{text}`", f"is not a whole number from {ends}", f"Usual is {key}={getattr(ALL[name], key)}."
            )
        found[key] = int(value)
    return found


def system_codes(
    name: str, source: Source, samples: Samples, where: NDArray[np.bool_] | None = None, sets: Sequence[str] = ()
) -> tuple[NDArray[Any], NDArray[np.floating[Any]]]:
    """Codes of the scene (h, w), and their probabilities (h, w), by a system trained on the training part.

    ``sets`` are texts as for :func:`settings_of`.

    With ``where`` (h, w), only these pixels are classified, and the others are 0, as windows are computed one by one.
    Systems are small, and run on the CPU; only a denoiser uses a GPU.
    """
    system, stack = ALL[name](**settings_of(name, sets)), source.stack
    run = replace(source.run, device="cpu")
    with torch.random.fork_rng(devices=[]), open_workers(run.workers(run.torch_device())) as workers:
        view = system.view(source)
        sizes = Sizes(view.bands, len(view.scaling.sar_mean), len(samples.legend.entries))
        torch.manual_seed(run.seed)  # initial weights, and dropout
        patches = view.patches(stack, samples.train)
        network = system.trained(Learner(name, sizes, patches, view, stack, samples.positions, run, workers)).eval()

    wanted = np.ones(stack.grid.shape_hw, bool) if where is None else where

    @torch.no_grad()
    def probabilities(block: Block) -> Tensor:
        height, width = (n - 2 * view.halo_px for n in block.seen.valid.shape)
        chosen = torch.from_numpy(_part(wanted, block, (height, width)))
        p = torch.zeros(height, width, sizes.classes)
        for rows, spec, sar in _rows(view, block):
            own = chosen[rows]
            if own.any():
                patches = Patches(spec[own], sar[own], torch.empty(int(own.sum()), dtype=torch.long))
                p[rows][own] = system.probabilities(network, patches.channels_last())
        return p.permute(2, 0, 1)

    stream = BlockStream(stack, view.scaling, view.halo_px, TILE_PX)
    p = whole_scene(probabilities, sizes.classes, stream, run)
    return np.where(wanted, p.argmax(0) + 1, 0), p.max(0)


def _part(wanted: NDArray[np.bool_], block: Block, shape_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of a block, none of which is wanted outside of the scene."""
    part = np.zeros(shape_hw, bool)
    own = wanted[block.row : block.row + shape_hw[0], block.col : block.col + shape_hw[1]]
    part[: own.shape[0], : own.shape[1]] = own
    return part


def _rows(view: View, block: Block) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Windows of some rows of a block at a time, as all of them take gigabytes: (rows, columns, channels, p, p)."""
    spec, sar = (x.permute(1, 2, 0, 3, 4) for x in view.windows(block))
    rows = max(1, WINDOWS // spec.shape[1])
    for first in range(0, len(spec), rows):
        some = slice(first, first + rows)
        yield some, spec[some], sar[some]
