"""Estimate the memory of a map, and choose tile size and threads within a limit."""

from __future__ import annotations

import ctypes
import math
import re
import sys
from dataclasses import dataclass

from landcover_bdgf.errors import ResourceError, SettingsError
from landcover_bdgf.geo import cache_bytes
from landcover_bdgf.model import BLOCK_PX, Recipe
from landcover_bdgf.scene import Stack

# Measured on Linux with torch 2.13; constants, so that all shards choose the same tiles on any machine.
PROCESS_BYTES = 650 * 2**20  # after alignment and compilation of the kernels
HEAP_GAPS = 1.5  # what arrays of single tiles and blocks take, with the gaps that freed ones leave between them
READ_COPIES = 6  # of the bands of a tile while it is read: of the files, valid pixels, filled, scaled, joined
LIVE_ENCODER, LIVE_FUSION = 4.0, 1.1  # largest layers alive at once; memory is not returned
LIVE_NOVELTY = 2.1  # of the branch vectors, where a block is compared with the training data
FLOAT_COPIES = 12  # of a byte of the layers, while a block is computed: three arrays of float32
LITERAL = 3000  # likewise, of windows that share no computation: 300 MB
DECODED_TWICE = 2  # GDAL holds a block of a file decoded and in its cache
USUAL_SAR_BANDS = 2  # of the model, for a scene without SAR
TILES_PX = (256, BLOCK_PX)  # larger ones are no faster

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)


@dataclass(frozen=True)
class MemoryUse:
    """Estimate of the memory of a map."""

    width_px: int  # of the scene
    raw_bands: int  # of the files
    channels: int  # of the networks
    floats: int  # per pixel of a block, held by the networks at once
    halo_px: int
    file_block: int  # bytes of the largest block of a file
    batch: int = 1  # blocks that a thread computes at once
    layer_bytes: int = 0  # of a pixel in all layers of the map
    sieve_bytes: int = 0  # of the whole map, which a sieve holds once all pixels are classified

    @classmethod
    def of(
        cls, stack: Stack, recipe: Recipe, *, batch: int = 1, layer_bytes: int = 0, sieve_px_bytes: int = 0
    ) -> MemoryUse:
        """The estimate for a scene and a model of this recipe, which need not be trained yet.

        ``sieve_px_bytes`` are those of a pixel in a sieve, 0 without one.
        """
        given, spectral = len(stack.spectral.bands), recipe.spectral
        bands = given if given <= spectral.max_bands else min(spectral.max_components, given)  # or fewer
        extra = sum(len(image.bands) for image in stack.extra)
        bands += extra
        radar = len(stack.sar.bands) or USUAL_SAR_BANDS
        raw, channels = given + extra + radar, bands + radar
        fusion = recipe.fusion
        padded = recipe.diffusion.padded_bands(channels)
        encoder = round(32 * recipe.diffusion.width) * padded  # the first block's output, in all bands
        tokens = fusion.tokens * fusion.d  # both sensors, every second row
        around = recipe.context.statistics(channels) // fusion.stride**2
        vectors = fusion.d * len(fusion.branches) if fusion.shares else 0  # else there is no novelty
        layers = LIVE_FUSION * fusion.cnn_widths[1] * bands if fusion.shares else LITERAL
        live = LIVE_ENCODER * encoder + layers + LIVE_NOVELTY * vectors
        floats = round(live) + tokens + around
        file_block = max(image.block_bytes() for image in stack.images)
        height, width = stack.grid.shape_hw
        sieve_bytes = height * width * sieve_px_bytes
        return cls(width, raw, channels, floats, recipe.halo_px, file_block, batch, layer_bytes, sieve_bytes)

    def bytes_for(self, tile_px: int, threads: int) -> int:
        """Estimated peak memory of the process, without GDAL's cache."""
        reach, side = BLOCK_PX + self.halo_px, BLOCK_PX + 2 * self.halo_px
        reading = READ_COPIES * self.raw_bands * (tile_px + self.halo_px) ** 2
        carried = self.channels * (reach * (self.width_px + 2 * self.halo_px) + 2 * (tile_px + reach) ** 2)
        queued = (2 * threads + 1) * self.batch * self.channels * side**2
        computing = threads * self.floats * side**2
        results = tile_px**2 + (2 * threads + 1 + FLOAT_COPIES * threads) * self.batch * BLOCK_PX**2
        scene = 4 * round(HEAP_GAPS * (reading + carried + queued) + computing)
        process = PROCESS_BYTES + DECODED_TWICE * self.file_block + self.sieve_bytes
        return process + scene + self.layer_bytes * results


def return_memory() -> None:
    """Give freed memory back to the system; glibc keeps much of that of the checks of many bands before a map."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def parse_size(text: str) -> int:
    """``"1.5GB"`` or ``"900 MB"`` in bytes; SettingsError if it is not a size."""
    match = _SIZE.fullmatch(text.strip())
    if not match or float(match[1]) == 0:
        raise SettingsError(f"`max_ram={text}`", "is not a size", "Write it like 4GB or 900MB.")
    return int(float(match[1]) * 1000 ** " kmgt".index(match[2].lower() or " "))


def fitting(use: MemoryUse, max_bytes: int, *, tile_px: int, threads: int) -> tuple[int, int]:
    """The largest tile size and number of threads within a limit; the tile size does not depend on ``threads``.

    Raises
    ------
    ResourceError
        The smallest tiles with one thread need more.
    """
    room = max_bytes - cache_bytes()
    tiles = sorted({min(side, tile_px) for side in TILES_PX}, reverse=True)
    for side in tiles:
        fits = [count for count in range(1, threads + 1) if use.bytes_for(side, count) <= room]
        if fits:
            return side, max(fits)
    least = math.ceil((use.bytes_for(tiles[-1], 1) + cache_bytes()) / 1e7) / 100
    raise ResourceError(
        f"`max_ram={max_bytes / 1e9:.3g}GB`",
        f"mapping this scene takes at least {least:.2f} GB, with tiles of {tiles[-1]} px and one thread",
        "Raise the limit, or crop the scene.",
    )
