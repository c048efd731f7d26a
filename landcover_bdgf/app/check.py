"""Look before anyone waits: what the inputs are, what would go wrong, what this machine can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from landcover_bdgf.labels import Samples, SampleSettings, sample, samples_lines
from landcover_bdgf.model import choose_device, kernel
from landcover_bdgf.process import available_threads
from landcover_bdgf.progress import track
from landcover_bdgf.scene import ReadCounts, Stack, warn_of_zeros


@dataclass(frozen=True)
class Findings:
    """What :func:`check_scene` found; warnings went through the logger meanwhile."""

    scene: list[str]
    machine: list[str]
    valid_share: float
    samples: Samples | None = None

    def lines(self) -> list[str]:
        """For people."""
        labels = samples_lines(self.samples) if self.samples else ["labels: none given (--labels, --field)"]
        return [*self.scene, f"valid in both sensors: {100 * self.valid_share:.1f} %", *labels, *self.machine]

    def values(self) -> dict[str, Any]:
        """For programs."""
        classes = self.samples.table() if self.samples else None
        return {
            "scene": self.scene,
            "valid_share": self.valid_share,
            "classes": classes,
            "machine": self.machine,
        }


def check_scene(
    stack: Stack,
    *,
    labels: Path | None = None,
    field: str | None = None,
    settings: SampleSettings | None = None,
) -> Findings:
    """Read a whole scene once, draw samples where labels are given, and ask the machine.

    Raises
    ------
    RasterError, LabelError
        What would stop the work.
    """
    drawn = sample(stack, labels, field=field, settings=settings) if labels and field else None
    return Findings(stack.describe(), _machine(), _valid_share(stack), drawn)


def _valid_share(stack: Stack) -> float:
    windows, counts = list(stack.grid.tiles(512)), ReadCounts()
    read = stack.counting(counts).read_valid
    valid = sum(int(read(window).sum()) for window in track(windows, "reading the scene", len(windows)))
    warn_of_zeros(stack, counts)
    return valid / (stack.grid.shape_hw[0] * stack.grid.shape_hw[1])


def _machine() -> list[str]:
    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {available_threads()} threads"
    return [
        f"device: {name}",
        f"selective scan on {device.type}: {kernel(device.type)} (called once, agrees with the reference)",
    ]
