"""An image of one date, or of several: bands named by date, on the grid of the first, masked and filled."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from rasterio.crs import CRS

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import Grid
from landcover_bdgf.progress import log
from landcover_bdgf.scene.date_table import AnySource, DatedSource, dated_sources
from landcover_bdgf.scene.dated_names import dated_name
from landcover_bdgf.scene.image import Image, open_image
from landcover_bdgf.scene.mask import Mask, MasksAllError, read_mask
from landcover_bdgf.scene.open_files import OpenFiles
from landcover_bdgf.scene.pair_checks import days_in_name
from landcover_bdgf.scene.settings import NO_MASK
from landcover_bdgf.scene.time_series import TimeSeries
from landcover_bdgf.scene.value_checks import check_variety, offset_shown, sample_pixels, warn_of_fills
from landcover_bdgf.text import listed


@dataclass(frozen=True)
class DateReading:
    """How the dates of an image are joined.

    Attributes
    ----------
    least : float
        See :class:`~landcover_bdgf.scene.time_series.TimeSeries`.
    own_masks : bool
        Whether the scene classification of a product masks its date.
    own_offset : bool
        Whether the Sentinel-2 offset is recognised at each date.
    """

    least: float = 0.5
    own_masks: bool = True
    own_offset: bool = False


@dataclass(frozen=True)
class _Dated:
    """An open image of one date."""

    day: date
    image: Image
    given: DatedSource
    offset: float = 0.0  # that was removed at this date only


def open_dated(
    source: AnySource, reading: DateReading = DateReading(), *, crs: CRS | None = None, **opening: Any
) -> Image:
    """Open an image of one date as :func:`~landcover_bdgf.scene.image.open_image`, or one of several.

    Parameters
    ----------
    source : path, xarray.DataArray, sequence of them, or mapping
        Several dates are a table of dates (``.csv`` with a column ``image``), or a mapping of dates to images.
    reading : DateReading
    crs, **opening
        As :func:`~landcover_bdgf.scene.image.open_image`, for each date.

    Returns
    -------
    Image
        Of several dates, bands ``B04@2023-06-04`` in the order of dates, on the grid of the earliest.

    Raises
    ------
    SettingsError
        The table cannot be read.
    RasterError
        As :func:`~landcover_bdgf.scene.image.open_image`; or two images are of one date or share a file, a date is not
        known, or the dates have different bands or sensors.
    """
    given = dated_sources(source)
    if given is None:
        return open_image(source, crs=crs, **opening)  # type: ignore[arg-type]  # no mapping
    with ExitStack() as on_error:
        how = opening | {"if_empty": "Leave this date out."}
        opened = [on_error.enter_context(open_image(each.source, crs=crs, **how)) for each in given]
        dated = [_Dated(_day(image, each), image, each) for image, each in zip(opened, given, strict=True)]
        dated = _with_same_bands(sorted(dated, key=lambda one: one.day))
        _check_distinct(dated)
        joined = _joined(_with_checked_values(dated, reading), reading, crs, opening)
        on_error.pop_all()
    return joined


def _day(image: Image, given: DatedSource) -> date:
    """The day of an image: as given, else that in its tags or names."""
    days = days_in_name(image)
    if given.day is None and len(days) != 1:
        found = (
            f"its names hold several dates ({', '.join(map(str, days))})" if days else "its names and tags hold none"
        )
        problem = f"{given.named}: the date of the image is not known, {found}"
        raise RasterError(image.paths[0], problem, "Write it into the column date, like 2023-06-04.")
    if given.day and days and given.day not in days:
        log.warning("%s: is given as of %s, but its name says %s. Check the dates.", image.paths[0], given.day, days[0])
    return given.day or days[0]


def _check_distinct(dated: Sequence[_Dated]) -> None:
    """RasterError if two images are of one date, or share a file."""
    for at, one in enumerate(dated):
        for other in dated[at + 1 :]:
            if one.day == other.day:
                problem = f"is of {one.day}, as {one.image.paths[0]} is"
                raise RasterError(other.image.paths[0], problem, "Merge the two first, or leave one out.")
            if shared := set(one.image.paths) & set(other.image.paths):
                problem = f"is given for {one.day} and for {other.day}"
                raise RasterError(min(shared), problem, "Give each date its own files.")


def _with_same_bands(dated: Sequence[_Dated]) -> list[_Dated]:
    """Bands in the order of the first date; RasterError if a date lacks some of them, or has others."""
    first = dated[0]
    for one in dated[1:]:
        lacking, more = (
            [name for name in some if name not in rest]
            for some, rest in ((first.image.names, one.image.names), (one.image.names, first.image.names))
        )
        if lacking or more:
            differences = [f"{verb} {listed(names)}" for verb, names in (("lacks", lacking), ("has", more)) if names]
            problem = f"{' and '.join(differences)}, unlike the image of {first.day}, {first.image.paths[0]}"
            raise RasterError(one.image.paths[0], problem, "Use the same bands at all dates.")
        if one.image.sensor != first.image.sensor:
            sensors = one.image.sensor or "of an unknown sensor", first.image.sensor or "of an unknown sensor"
            problem = f"is {sensors[0]}, but the image of {first.day} is {sensors[1]}"
            raise RasterError(one.image.paths[0], problem, "Use images of one sensor.")
    order = first.image.names
    bands = ({band.name: band for band in one.image.bands} for one in dated)
    return [
        replace(one, image=replace(one.image, bands=tuple(own[name] for name in order)))
        for one, own in zip(dated, bands, strict=True)
    ]


def _with_checked_values(dated: Sequence[_Dated], reading: DateReading) -> list[_Dated]:
    """Each date after the checks of its values; where only some show the Sentinel-2 offset, without it."""
    checked, offsets = [], []
    for one in dated:
        raw = sample_pixels(one.image.as_stored())
        check_variety(one.image, raw)
        checked.append(replace(one, image=warn_of_fills(one.image, raw)))
        scales, added = np.array([(band.scale, band.offset) for band in one.image.bands]).T[:, :, None]
        offsets.append(offset_shown(one.image, (raw * scales + added).astype(np.float32)) if reading.own_offset else 0)
    if len(set(offsets)) == 1:  # all or none, as of a single image
        return checked
    return [_without_offset(one, offset) if offset else one for one, offset in zip(checked, offsets, strict=True)]


def _without_offset(one: _Dated, offset: float) -> _Dated:
    log.warning(
        "%s: only some dates show the offset of Sentinel-2 reflectance, +%g; it is removed from %s. "
        "`spectral_offset=0` keeps it.", one.image.paths[0], -offset, one.day,
    )  # fmt: skip
    bands = tuple(replace(band, offset=band.offset + offset) for band in one.image.bands)
    return replace(one, image=replace(one.image, bands=bands), offset=offset)


def _joined(dated: Sequence[_Dated], reading: DateReading, crs: CRS | None, opening: dict[str, Any]) -> Image:
    first, grid = dated[0].image, dated[0].image.grid
    how = {key: value for key, value in opening.items() if key in ("vrt", "warp_gcps")}
    masks = {one.day: mask for one in dated if (mask := _mask(one, grid, reading, crs, how)) is not None}
    offsets = {one.day: one.offset for one in dated if one.offset}
    states = [one.image._states for one in dated] + [dict(mask.states) for mask in masks.values()]
    return replace(
        first,
        bands=tuple(replace(band, name=dated_name(band.name, one.day)) for one in dated for band in one.image.bands),
        zeros_reported=any(one.image.zeros_reported for one in dated),
        series=TimeSeries(
            grid, reading.least, {day: mask.pixels for day, mask in masks.items()},
            {day: mask.to_dict() for day, mask in masks.items()}, offsets,
        ),
        _open=OpenFiles.joined([one.image._open for one in dated]),
        _states={path: state for some in states for path, state in some.items()},
    )  # fmt: skip


def _mask(one: _Dated, grid: Grid, reading: DateReading, crs: CRS | None, how: dict[str, Any]) -> Mask | None:
    """What masks an image at its date."""
    texts = (*one.given.masks, *(() if reading.own_masks else (NO_MASK,)))
    source = one.given.source
    try:
        return read_mask(texts, source, replace(one.image, grid=grid), area=None, crs=crs, **how)
    except MasksAllError as error:
        raise RasterError(error.path, error.problem, "Leave this date out, or correct its mask.") from error
