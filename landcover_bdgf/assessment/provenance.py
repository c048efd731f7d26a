"""What the record of a map says of its making: images, labels, warnings, novelty, command and versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, NonNegativeInt

from landcover_bdgf.scene import SENSOR_NAMES, band_and_day
from landcover_bdgf.storage import read_json
from landcover_bdgf.text import listed, percent, printable, rough_percent

LONGEST = 2000  # characters of a text
MAPPED_BY = "pixels are mapped by"  # begins a line on the sensors of a map
_CASES = {"both": "both sensors"} | {sensor: f"{name} alone" for sensor, name in SENSOR_NAMES.items()}


def _one_line(text: str) -> str:
    """Text without line breaks, control characters, and marks that change the writing direction."""
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST])


Line = Annotated[str, AfterValidator(_one_line)]


class InputFile(BaseModel):
    """A file that was read, and its hash."""

    file: Line
    sha256: Line | None = None


class InputDate(BaseModel):
    """One of several dates of an image, with the share of its pixels that were filled from the others."""

    date: Line
    filled: float = 0.0

    def text(self) -> str:
        """As ``2023-06-04 (12 % filled)``."""
        return f"{self.date} (about {rough_percent(self.filled)} filled)" if self.filled else self.date


class InputImage(BaseModel):
    """An image as it was read; see :meth:`landcover_bdgf.scene.Stack.to_dict`."""

    role: Line
    files: list[InputFile]
    bands: list[Line]
    date: Line | None = None
    dates: list[InputDate] = []
    sensor: Line | None = None
    group: Line = ""
    unit: Line | None = None
    offset: float = 0.0
    shift: Line | None = None
    corrected_px: tuple[float, float] = (0.0, 0.0)

    @property
    def name(self) -> str:
        """The row of a table of inputs."""
        return printable(f"{self.role} layers {self.group}") if self.group else f"{self.role} image"

    def lines(self) -> list[str]:
        """Files, bands, date, values and shift, as text."""
        names = list(dict.fromkeys(band_and_day(name)[0] for name in self.bands) if self.dates else self.bands)
        bands = "1 band" if len(names) == 1 else f"{len(names)} bands"
        at_dates = f" at {len(self.dates)} dates" if self.dates else ""
        sensor = f"{self.sensor}, " if self.sensor else ""
        lines = [listed([file.file for file in self.files]), f"{sensor}{bands}{at_dates}: {listed(names)}"]
        days = listed([each.text() for each in self.dates]) or self.date
        lines.append(f"acquired on {days}" if days else "date of acquisition not stated in the file")
        if self.unit:
            lines.append("values in dB, read as linear power" if self.unit == "dB" else f"values in {self.unit}")
        if self.offset:
            lines.append(f"{abs(self.offset):g} {'subtracted from' if self.offset < 0 else 'added to'} all values")
        if self.shift:
            x, y = self.corrected_px
            shift = "shift not estimated" if self.shift == "not estimated" else self.shift
            lines.append(f"{shift}; {f'corrected by {x:g}, {y:g} px' if any((x, y)) else 'not corrected'}")
        return lines


class Compared(BaseModel):
    """Pixels of a map that were compared with the training data, and those that are unlike it (p < 0.01)."""

    novel_px: NonNegativeInt = 0
    compared_px: NonNegativeInt = 0


class TrainedOn(BaseModel):
    """Labels of the model of a map: file and field, training pixels, split."""

    labels: Line = ""
    count: NonNegativeInt = 0
    split: Line = ""


class MapRecord(BaseModel):
    """The parts of a map's record that a report shows; ``seed`` and ``versions`` are those of the model's training."""

    images: list[InputImage] = []
    warnings: list[Line] = []
    novelty: Compared = Field(default_factory=Compared)
    training: TrainedOn = Field(default_factory=TrainedOn)
    seed: int | None = None
    recipe: Line = ""
    command: Line | None = None
    versions: dict[Line, Line] = {}
    made: list[Line] = []  # of the map: patches that were removed, merged classes, sensors, prediction sets

    def inputs(self) -> list[tuple[str, list[str]]]:
        """Rows of a table: names, and lines of text."""
        rows = [(image.name, image.lines()) for image in self.images]
        if self.training.count:
            trained = f"{self.training.count:,} training pixels, split by {printable(self.training.split)}"
            rows.append(("Labels", [*([self.training.labels] if self.training.labels else []), trained]))
        if self.recipe:
            rows.append(("Model", [f"recipe {printable(self.recipe)}, seed {self.seed}"]))
        if self.made:
            rows.append(("Map", self.made))
        if self.versions:
            rows.append(("Software", [", ".join(f"{name} {number}" for name, number in self.versions.items())]))
        if self.command:
            rows.append(("Command", [self.command]))
        return rows


def map_record(record: Mapping[str, Any]) -> MapRecord:
    """The parts of a record, which is not trusted; none if they are not sound.

    Of finished maps that were joined, images and novel pixels are those of all.
    """
    try:
        return read_json(MapRecord, json.dumps(_parts(record)))
    except (ValueError, TypeError, LookupError, AttributeError):
        return MapRecord()


def _parts(record: Mapping[str, Any]) -> dict[str, Any]:
    maps = record.get("maps") or [record]
    model, novelty = maps[0].get("model") or {}, [one.get("novelty") or {} for one in maps]
    before = [model, model.get("denoiser") or {}]  # a warning of all steps is told once
    warnings = [text for one in (record, *before) for text in one.get("warnings") or ()]
    return {
        "images": [image for one in maps for image in one.get("images") or ()],
        "warnings": list(dict.fromkeys(warnings)),
        "novelty": {key: sum(one.get(key, 0) for one in novelty) for key in Compared.model_fields},
        "training": record.get("training") or {},
        "seed": model.get("seed"),
        "recipe": (maps[0].get("recipe") or {}).get("name", ""),
        "command": record.get("command"),
        "versions": record.get("versions") or {},
        "made": _made(record),
    }


def _made(record: Mapping[str, Any]) -> list[str]:
    """What happened to the classes of a map after classification, and what its prediction sets are worth."""
    sieve, sets, lines = record.get("sieve"), record.get("sets"), []
    if record.get("merge"):
        lines.append(f"classes were merged: {'; '.join(record['merge'])}")
    if sieve:
        lines.append(
            f"patches below {sieve['min_area']} got the class of their largest neighbour "
            f"({record.get('sieved_px', 0):,} px changed); accuracies from left-out labels are of the map before"
        )
    if cases := record.get("conditions"):
        total = max(1, sum(cases.values()))
        judged = record.get("judged_alone") or {}
        right = {key: f" (right on {percent(share)} of left-out labels)" for key, share in judged.items()}
        shares = (f"{name} {percent(cases[key] / total)}{right.get(key, '')}" for key, name in _CASES.items())
        lines.append(f"{MAPPED_BY} {', '.join(shares)}; accuracies from left-out labels are of both sensors")
    if sets:
        lines.append(f"prediction sets of level {sets['level']:g} hold {percent(sets['coverage'])} of left-out labels")
    return lines
