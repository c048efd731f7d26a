"""Check the inputs and the device before a long run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from landcover_bdgf.errors import BdgfError
from landcover_bdgf.labels import (
    JoinedSamples,
    LabelledScene,
    Samples,
    SampleSettings,
    check_field,
    sample,
    sample_scenes,
    samples_lines,
)
from landcover_bdgf.model import Run, kernel
from landcover_bdgf.progress import kept_warnings, log, track
from landcover_bdgf.scene import (
    ALONE,
    CONDITIONS,
    SENSOR_NAMES,
    ReadCounts,
    SceneRow,
    Stack,
    check_pairs,
    warn_of_zeros,
)
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import listed, printable

WORTH_A_LINE = 0.01  # of the pixels


@dataclass(frozen=True)
class Findings:
    """Results of :func:`check_scene`; warnings are logged.

    Attributes
    ----------
    scene, machine : list of str
        Lines about the images, and about the device.
    shares : dict of str to float
        Share of pixels with data in both images, in the spectral image alone, and in the SAR image alone, 0 to 1.
    samples : Samples, optional
        Drawn if labels are given.
    has_sar : bool
        Whether the scene has a SAR image.
    """

    scene: list[str]
    machine: list[str]
    shares: dict[str, float]
    samples: Samples | None = None
    has_sar: bool = True

    @property
    def valid_share(self) -> float:
        """Share of pixels with data in both images."""
        return self.shares["both"]

    def lines(self) -> list[str]:
        """As text."""
        labels = samples_lines(self.samples) if self.samples else ["labels: not checked (pass --labels)"]
        return [*self.scene, *self._valid(), *labels, *self.machine]

    def valid(self) -> tuple[str, str]:
        """The sensors that the map of the scene needs, and the share of pixels with data in them."""
        sensors, share = ("both sensors", "both") if self.has_sar else (SENSOR_NAMES["spectral"], "spectral")
        return sensors, f"{100 * self.shares[share]:.1f} %"

    def _valid(self) -> list[str]:
        """What both sensors show, and what one alone does, where that is worth a line."""
        sensors, valid = self.valid()
        if not self.has_sar:
            return [f"valid in {sensors}: {valid}; mapped by a model trained with --set training.one_sensor=true"]
        worth = {sensor: self.shares[sensor] for sensor in ALONE if self.shares[sensor] >= WORTH_A_LINE}
        alone = [
            f"valid in {SENSOR_NAMES[sensor]} alone: {100 * share:.1f} %; not mapped, unless by map --missing {sensor} "
            "and a model trained with --set training.one_sensor=true"
            for sensor, share in worth.items()
        ]
        return [f"valid in {sensors}: {valid}", *alone]

    def values(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "scene": self.scene,
            "valid_share": self.valid_share,
            "alone": {sensor: self.shares[sensor] for sensor in ALONE},
            "classes": self.samples.table() if self.samples else None,
            "machine": self.machine,
        }


@dataclass(frozen=True)
class CheckedScene:
    """A scene of a table: what was found, or the error for which it cannot be used."""

    name: str
    line: int
    found: Findings | BdgfError
    warnings: int

    def text(self, tell: Callable[[BdgfError], str]) -> str:
        """As one line; ``tell`` makes a line of an error."""
        name = printable(self.name)
        if isinstance(self.found, BdgfError):
            return f"{name}: cannot be used. {tell(self.found)}"
        drawn = self.found.samples
        classes = [row["name"] for row in drawn.table() if row["groups"]] if drawn else []
        labels = f", {len(classes)} class{'es' * (len(classes) > 1)}: {listed(classes)}" if classes else ""
        warned = f", {self.warnings} warning{'s' * (self.warnings > 1)}" if self.warnings else ""
        return f"{name}: valid in {' '.join(self.found.valid())}{labels}{warned}"

    def with_samples(self, drawn: Samples) -> CheckedScene:
        """The scene with its labels, if it can be used."""
        return self if isinstance(self.found, BdgfError) else replace(self, found=replace(self.found, samples=drawn))

    def values(self) -> dict[str, Any]:
        """As JSON."""
        found = {"error": str(self.found)} if isinstance(self.found, BdgfError) else self.found.values()
        return {"name": self.name, "line": self.line, "warnings": self.warnings, **found}


@dataclass(frozen=True)
class CheckedTable:
    """Results of :func:`check_table`."""

    scenes: list[CheckedScene]
    labels: JoinedSamples | BdgfError | None  # of all scenes together, as they are trained on
    machine: list[str]

    @property
    def failed(self) -> list[CheckedScene]:
        """Scenes that cannot be used."""
        return [each for each in self.scenes if isinstance(each.found, BdgfError)]

    def lines(self, tell: Callable[[BdgfError], str]) -> list[str]:
        """A line for each scene, then those about the labels of all and the device."""
        labels = samples_lines(self.labels) if isinstance(self.labels, JoinedSamples) else []
        if isinstance(self.labels, BdgfError):
            labels = [f"labels: cannot be used. {tell(self.labels)}"]
        return [*(each.text(tell) for each in self.scenes), *labels, *self.machine]

    def values(self) -> dict[str, Any]:
        """As JSON."""
        classes = self.labels.table() if isinstance(self.labels, JoinedSamples) else None
        error = str(self.labels) if isinstance(self.labels, BdgfError) else None
        scenes = [each.values() for each in self.scenes]
        return {"scenes": scenes, "classes": classes, "labels_error": error, "machine": self.machine}


def check_table(
    rows: Sequence[SceneRow], table: PathLike, *,
    labels: Path | None, field: str | None, settings: SampleSettings, run: Run,
) -> CheckedTable:  # fmt: skip
    """Check all scenes of a table, and their labels together; labels and field are those of rows that name none."""
    checked, labelled = [], {}
    with ExitStack() as opened:
        for position, row in enumerate(rows):
            log.info("scene %d of %d: %s", position + 1, len(rows), row.name)
            own_labels, own_field = row.labels or labels, row.field or field
            with kept_warnings() as said:
                try:
                    stack = opened.enter_context(row.stack())
                    found: Findings | BdgfError = Findings(stack.describe(), [], _shares(stack), has_sar=stack.has_sar)
                    if own_labels:
                        check_field(own_labels, own_field, settings=settings)
                        labelled[position] = LabelledScene(stack, own_labels, str(own_field))
                except BdgfError as error:
                    found = error
            checked.append(CheckedScene(row.name, row.line, found, len(said)))
        samples = _drawn([*labelled.values()], settings, partial(check_pairs, rows, table))
    if isinstance(samples, JoinedSamples):
        for position, own in zip(labelled, samples.scenes, strict=True):
            checked[position] = checked[position].with_samples(own)
    return CheckedTable(checked, samples, _machine(run))


def _drawn(
    scenes: Sequence[LabelledScene], settings: SampleSettings, check_rows: Callable[[], None]
) -> JoinedSamples | BdgfError | None:
    """The labels of all scenes; why they cannot be used; or None without labels."""
    if not scenes:
        return None
    try:
        check_rows()
        return sample_scenes(scenes, settings)
    except BdgfError as error:
        return error


def check_scene(
    stack: Stack, *, labels: Path | None, field: str | None, settings: SampleSettings, run: Run
) -> Findings:
    """Read the whole scene once, draw samples if there are labels with their field, and test the device.

    Raises
    ------
    RasterError, LabelError
        The scene or the labels are unusable.
    """
    machine = _machine(run)
    drawn = sample(stack, labels, field=field, settings=settings) if labels and field else None
    return Findings(stack.describe(), machine, _shares(stack), drawn, stack.has_sar)


def _shares(stack: Stack) -> dict[str, float]:
    """Shares of the pixels that both sensors saw, or one alone."""
    windows, counts, found = list(stack.grid.tiles(512)), ReadCounts(), np.zeros(len(CONDITIONS) + 1, np.int64)
    read = replace(stack.counting(counts), missing="any").read
    for window in track(windows, "reading the scene", len(windows)):
        found += np.bincount(read(window).condition.ravel(), minlength=len(found))
    warn_of_zeros(stack, counts)
    return dict(zip(CONDITIONS, (found[1:] / stack.pixels).tolist(), strict=True))


def _machine(run: Run) -> list[str]:
    device = run.torch_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {run.workers(device)} threads"
    scan = kernel(device.type)
    about = (
        "plain and slow, as no compiled version starts" if scan == "torch" else "called once, agrees with the reference"
    )
    return [f"device: {name}", f"selective scan on {device.type}: {scan} ({about})"]
