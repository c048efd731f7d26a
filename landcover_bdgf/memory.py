"""How much memory a map takes, and which tiles and threads fit into what there is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from landcover_bdgf.blocks import BLOCK_PX
from landcover_bdgf.errors import ResourceError, SettingsError
from landcover_bdgf.raster import cache_bytes
from landcover_bdgf.recipe import Recipe
from landcover_bdgf.scaling import Scaling
from landcover_bdgf.stack import Stack

KERNELS_BYTES = 80 * 2**20  # what the process grows by with the first block: compiled kernels, thread pools
PROCESS_BYTES = 540 * 2**20  # of a process that is about to map, where the system does not tell
LIVE_LAYERS = 4.2  # times the largest layer of a block that exist at once; these three measured with torch 2.13

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
    process_bytes : int
        Of the process before it maps.
    """

    width_px: int
    raw_bands: int
    channels: int
    floats: int
    halo_px: int
    process_bytes: int = PROCESS_BYTES

    @classmethod
    def of(cls, stack: Stack, scaling: Scaling, recipe: Recipe) -> Appetite:
        """Of mapping a scene by a model, in this process."""
        raw, channels = len(stack.spectral.bands) + len(stack.sar.bands), scaling.bands + len(scaling.sar_mean)
        fusion = recipe.fusion
        encoder = round(32 * recipe.diffusion.width) * channels  # the first block's output, in all bands
        tokens = 2 * fusion.tokens * fusion.d  # of both sensors
        floats = round(LIVE_LAYERS * max(encoder, fusion.cnn_widths[1] * scaling.bands)) + 2 * tokens
        return cls(stack.grid.shape_hw[1], raw, channels, floats, recipe.halo_px, resident_bytes())

    def bytes_for(self, tile_px: int, threads: int) -> int:
        """Peak memory of the process with these tiles and threads, about; without GDAL's cache."""
        reach, side = BLOCK_PX + self.halo_px, BLOCK_PX + 2 * self.halo_px
        reading = 3 * self.raw_bands * (tile_px + self.halo_px) ** 2
        carried = self.channels * (reach * (self.width_px + 2 * self.halo_px) + 2 * (tile_px + reach) ** 2)
        queued = (2 * threads + 1) * self.channels * side**2
        computing = threads * self.floats * side**2
        return self.process_bytes + KERNELS_BYTES + 4 * (reading + carried + queued + computing)


def resident_bytes() -> int:
    """Memory of this process now; where the system does not tell, what it usually is."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return PROCESS_BYTES
    return pages * os.sysconf("SC_PAGE_SIZE")


def parse_size(text: str) -> int:
    """``"1.5GB"`` or ``"900 MB"`` in bytes; SettingsError if it is no size."""
    match = _SIZE.fullmatch(text.strip())
    if not match or float(match[1]) == 0:
        raise SettingsError(f"--max-ram {text}: write it like 4GB or 900MB.")
    return int(float(match[1]) * 1000 ** " kmgt".index(match[2].lower() or " "))


def fitting(appetite: Appetite, max_bytes: int, *, tile_px: int, threads: int) -> tuple[int, int]:
    """Tiles and threads that fit: as many threads as possible, then as large tiles as possible.

    Raises
    ------
    ResourceError
        Nothing fits; says what is needed.
    """
    cache = cache_bytes()
    tiles = [tile_px, *(side for side in (512, 256, BLOCK_PX) if side < tile_px)]
    for count in range(threads, 0, -1):
        for side in tiles:
            if appetite.bytes_for(side, count) + cache <= max_bytes:
                return side, count
    least = appetite.bytes_for(tiles[-1], 1) + cache
    raise ResourceError(
        f"--max-ram {max_bytes / 1e9:.2g}GB: mapping this scene takes {least / 1e9:.2g} GB at least, with tiles of "
        f"{tiles[-1]} px and one thread. Allow that much, or cut the scene."
    )
