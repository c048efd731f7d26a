"""Units of SAR backscatter: dB and linear power."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.image import Image

SarUnit = Literal["power", "db", "signed"]

# Noise-subtracted power has few and small negative values; dB has more or larger ones.
NEGATIVE_SHARE = 0.05
DB_BELOW = -0.5  # the median of the negative values, in dB
SIGNED_SHARE = (0.25, 0.75)  # share of negative values in a real or imaginary part
LEAST_DB = -60  # no SAR image has a lower median
MOST_NEGATIVE = 0.5  # largest share of negative values in power
DB_SPREAD = (3, 60)  # between the 5th and the 95th percentile


def signed_channels(sar: Image, pixels: NDArray[np.float32]) -> tuple[str, ...]:
    """Names of the SAR channels with both signs: real or imaginary parts of a covariance. ``pixels`` (R, n): a sample.

    They occur together with intensities, which are not negative, and about half of their values are negative;
    intensities in dB are nearly all negative.
    """
    negative = (pixels < 0).mean(axis=1)
    stated = _stated_unit(sar) == "signed"
    if not stated and (negative > NEGATIVE_SHARE).all():
        return ()
    least, most = (NEGATIVE_SHARE, 1) if stated else SIGNED_SHARE
    return tuple(name for name, share in zip(sar.names, negative, strict=True) if least < share <= most)


def sar_unit(sar: Image, pixels: NDArray[np.float32], asked: SarUnit | None) -> SarUnit:
    """The unit of a SAR image: as set by the user, else as stated in the file, else estimated from its values.

    ``pixels`` (R, n) are a sample of valid pixels in the unit of the file. RasterError if the unit contradicts the tags
    or the values.
    """
    stated = _stated_unit(sar)
    negative = float((pixels < 0).mean())
    if signed_channels(sar, pixels):
        looks: SarUnit = "signed"
    else:
        looks = "db" if negative > NEGATIVE_SHARE and np.median(pixels[pixels < 0]) < DB_BELOW else "power"
    given = asked or stated
    source = f"`sar_unit={asked}`" if asked else f"the unit in its tags, {stated},"
    if given and given != looks and not _is_possible(given, pixels):
        raise RasterError(
            sar.paths[0],
            f"{source} contradicts its values: {negative:.0%} are negative, as in {looks}",
            "Correct `sar_unit` or the file.",
        )
    if asked and stated and asked != stated:
        raise RasterError(sar.paths[0], f"`sar_unit={asked}` contradicts its tags: {stated}", "Correct one of them.")
    unit = asked or (looks if looks == "signed" else stated or looks)
    if unit == "db" and (median := float(np.median(pixels))) < LEAST_DB:
        remedy = "If it is dB times a factor, set its scale with gdal_edit.py -scale."
        raise RasterError(sar.paths[0], f"has a median of {median:.0f}, too low for dB", remedy)
    return unit


def _is_possible(unit: SarUnit, pixels: NDArray[np.float32]) -> bool:
    """Whether values can be in a unit that they do not look like: uncalibrated dB, noise-subtracted power."""
    if unit == "db":
        spread = np.ptp(np.percentile(pixels, (5, 95), axis=1), axis=0)  # of each channel
        return bool(DB_SPREAD[0] <= spread.max() <= DB_SPREAD[1])
    return bool((pixels < 0).mean() <= MOST_NEGATIVE)


def _stated_unit(sar: Image) -> SarUnit | None:
    known: dict[str, SarUnit] = {"db": "db", "decibel": "db", "power": "power", "linear": "power", "signed": "signed"}
    units = {known[band.unit.lower()] for band in sar.bands if band.unit.lower() in known}
    return units.pop() if len(units) == 1 else None


# -60 dB, far below the noise of any calibrated SAR. Lower values are raised to it, so that logarithms exist.
POWER_FLOOR = 1e-6


def power_of_db(db: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear power from dB, in float64 because power spans many orders of magnitude."""
    return np.power(10.0, np.ascontiguousarray(db, np.float64) / 10)
