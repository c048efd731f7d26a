"""Pictures of a map and of what belongs to it, as PNG data URIs of one size: image, errors, confidence, novelty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import DatasetReader

from landcover_bdgf.geo import Grid, grid_of, read_band
from landcover_bdgf.labels import LAYER_NODATA, NODATA, Color, Layer, codes_picture
from landcover_bdgf.scene import Image, most_complete
from landcover_bdgf.text import png

PICTURE_PX = 1200
_READ_PX = 512
RIGHT, WRONG = (31, 92, 153), (213, 94, 0)  # blue and vermilion, which colour-blind readers can tell apart
MARK_PX = 350  # pixels of a picture per pixel of half a mark: marks can be seen in a picture of a whole scene
ALL_OF_SENTINEL_2 = 12, 13  # bands of levels 2A and 1C, B01 first
PALE = 0.3  # contrast of the map behind the marks
COLOURS_NM = (660.0, 560.0, 490.0)  # red, green, blue
NEAR_NM = 60.0  # a band farther away is of another colour
MANY_BANDS = 30  # more are those of an imaging spectrometer, which begin at 400 nm and end at 2500 nm
COLOUR_SHARES = (0.2, 0.12, 0.07)  # of these bands: red, green, blue
STRETCH = (2, 98)  # percentiles that are drawn black and white


@dataclass(frozen=True, eq=False)
class Places:
    """Reference pixels of a map, (n,): rows and columns, and whether the map is right there."""

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    right: NDArray[np.bool_]


def picture_shape(shape_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the pictures of a map: its own, or smaller with the longer side 1200."""
    shrink = max(1.0, max(shape_hw) / PICTURE_PX)
    return max(1, round(shape_hw[0] / shrink)), max(1, round(shape_hw[1] / shrink))


def map_picture(dataset: DatasetReader, colors: Mapping[int, Color]) -> str:
    """A map, transparent where it has no data.

    Larger maps are read from the overviews of the file, which hold the most frequent class.
    """
    return codes_picture(_reduced(dataset), colors)


def errors_picture(dataset: DatasetReader, places: Places, colors: Mapping[int, Color]) -> str:
    """The map in pale grey, with a mark at each reference pixel: blue where the map is right, else vermilion."""
    codes = _reduced(dataset)
    grey = np.zeros(max(int(codes.max()), *colors) + 1, np.uint8)
    for code, color in colors.items():
        grey[code] = round(255 - PALE * (255 - float(np.dot(color, (0.299, 0.587, 0.114)))))
    rgba = np.dstack([grey[codes]] * 3 + [np.where(codes == NODATA, 0, 255).astype(np.uint8)])
    (height, width), half = codes.shape, max(codes.shape) // MARK_PX
    rows, cols = places.rows * height // dataset.height, places.cols * width // dataset.width
    for color, inside in ((RIGHT, places.right), (WRONG, ~places.right)):  # wrong ones on top
        for down, along in np.ndindex(2 * half + 1, 2 * half + 1):
            at = np.clip(rows[inside] + down - half, 0, height - 1), np.clip(cols[inside] + along - half, 0, width - 1)
            rgba[at] = (*color, 255)
    return png(rgba)


def layer_picture(layer: DatasetReader, kind: Layer) -> str:
    """A layer of percentages on matplotlib's cividis from 0 to 100, or of codes; transparent where it has no data."""
    if kind.codes:
        return codes_picture(_reduced(layer), kind.colors)
    from matplotlib import colormaps

    percent = _reduced(layer)
    rgba = colormaps["cividis"](np.minimum(percent, 100) / 100, bytes=True)
    rgba[percent == LAYER_NODATA] = 0
    return png(rgba)


def image_picture(image: Image, dataset: DatasetReader) -> str:
    """The true colours of the image that a map was made from, or its first bands; each band stretched by itself."""
    chosen = replace(image, bands=tuple(image.bands[i] for i in colour_bands(image)), counts=None)
    values, valid = _sampled(chosen, grid_of(dataset))
    height, width = valid.shape
    rgba = np.zeros((height, width, 4), np.uint8)
    for channel, band in enumerate(values):
        low, high = np.percentile(band[valid], STRETCH) if valid.any() else (0, 1)
        rgba[..., channel] = np.clip(255 * (band - low) / max(high - low, np.finfo(np.float32).tiny), 0, 255)
    rgba[..., 3] = np.where(valid, 255, 0)
    return png(rgba)


def _sampled(image: Image, grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Pixels of an image (bands, h, w) in the middle of those of a picture, and which are valid (h, w).

    Tiles of the grid are read one by one: files of any layout are decoded once, and nothing is averaged.
    """
    shape_hw = picture_shape(grid.shape_hw)
    centres = [
        ((np.arange(length) + 0.5) * side / length).astype(int)
        for length, side in zip(shape_hw, grid.shape_hw, strict=True)
    ]
    values, valid = np.zeros((len(image.bands), *shape_hw), np.float32), np.zeros(shape_hw, bool)
    for window in grid.tiles(_READ_PX):
        spans = (window.row_off, window.row_off + window.height), (window.col_off, window.col_off + window.width)
        there = tuple(slice(*np.searchsorted(at, span)) for at, span in zip(centres, spans, strict=True))
        rows, cols = (at[part] - span[0] for at, part, span in zip(centres, there, spans, strict=True))
        tile, tile_valid = image.read(window, grid)
        values[:, *there] = tile[:, rows[:, None], cols]
        valid[there] = tile_valid[rows[:, None], cols]
    return values, valid


def colour_bands(image: Image) -> list[int]:
    """Indices of the bands that are drawn red, green and blue, of several dates those of the most complete one.

    Of a few bands without wavelengths, the first, blue first; of 12 or 13 those after the first, which is aerosols in
    Sentinel-2; of many, those where spectrometers have these colours.
    """
    of_date = most_complete(image)
    return [image.names.index(of_date.names[i]) for i in _colours(of_date)]


def _colours(image: Image) -> list[int]:
    known = np.array([band.wavelength_nm or np.inf for band in image.bands])
    nearest = [int(np.abs(known - nm).argmin()) for nm in COLOURS_NM]
    if all(abs(known[i] - nm) <= NEAR_NM for i, nm in zip(nearest, COLOURS_NM, strict=True)):
        return nearest
    if len(image.bands) > MANY_BANDS and not np.isfinite(known).any():
        return [int(share * len(image.bands)) for share in COLOUR_SHARES]
    if len(image.bands) in ALL_OF_SENTINEL_2:
        return [3, 2, 1]
    order = (2, 1, 0) if len(image.bands) > 3 else (0, 1, 2)
    return [min(i, len(image.bands) - 1) for i in order]


def _reduced(dataset: DatasetReader) -> NDArray[Any]:
    return read_band(dataset, out_shape=picture_shape(dataset.shape), resampling=Resampling.nearest)
