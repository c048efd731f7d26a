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
from landcover_bdgf.model.scaling import Scaling
from landcover_bdgf.progress import log
from landcover_bdgf.scene import Stack

WAVELENGTH_TOLERANCE_NM = 5.0

_NAMELESS = re.compile(r"band \d+")  # the name that an unnamed band is given
_BARE = re.compile(r"B\d+", re.IGNORECASE)  # B4 is red on one Landsat, near infrared on another


def fit_stack(checkpoint: Checkpoint, stack: Stack, *, name: str = "the checkpoint") -> Stack:
    """Put the bands of a stack in the order of the checkpoint.

    Raises
    ------
    CheckpointError
        A band is missing, or the kind of SAR differs; lists the difference.
    """
    unit = "signed" if stack.plain_names else "power"
    if unit != checkpoint.sar_unit:
        raise CheckpointError(
            name,
            f"was trained with SAR in {checkpoint.sar_unit}, this SAR is {unit}",
            "Set `sar_unit` if the unit of the image was not recognised, or use SAR of the same kind.",
        )
    fitted = match_stack(stack, checkpoint.bands, checkpoint.sar_bands, name=name)
    # the training scene decides which channels are signed: values of another scene may suggest otherwise
    speckled = zip(fitted.sar.names, checkpoint.scaling.speckled, strict=True)
    return replace(fitted, plain_names=tuple(band for band, is_speckled in speckled if not is_speckled))


def match_stack(stack: Stack, bands: tuple[BandName, ...], sar_bands: tuple[BandName, ...], *, name: str) -> Stack:
    """Select these bands in this order; CheckpointError lists missing bands."""
    spectral = _matched(bands, stack.spectral.bands, f"{name}: spectral bands")
    _check_bare_names(bands, stack.spectral.bands, f"{name}: spectral bands")
    sar = _matched(sar_bands, stack.sar.bands, f"{name}: SAR bands")
    return replace(stack, spectral=replace(stack.spectral, bands=spectral), sar=replace(stack.sar, bands=sar))


def _matched(wanted: tuple[BandName, ...], found: tuple[Any, ...], subject: str) -> tuple[Any, ...]:
    if _nameless(wanted) and not any(b.wavelength_nm for b in wanted):
        if _nameless(found):
            _check_numbers(wanted, found, subject)
        elif len(wanted) != len(found):
            raise CheckpointError(
                f"{subject} differ",
                f"expected {len(wanted)} unnamed bands, the image has {len(found)}",
                "Use an image with the bands of the training image, in the same order.",
            )
        else:
            log.warning("%s have no names and are matched by file order; check that the order is the same", subject)
        return found
    chosen = [_match(band, found) for band in wanted]
    if None in chosen or len(set(chosen)) < len(chosen):
        missing = [_label(b) for b, i in zip(wanted, chosen, strict=True) if i is None]
        raise CheckpointError(
            f"{subject} differ",
            f"expected {_names(wanted)}; the image has {_names(found)}; not found: "
            f"{', '.join(missing) or 'no one-to-one match'}",
            "Use an image with these bands.",
        )
    if chosen != list(range(len(found))):
        log.info("%s reordered to match the checkpoint: %s", subject, ", ".join(b.name for b in wanted))
    return tuple(found[i] for i in chosen if i is not None)


def _nameless(bands: tuple[Any, ...]) -> bool:
    return all(_NAMELESS.fullmatch(b.name) for b in bands)


def _check_numbers(wanted: tuple[BandName, ...], found: tuple[Any, ...], subject: str) -> None:
    """Refuse unnamed bands with different numbers: an empty band that was dropped leaves a gap in the numbers."""
    expected, present = [b.name for b in wanted], [b.name for b in found]
    missing = tuple(b for b in wanted if b.name not in present)
    extra = tuple(b for b in found if b.name not in expected)
    if missing or extra:
        raise CheckpointError(
            f"{subject} differ",
            f"bands are numbered, not named; missing: {_names(missing) or 'none'}; not in the training image: "
            f"{_names(extra) or 'none'}",
            "Use an image with data in the same bands, or name the bands and train again.",
        )


def _check_bare_names(wanted: tuple[BandName, ...], found: tuple[Any, ...], subject: str) -> None:
    """Refuse an image with extra bands named by number alone: the sensor is unknown and may differ."""
    known, present = (
        {b.name.casefold() for b in bands if b.wavelength_nm is None and _BARE.fullmatch(b.name)}
        for bands in (wanted, found)
    )
    if known and present - known:
        raise CheckpointError(
            f"{subject} differ",
            f"expected {_names(wanted)}; the image has {_names(found)}; without wavelengths these names may belong "
            "to a different sensor",
            "Use an image with exactly these bands, or train and map with files whose band names or wavelengths "
            "identify the sensor.",
        )


def _match(band: BandName, found: tuple[Any, ...]) -> int | None:
    """Index by name, else by wavelength."""
    for i, other in enumerate(found):
        if other.name.casefold() == band.name.casefold() and _same_wavelength(band, other):
            return i
    if band.wavelength_nm is None:
        return None
    distances = [abs(o.wavelength_nm - band.wavelength_nm) if o.wavelength_nm else np.inf for o in found]
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] <= WAVELENGTH_TOLERANCE_NM else None


def _same_wavelength(band: BandName, other: Any) -> bool:
    """True also if both are unknown; B3 of two sensors may be different bands."""
    if band.wavelength_nm is None or other.wavelength_nm is None:
        return band.wavelength_nm is other.wavelength_nm
    return bool(abs(band.wavelength_nm - other.wavelength_nm) <= WAVELENGTH_TOLERANCE_NM)


def _label(band: Any) -> str:
    return band.name if band.wavelength_nm is None else f"{band.name} ({band.wavelength_nm:.0f} nm)"


def _names(bands: tuple[Any, ...]) -> str:
    names = [b.name for b in bands]
    return ", ".join(names) if len(names) <= 16 else f"{len(names)} bands, {names[0]} to {names[-1]}"


SAR_USUAL = 2.5  # standard deviations of log intensity
NOVEL_SHARE = 0.5  # of values outside the training scene's percentiles; 0.02 for the training scene itself
NOVEL_PIXEL_RATIO = 1.5  # of pixel sizes; beyond it, windows cover too different an area of ground
# The scaled logarithm of amplitude has half the standard deviation of that of power, 0.5 instead of 1. Across four real
# scenes in power, each scaled with another's parameters, the least standard deviation was 0.69.
AMPLITUDE_STD = 0.65
AMPLITUDE_MEAN = 0.7  # least absolute mean of the scaled logarithms
CHECK_TILE_PX, CHECK_TILES = 128, 64  # sampled for the check


def warn_of_novel_scene(checkpoint: Checkpoint, stack: Stack, seed: int) -> None:
    """Warn if the values or the pixel size of a scene are outside the training range of the checkpoint.

    The stack has the checkpoint's bands, see :func:`~landcover_bdgf.model.compatibility.fit_stack`; ``seed`` chooses
    the tiles that are read.
    """
    _warn_of_pixel_size(checkpoint, stack)
    scaling = checkpoint.scaling
    centre, half = (scaling.low + scaling.high) / 2, (scaling.high - scaling.low) / 2
    novel = np.zeros((2, 2))  # per sensor: values outside the range, all values
    speckled = scaling.speckled > 0
    moments = np.zeros((3, np.count_nonzero(speckled)))  # of scaled logarithms: count, sum, sum of squares
    for tile in random_tiles(stack, CHECK_TILE_PX, CHECK_TILES, exclude=None, seed=seed):
        for band, middle, reach in zip(tile.spectral, centre, half, strict=True):
            novel[0] += int((np.abs(band[tile.valid] - middle) > reach).sum()), int(tile.valid.sum())
        unusual = np.abs(scaling.sar(tile.sar[:, tile.valid])) > SAR_USUAL
        novel[1] += int(unusual.sum()), unusual.size
        logs = np.log(tile.sar[:, tile.valid][speckled], dtype=np.float64)  # standardised, not clipped
        logs = (logs - scaling.sar_mean[speckled, None]) / scaling.sar_std[speckled, None]
        moments += np.stack([np.full(len(logs), logs.shape[1]), logs.sum(1), (logs**2).sum(1)])
    trained, _, remedy = _words(checkpoint)
    if _is_amplitude(scaling, moments):
        log.warning(
            '%s: seems to be amplitude, the %s on power. Square its values, or set `sar_unit="db"` if they are in dB',
            stack.sar.paths[0], trained,
        )  # fmt: skip
    for sensor, share in zip(("spectral", "SAR"), novel[:, 0] / novel[:, 1], strict=True):
        if share > NOVEL_SHARE:
            log.warning(
                "novel scene: %.0f %% of the %s values are outside the range that the %s on (different unit, offset or "
                "landscape?). %s",
                100 * share, sensor, trained, remedy,
            )  # fmt: skip


def _is_amplitude(scaling: Scaling, moments: NDArray[np.float64]) -> bool:
    """Whether in all channels the logarithms spread half as far, are off centre, and squaring would centre them."""
    count, total, squares = moments
    mean, speckled = total / count, scaling.speckled > 0
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    squared_mean = 2 * mean + (scaling.sar_mean / scaling.sar_std)[speckled]
    nearer = np.abs(squared_mean).sum() < np.abs(mean).sum()
    return bool(nearer and (std < AMPLITUDE_STD).all() and (np.abs(mean) > AMPLITUDE_MEAN).all())


def _warn_of_pixel_size(checkpoint: Checkpoint, stack: Stack) -> None:
    """Warn of a different pixel size: windows are counted in pixels. Older checkpoints do not record the size."""
    side_m = ground_pixel_side_m(stack.grid)
    known = [side for side in checkpoint.provenance.get("pixels_m", []) if side is not None]
    if side_m is None or not known:
        return
    nearest = min(known, key=lambda side: abs(math.log(side_m / side)))
    trained, verb, _ = _words(checkpoint)
    if max(side_m / nearest, nearest / side_m) > NOVEL_PIXEL_RATIO:
        log.warning(
            "%s: pixels are %g m wide on the ground; the %s on %g m. Resample the image to about %g m, or %s on this "
            "scene",
            stack.spectral.paths[0], side_m, trained, nearest, nearest, verb,
        )  # fmt: skip


def _words(checkpoint: Checkpoint) -> tuple[str, str, str]:
    """Clause "model was trained", verb "train", and remedy for novel values, by the kind of checkpoint."""
    if checkpoint.kind == "model":
        return "model was trained", "train", "Check the map, or train on this scene"
    remedy = "Use an image with the same unit and offset, or pre-train on this scene"
    return "denoiser was pre-trained", "pre-train", remedy
