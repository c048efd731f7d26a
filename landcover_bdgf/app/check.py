"""Check the inputs and the device before a long run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from landcover_bdgf.geo import read_features
from landcover_bdgf.labels import ReadSettings, Samples, SampleSettings, sample, samples_lines, texts
from landcover_bdgf.model import available_threads, choose_device, kernel
from landcover_bdgf.progress import track
from landcover_bdgf.scene import ReadCounts, Stack, warn_of_zeros
from landcover_bdgf.text import LISTED_NAMES, printable


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
        Drawn if labels and their field are given.
    fields : dict of str to Counter
        Number of features per value of each field, if labels are given without a field.
    """

    scene: list[str]
    machine: list[str]
    valid_share: float
    samples: Samples | None = None
    fields: dict[str, Counter[str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """As text."""
        if self.samples:
            labels = samples_lines(self.samples)
        elif self.fields:
            heading = "labels: choose the field that holds the class with --field. Values (number of features):"
            labels = [heading, *(f"  {printable(name)}: {_listed(values)}" for name, values in self.fields.items())]
        else:
            labels = ["labels: not checked (pass --labels)"]
        return [*self.scene, f"valid in both sensors: {100 * self.valid_share:.1f} %", *labels, *self.machine]

    def values(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "scene": self.scene,
            "valid_share": self.valid_share,
            "classes": self.samples.table() if self.samples else None,
            "fields": {
                name: {"distinct": len(values), "values": dict(values.most_common(LISTED_NAMES))}
                for name, values in self.fields.items()
            },
            "machine": self.machine,
        }


def check_scene(
    stack: Stack, *, labels: Path | None = None, field: str | None = None, settings: SampleSettings | None = None
) -> Findings:
    """Read the whole scene once, draw samples or list the fields of the labels, and test the device.

    Raises
    ------
    RasterError, LabelError
        The scene or the labels are unusable.
    """
    settings = settings or SampleSettings()
    drawn = sample(stack, labels, field=field, settings=settings) if labels and field else None
    fields = fields_of(labels, settings) if labels and not field else {}
    return Findings(stack.describe(), _machine(), _valid_share(stack), drawn, fields)


def fields_of(labels: Path, settings: ReadSettings) -> dict[str, Counter[str]]:
    """Number of features per value of each field; features without a value are not counted."""
    features = read_features(labels, layer=settings.layer, encoding=settings.encoding)
    columns = features.drop(columns=features.geometry.name)
    return {str(name): Counter(text for text in texts(columns[name]) if text) for name in columns.columns}


def _listed(values: Counter[str]) -> str:
    """The most frequent values with their counts."""
    shown = ", ".join(f"{printable(value)} ({count})" for value, count in values.most_common(LISTED_NAMES))
    more = len(values) - LISTED_NAMES
    return f"{shown} and {more} more" if more > 0 else shown or "no values"


def _valid_share(stack: Stack) -> float:
    windows, counts = list(stack.grid.tiles(512)), ReadCounts()
    read = stack.counting(counts).read_valid
    valid = sum(int(read(window).sum()) for window in track(windows, "reading the scene", len(windows)))
    warn_of_zeros(stack, counts)
    return valid / stack.pixels


def _machine() -> list[str]:
    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {available_threads()} threads"
    return [
        f"device: {name}",
        f"selective scan on {device.type}: {kernel(device.type)} (called once, agrees with the reference)",
    ]
