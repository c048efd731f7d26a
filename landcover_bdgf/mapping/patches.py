"""Replace small patches of a map by the class of their largest neighbour, as gdal_sieve does.

A patch is a set of pixels of one class that touch at their sides, or also at their corners. Those smaller than a least
area get the class of the largest patch next to them, if that is not small itself (GDALSieveFilter, which
:func:`rasterio.features.sieve` calls). Pixels without data are left alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import sieve as gdal_sieve
from rasterio.windows import Window

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo import Grid, ground_pixel_side_m
from landcover_bdgf.labels import NODATA, Legend, class_code
from landcover_bdgf.mapping.settings import SieveSettings

Tiles = Iterable[tuple[Window, NDArray[Any]]]  # windows with their pixels, (bands, h, w)

_READ_PX = 1024
_AREA = re.compile(r"(\d+(?:\.\d+)?) *(ha|m2|m²|px)", re.IGNORECASE)
_M2 = {"ha": 10_000.0, "m2": 1.0, "m²": 1.0}
_ROUNDING = 1e-6  # of a pixel


@dataclass(frozen=True)
class Sieve:
    """A sieve for the classes and the pixels of one map.

    Attributes
    ----------
    least_px : int
        Patches of fewer pixels are replaced.
    keep : tuple of int
        Codes of classes whose patches stay, however small.
    connectivity : {4, 8}
    """

    least_px: int
    keep: tuple[int, ...]
    connectivity: int

    @classmethod
    def of(cls, settings: SieveSettings, legend: Legend, grid: Grid) -> Sieve:
        """The sieve of some settings; SettingsError for an area or class that is unknown."""
        names = [name.strip() for text in settings.keep for name in text.split(",")]
        keep = tuple(class_code(legend, name, "keep") for name in names)
        least_px, whole_px = least_pixels(settings.min_area, grid), math.prod(grid.shape_hw)
        if least_px >= whole_px:
            problem = f"is {least_px:,} pixels, and the map has {whole_px:,}"
            raise SettingsError(f"`min_area={settings.min_area}`", problem, "Use a smaller area.")
        return cls(least_px, keep, int(settings.connectivity))

    def sieved(
        self, codes: Tiles, grid: Grid, dtype: np.dtype[Any], *, folder: Path, counts: Counter[str]
    ) -> Iterator[tuple[Window, Any]]:
        """Tiles of the sieved map, (1, h, w); changed and mapped pixels are added to ``counts``.

        ``folder`` holds the map while GDAL reads it line by line; its result is in memory as a whole, with 1 or 2 bytes
        a pixel.
        """
        files = folder / "codes.tif", folder / "valid.tif"
        place = {"crs": grid.crs, "transform": grid.transform, "height": grid.shape_hw[0], "width": grid.shape_hw[1]}
        options: dict[str, Any] = {"driver": "GTiff", "count": 1, "bigtiff": "if_safer", **place}
        with (
            rasterio.open(files[0], "w", dtype=str(dtype), **options) as given,
            rasterio.open(files[1], "w", dtype="uint8", **options) as valid,
        ):
            for window, pixels in codes:
                given.write(pixels.astype(dtype), window=window)
                valid.write((pixels != NODATA).astype(np.uint8), window=window)
        with rasterio.open(files[0]) as given, rasterio.open(files[1]) as valid:
            bands = rasterio.band(given, 1), rasterio.band(valid, 1)
            clean = gdal_sieve(bands[0], self.least_px, mask=bands[1], connectivity=self.connectivity)
            for window in grid.tiles(_READ_PX):
                before = given.read(1, window=window)
                after = clean[window.toslices()]
                after = np.where(np.isin(before, self.keep), before, after)
                counts["changed"] += int((after != before).sum())
                counts["mapped"] += int((before != NODATA).sum())
                yield window, after[None]


def least_pixels(area: str, grid: Grid) -> int:
    """``"20px"``, ``"0.5ha"`` or ``"5000 m2"`` in pixels of a grid, rounded up.

    Raises
    ------
    SettingsError
        It is not an area, or the area of a pixel is not known.
    """
    match = _AREA.fullmatch(area.strip())
    if not match or not float(match[1]):
        raise SettingsError(f"`min_area={area}`", "is not an area", "Write it like 0.5ha, 5000m2 or 20px.")
    number, unit = float(match[1]), match[2].lower()
    if unit == "px":
        return math.ceil(number)
    side_m = ground_pixel_side_m(grid)
    if side_m is None:
        raise SettingsError(f"`min_area={area}`", "needs a CRS on Earth", "Give it in pixels, e.g. 20px.")
    return max(1, math.ceil(number * _M2[unit] / side_m**2 - _ROUNDING))
