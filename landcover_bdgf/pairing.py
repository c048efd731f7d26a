"""Whether two images can be one scene: their place, their order, the unit of the SAR, the spectral offset.

Every check takes images or a sample of their pixels and raises, warns, or answers; none changes anything.
"""

from __future__ import annotations

import logging
from itertools import combinations
from typing import Literal

import numpy as np
import pyproj
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.bands import POLARISATIONS
from landcover_bdgf.dates import date_of
from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import Bounds, Grid, resolution_ratio, same_crs
from landcover_bdgf.image import Image
from landcover_bdgf.pixels import number_text

log = logging.getLogger("landcover_bdgf")

SarUnit = Literal["power", "db", "signed"]

WGS84 = CRS.from_epsg(4326)
MIN_OVERLAP = 0.01
MAX_RESOLUTION_RATIO = 50
MAX_DAYS_APART = 30
# Power from which noise was subtracted has some negative values, small ones; dB has more, or larger ones.
NEGATIVE_SHARE = 0.05
DB_BELOW = -0.5  # the median of negative values, in dB
SIGNED_SHARE = (0.25, 0.75)  # of a real or an imaginary part, negative
LEAST_DB = -60  # the median of no SAR image
MOST_NEGATIVE = 0.5  # of power
DB_SPREAD = (3, 60)  # of nine tenths of the values
FILL_SHARE = 0.005  # of pixels with one value in all bands, from which it is no accident


def check_order(spectral: Image, sar: Image) -> None:
    """Refuse a SAR image given first, or a spectral one given second, where names tell.

    Raises
    ------
    RasterError
    """
    if spectral.sensor is None and set(spectral.names) <= set(POLARISATIONS):
        names = ", ".join(spectral.names)
        raise RasterError(
            f"{spectral.paths[0]}: is given as the spectral image but has the bands {names} of a SAR. "
            "Give the HSI/MSI first and the SAR second."
        )
    if sar.sensor is not None:
        raise RasterError(
            f"{sar.paths[0]}: is given as the SAR image but is {sar.sensor}. Give the HSI/MSI first and the SAR second."
        )


def check_one_place(image: Image) -> None:
    """Refuse files of one image that lie side by side, as tiles of an export do: no pixel would have all bands.

    Raises
    ------
    RasterError
    """
    for one, other in combinations({band.grid: band for band in image.bands}.values(), 2):
        if same_crs(one.grid.crs, other.grid.crs) and _covered(one.grid, other.grid) == 0:
            raise RasterError(
                f"{other.path}: does not overlap {one.path}, so they are no bands of one image. If they are its tiles, "
                "join them first: gdalbuildvrt all.vrt *.tif; gdal_translate all.vrt all.tif"
            )


def check_overlap(spectral: Image, sar: Image) -> None:
    """Refuse images of different places.

    Raises
    ------
    RasterError
        If less than 1 % of the spectral image is covered by the SAR image.
    """
    try:
        share = min(_covered(spectral.grid, grid) for grid in dict.fromkeys(band.grid for band in sar.bands))
    except RasterError as error:
        raise RasterError(f"{sar.paths[0]}: {error}") from error
    if share >= MIN_OVERLAP:
        return
    boxes = spectral.grid.bounds_in(WGS84), sar.grid.bounds_in(WGS84)
    where = f"one covers {_box_text(boxes[0])}, the other {_box_text(boxes[1])} (WGS84)"
    if share > 0:
        raise RasterError(
            f"{sar.paths[0]}: covers only {share:.2%} of {spectral.paths[0]}: {where}. Give images of one place."
        )
    apart = f"{_distance_km(*boxes):.3g} km apart"
    raise RasterError(
        f"{sar.paths[0]}: does not overlap {spectral.paths[0]}: {where}, {apart}. "
        "Give images of one place, or correct a wrong CRS with --hsi-crs or --sar-crs."
    )


def check_resolution(image: Image, target: Grid) -> None:
    """Refuse to compare pixels whose sizes differ by more than a factor of 50.

    Raises
    ------
    RasterError
    """
    for band in {band.grid: band for band in image.bands}.values():
        ratio = max(max(r, 1 / r) for r in resolution_ratio(band.grid, target))
        if ratio > MAX_RESOLUTION_RATIO:
            raise RasterError(
                f"{band.path}: {band.grid.describe()} against {target.describe()}, pixels differ by a "
                f"factor of {ratio:.0f}. Resample one of them first, or insist with --force."
            )


def warn_of_dates(spectral: Image, sar: Image) -> None:
    """Warn of images between whose dates fields are harvested and rivers rise."""
    days = date_of(spectral), date_of(sar)
    if None in days:
        return
    apart = abs((days[0] - days[1]).days)  # type: ignore[operator]
    if apart > MAX_DAYS_APART:
        log.warning(
            "%s: was taken on %s, %s on %s: %d days apart. What changed in between is in one of them only.",
            sar.paths[0], days[1], spectral.paths[0], days[0], apart,
        )  # fmt: skip


def signed_channels(sar: Image, pixels: NDArray[np.float32]) -> tuple[str, ...]:
    """Names of the SAR channels that take both signs: real or imaginary parts of a covariance.

    Such channels stand beside intensities, which have no negative values, and are themselves about as often above 0
    as below; in dB intensities are nearly all below.

    Parameters
    ----------
    sar : Image
    pixels : (R, n)
        A sample of valid pixels, as they are in the file.
    """
    negative = (pixels < 0).mean(axis=1)
    said_so = _stated_unit(sar) == "signed"
    if not said_so and (negative > NEGATIVE_SHARE).all():
        return ()
    least, most = (NEGATIVE_SHARE, 1) if said_so else SIGNED_SHARE
    return tuple(name for name, share in zip(sar.names, negative, strict=True) if least < share <= most)


def sar_unit(sar: Image, pixels: NDArray[np.float32], asked: SarUnit | None) -> SarUnit:
    """The unit of a SAR image: as asked, else as the file says, else as its values look.

    Parameters
    ----------
    sar : Image
    pixels : (R, n)
        A sample of valid pixels, as they are in the file.
    asked : "power", "db" or None
        What the user says.

    Raises
    ------
    RasterError
        If what is said contradicts the file or its values.
    """
    stated = _stated_unit(sar)
    negative = float((pixels < 0).mean())
    if signed_channels(sar, pixels):
        looks: SarUnit = "signed"
    else:
        looks = "db" if negative > NEGATIVE_SHARE and np.median(pixels[pixels < 0]) < DB_BELOW else "power"
    said = asked or stated
    by = "--sar-unit says" if asked else "its tags say"
    if said and said != looks and not _may_be(said, pixels):
        raise RasterError(
            f"{sar.paths[0]}: {by} {said}, but {negative:.0%} of its values are negative, as in "
            f"{looks}. Correct --sar-unit or the file."
        )
    if asked and stated and asked != stated:
        raise RasterError(f"{sar.paths[0]}: --sar-unit says {asked}, its tags say {stated}. Correct one of them.")
    unit = asked or (looks if looks == "signed" else stated or looks)
    if unit == "db" and (middle := float(np.median(pixels))) < LEAST_DB:
        raise RasterError(f"{sar.paths[0]}: has values about {middle:.0f}, too low for dB. Is it dB times a factor?")
    return unit


def _may_be(unit: SarUnit, pixels: NDArray[np.float32]) -> bool:
    """Whether values can have a unit that they do not look like: dB that nobody calibrated, power less its noise."""
    if unit == "db":
        spread = np.ptp(np.percentile(pixels, (5, 95), axis=1), axis=0)  # of each channel
        return bool(DB_SPREAD[0] <= spread.max() <= DB_SPREAD[1])
    return bool((pixels < 0).mean() <= MOST_NEGATIVE)


def warn_of_spectral_content(spectral: Image, pixels: NDArray[np.float32], offset: float) -> None:
    """Warn of a picture given as an image, and of a Sentinel-2 offset that is missing or applied twice.

    Parameters
    ----------
    spectral : Image
    pixels : (S, n)
        A sample of valid pixels, ``offset`` added.
    offset : float
        What the user wants added.
    """
    if len(spectral.bands) == 3 and all(band.dtype == "uint8" for band in spectral.bands):
        log.warning(
            "%s: is a picture of 3 bands of 8 bits; classes will be poor. Give the original bands.",
            spectral.paths[0],
        )
    visible = _visible_reflectance(spectral)
    if not visible:
        return
    dark = float(np.percentile(pixels[visible], 1, axis=1).min())
    negative = float((pixels[visible] < 0).mean())
    if dark >= 1000:
        log.warning(
            "%s: looks like Sentinel-2 reflectance × 10,000 whose offset is not removed: the darkest visible "
            "pixels are at %.0f. If so, and the model is to fit other scenes, use --spectral-offset -1000.",
            spectral.paths[0],
            dark,
        )
    elif negative > NEGATIVE_SHARE:
        log.warning(
            "%s: %.0f %% of the visible pixels are negative, as if the Sentinel-2 offset were removed twice "
            "(%.0f is added here). Check --spectral-offset.",
            spectral.paths[0],
            100 * negative,
            offset,
        )


def warn_of_fills(image: Image, raw: NDArray[np.float32]) -> None:
    """Warn of pixels that are 0, or the least or the greatest value, in all bands: nodata, perhaps, not said.

    Zeros lie outside the swath; 65535, 32767, -999 or -99 dB are what other writers put there.

    Parameters
    ----------
    image : Image
    raw : (bands, n)
        A sample of valid pixels, as they are in the file; n > 0.
    """
    for value in dict.fromkeys((np.float32(0), raw.min(), raw.max())):
        share = float((raw == value).all(axis=0).mean())
        suspect = share > 0 if value == 0 else len(raw) > 1 and FILL_SHARE <= share < 1
        if suspect:
            _warn_of_fill(image, number_text(value), share)
            image.zeros.told |= value == 0


def warn_of_zeros(image: Image) -> None:
    """When all of a scene was read: warn of pixels that are 0 in all bands, of which no sample told.

    Where each band has a file of its own, a few pixels that are dark in all of them are no sign.
    """
    least = FILL_SHARE if len(image.paths) > 1 else 0
    if image.zeros.share > least and not image.zeros.told:
        _warn_of_fill(image, "0", image.zeros.share)
        image.zeros.told = True


def _warn_of_fill(image: Image, value: str, share: float) -> None:
    log.warning(
        "%s: about %.2g %% of its pixels are %s in all bands, which its nodata does not say; they become "
        "classes. If nothing was measured there: gdal_edit.py -a_nodata %s",
        image.paths[0], 100 * share, value, value,
    )  # fmt: skip


def _visible_reflectance(spectral: Image) -> list[int]:
    """Bands to look at for the Sentinel-2 offset; none where the image is of another sensor.

    Nameless integer bands, 10 to 13 of them, are looked at too: only a warning depends on it.
    """
    if spectral.sensor == "Sentinel-2":
        return [at for at, name in enumerate(spectral.names) if name in ("B02", "B03", "B04")]
    nameless = spectral.sensor is None and all(name.startswith("band ") for name in spectral.names)
    whole_numbers = all(band.dtype in ("int16", "uint16", "int32") for band in spectral.bands)
    return [0, 1, 2, 3] if nameless and whole_numbers and 10 <= len(spectral.bands) <= 13 else []


def _stated_unit(sar: Image) -> SarUnit | None:
    known: dict[str, SarUnit] = {
        "db": "db",
        "decibel": "db",
        "power": "power",
        "linear": "power",
        "signed": "signed",
    }
    units = {known[band.unit.lower()] for band in sar.bands if band.unit.lower() in known}
    return units.pop() if len(units) == 1 else None


def _covered(grid: Grid, by: Grid) -> float:
    """Share of a grid's box that lies in another's."""
    left, bottom, right, top = grid.bounds
    box = by.bounds_in(grid.crs)
    if not np.isfinite(box).all():
        return 0.0
    turn = 360 * round((left + right - box[0] - box[2]) / 720) if grid.crs.is_geographic else 0  # beyond 180°
    width = max(0.0, min(right, box[2] + turn) - max(left, box[0] + turn))
    height = max(0.0, min(top, box[3]) - max(bottom, box[1]))
    return width * height / ((right - left) * (top - bottom))


def _box_text(box: Bounds) -> str:
    left, bottom, right, top = box
    return f"{left:.4f}…{right:.4f}° E, {bottom:.4f}…{top:.4f}° N"


def _distance_km(one: Bounds, other: Bounds) -> float:
    """Distance on the ellipsoid between the nearest points of two boxes in degrees."""
    x, y = np.clip(other[0], one[0], one[2]), np.clip(other[1], one[1], one[3])
    there_x, there_y = np.clip(x, other[0], other[2]), np.clip(y, other[1], other[3])
    x, y = np.clip(there_x, one[0], one[2]), np.clip(there_y, one[1], one[3])
    return float(pyproj.Geod(ellps="WGS84").inv(x, y, there_x, there_y)[2]) / 1000
