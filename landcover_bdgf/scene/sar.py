"""Channels of a SAR image: which are intensities, and in what unit; others are plain values or left out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import RasterError
from landcover_bdgf.progress import log
from landcover_bdgf.scene.band_reader import Band
from landcover_bdgf.scene.bands import (
    POLARISATIONS,
    UNNAMED,
    band_word,
    names_amplitude,
    names_complex_part,
    names_no_intensity,
    names_polarisation,
    words_of,
)
from landcover_bdgf.scene.dated_names import band_and_day
from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.pair_checks import MOST_CHANNELS, channel_count, looks_spectral
from landcover_bdgf.text import listed

SarUnit = Literal["power", "db"]

# Noise-subtracted power has few and small negative values; dB has more or larger ones.
NEGATIVE_SHARE = 0.05
DB_BELOW = -0.5  # the median of the negative values, in dB
SIGNED_SHARE = (0.25, 0.75)  # share of negative values in a real or imaginary part
LEAST_DB, MOST_DB = -60, 100  # no SAR image has a median beyond
MOST_NEGATIVE = 0.5  # largest share of negative values in power
DB_SPREAD = (3, 60)  # between the 5th and the 95th percentile
LEAST_SPREAD = 0.2  # standard deviation of log intensity; speckle alone has more in calibrated images

CROSS_ABOVE = 0.9  # share of pixels in which a cross-polarisation is above the like one

# -60 dB, far below the noise of any calibrated SAR. Lower values are raised to it, so that logarithms exist.
POWER_FLOOR = 1e-6
_UNITS = {"db": "db", "decibel": "db", "power": "power", "linear": "power", "signed": "signed"}


@dataclass(frozen=True)
class Channels:
    """The channels of a SAR image that are used.

    Attributes
    ----------
    image : Image
        Without the others.
    unit : "power" or "db"
        Of the intensities.
    plain : tuple of str
        Names of the channels that are no intensities, such as elevation or the real part of a covariance.
    """

    image: Image
    unit: SarUnit
    plain: tuple[str, ...]


def sar_channels(sar: Image, pixels: NDArray[np.float32], asked: SarUnit | None, wanted: tuple[str, ...]) -> Channels:
    """Choose the channels of a SAR image, and recognise the unit of its intensities.

    Where names are polarisations, these are the intensities. Elsewhere, channels that look like the most of them are.
    Other channels are left out with a word, unless ``wanted`` lists them.

    Parameters
    ----------
    sar : Image
    pixels : float32 (R, n)
        A sample of valid pixels in the unit of the file.
    asked : "power" or "db", optional
        The unit as set by the user.
    wanted : tuple of str
        Names of the channels to use; empty for all intensities.

    Raises
    ------
    RasterError
        There is no channel of that name, or units contradict the tags or the values.
    """
    values = dict(zip(sar.names, pixels, strict=True))
    wanted = _of_all_dates(sar, wanted)
    signed = _signed(sar, values)
    intensities = _intensities(sar, {name: values[name] for name in values if name not in signed}, asked)
    kept = wanted or (*intensities, *signed)
    image = _only(sar, kept, intensities, listed_only=bool(wanted))
    intensities = tuple(name for name in intensities if name in kept)
    plain = tuple(name for name in image.names if name not in intensities)
    if not intensities:
        raise RasterError(sar.paths[0], "no channel is left that is an intensity", "List VV or VH in `sar_bands` too.")
    inside = {name: values[name] for name in intensities}
    return Channels(image, _unit(sar, inside, asked, stated_signed=bool(signed)), plain)


def warn_of_stretched(image: Image, unit: SarUnit, plain: tuple[str, ...], pixels: NDArray[np.float32]) -> None:
    """Warn of intensities that were stretched to integers: neither dB nor power. ``pixels`` (R, n) as in the file."""
    for band, values in zip(image.bands, pixels, strict=True):
        integer = band.dtype.startswith(("int", "uint")) and (band.scale, band.offset) == (1, 0)
        if unit == "db" or band.name in plain or not integer or not (values > 0).any():
            continue
        if band.dtype == "uint8" or _log_spread(values) < LEAST_SPREAD:
            log.warning(
                "%s: %s is stored as %s without scale and is neither linear power nor dB, as after a stretch for "
                "display. Use the calibrated image, or undo the stretch: gdal_edit.py -scale FACTOR -offset OFFSET.",
                band.path, band.name, band.dtype,
            )  # fmt: skip
            return


def warn_of_names(image: Image, unit: SarUnit, pixels: NDArray[np.float32]) -> None:
    """Warn of names that the values (R, n) contradict: a cross-polarisation above the like one; and of amplitude."""
    values = {band_word(name): one for name, one in zip(image.names[::-1], pixels[::-1], strict=True)}
    for cross, like in (("VH", "VV"), ("HV", "HH")):
        if cross not in values or like not in values:
            continue
        share = float((values[cross] > values[like]).mean())
        if share > CROSS_ABOVE:
            log.warning(
                "%s: %s is above %s in %.0f %% of the pixels, as it is nowhere on the ground. Are their names "
                "exchanged, or the signs of dB lost? Correct the image.", image.paths[0], cross, like, 100 * share,
            )  # fmt: skip
    amplitudes = tuple(filter(names_amplitude, image.names))
    if unit == "power" and amplitudes:
        log.warning(
            "%s: %s is amplitude by its name, but read as power. Square its values, or use the intensity.",
            image.paths[0], listed(amplitudes),
        )  # fmt: skip


def power_of_db(db: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear power from dB, in float64 because power spans many orders of magnitude."""
    return np.power(10.0, np.ascontiguousarray(db, np.float64) / 10)


def _intensities(sar: Image, values: dict[str, NDArray[np.float32]], asked: SarUnit | None) -> tuple[str, ...]:
    """Names of the channels that are intensities."""
    named = tuple(name for name, word in zip(values, words_of([*values]), strict=True) if word in POLARISATIONS)
    if named:
        return tuple(name for name in named if not names_amplitude(name)) or named  # SNAP writes both
    possible = tuple(name for name in values if not names_no_intensity(name))
    if not possible:
        problem = f"has no intensity among its channels, {listed(tuple(values))}"
        raise RasterError(sar.paths[0], problem, "Add calibrated intensities, such as VV and VH.")
    if asked or _stated_unit(sar):
        return possible
    looks = {name: _looks(values[name]) for name in possible}
    db, power = (tuple(name for name in looks if looks[name] == unit) for unit in ("db", "power"))
    if db:  # angles and heights vary less than speckle
        power = tuple(name for name in power if _log_spread(values[name]) >= LEAST_SPREAD)
    if min(len(db), len(power)) > 0.5 * max(len(db), len(power)):
        raise RasterError(
            sar.paths[0],
            f"{listed(db)} looks like dB, but {listed(power)} does not",
            "Name the bands VV, VH, HH or HV, or list in `sar_bands` what to use.",
        )
    most = max(db, power, key=len)
    is_sar = most is db and not all(name.startswith(UNNAMED) for name in db)  # reflectance is like power, not like dB
    if channel_count(most) > MOST_CHANNELS and not is_sar:
        raise looks_spectral(sar)
    return most


def _of_all_dates(sar: Image, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Names of channels, those of a channel at all dates for its name alone; RasterError if there is none."""
    of = {name: [one for one in sar.names if name in (one, band_and_day(one)[0])] for name in wanted}
    for name in wanted:
        if not of[name]:
            known = f"Choose from {listed(sar.names)}."
            raise RasterError(sar.paths[0], f"`sar_bands={name}`: there is no such channel", known)
    return tuple(one for name in wanted for one in of[name])


def _only(sar: Image, kept: tuple[str, ...], intensities: tuple[str, ...], *, listed_only: bool) -> Image:
    """The image without other channels, which are logged by name."""
    left_out = tuple(name for name in sar.names if name not in kept)
    if left_out and listed_only:
        log.info("%s: left out %s, which `sar_bands` does not list.", sar.paths[0], listed(left_out))
    elif left_out:
        named = any(map(names_polarisation, intensities))
        (log.info if named else log.warning)(
            "%s: left out %s: not an intensity like %s. If it is wanted, list it in `sar_bands=%s`.",
            sar.paths[0], listed(left_out), listed(intensities), shlex.quote(",".join((*kept, *left_out))),
        )  # fmt: skip
    bands: tuple[Band, ...] = tuple(band for band in sar.bands if band.name in kept)
    return replace(sar, bands=bands)


def _signed(sar: Image, values: dict[str, NDArray[np.float32]]) -> tuple[str, ...]:
    """Unnamed channels with both signs: real or imaginary parts of a covariance.

    They occur together with intensities, which are not negative, and about half of their values are negative;
    intensities in dB are nearly all negative.
    """
    stated = _stated_unit(sar) == "signed"
    if stated:  # written by Stack.write_sar
        named = [*filter(names_polarisation, values)]
        return tuple(
            name for name in values if (name not in named if named else _negative(values[name]) > NEGATIVE_SHARE)
        )
    if any(map(names_polarisation, values)) or all(_negative(v) > NEGATIVE_SHARE for v in values.values()):
        return ()
    least, most = SIGNED_SHARE
    return tuple(name for name, one in values.items() if names_complex_part(name) or least < _negative(one) <= most)


def _unit(sar: Image, values: dict[str, NDArray[np.float32]], asked: SarUnit | None, *, stated_signed: bool) -> SarUnit:
    """The unit of intensities: as set by the user, else as stated in the file, else estimated from the values."""
    pixels = np.stack([*values.values()])
    stated = None if stated_signed else _stated_unit(sar)
    looks = _looks(pixels)
    given = asked or stated
    source = f"`sar_unit={asked}`" if asked else f"the unit in its tags, {stated},"
    for name, one in values.items():
        if given and given != (like := _looks(one)) and not _is_possible(given, one):
            which = "its values" if given != looks else f"the values of {name}"
            raise RasterError(
                sar.paths[0],
                f"{source} contradicts {which}: {_negative(one):.0%} are negative, as in {like}",
                "Correct `sar_unit` or the file.",
            )
    if asked and stated and asked != stated:
        raise RasterError(sar.paths[0], f"`sar_unit={asked}` contradicts its tags: {stated}", "Correct one of them.")
    db = [name for name, one in values.items() if _looks(one) == "db"]
    if not given and 0 < len(db) < len(values):
        power = [name for name in values if name not in db]
        problem = f"has channels in dB ({listed(db)}) and others in linear power ({listed(power)})"
        raise RasterError(sar.paths[0], problem, "List those of one unit in `sar_bands`, or convert the others.")
    unit: SarUnit = "db" if (given or looks) == "db" else "power"
    for median in map(float, np.median(pixels, axis=1) if unit == "db" else ()):
        if LEAST_DB <= median <= MOST_DB:
            continue
        remedy = "If it is dB times a factor, set its scale with gdal_edit.py -scale."
        what = "low" if median < LEAST_DB else "high"
        raise RasterError(sar.paths[0], f"has a median of {median:.0f}, too {what} for dB", remedy)
    return unit


def _looks(pixels: NDArray[np.float32]) -> SarUnit:
    """The unit that values look like."""
    return "db" if _negative(pixels) > NEGATIVE_SHARE and np.median(pixels[pixels < 0]) < DB_BELOW else "power"


def _log_spread(pixels: NDArray[np.float32]) -> float:
    """Standard deviation of the logarithms of the positive values."""
    return float(np.log(pixels[pixels > 0]).std()) if (pixels > 0).any() else 0.0


def _negative(pixels: NDArray[np.float32]) -> float:
    return float((pixels < 0).mean())


def _is_possible(unit: str, pixels: NDArray[np.float32]) -> bool:
    """Whether a channel can be in a unit that it does not look like: uncalibrated dB, noise-subtracted power."""
    if unit == "db":
        return bool(DB_SPREAD[0] <= np.ptp(np.percentile(pixels, (5, 95))) <= DB_SPREAD[1])
    return _negative(pixels) <= MOST_NEGATIVE


def _stated_unit(sar: Image) -> str | None:
    units = {_UNITS[band.unit.lower()] for band in sar.bands if band.unit.lower() in _UNITS}
    return units.pop() if len(units) == 1 else None
