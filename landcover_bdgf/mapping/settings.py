"""Settings of a map."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.settings import Setting, changed_settings, check

_SHARD = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")


@dataclass(frozen=True)
class MapSettings:
    """Settings of :func:`~landcover_bdgf.mapping.map_scene`; they do not change the classes of pixels that are not
    masked or near masked ones."""

    tile_px: Annotated[int, Setting("side of the tiles that are read at once", unit="pixels")] = 512
    confidence: Annotated[
        bool,
        Setting(
            "also write OUTPUT_confidence.tif, the probability of the class in percent; that of chance at most where "
            "a pixel is unlike the training data"
        ),
    ] = False
    novelty: Annotated[
        bool,
        Setting("also write OUTPUT_novelty.tif, a novelty p-value in percent (low = outside the training data)"),
    ] = False
    map_masked: Annotated[
        bool, Setting("also classify masked pixels (clouds), as if they were not masked; by default they are 0")
    ] = False
    force: Annotated[
        bool,
        Setting(
            "map a scene although most of its pixels are unlike the training data; accept very different pixel sizes"
        ),
    ] = False
    max_ram: Annotated[
        str | None, Setting("memory limit, e.g. 4GB; tiles and threads are chosen to stay below it", default="none")
    ] = None
    shard: Annotated[str, Setting("map only part I of N, e.g. 2/4; join the parts with bdgf mosaic", unit="I/N")] = (
        "1/1"
    )

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        check(self)

    @property
    def layers(self) -> list[str]:
        """The extra rasters to write."""
        from landcover_bdgf.labels import LAYERS

        return [name for name in LAYERS if getattr(self, name)]

    @property
    def shard_of(self) -> tuple[int, int]:
        """Number of the shard, from 1, and number of shards; SettingsError if invalid."""
        match = _SHARD.fullmatch(self.shard)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count:
            raise SettingsError(
                f"`shard={self.shard}`", "is not a part of a map", "Write it like 2/4, the second of four."
            )
        return number, count
