"""Check the inputs and the device before a long run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from landcover_bdgf.labels import Samples, SampleSettings, sample, samples_lines
from landcover_bdgf.model import Run, kernel
from landcover_bdgf.progress import track
from landcover_bdgf.scene import ReadCounts, Stack, warn_of_zeros


@dataclass(frozen=True)
class Findings:
    """Results of :func:`check_scene`; warnings are logged.

    Attributes
    ----------
    scene, machine : list of str
        Lines about the images, and about the device.
    valid_share : float
        Share of pixels with data in both images, 0 to 1.
    samples : Samples, optional
        Drawn if labels are given.
    """

    scene: list[str]
    machine: list[str]
    valid_share: float
    samples: Samples | None = None

    def lines(self) -> list[str]:
        """As text."""
        labels = samples_lines(self.samples) if self.samples else ["labels: not checked (pass --labels)"]
        return [*self.scene, f"valid in both sensors: {100 * self.valid_share:.1f} %", *labels, *self.machine]

    def values(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "scene": self.scene,
            "valid_share": self.valid_share,
            "classes": self.samples.table() if self.samples else None,
            "machine": self.machine,
        }


def check_scene(
    stack: Stack, *, labels: Path | None, field: str | None, settings: SampleSettings, run: Run
) -> Findings:
    """Read the whole scene once, draw samples if there are labels with their field, and test the device.

    Raises
    ------
    RasterError, LabelError
        The scene or the labels are unusable.
    """
    drawn = sample(stack, labels, field=field, settings=settings) if labels and field else None
    return Findings(stack.describe(), _machine(run), _valid_share(stack), drawn)


def _valid_share(stack: Stack) -> float:
    windows, counts = list(stack.grid.tiles(512)), ReadCounts()
    read = stack.counting(counts).read_valid
    valid = sum(int(read(window).sum()) for window in track(windows, "reading the scene", len(windows)))
    warn_of_zeros(stack, counts)
    return valid / stack.pixels


def _machine(run: Run) -> list[str]:
    device = run.torch_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {run.workers(device)} threads"
    scan = kernel(device.type)
    about = (
        "plain and slow, as no compiled version starts" if scan == "torch" else "called once, agrees with the reference"
    )
    return [f"device: {name}", f"selective scan on {device.type}: {scan} ({about})"]
