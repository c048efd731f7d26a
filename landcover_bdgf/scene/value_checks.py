"""Warnings about values: reflectance offsets, and fill values and zeros that are not declared as nodata."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import RasterError
from landcover_bdgf.progress import log
from landcover_bdgf.scene.band_reader import ReadCounts, number_text
from landcover_bdgf.scene.dated_names import band_and_day
from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.pair_checks import by_date, remedy_for_sar
from landcover_bdgf.scene.sar import NEGATIVE_SHARE
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.scene.time_series import day_of_band
from landcover_bdgf.text import listed, rough_percent

S2_OFFSET = 1000  # of Sentinel-2 reflectance × 10,000
BRIGHT_DARKEST = 1300  # water and shadows with the offset are darker; without it, deserts and snow may be brighter
DB_SHARE = 0.9  # of all values below -1; reflectance, radiance and counts are seldom negative
FEW_VALUES = 4  # fewer than any measured band has
MOST_CODES = 32  # a legend seldom has more classes
MOSTLY_FILLED = 0.5  # of the pixels of a date: more of it comes from other dates than was measured
FILL_SHARE = 0.005  # of the pixels; if more have the same value in all bands, it is not by chance


def sample_pixels(image: Image) -> NDArray[np.float32]:
    """Valid pixels (bands, n) of nine windows, or of the whole image if those have none; RasterError if it has none."""
    for windows in (image.grid.spread_windows(128), image.grid.tiles(512)):
        parts = [values[:, valid] for values, valid in map(image.read, windows) if valid.any()]
        if parts:
            return np.concatenate(parts, axis=1)
    raise RasterError(image.paths[0], "no pixel has data in all bands", "Check its nodata values.")


def offset_shown(spectral: Image, pixels: NDArray[np.float32]) -> float:
    """-1000 where the darkest visible pixels of a Sentinel-2 image show the offset of +1000, else 0.

    ESA adds it to reflectance × 10,000 since processing baseline 04.00 (January 2022). ``pixels`` (S, n) are a sample
    of valid pixels.
    """
    visible = _visible_reflectance(spectral)
    shown = visible and S2_OFFSET <= _darkest(pixels[visible]) < BRIGHT_DARKEST
    return -float(S2_OFFSET) if shown else 0.0


def recognised_offset(spectral: Image, pixels: NDArray[np.float32]) -> float:
    """The offset that is removed, as :func:`offset_shown`; it is logged."""
    added = offset_shown(spectral, pixels)
    if added:
        removed = "%s: the offset of Sentinel-2 reflectance, +%d, is removed; `spectral_offset=0` keeps it."
        log.info(removed, spectral.paths[0], S2_OFFSET)
    return added


def warn_of_spectral_content(spectral: Image, pixels: NDArray[np.float32], offset: float) -> None:
    """Warn of an RGB picture, and of a Sentinel-2 offset that is not removed or removed twice; refuse dB.

    ``pixels`` (S, n) are a sample of valid pixels with ``offset`` (the setting ``spectral_offset``) added.
    """
    if len(spectral.bands) == 3 and all(band.dtype == "uint8" for band in spectral.bands):
        log.warning("%s: is an 8-bit RGB picture; expect poor classes. Use the original bands.", spectral.paths[0])
    files = {path: [band.path == path for band in spectral.bands] for path in spectral.paths}
    below = {path: float((pixels[own] - np.float32(offset) < -1).mean()) for path, own in files.items()}
    if of_sar := {path: share for path, share in below.items() if share > DB_SHARE}:
        path, share = next(iter(of_sar.items()))
        problem = f"has values like SAR in dB: {100 * share:.0f} % are below -1"
        remedy = f"{remedy_for_sar(spectral, of_sar)} If they are logarithms, convert them first."
        raise RasterError(path, problem, remedy)
    visible = _visible_reflectance(spectral)
    if not visible:
        return
    dark = _darkest(pixels[visible])
    negative = float((pixels[visible] < 0).mean())
    if dark >= S2_OFFSET:
        log.warning(
            "%s: looks like Sentinel-2 reflectance × 10,000 whose offset is not removed: the darkest visible "
            "pixels are at %.0f. If so, and if the model is for other scenes too, set `spectral_offset=-1000`.",
            spectral.paths[0],
            dark,
        )
    elif negative > NEGATIVE_SHARE:
        log.warning(
            "%s: %.0f %% of the visible pixels are negative, as if the Sentinel-2 offset were removed twice "
            "(%.0f is added here). Check `spectral_offset`.",
            spectral.paths[0],
            100 * negative,
            offset,
        )


def check_variety(image: Image, raw: NDArray[np.float32]) -> None:
    """Refuse an image of one value in each band, and warn of one with a few values, as after a cast to integers.

    ``raw`` (bands, n), n > 0, is a sample of valid pixels as stored. RasterError if the whole image is constant.
    """
    path = image.paths[0]
    if (raw == raw[:, :1]).all() and _is_constant(image.as_stored(), raw[:, :1]):
        texts = listed(tuple(dict.fromkeys(map(number_text, raw[:, 0]))))
        raise RasterError(path, f"is {texts} wherever it has data", "Check that it is the right file.")
    if image.group:
        _warn_of_codes(image, raw)
    elif max(len(np.unique(band)) for band in raw) <= FEW_VALUES < raw.shape[1]:
        log.warning(
            "%s: has at most %d different values in each band, as reflectance or power between 0 and 1 has after a "
            "conversion to integers. Use the file before the conversion.", path, FEW_VALUES,
        )  # fmt: skip


def _warn_of_codes(layers: Image, raw: NDArray[np.float32]) -> None:
    """Warn of extra layers that seem to hold classes: a few whole numbers, or more of them that are never adjacent."""
    found = []
    for band, values in zip(layers.bands, map(np.unique, raw), strict=True):
        if 2 < len(values) <= MOST_CODES < raw.shape[1] and not (values % 1).any():
            found += [band.name] if len(values) <= FEW_VALUES or np.diff(values).min() > 1 else []
    if found:
        log.warning(
            "%s: seems to hold classes in %s, and its values are used as measurements: 20 is between 10 and 30. If "
            "they are classes, give one layer of 0 and 1 for each of them.", layers.paths[0], listed(found),
        )  # fmt: skip


def _is_constant(image: Image, first: NDArray[np.float32]) -> bool:
    for window in image.grid.tiles(1024):
        values, valid = image.read(window)
        if (values[:, valid] != first).any():
            return False
    return True


def warn_of_fills(image: Image, raw: NDArray[np.float32]) -> Image:
    """Warn of pixels that are 0, the minimum or the maximum in all bands: possibly undeclared nodata.

    Common fill values are 0, 65535, 32767, -999 and -99 dB. ``raw`` (bands, n), n > 0, is a sample of valid pixels as
    stored. Returns the image with ``zeros_reported`` set.
    """
    zeros_reported = False
    for value in dict.fromkeys((np.float32(0), raw.min(), raw.max())):
        share = float((raw == value).all(axis=0).mean())
        suspect = share > 0 if value == 0 else len(raw) > 1 and FILL_SHARE <= share < 1
        if suspect:
            _warn_of_fill(image, number_text(value), share)
            zeros_reported |= bool(value == 0)
    return replace(image, zeros_reported=zeros_reported)


def warn_of_gaps(stack: Stack, counts: ReadCounts, pixels: int) -> None:
    """Warn of pixels without data in some bands only, such as lakes where an infrared band is 0 and 0 is nodata.

    ``pixels`` is the number of pixels that were read of each image.
    """
    for image in stack.images:
        found = counts.gap_pixels[image.paths[0]]
        lacking = [band for band in image.bands if counts.gaps[band.path, band.index] > found / 10]
        names = tuple(dict.fromkeys(band_and_day(band.name)[0] for band in lacking))
        if image.gaps == "zero" or found <= FILL_SHARE * pixels:
            continue
        gaps = "%s: about %s of its pixels have no data in %s but in other bands, and will not be mapped. "
        if image is stack.spectral:
            remedy = "If they are measured there, as lakes of 0 in the infrared are: `gaps=zero`."
        else:
            remedy = "Leave these bands out; or, if its nodata is a measured value there, gdal_edit.py -unsetnodata."
        log.warning(gaps + remedy, image.paths[0], rough_percent(found / pixels), listed(names) or "some bands")


def with_filled(image: Image, counts: ReadCounts, pixels: int) -> Image:
    """An image of several dates with the share of its pixels that were filled, of ``pixels`` read; warns of much."""
    if image.series is None:
        return image
    of = {day_of_band(one.names[0]): one for one in by_date(image)}
    filled = {
        day: sum(counts.filled[band.path, band.index] for band in one.bands) / (len(one.bands) * pixels)
        for day, one in of.items()
    }
    if shares := ", ".join(f"{rough_percent(share)} of {day}" for day, share in filled.items() if share):
        log.info("%s: filled from the other dates: %s.", image.paths[0], shares)
    for day, share in filled.items():
        if share > MOSTLY_FILLED:
            log.warning(
                "%s: about %.0f %% of %s is filled from the other dates, and says little of its own. Leave this date "
                "out, or check its masks.", of[day].paths[0], 100 * share, day,
            )  # fmt: skip
    too_few = max(counts.too_few[band.path, band.index] for band in image.bands) / pixels
    return replace(image, series=replace(image.series, filled=filled, too_few=too_few))


def warn_of_zeros(stack: Stack, counts: ReadCounts) -> None:
    """After a whole scene was read, warn of pixels that are 0 in all bands, unless a sample showed them before.

    With one file per band, a few pixels that are 0 in all of them may just be dark.
    """
    for image in chain.from_iterable(map(by_date, stack.images)):
        share = counts.zero_share(image.paths)
        if share > (FILL_SHARE if len(image.paths) > 1 else 0) and not image.zeros_reported:
            _warn_of_fill(image, "0", share)


def _warn_of_fill(image: Image, value: str, share: float) -> None:
    log.warning(
        "%s: about %s of its pixels are %s in all bands but not declared as nodata, so they will be "
        "classified. If they are missing data: gdal_edit.py -a_nodata %s",
        image.paths[0], rough_percent(share), value, value,
    )  # fmt: skip


def _darkest(pixels: NDArray[np.float32]) -> float:
    return float(np.percentile(pixels, 1, axis=1).min())


def _visible_reflectance(spectral: Image) -> list[int]:
    """Indexes of the visible bands, to check for the Sentinel-2 offset; none for another sensor.

    10 to 13 unnamed integer bands are assumed to be Sentinel-2: if they look so, the offset is removed
    (``spectral_offset=0`` keeps it).
    """
    if spectral.sensor == "Sentinel-2":
        return [at for at, band in enumerate(spectral.bands) if 450 < (band.wavelength_nm or 0) < 680]  # of all dates
    names = [name.partition("@")[0] for name in spectral.names]  # without the date
    unnamed = spectral.sensor is None and all(name.startswith("band ") for name in names)
    integer = all(band.dtype in ("int16", "uint16", "int32") for band in spectral.bands)
    if not (unnamed and integer and 10 <= len(set(names)) <= 13):
        return []
    return [at for at, name in enumerate(names) if name in ("band 1", "band 2", "band 3", "band 4")]  # of all dates
