"""An HTML sheet with a picture of the ground around each point, to label without a GIS or to print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.assessment import colour_bands, html_page
from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.geo import WGS84, transformer
from landcover_bdgf.progress import log, track
from landcover_bdgf.scene import Image, open_dated
from landcover_bdgf.survey.points_file import Design
from landcover_bdgf.text import listed, png, printable

TEMPLATE = "survey/chips.html.jinja"
CHIP_PX = 64  # side of a picture, in pixels of the image
_LOOKED_AT_PX = 256
_NUMBERED = re.compile(r"(.+):(\d+),(\d+),(\d+)")


@dataclass(frozen=True)
class Chip:
    """A picture of a point, and the pixel of the map in it as shares of its width and height."""

    id: int
    lon: float
    lat: float
    picture: str  # empty outside the image
    left: float
    top: float
    width: float
    height: float


def chip_sheet(design: Design, source: str) -> str:
    """The sheet as HTML.

    Parameters
    ----------
    design : Design
    source : str
        An image as for ``bdgf map``, in files joined by commas; ``s2.tif:4,3,2`` shows the 4th, 3rd and 2nd band.
        Without numbers, the bands that the report of an assessment shows.

    Raises
    ------
    RasterError
        If the image cannot be read, has no data, or is elsewhere.
    SettingsError
        If it has no such bands.
    """
    chosen = _NUMBERED.fullmatch(source)
    files = (chosen[1] if chosen else source).split(",")
    with open_dated(files) as image:
        numbers = [int(number) - 1 for number in chosen.groups()[1:]] if chosen else colour_bands(image)
        if lacking := [number + 1 for number in numbers if not 0 <= number < len(image.bands)]:
            remedy = f"The image has {len(image.bands)} bands: {listed(image.names)}."
            raise SettingsError(f"`chips={source}`", f"has no band {lacking[0]}", remedy)
        shown = replace(image, bands=tuple(image.bands[i] for i in numbers))
        if not chosen:
            names = listed([band.name for band in shown.bands], printable)
            log.info("%s: shown as red, green and blue: %s; FILE:4,3,2 shows others", files[0], names)
        low, high = _stretch(shown, files[0])
        points = track(range(len(design)), "pictures", len(design))
        chips = [_chip(shown, design, number, low, high) for number in points]
    _check_pictures(chips, files[0])
    return html_page(
        TEMPLATE, title=f"{len(chips)} points to label: {printable(design.about.map)}", chips=chips,
        classes=design.about.legend.names, image=Path(files[0]).name, bands=[band.name for band in shown.bands],
    )  # fmt: skip


def _check_pictures(chips: Sequence[Chip], path: str) -> None:
    """RasterError if all points are outside the image, a warning if some are."""
    outside = sum(not chip.picture for chip in chips)
    if outside == len(chips):
        raise RasterError(path, "holds none of the points", "Give an image of the place of the map.")
    if outside:
        log.warning("%s: %d of %d points are outside the image and have no picture", path, outside, len(chips))


def _stretch(image: Image, path: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The 2nd and 98th percentile of each band (bands, 1, 1), of windows spread over the image."""
    values = []
    for window in image.grid.spread_windows(_LOOKED_AT_PX):
        pixels, valid = image.read(window)
        values.append(pixels[:, valid])
    found = np.concatenate(values, axis=1)
    if not found.size:
        raise RasterError(path, "has no pixel with data in all bands to show", "Check its nodata, or choose others.")
    low, high = np.percentile(found, (2, 98), axis=1)
    return low[:, None, None], np.maximum(high, low + 1e-12)[:, None, None]


def _chip(image: Image, design: Design, number: int, low: NDArray[np.float32], high: NDArray[np.float32]) -> Chip:
    grid, row, col = design.about.grid, design.rows[number], design.cols[number]
    x, y = grid.xy([row, row - 0.5, row + 0.5], [col, col - 0.5, col + 0.5])
    lon, lat = transformer(grid.crs, WGS84).transform(x[0], y[0])
    rows, cols = image.grid.rowcol_of(x, y, grid.crs)
    window = _window(rows[0], cols[0], image.grid.shape_hw)
    if window is None:
        return Chip(number + 1, lon, lat, "", 0.0, 0.0, 0.0, 0.0)
    pixels, valid = image.read(window)
    shown = (255 * np.clip((pixels - low) / (high - low), 0, 1)).astype(np.uint8)
    rgba = np.concatenate([shown, 255 * valid[None].astype(np.uint8)]).transpose(1, 2, 0)
    left, right = ((cols[1:] + 0.5 - window.col_off) / window.width).tolist()
    top, bottom = ((rows[1:] + 0.5 - window.row_off) / window.height).tolist()
    return Chip(number + 1, lon, lat, png(np.ascontiguousarray(rgba)), left, top, right - left, bottom - top)


def _window(row: float, col: float, shape_hw: Sequence[int]) -> Window | None:
    """A window around a pixel, inside the image; None if the pixel is not."""
    height, width = shape_hw
    if not (-0.5 <= row < height - 0.5 and -0.5 <= col < width - 0.5):
        return None
    side_h, side_w = min(CHIP_PX, height), min(CHIP_PX, width)
    top = int(np.clip(round(row) - side_h // 2, 0, height - side_h))
    left = int(np.clip(round(col) - side_w // 2, 0, width - side_w))
    return Window(left, top, side_w, side_h)
