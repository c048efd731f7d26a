"""How much memory a map takes, and which tiles and threads fit into what there is."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from landcover_bdgf.errors import ResourceError, SettingsError
from landcover_bdgf.geo import cache_bytes
from landcover_bdgf.model import BLOCK_PX, Recipe, Scaling
from landcover_bdgf.scene import Stack

# Measured on Linux with torch 2.13; constants, so that every shard chooses the same tiles, wherever it runs.
PROCESS_BYTES = 610 * 2**20  # of a process that has aligned its images and compiled its kernels
LIVE_ENCODER, LIVE_FUSION = 4.0, 1.1  # times the largest layer of each that exist at once; neither gives memory back
DECODED_TWICE = 2  # a block of a file while it is read: as GDAL decodes it, and as it keeps it
TILES_PX = (256, BLOCK_PX)  # larger ones are no faster

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)


@dataclass(frozen=True)
class Appetite:
    """What decides the memory of a map.

    Attributes
    ----------
    width_px : int
        Of the scene.
    raw_bands, channels : int
        Of the files, and as the networks see them.
    floats : int
        Values per pixel of a block that the networks hold at once.
    halo_px : int
    file_block : int
        Bytes of the largest block of a file.
    batch : int
        Blocks that a thread computes at once.
    """

    width_px: int
    raw_bands: int
    channels: int
    floats: int
    halo_px: int
    file_block: int
    batch: int = 1

    @classmethod
    def of(cls, stack: Stack, scaling: Scaling, recipe: Recipe, batch: int = 1) -> Appetite:
        """Of mapping a scene by a model."""
        raw, channels = len(stack.spectral.bands) + len(stack.sar.bands), scaling.bands + len(scaling.sar_mean)
        fusion = recipe.fusion
        padded = -(-channels // 8) * 8  # as the U-Net does
        encoder = round(32 * recipe.diffusion.width) * padded  # the first block's output, in all bands
        tokens = fusion.tokens * fusion.d  # of both sensors, of every second row
        around = recipe.context.statistics(channels) // fusion.stride**2
        floats = round(LIVE_ENCODER * encoder + LIVE_FUSION * fusion.cnn_widths[1] * scaling.bands) + tokens + around
        file_block = max(stack.spectral.block_bytes(), stack.sar.block_bytes())
        return cls(stack.grid.shape_hw[1], raw, channels, floats, recipe.halo_px, file_block, batch)

    def bytes_for(self, tile_px: int, threads: int) -> int:
        """Peak memory of the process with these tiles and threads, about; without GDAL's cache."""
        reach, side = BLOCK_PX + self.halo_px, BLOCK_PX + 2 * self.halo_px
        reading = 2 * self.raw_bands * (tile_px + self.halo_px) ** 2
        carried = self.channels * (reach * (self.width_px + 2 * self.halo_px) + 2 * (tile_px + reach) ** 2)
        queued = (2 * threads + 1) * self.batch * self.channels * side**2
        computing = threads * self.floats * side**2
        return PROCESS_BYTES + DECODED_TWICE * self.file_block + 4 * (reading + carried + queued + computing)


def parse_size(text: str) -> int:
    """``"1.5GB"`` or ``"900 MB"`` in bytes; SettingsError if it is no size."""
    match = _SIZE.fullmatch(text.strip())
    if not match or float(match[1]) == 0:
        raise SettingsError(f"--max-ram {text}", "write it like 4GB or 900MB")
    return int(float(match[1]) * 1000 ** " kmgt".index(match[2].lower() or " "))


def fitting(appetite: Appetite, max_bytes: int, *, tile_px: int, threads: int) -> tuple[int, int]:
    """Tiles that fit, and as many threads as fit then; the tiles do not depend on the threads that there are.

    Raises
    ------
    ResourceError
        Nothing fits; says what is needed.
    """
    room = max_bytes - cache_bytes()
    tiles = sorted({min(side, tile_px) for side in TILES_PX}, reverse=True)
    for side in tiles:
        fits = [count for count in range(1, threads + 1) if appetite.bytes_for(side, count) <= room]
        if fits:
            return side, max(fits)
    least = math.ceil((appetite.bytes_for(tiles[-1], 1) + cache_bytes()) / 1e7) / 100
    raise ResourceError(
        f"--max-ram {max_bytes / 1000000000.0:.3g}GB",
        f"mapping this scene takes {least:.2f} GB at least, with tiles of {tiles[-1]} px and one thread",
        "Allow that much, or cut the scene.",
    )
