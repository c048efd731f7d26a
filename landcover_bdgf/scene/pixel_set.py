"""A set of pixels of an image, kept as bits: a scene may have 120 million pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PixelSet:
    """Pixels of an image of ``shape_hw``; ``packed`` (h, w / 8) holds eight of a row in a byte."""

    packed: NDArray[np.uint8]
    shape_hw: tuple[int, int]

    @classmethod
    def of(cls, mask: Bools) -> Self:
        """The pixels where a mask (h, w) is true."""
        height, width = mask.shape
        return cls(np.packbits(mask, axis=1), (height, width))

    def read(self, window: Window) -> Bools:
        """Which pixels of a window belong to the set, (h, w); none beyond the border of the image."""
        found = np.zeros((window.height, window.width), bool)
        top, left = max(window.row_off, 0), max(window.col_off, 0)
        bottom = min(window.row_off + window.height, self.shape_hw[0])
        right = min(window.col_off + window.width, self.shape_hw[1])
        if top >= bottom or left >= right:
            return found
        bits = np.unpackbits(self.packed[top:bottom, left // 8 : -(-right // 8)], axis=1)
        part = bits[:, left % 8 : left % 8 + right - left]
        row, col = top - window.row_off, left - window.col_off
        found[row : row + bottom - top, col : col + right - left] = part
        return found

    def digest(self) -> str:
        """SHA-256 of the pixels."""
        return hashlib.sha256(repr(self.shape_hw).encode() + self.packed.tobytes()).hexdigest()
