"""What the record of a map says of the part of the scene that it leaves out: masks, and the area of interest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from landcover_bdgf.storage import read_json
from landcover_bdgf.text import listed, printable

Share = Annotated[float, Field(ge=0, le=1)]


class MaskedBy(BaseModel):
    """A file of a mask, and what it masks, by class for a scene classification."""

    file: str
    share: Share
    classes: dict[str, Share]


class Masked(BaseModel):
    """The masked share of the scene; ``mapped``: whether it was classified all the same."""

    share: Share
    files: list[MaskedBy]
    mapped: bool


class AreaShare(BaseModel):
    """The area of interest, as a share of the image."""

    file: str
    pixels: int
    share: Share


class MapLimits(BaseModel):
    """What a map was limited to."""

    masked: Masked | None = None
    area: AreaShare | None = None

    def lines(self) -> list[str]:
        """As text."""
        lines = []
        if self.area:
            share = f"{100 * self.area.share:.3g} % of the image"
            lines.append(f"The map is limited to {printable(self.area.file)}, {share}; it is 0 elsewhere.")
        if self.masked:
            of, value = (
                "area" if self.area else "scene",
                "classified all the same" if self.masked.mapped else "0 in the map",
            )
            by = "; ".join(map(_by, self.masked.files))
            lines.append(f"{100 * self.masked.share:.1f} % of the {of} was masked and is {value}, by {by}.")
        return lines


def map_limits(record: Mapping[str, Any]) -> MapLimits:
    """The limits in the record of a map, which is not trusted; none if they are not sound."""
    try:
        return read_json(MapLimits, json.dumps({key: record.get(key) for key in ("masked", "area")}))
    except ValueError:
        return MapLimits()


def _by(file: MaskedBy) -> str:
    classes = listed([f"{name} {100 * share:.1f} %" for name, share in file.classes.items()])
    return f"{printable(file.file)}{f' ({classes})' if classes else ''}"
