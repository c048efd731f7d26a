"""Whether two images belong together: their order, overlap, pixel sizes and dates."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from filecmp import cmp
from itertools import chain, combinations, product
from pathlib import Path

import numpy as np
import pyproj

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import WGS84, Bounds, Grid, resolution_ratio, same_crs
from landcover_bdgf.progress import log
from landcover_bdgf.scene.bands import names_polarisation
from landcover_bdgf.scene.dated_names import band_and_day, days_of
from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.product_files import is_alone

# Tags that hold the time of acquisition. Not TIFFTAG_DATETIME, which is when the file was written.
SENSING_TAGS = (
    *("acquisition_time", "acquisition_date", "acquisitiondatetime", "sensing_time", "sensing_date", "date_acquired"),
    *("product_start_time", "start_time", "datetime"),
)

_DAY = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_:]?(0[1-9]|1[0-2])[-_:]?(0[1-9]|[12]\d|3[01])(?!\d)")
_SENSED_FIRST = re.compile(r"s[12][a-d][-_]|\d{8}t\d{6}_\d{8}t\d{6}_t\d{2}[a-z]{3}|l[cote]\d{2}_", re.IGNORECASE)
_LANDSAT_SCENE = re.compile(r"^L[A-Z]\d{7}((?:19|20)\d{2})([0-3]\d{2})[A-Z]{3}")  # path, row, year, day of the year


def date_of(image: Image) -> date | None:
    """The day on which an image was acquired, in tags or names (of the folder if it holds this image only); or None."""
    return next(_days(_texts(image)), None)


def _texts(image: Image) -> list[str]:
    """Tags and names that may hold the day of acquisition."""
    tags = {key.lower().replace(" ", "_"): value for key, value in image.tags.items()}
    path = image.paths[0]
    names = [path.stem, *([path.parent.name] if len(image.paths) > 1 or is_alone(path) else [])]
    return [*(tags.get(tag, "") for tag in SENSING_TAGS), *names]


def days_in_name(image: Image) -> tuple[date, ...]:
    """The days that the tags, the file or the folder of an image tell, of the first of them that tells any, in order.

    Names of Sentinel and Landsat products begin with the day of acquisition; later ones are those of processing.
    """
    for text in _texts(image):
        if days := tuple(dict.fromkeys(_days([text]))):
            return days[:1] if _SENSED_FIRST.match(text) else tuple(sorted(days))
    return ()


def days_of_image(image: Image) -> tuple[date, ...]:
    """The days on which an image was acquired, in order; none if they are not known."""
    one = date_of(image)
    return days_of(image.names) or ((one,) if one else ())


def by_date(image: Image) -> list[Image]:
    """The bands of each date alone, without filling; of an image of one date, the image."""
    if image.series is None:
        return [image]
    bands = [tuple(band for band in image.bands if band_and_day(band.name)[1] == day) for day in days_of(image.names)]
    return [replace(image, bands=own, series=None) for own in bands]


def most_complete(image: Image) -> Image:
    """The bands of the date at which the least was filled, the first of several, without filling; or the image."""
    if image.series is None:
        return image
    filled = image.series.filled
    return min(by_date(image), key=lambda one: filled.get(days_of(one.names)[0], 0.0))


def _days(texts: list[str]) -> Iterator[date]:
    for text in texts:
        scene = _LANDSAT_SCENE.match(text)
        if scene:
            yield date(int(scene[1]), 1, 1) + timedelta(days=int(scene[2]) - 1)
        for year, month, day in _DAY.findall(text):
            try:
                yield date(int(year), int(month), int(day))
            except ValueError:  # such as 31 February
                continue


MIN_OVERLAP = 0.01
MAX_RESOLUTION_RATIO = 50
MAX_DAYS_APART = 30
MOST_CHANNELS = 4  # of SAR intensities: one for each polarisation
WRONG_ORDER = "Give the HSI/MSI first and the SAR second."


def check_spectral_names(spectral: Image) -> None:
    """RasterError if all bands of one of its files are polarisations: it is SAR, alone or among spectral files."""
    names = {path: [band.name for band in spectral.bands if band.path == path] for path in spectral.paths}
    if of_sar := {path: each for path, each in names.items() if all(map(names_polarisation, each))}:
        bands = ", ".join(chain.from_iterable(of_sar.values()))
        problem = f"is given as the spectral image but has SAR bands ({bands})"
        raise RasterError(next(iter(of_sar)), problem, remedy_for_sar(spectral, of_sar))


def remedy_for_sar(spectral: Image, of_sar: Collection[Path]) -> str:
    """What to do if some files of a spectral image are SAR, or all."""
    return WRONG_ORDER if len(of_sar) == len(spectral.paths) else "Name the spectral files alone, joined by commas."


def check_order(spectral: Image, sar: Image) -> None:
    """RasterError if wavelengths or data types show that the SAR image is spectral, or if one is given twice."""
    if same := next((path for path in sar.paths if any(_same_content(path, each) for each in spectral.paths)), None):
        raise RasterError(same, "is given as both images", WRONG_ORDER)
    if sar.sensor is not None:
        raise RasterError(sar.paths[0], f"is given as the SAR image but is {sar.sensor}", WRONG_ORDER)
    integer = all(band.dtype.startswith(("int", "uint")) and not band.unit for band in sar.bands)
    named = any(map(names_polarisation, sar.names))
    if (integer and not named and channel_count(sar.names) > MOST_CHANNELS) or any(
        300 < (band.wavelength_nm or 0) < 15_000 for band in sar.bands
    ):
        raise looks_spectral(sar)


def looks_spectral(sar: Image) -> RasterError:
    """The error for a SAR image of many bands that are not named by their polarisation."""
    problem = f"is given as the SAR image but looks spectral: {len(sar.bands)} bands, none named by its polarisation"
    remedy = "If it is SAR, name its bands VV, VH, HH or HV; of several dates, give each as a row of a table of dates."
    return RasterError(sar.paths[0], problem, f"{WRONG_ORDER} {remedy}")


def channel_count(names: Sequence[str]) -> int:
    """The number of channels, counting those of several dates once."""
    return len({band_and_day(name)[0] for name in names})


def _same_content(one: Path, other: Path) -> bool:
    """Whether two files are one, or copies."""
    return one == other or (one.is_file() and other.is_file() and cmp(one, other, shallow=False))


def check_one_place(image: Image) -> None:
    """RasterError if files of one image do not overlap, such as tiles of an export: no pixel would have all bands."""
    for one, other in combinations({band.grid: band for band in image.bands}.values(), 2):
        if same_crs(one.grid.crs, other.grid.crs) and covered_share(one.grid, other.grid) == 0:
            raise RasterError(
                other.path,
                f"does not overlap {one.path}, so they cannot be bands of one image",
                "If they are tiles, merge them first: gdalbuildvrt all.vrt *.tif; gdal_translate all.vrt all.tif",
            )


def check_overlap(spectral: Image, sar: Image) -> None:
    """RasterError if the SAR image, or an extra layer, covers less than 1 % of the spectral image."""
    try:
        share = min(covered_share(spectral.grid, grid) for grid in dict.fromkeys(band.grid for band in sar.bands))
    except RasterError as error:
        raise RasterError(sar.paths[0], error.problem, error.remedy) from error
    if share >= MIN_OVERLAP:
        return
    by = "gdal_edit.py -a_srs" if sar.group else "`hsi_crs` or `sar_crs`"  # extra layers have no such setting
    correct = f"correct a wrong CRS with {by}"
    boxes = spectral.grid.bounds_in(WGS84), sar.grid.bounds_in(WGS84)
    for image, box in zip((spectral, sar), boxes, strict=True):
        if not np.isfinite(box).all():
            problem = f"has a position that no longitude and latitude belong to: {image.grid.describe()}"
            raise RasterError(image.paths[0], problem, f"{correct[0].upper()}{correct[1:]}.")
    where = f"one covers {box_text(boxes[0])}, the other {box_text(boxes[1])} (WGS84)"
    if share > 0:
        raise RasterError(
            sar.paths[0], f"covers only {share:.2%} of {spectral.paths[0]}: {where}", "Use images of the same area."
        )
    distance_km = _distance_km(*boxes)
    apart = f"{distance_km:.{'3g' if distance_km < 1000 else '0f'}} km apart"
    raise RasterError(
        sar.paths[0],
        f"does not overlap {spectral.paths[0]}: {where}, {apart}",
        f"Use images of the same area, or {correct}.",
    )


def check_resolution(image: Image, target: Grid) -> None:
    """RasterError if pixel sizes differ by more than a factor of 50."""
    for band in {band.grid: band for band in image.bands}.values():
        ratio = max(max(r, 1 / r) for r in resolution_ratio(band.grid, target))
        if ratio > MAX_RESOLUTION_RATIO:
            raise RasterError(
                band.path,
                f"pixel sizes differ by a factor of {ratio:.0f}: {band.grid.describe()} and {target.describe()}",
                "Resample one of the images first, or accept the difference with `force`.",
            )


def warn_of_dates(spectral: Image, sar: Image) -> None:
    """Warn of images that were acquired more than 30 days apart, at their nearest dates: the cover may have changed."""
    dated = [[(day, one.paths[0]) for one in by_date(image) for day in days_of_image(one)] for image in (spectral, sar)]
    nearest = min(product(*dated), key=lambda pair: abs(pair[0][0] - pair[1][0]), default=None)
    if nearest is None:
        return
    (day, path), (sar_day, sar_path) = nearest
    apart = abs((day - sar_day).days)
    if apart > MAX_DAYS_APART:
        log.warning(
            "%s: was acquired on %s, %s on %s: %d days apart. Changes in between show in one of them only.",
            sar_path, sar_day, path, day, apart,
        )  # fmt: skip


def covered_share(grid: Grid, by: Grid) -> float:
    """Share of a grid's extent that another grid covers, 0 to 1."""
    left, bottom, right, top = grid.bounds
    box = by.bounds_in(grid.crs)
    if not np.isfinite(box).all():
        return 0.0
    turn = 360 * round((left + right - box[0] - box[2]) / 720) if grid.crs.is_geographic else 0  # across 180°
    width = max(0.0, min(right, box[2] + turn) - max(left, box[0] + turn))
    height = max(0.0, min(top, box[3]) - max(bottom, box[1]))
    return width * height / ((right - left) * (top - bottom))


def box_text(box: Bounds) -> str:
    """A box in degrees as text."""
    left, bottom, right, top = box
    return f"{left:.4f}…{right:.4f}° E, {bottom:.4f}…{top:.4f}° N"


def _distance_km(one: Bounds, other: Bounds) -> float:
    """Distance on the ellipsoid between the nearest points of two boxes in degrees."""
    x, y = np.clip(other[0], one[0], one[2]), np.clip(other[1], one[1], one[3])
    there_x, there_y = np.clip(x, other[0], other[2]), np.clip(y, other[1], other[3])
    x, y = np.clip(there_x, one[0], one[2]), np.clip(there_y, one[1], one[3])
    return float(pyproj.Geod(ellps="WGS84").inv(x, y, there_x, there_y)[2]) / 1000
