"""Whether a scene fits a checkpoint: its bands, its values and its pixel size."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.geo import ground_pixel_side_m
from landcover_bdgf.model.checkpoint import BandName, Checkpoint
from landcover_bdgf.model.learning_tiles import random_tiles
from landcover_bdgf.model.scaling import Floats, Scaling
from landcover_bdgf.progress import log
from landcover_bdgf.scene import Stack

WAVELENGTH_TOLERANCE_NM = 5.0

_NAMELESS = re.compile(r"band \d+")  # as bands without names are called
_BARE = re.compile(r"B\d+", re.IGNORECASE)  # B4 is red on one Landsat, near infrared on another


def fit_stack(checkpoint: Checkpoint, stack: Stack, *, name: str = "the checkpoint") -> Stack:
    """The stack with its bands in the order of the checkpoint.

    Raises
    ------
    CheckpointError
        A band is missing, or the SAR is of another kind; lists the difference.
    """
    unit = "signed" if stack.sar_unit == "signed" else "power"
    if unit != checkpoint.sar_unit:
        raise CheckpointError(
            name, f"was made with SAR in {checkpoint.sar_unit}, this SAR is {unit}", "Check --sar-unit."
        )
    fitted = match_stack(stack, checkpoint.bands, checkpoint.sar_bands, name=name)
    # which channels carry a sign was settled by the training scene; another scene may look otherwise
    speckled = zip(fitted.sar.names, checkpoint.scaling.speckled, strict=True)
    return replace(fitted, signed_names=tuple(band for band, is_speckled in speckled if not is_speckled))


def match_stack(stack: Stack, bands: tuple[BandName, ...], sar_bands: tuple[BandName, ...], *, name: str) -> Stack:
    """The stack with these bands in this order; CheckpointError lists what is missing."""
    spectral = _matched(bands, stack.spectral.bands, f"{name}: spectral bands")
    _check_bare_names(bands, stack.spectral.bands, f"{name}: spectral bands")
    sar = _matched(sar_bands, stack.sar.bands, f"{name}: SAR bands")
    return replace(stack, spectral=replace(stack.spectral, bands=spectral), sar=replace(stack.sar, bands=sar))


def _matched(wanted: tuple[BandName, ...], found: tuple[Any, ...], what: str) -> tuple[Any, ...]:
    if _nameless(wanted) and not any(b.wavelength_nm for b in wanted):
        if _nameless(found):
            _check_numbers(wanted, found, what)
        elif len(wanted) != len(found):
            raise CheckpointError(f"{what} differ", f"it has {len(wanted)} without names, the image has {len(found)}")
        else:
            log.warning("%s have no names, so they are taken in file order; make sure it is the same", what)
        return found
    chosen = [_match(band, found) for band in wanted]
    if None in chosen or len(set(chosen)) < len(chosen):
        missing = [_label(b) for b, i in zip(wanted, chosen, strict=True) if i is None]
        raise CheckpointError(
            f"{what} differ",
            f"it was made with {_names(wanted)}; the image has {_names(found)}; not found: "
            f"{', '.join(missing) or 'no one-to-one match'}",
            "Give an image with these bands.",
        )
    if chosen != list(range(len(found))):
        log.info("%s taken in the order of the checkpoint: %s", what, ", ".join(b.name for b in wanted))
    return tuple(found[i] for i in chosen if i is not None)


def _nameless(bands: tuple[Any, ...]) -> bool:
    return all(_NAMELESS.fullmatch(b.name) for b in bands)


def _check_numbers(wanted: tuple[BandName, ...], found: tuple[Any, ...], what: str) -> None:
    """Refuse nameless bands with other numbers, as an empty band that was left out leaves a gap in them."""
    numbers, there = [b.name for b in wanted], [b.name for b in found]
    lacks, more = tuple(b for b in wanted if b.name not in there), tuple(b for b in found if b.name not in numbers)
    if lacks or more:
        raise CheckpointError(
            f"{what} differ",
            f"they have numbers, not names; the image lacks {_names(lacks) or 'none'}, it was made without "
            f"{_names(more) or 'none'}",
            "Give an image in which the same bands hold data, or name the bands and train again.",
        )


def _check_bare_names(wanted: tuple[BandName, ...], found: tuple[Any, ...], what: str) -> None:
    """Refuse an image with more numbers than were asked for, where nothing tells the sensor: it may be another one."""
    known, there = ({b.name.casefold() for b in bands if _is_bare(b)} for bands in (wanted, found))
    if known and there - known:
        raise CheckpointError(
            f"{what} differ",
            f"it was made with {_names(wanted)}; the image has {_names(found)}; without wavelengths such names "
            "may mean another sensor's bands",
            "Give an image with exactly these bands, or train and map with files whose names or wavelengths tell "
            "the sensor.",
        )


def _is_bare(band: Any) -> bool:
    return band.wavelength_nm is None and _BARE.fullmatch(band.name) is not None


def _match(band: BandName, found: tuple[Any, ...]) -> int | None:
    """By name; where names do not help, by wavelength."""
    for i, other in enumerate(found):
        if other.name.casefold() == band.name.casefold() and _same_wavelength(band, other):
            return i
    if band.wavelength_nm is None:
        return None
    distances = [abs(o.wavelength_nm - band.wavelength_nm) if o.wavelength_nm else np.inf for o in found]
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] <= WAVELENGTH_TOLERANCE_NM else None


def _same_wavelength(band: BandName, other: Any) -> bool:
    """Also where neither says one; B3 of one sensor is another band than B3 of the next."""
    if band.wavelength_nm is None or other.wavelength_nm is None:
        return band.wavelength_nm is other.wavelength_nm
    return bool(abs(band.wavelength_nm - other.wavelength_nm) <= WAVELENGTH_TOLERANCE_NM)


def _label(band: Any) -> str:
    return band.name if band.wavelength_nm is None else f"{band.name} ({band.wavelength_nm:.0f} nm)"


def _names(bands: tuple[Any, ...]) -> str:
    names = [b.name for b in bands]
    return ", ".join(names) if len(names) <= 16 else f"{len(names)} bands, {names[0]} to {names[-1]}"


SAR_USUAL = 2.5  # standard deviations of log intensity
FOREIGN_SHARE = 0.5  # of values outside the training scene's percentiles; the scene itself has 0.02
FOREIGN_SIZE = 1.5  # times as large as those of training are pixels that show the ground otherwise
# Scaled logarithms of amplitude spread by 0.5 where those of power spread by 1. Power of four real scenes, scaled as
# for one another, spreads by 0.69 or more.
AMPLITUDE_STD = 0.65
AMPLITUDE_MEAN = 0.7  # by so much, or more, they lie off
FOREIGN_TILE_PX, FOREIGN_TILES = 128, 64  # looked at to find that out


def warn_of_foreign_scene(checkpoint: Checkpoint, stack: Stack, seed: int) -> None:
    """Say so when values or pixel size of a scene are not what the checkpoint was made on: its map may be worthless.

    Parameters
    ----------
    checkpoint : Checkpoint
        A model that is to map the scene, or a denoiser that a model of the scene is to be trained with.
    stack : Stack
        With the checkpoint's bands, see :func:`~landcover_bdgf.model.checkpoint.fit_stack`.
    seed : int
        Of the choice of tiles that are looked at.
    """
    _warn_of_pixel_size(checkpoint, stack)
    scaling = checkpoint.scaling
    centre, half = (scaling.low + scaling.high) / 2, (scaling.high - scaling.low) / 2
    foreign = np.zeros((2, 2))  # per sensor: how many values, and of how many
    moments = np.zeros((3, np.count_nonzero(scaling.speckled)))  # of scaled logarithms: how many, sum, sum of squares
    for tile in random_tiles(stack, FOREIGN_TILE_PX, FOREIGN_TILES, exclude=None, seed=seed):
        for band, middle, reach in zip(tile.spectral, centre, half, strict=True):
            foreign[0] += int((np.abs(band[tile.valid] - middle) > reach).sum()), int(tile.valid.sum())
        unusual = np.abs(scaling.sar(tile.sar[:, tile.valid])) > SAR_USUAL
        foreign[1] += int(unusual.sum()), unusual.size
        logs = _scaled_logs(scaling, tile.sar[:, tile.valid])
        moments += np.stack([np.full(len(logs), logs.shape[1]), logs.sum(1), (logs**2).sum(1)])
    made, _, advice = _words(checkpoint)
    if _is_amplitude(scaling, moments):
        log.warning(
            "%s: looks like amplitude, the %s on power. Square its values, or, if they are dB, give --sar-unit db",
            stack.sar.paths[0], made,
        )  # fmt: skip
    for sensor, share in zip(("spectral", "SAR"), foreign[:, 0] / foreign[:, 1], strict=True):
        if share > FOREIGN_SHARE:
            log.warning(
                "%.0f %% of the %s values lie outside what the %s on (another unit, offset or landscape). %s",
                100 * share, sensor, made, advice,
            )  # fmt: skip


def _scaled_logs(scaling: Scaling, power: Floats) -> NDArray[np.float64]:
    """Of speckled channels as networks see them, but none clipped: ``(R, n) -> (speckled, n)``."""
    speckled = scaling.speckled > 0
    logs = np.log(power[speckled], dtype=np.float64)
    return np.asarray((logs - scaling.sar_mean[speckled, None]) / scaling.sar_std[speckled, None])


def _is_amplitude(scaling: Scaling, moments: NDArray[np.float64]) -> bool:
    """Logarithms spread half as far in all channels, lie elsewhere, and would lie nearer if values were squared."""
    count, total, squares = moments
    mean, speckled = total / count, scaling.speckled > 0
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    squared_mean = 2 * mean + (scaling.sar_mean / scaling.sar_std)[speckled]
    nearer = np.abs(squared_mean).sum() < np.abs(mean).sum()
    return bool(nearer and (std < AMPLITUDE_STD).all() and (np.abs(mean) > AMPLITUDE_MEAN).all())


def _warn_of_pixel_size(checkpoint: Checkpoint, stack: Stack) -> None:
    """Windows and surroundings count in pixels; older checkpoints do not tell how large theirs were."""
    side_m = ground_pixel_side_m(stack.grid)
    known = [side for side in checkpoint.provenance.get("pixels_m", []) if side is not None]
    if side_m is None or not known:
        return
    nearest = min(known, key=lambda side: abs(math.log(side_m / side)))
    made, verb, _ = _words(checkpoint)
    if max(side_m / nearest, nearest / side_m) > FOREIGN_SIZE:
        log.warning(
            "%s: its pixels are %g m wide on the ground, those that the %s on %g m, so that every window shows another "
            "part of it. Resample the image to about %g m, or %s on this scene",
            stack.spectral.paths[0], side_m, made, nearest, nearest, verb,
        )  # fmt: skip


def _words(checkpoint: Checkpoint) -> tuple[str, str, str]:
    """How the checkpoint was made; the verb for that; what to do where values are unlike those that it was made on."""
    if checkpoint.kind == "model":
        advice = "Do not trust this map before you have checked it; better train on this scene"
        return "model was trained", "train", advice
    advice = "Give an image in its unit and offset, or pre-train on this scene"
    return "denoiser was pre-trained", "pre-train", advice
