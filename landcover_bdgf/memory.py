"""How much memory a map takes, and which tiles and threads fit into what there is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from landcover_bdgf.blocks import BLOCK_PX
from landcover_bdgf.errors import ResourceError, SettingsError
from landcover_bdgf.raster import cache_bytes
from landcover_bdgf.recipe import Recipe
from landcover_bdgf.scaling import Scaling
from landcover_bdgf.stack import Stack

PROCESS_BYTES = 620 * 2**20  # measured on Linux with torch 2.13: the process, its kernels compiled, before it maps
LIVE_LAYERS = 4.5  # times the largest layer of a block, in float32: what a thread takes at its peak

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)


@dataclass(frozen=True)
class Appetite:
    """What decides the memory of a map: the scene's width and bands, and the network's largest layer per pixel."""

    width_px: int
    raw_bands: int
    channels: int
    layer: int
    halo_px: int

    @classmethod
    def of(cls, stack: Stack, scaling: Scaling, recipe: Recipe) -> Appetite:
        """Of mapping a scene by a model."""
        raw, channels = len(stack.spectral.bands) + len(stack.sar.bands), scaling.bands + len(scaling.sar_mean)
        fusion = recipe.fusion
        encoder = round(32 * recipe.diffusion.width) * channels  # the first block's output, in all bands
        layer = max(encoder, fusion.cnn_widths[2] * scaling.bands, fusion.tokens * fusion.d)
        return cls(stack.grid.shape_hw[1], raw, channels, layer, recipe.halo_px)

    def bytes_for(self, tile_px: int, threads: int) -> int:
        """Peak memory of the process with these tiles and threads, about; without GDAL's cache."""
        reach, side = BLOCK_PX + self.halo_px, BLOCK_PX + 2 * self.halo_px
        reading = 3 * self.raw_bands * (tile_px + self.halo_px) ** 2
        carried = self.channels * (reach * (self.width_px + 2 * self.halo_px) + 2 * (tile_px + reach) ** 2)
        queued = (2 * threads + 1) * self.channels * side**2
        computing = round(threads * LIVE_LAYERS * self.layer * side**2)
        return PROCESS_BYTES + 4 * (reading + carried + queued + computing)


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
