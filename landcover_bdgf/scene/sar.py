"""SAR backscatter in dB and in linear power."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.image import Image

SarUnit = Literal["power", "db", "signed"]

# Power from which noise was subtracted has some negative values, small ones; dB has more, or larger ones.
NEGATIVE_SHARE = 0.05
DB_BELOW = -0.5  # the median of negative values, in dB
SIGNED_SHARE = (0.25, 0.75)  # of a real or an imaginary part, negative
LEAST_DB = -60  # the median of no SAR image
MOST_NEGATIVE = 0.5  # of power
DB_SPREAD = (3, 60)  # of nine tenths of the values


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
            sar.paths[0],
            f"{by} {said}, but {negative:.0%} of its values are negative, as in {looks}",
            "Correct --sar-unit or the file.",
        )
    if asked and stated and asked != stated:
        raise RasterError(sar.paths[0], f"--sar-unit says {asked}, its tags say {stated}", "Correct one of them.")
    unit = asked or (looks if looks == "signed" else stated or looks)
    if unit == "db" and (middle := float(np.median(pixels))) < LEAST_DB:
        raise RasterError(sar.paths[0], f"has values about {middle:.0f}, too low for dB", "Is it dB times a factor?")
    return unit


def _may_be(unit: SarUnit, pixels: NDArray[np.float32]) -> bool:
    """Whether values can have a unit that they do not look like: dB that nobody calibrated, power less its noise."""
    if unit == "db":
        spread = np.ptp(np.percentile(pixels, (5, 95), axis=1), axis=0)  # of each channel
        return bool(DB_SPREAD[0] <= spread.max() <= DB_SPREAD[1])
    return bool((pixels < 0).mean() <= MOST_NEGATIVE)


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


# -60 dB: far below the noise of any SAR in calibrated units. Logarithms are taken of what is above it.
POWER_FLOOR = 1e-6


def power_of_db(db: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear power of decibels, in float64 because power spans many orders of magnitude."""
    return np.power(10.0, np.ascontiguousarray(db, np.float64) / 10)
