"""Roads, hedges and streams of 1, 2, 3 and 5 px width, which follow no edges of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.affinity import scale

THIN_PX = (1, 2, 3, 5)
STREAM = "water"
# Cover, number of lines of each width, and how far they leave a straight course, in px.
KINDS = ((STREAM, 2, 8.0), ("trees", 1, 1.5), ("built area", 1, 3.0))
HALF = 0.5  # least share of a pixel by which it has the class of an object
_PARTS = 5  # a pixel is divided into 5 × 5 parts to find the share of an object
_STEP_PX = 0.25  # along a line


@dataclass(frozen=True)
class ThinObjects:
    """Thin objects on a grid. Where they cross, the one that fills more of a pixel counts.

    Attributes
    ----------
    covers : tuple of str
        The cover of each object.
    number : int64 (h, w)
        Index of the object in a pixel; 0 where there is none.
    share : float64 (h, w)
        Share of the pixel that it fills.
    stream_px : uint8 (h, w)
        Width of a stream, on its centre line where it fills half of the pixel or more and no other object is in the
        pixel; 0 elsewhere.
    """

    covers: tuple[str, ...]
    number: NDArray[np.int64]
    share: NDArray[np.float64]
    stream_px: NDArray[np.uint8]


def draw_thin_objects(shape_hw: tuple[int, int], rng: np.random.Generator) -> ThinObjects:
    """Lines across a scene: meandering streams, nearly straight hedges and roads, of every width."""
    kinds = [(cover, width, meander) for cover, count, meander in KINDS for width in THIN_PX for _ in range(count)]
    number, share, stream_px = np.zeros(shape_hw, np.int64), np.zeros(shape_hw), np.zeros(shape_hw, np.uint8)
    for index, (cover, width_px, meander_px) in enumerate(kinds):
        line = _line(shape_hw, meander_px, rng)
        own = share_of_pixels(line.buffer(width_px / 2), shape_hw)
        stream_px[own > 0] = 0
        if cover == STREAM:
            stream_px[(share == 0) & (own >= HALF) & crossed_pixels(line, shape_hw)] = width_px
        larger = own > share
        number[larger], share[larger] = index, own[larger]
    return ThinObjects(tuple(cover for cover, _, _ in kinds), number, share, stream_px)


def share_of_pixels(area: shapely.Polygon, shape_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Share of each pixel (h, w) inside a polygon (x, y) in pixels; (0, 0) is the corner of the first pixel."""
    height, width = shape_hw
    parts = rasterize([scale(area, _PARTS, _PARTS, origin=(0, 0))], out_shape=(height * _PARTS, width * _PARTS))
    return np.asarray(parts.reshape(height, _PARTS, width, _PARTS).mean(axis=(1, 3)))


def crossed_pixels(line: shapely.LineString, shape_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (h, w) that a line (x, y) in pixels crosses."""
    points = shapely.line_interpolate_point(line, np.arange(0, line.length, _STEP_PX))
    cols, rows = np.floor(shapely.get_coordinates(points)).astype(int).T
    within = (rows >= 0) & (rows < shape_hw[0]) & (cols >= 0) & (cols < shape_hw[1])
    found = np.zeros(shape_hw, bool)
    found[rows[within], cols[within]] = True
    return found


def _line(shape_hw: tuple[int, int], meander_px: float, rng: np.random.Generator) -> shapely.LineString:
    """From a side of the scene to the opposite one, with two smooth waves."""
    height, width = shape_hw
    along = np.linspace(0, 1, 200)
    across = rng.uniform(0.05, 0.95) * (1 - along) + rng.uniform(0.05, 0.95) * along
    waves = sum(np.sin(2 * np.pi * (rng.uniform(1, 4) * along + rng.uniform())) for _ in range(2)) * meander_px / 2
    if rng.random() < 0.5:
        return shapely.LineString(np.stack([along * width, across * height + waves], axis=1))
    return shapely.LineString(np.stack([across * width + waves, along * height], axis=1))
