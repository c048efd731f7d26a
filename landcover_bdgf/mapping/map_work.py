"""What is left to compute of a map that has been begun."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from landcover_bdgf.mapping.partial_map import PartialMap
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.window_blocks import missing_strips
from landcover_bdgf.model import BlockStream, Checkpoint, Run
from landcover_bdgf.scene import ReadCounts


@dataclass(frozen=True, eq=False)
class MapWork:
    """What is left to compute of a map.

    Attributes
    ----------
    partial : PartialMap
        The finished windows.
    stream : BlockStream
        The blocks of the scene.
    strips : list of int
        Those of the map, or of a shard.
    model, settings, run, every_block
        How they are classified.
    counts : ReadCounts
        The pixels that were read for it.
    """

    partial: PartialMap
    stream: BlockStream
    strips: list[int]
    model: Checkpoint
    settings: MapSettings
    run: Run
    every_block: bool
    counts: ReadCounts = field(default_factory=ReadCounts)

    def missing(self) -> list[int]:
        """The strips that are not finished."""
        return missing_strips(self.partial, self.stream, self.strips)

    def counted(self) -> BlockStream:
        """The blocks, with the pixels that are read for them counted."""
        return replace(self.stream, stack=self.stream.stack.counting(self.counts))
