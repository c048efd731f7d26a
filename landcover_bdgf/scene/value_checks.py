"""Warnings about values: reflectance offsets, fill values and zeros that nodata does not declare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.progress import log
from landcover_bdgf.scene.band_reader import ReadCounts, number_text
from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.sar import NEGATIVE_SHARE
from landcover_bdgf.scene.stack import Stack

FILL_SHARE = 0.005  # of pixels with one value in all bands, from which it is no accident


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


def warn_of_fills(image: Image, raw: NDArray[np.float32]) -> Image:
    """Warn of pixels that are 0, or the least or the greatest value, in all bands: nodata, perhaps, not said.

    Zeros lie outside the swath; 65535, 32767, -999 or -99 dB are what other writers put there.

    Parameters
    ----------
    image : Image
    raw : (bands, n)
        A sample of valid pixels, as they are in the file; n > 0.

    Returns
    -------
    Image
        The same; it knows whether the user was warned of zeros.
    """
    zeros_told = False
    for value in dict.fromkeys((np.float32(0), raw.min(), raw.max())):
        share = float((raw == value).all(axis=0).mean())
        suspect = share > 0 if value == 0 else len(raw) > 1 and FILL_SHARE <= share < 1
        if suspect:
            _warn_of_fill(image, number_text(value), share)
            zeros_told |= bool(value == 0)
    return replace(image, zeros_told=zeros_told)


def warn_of_zeros(stack: Stack, counts: ReadCounts) -> None:
    """When all of a scene was read: warn of pixels that are 0 in all bands, of which no sample told.

    Where each band has a file of its own, a few pixels that are dark in all of them are no sign.
    """
    for image in (stack.spectral, stack.sar):
        share = counts.zero_share(image.paths)
        if share > (FILL_SHARE if len(image.paths) > 1 else 0) and not image.zeros_told:
            _warn_of_fill(image, "0", share)


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
