"""Whether the bands of a scene fit a checkpoint."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.checkpoint import BandName, Checkpoint, ExtraLayers
from landcover_bdgf.model.matching_dates import with_dates_of
from landcover_bdgf.progress import log
from landcover_bdgf.scene import Stack, band_and_day
from landcover_bdgf.text import printable

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
    if stack.has_sar and unit != checkpoint.sar_unit:
        raise CheckpointError(
            name,
            f"was trained with SAR in {checkpoint.sar_unit}, this SAR is {unit}",
            "Set `sar_unit` if the unit of the image was not recognised, or use SAR of the same kind.",
        )
    fitted = match_stack(stack, checkpoint.bands, checkpoint.sar_bands, checkpoint.extra, name=name)
    if not stack.has_sar:
        return fitted
    # the training scene decides which channels are signed: values of another scene may suggest otherwise
    speckled = zip(fitted.sar.names, checkpoint.scaling.speckled, strict=True)
    return replace(fitted, plain_names=tuple(band for band, is_speckled in speckled if not is_speckled))


def match_stack(
    stack: Stack,
    bands: tuple[BandName, ...],
    sar_bands: tuple[BandName, ...],
    extra: tuple[ExtraLayers, ...] = (),
    *,
    name: str,
) -> Stack:
    """Select these bands in this order; CheckpointError lists missing bands, and missing or other extra layers."""
    spectral = _matched(bands, stack.spectral.bands, f"{name}: spectral bands")
    _check_bare_names(bands, stack.spectral.bands, f"{name}: spectral bands")
    sar = _matched(sar_bands, stack.sar.bands, f"{name}: SAR bands") if stack.has_sar else ()
    _check_groups(extra, stack, name)
    layers = {image.group: image for image in stack.extra}
    chosen = [_matched(e.bands, layers[e.name].bands, f"{name}: bands of {printable(e.name)}") for e in extra]
    found = [(stack.spectral, spectral), *((layers[e.name], own) for e, own in zip(extra, chosen, strict=True))]
    found += [(stack.sar, sar)] if stack.has_sar else []
    return stack.with_images(replace(image, bands=own) for image, own in found)


def _check_groups(expected: tuple[ExtraLayers, ...], stack: Stack, name: str) -> None:
    wanted, given = [e.name for e in expected], [image.group for image in stack.extra]
    if set(wanted) == set(given):
        return
    missing, other = ([n for n in some if n not in rest] for some, rest in ((wanted, given), (given, wanted)))
    remedy = f"Pass each: `extra={printable(missing[0])}=FILE`." if missing else "Leave them out, or train with them."
    raise CheckpointError(
        f"{name}: extra layers differ",
        f"expected {_group_names(wanted)}, the scene has {_group_names(given)}"
        + (f"; not used by {name}: {_group_names(other)}" if other else ""),
        remedy,
    )


def _group_names(names: list[str]) -> str:
    return ", ".join(map(printable, names)) or "none"


def _matched(wanted: tuple[BandName, ...], found: tuple[Any, ...], subject: str) -> tuple[Any, ...]:
    wanted = with_dates_of(wanted, [band.name for band in found], subject)
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
    return all(_NAMELESS.fullmatch(band_and_day(b.name)[0]) for b in bands)


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
        {name.casefold() for name, nm in _without_days(bands) if nm is None and _BARE.fullmatch(name)}
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


def _without_days(bands: tuple[Any, ...]) -> list[tuple[str, float | None]]:
    """Names without dates, and wavelengths."""
    return [(band_and_day(b.name)[0], b.wavelength_nm) for b in bands]


def _match(band: BandName, found: tuple[Any, ...]) -> int | None:
    """Index by name, else by wavelength at the same date."""
    for i, other in enumerate(found):
        if other.name.casefold() == band.name.casefold() and _same_wavelength(band, other):
            return i
    if band.wavelength_nm is None:
        return None
    day = band_and_day(band.name)[1]
    distances = [
        abs(o.wavelength_nm - band.wavelength_nm) if o.wavelength_nm and band_and_day(o.name)[1] == day else np.inf
        for o in found
    ]
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
