"""Step: align. Put the SAR image onto the grid of the spectral image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo import known_crs, warn_of_datum
from landcover_bdgf.progress import kept_warnings, log
from landcover_bdgf.scene.area import read_area
from landcover_bdgf.scene.band_reader import ReadCounts
from landcover_bdgf.scene.conditions import accepted
from landcover_bdgf.scene.date_table import AnySource
from landcover_bdgf.scene.dated_image import DateReading, open_dated
from landcover_bdgf.scene.extra import extra_with_absolute_paths, open_extra
from landcover_bdgf.scene.image import WRONG_FILE, Image
from landcover_bdgf.scene.mask import read_mask
from landcover_bdgf.scene.pair_checks import (
    check_one_place,
    check_order,
    check_overlap,
    check_resolution,
    check_spectral_names,
    most_complete,
    warn_of_dates,
)
from landcover_bdgf.scene.product_files import arrays_and_paths
from landcover_bdgf.scene.sar import POWER_FLOOR, sar_channels, warn_of_names, warn_of_stretched
from landcover_bdgf.scene.scene_source import SceneSource
from landcover_bdgf.scene.settings import NO_IMAGE, NO_MASK, AlignSettings, Coreg, Missing
from landcover_bdgf.scene.shift import ENOUGH_BANDS, MIN_AGREEING, Shift, estimate_shift
from landcover_bdgf.scene.stack import NO_SHIFT, SHIFT_TAG, Stack
from landcover_bdgf.scene.value_checks import (
    check_variety,
    recognised_offset,
    sample_pixels,
    warn_of_fills,
    warn_of_gaps,
    warn_of_spectral_content,
    with_filled,
)
from landcover_bdgf.storage import absolute_path
from landcover_bdgf.text import rough_percent

WORTH_A_WARNING_PX = 3.0  # ordinary pairs of Sentinel-1 and -2 are up to 2.7 px apart
_DESCRIBED = {"described": True}  # of messages on what Stack.describe says, too
CHECKED_PX = 64  # side of the windows whose values are checked
CHECKED_EVERY = 8  # every n-th of their pixels is checked


def align(
    hsi: AnySource, sar: AnySource | None, *, settings: AlignSettings | None = None, missing: Missing = "error"
) -> Stack:
    """Put a spectral and a SAR image on one grid, and check both for problems.

    Parameters
    ----------
    hsi, sar : path, xarray.DataArray, or sequence of them
        A raster, a folder of rasters, or several rasters each. A DataArray has the dimensions band, y and x, and a CRS
        (``.rio.write_crs``); its bands are named by ``long_name`` or by the coordinate ``band``. Several dates are a
        table of dates, or a mapping of dates to images (see :func:`~landcover_bdgf.scene.dated_image.open_dated`).
        Without a SAR image (None), the scene can only be mapped, by a model that has networks of the spectral image
        alone.
    settings : AlignSettings, optional
    missing : "error", "spectral", "sar" or "any"
        The sensor that may be the only one of a pixel in the map to be made: with "sar", clouds may mask the whole
        spectral image, or it may be nodata everywhere.

    Returns
    -------
    Stack
        On the grid of the spectral image. Its files stay open until it is closed, by ``with`` or :meth:`Stack.close`.

    Raises
    ------
    RasterError
        If an image cannot be read or has no position, the two do not overlap, or the SAR unit is contradictory.
    SettingsError
        If a CRS of the settings is unknown.
    """
    settings = settings or AlignSettings()
    return replace(_aligned(hsi, sar, settings, missing), source=source_of(hsi, sar, settings, missing))


def source_of(
    hsi: AnySource, sar: AnySource | None, settings: AlignSettings, missing: Missing = "error"
) -> SceneSource | None:
    """The arguments of :func:`align` for another process; None for arrays in memory and mappings of dates."""
    if isinstance(hsi, Mapping) or isinstance(sar, Mapping):
        return None
    given = [arrays_and_paths(source) for source in (hsi, () if sar is None else sar)]
    if any(arrays for arrays, _ in given):
        return None
    spectral, radar = (tuple(map(absolute_path, paths)) for _, paths in given)
    return SceneSource(spectral, radar, _with_absolute_paths(settings), missing)


def _with_absolute_paths(settings: AlignSettings) -> AlignSettings:
    return replace(
        settings,
        extra=tuple(map(extra_with_absolute_paths, settings.extra)),
        mask=tuple(text if text == NO_MASK else absolute_path(text) for text in settings.mask),
        aoi=settings.aoi and absolute_path(settings.aoi),
    )


def open_again(source: SceneSource, applied_shift_xy_px: tuple[float, float]) -> Stack:
    """The stack that another process has opened by :func:`align`, with the shift that it corrects.

    The shift is not estimated again. Errors as :func:`align`.
    """
    return _aligned(source.hsi, source.sar or None, source.settings, source.missing, applied_shift_xy_px)


def _aligned(
    hsi: AnySource, sar: AnySource | None, settings: AlignSettings, missing: Missing,
    applied_shift_xy_px: tuple[float, float] | None = None,
) -> Stack:  # fmt: skip
    """Both images on one grid; the shift is estimated unless that to apply is given."""
    how: dict[str, Any] = {"vrt": settings.allow_vrt, "warp_gcps": settings.warp_gcps}
    with kept_warnings() as said, ExitStack() as on_error:
        hsi_crs, water_vapour = known_crs(settings.hsi_crs, "hsi_crs"), settings.keep_water_vapour
        dates = DateReading(settings.least_dates, NO_MASK not in settings.mask, settings.spectral_offset is None)
        whole = "sar" in accepted(missing)  # clouds may hide all of the spectral image
        if_empty = None if whole else WRONG_FILE
        given = open_dated(hsi, dates, crs=hsi_crs, keep_water_vapour=water_vapour, if_empty=if_empty, **how)
        spectral = on_error.enter_context(given)
        spectral = replace(spectral, gaps=settings.gaps)
        check_spectral_names(spectral)
        if sar is None:
            radar, missing = Image((), spectral.grid), "spectral"
        else:
            crs, dates = known_crs(settings.sar_crs, "sar_crs"), replace(dates, own_offset=False)
            if_empty = f"Give {NO_IMAGE} in its place." if "spectral" in accepted(missing) else WRONG_FILE
            given = open_dated(
                sar, dates, crs=crs, keep_water_vapour=True, wanted=settings.wanted, if_empty=if_empty, **how
            )
            radar = on_error.enter_context(given)
            _check_pair(spectral, radar, settings)
        area = read_area(settings.aoi, spectral.grid) if settings.aoi else None
        own = None if isinstance(hsi, Mapping) or spectral.series else hsi  # each of several dates has its own mask
        mask = read_mask(settings.mask, own, spectral, area=area, crs=hsi_crs, may_be_whole=whole, **how)
        extra = open_extra(settings.extra, spectral, dates, force=settings.force, **how)
        for image in extra:
            on_error.callback(image.close)
        stack = Stack(spectral, radar, spectral.grid, "power", extra=extra)
        stack = _with_unit(stack, settings) if radar.bands else replace(stack, missing=missing)
        stack = replace(_with_checked_content(stack, settings.spectral_offset, missing), mask=mask)
        if applied_shift_xy_px is not None:
            stack = replace(stack, applied_shift_xy_px=applied_shift_xy_px)
        elif stack.has_sar:
            stack = _with_shift(stack, settings)  # of the whole image, so that a map of an area is a part of its map
        stack = replace(stack, area=area, grid=area.grid if area else stack.grid)
        _check_something_left(replace(stack, missing=missing))
        on_error.pop_all()
    return replace(stack, warnings=tuple(said))


def _check_something_left(stack: Stack) -> None:
    """Refuse a mask and an area that leave no pixel with data."""
    if not (stack.mask or stack.area):
        return
    windows = chain(stack.grid.spread_windows(CHECKED_PX), stack.grid.tiles(512))
    if any(stack.read_valid(window).any() for window in windows):
        return
    images = "both images" if stack.has_sar else "the image"
    if stack.mask:
        remedy = "Check its values." if stack.mask.share else f"Check the nodata values of {images}."
        raise RasterError(stack.mask.files[0].path, f"no pixel with data in {images} is left unmasked", remedy)
    assert stack.area
    raise LabelError(stack.area.path, f"no pixel of it has data in {images}", "Check the nodata values and the area.")


def _check_pair(spectral: Image, radar: Image, settings: AlignSettings) -> None:
    check_order(spectral, radar)
    for image in (spectral, radar):
        check_one_place(image)
    check_overlap(spectral, radar)
    warn_of_dates(spectral, radar)
    for band in {band.grid: band for image in (spectral, radar) for band in image.bands}.values():
        warn_of_datum(band.path, band.grid.crs, spectral.grid)
    if not settings.force:
        check_resolution(spectral, spectral.grid)
        check_resolution(radar, spectral.grid)


def _with_unit(stack: Stack, settings: AlignSettings) -> Stack:
    pixels = sample_pixels(stack.sar)
    channels = sar_channels(stack.sar, pixels, settings.sar_unit, settings.wanted)
    used = [name in channels.image.names for name in stack.sar.names]
    pixels, sar = pixels[used], replace(channels.image, grid=stack.sar.grid)
    log.info("%s: SAR is in %s.", sar.paths[0], {"db": "dB", "power": "linear power"}[channels.unit])
    intensities = pixels[[name not in channels.plain for name in sar.names]]
    if channels.unit == "power" and (intensities <= 0).any():
        found = "%s: %s of the SAR values are 0 or negative, raised to %g."
        log.info(found, sar.paths[0], rough_percent(float((intensities <= 0).mean())), POWER_FLOOR)
    warn_of_stretched(sar, channels.unit, channels.plain, pixels)
    warn_of_names(sar, channels.unit, pixels)
    return replace(stack, sar=sar, sar_unit=channels.unit, plain_names=channels.plain)


def _with_checked_content(stack: Stack, offset: float | None, missing: Missing) -> Stack:
    """Refuse a scene without valid pixels; warn of one with few, and of implausible values; find the offset."""
    stored = replace(
        stack.with_images(image if image.series else image.as_stored() for image in stack.images),
        sar_unit="power", plain_names=stack.sar.names, spectral_offset=0.0,
    )  # fmt: skip
    counts = ReadCounts()
    seen, parts, radar = [], [], []
    for tile in map(stored.counting(counts).read, stack.grid.windows_to_look_at(CHECKED_PX)):
        seen.append(tile.valid.ravel())
        rows, cols = (at[::CHECKED_EVERY] for at in np.nonzero(tile.valid))
        parts.append(tile.spectral[:, rows, cols])
        radar.append(tile.sar[:, rows, cols])
    looked = np.concatenate(seen)
    share = float(looked.mean())
    used = replace(stack, missing=missing)
    if share == 0 and not any(used.read_valid(window).any() for window in stack.grid.tiles(512)):
        where = stack.spectral.paths[0]
        images, all_ = ("all images", "all") if stack.extra else ("both images", "both")
        if not stack.has_sar and not stack.extra:
            raise RasterError(where, "no pixel has data", "Check its nodata values.")
        raise RasterError(where, f"no pixel has data in {images}", f"Check the nodata values and CRS of {all_}.")
    if share < 0.5:
        one = "%s: about %.0f %% of the scene has no data in one of the images."
        log.warning(one, stack.spectral.paths[0], 100 * (1 - share))
    warn_of_gaps(stack, counts, len(looked))
    stack = stack.with_images(with_filled(image, counts, len(looked)) for image in stack.images)
    for image in stack.images:
        if infinite := counts.infinite_share(image.paths):
            log.warning("%s: %s of its values are infinite, read as nodata.", image.paths[0], rough_percent(infinite))
    raw, *layers = _by_image(stack, np.concatenate(parts, axis=1))
    if not raw.size:
        return replace(stack, spectral_offset=offset or 0.0)
    scales, offsets = np.array(
        [(1, 0) if stack.spectral.series else (b.scale, b.offset) for b in stack.spectral.bands]
    ).T
    pixels = (raw * scales[:, None] + offsets[:, None]).astype(np.float32)
    added = recognised_offset(stack.spectral, pixels) if offset is None else offset
    warn_of_spectral_content(stack.spectral, pixels + np.float32(added), added)
    values = [raw, *layers, *([np.concatenate(radar, axis=1)] if stack.has_sar else [])]
    for image, own in zip(stack.images, values, strict=True):
        if not image.series:  # else each date was checked
            check_variety(image, own)
    checked = [
        image if image.series else warn_of_fills(image, own) for image, own in zip(stack.images, values, strict=True)
    ]
    return replace(stack.with_images(checked), spectral_offset=added)


def _by_image(stack: Stack, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The spectral part of tiles (S, n), split into that of the spectral image and those of extra layers."""
    ends = np.cumsum([len(image.bands) for image in (stack.spectral, *stack.extra)])
    return np.split(pixels, ends[:-1])


def _with_shift(stack: Stack, settings: AlignSettings) -> Stack:
    one, other = most_complete(stack.spectral), most_complete(stack.sar)
    bands = one.bands[:: math.ceil(len(one.bands) / ENOUGH_BANDS)]
    radar = tuple(band for band in other.bands if band.name not in stack.plain_names)
    spectral, sar = replace(one, bands=bands), replace(other, bands=radar)
    some = replace(stack, spectral=spectral, sar=sar, extra=())

    def read(window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        tile = some.read(window)
        return tile.spectral, tile.sar, tile.valid

    shift = estimate_shift(read, some.read_sar, stack.grid, max_shift_px=settings.max_shift_px)
    if shift is None:
        log.info(
            "the shift between the images was not estimated: the scene is too small or too plain.", extra=_DESCRIBED
        )
        return stack
    log.info("%s.", shift.describe(), extra=_DESCRIBED)
    if not shift.trusted and shift.tried >= MIN_AGREEING:
        log.warning(
            "%s: does not seem to match the spectral image: only %.0f %% of the windows agree on a shift of up to "
            "%g px. Are both images of the same place, and neither mirrored nor moved further? Compare them before "
            "you map; steep mountains can be the reason, too.",
            stack.sar.paths[0], 100 * shift.agreement, settings.max_shift_px,
        )  # fmt: skip
    applied = _shift_to_apply(stack, shift, settings.coreg)
    if shift.trusted and shift.length_px > WORTH_A_WARNING_PX and applied == (0, 0):
        off = settings.coreg == "off"
        remedy = '`coreg="auto"` corrects it' if off else "it was already shifted once; run align on the original SAR"
        shifted = "%s: seems to be shifted by %.1f px against the spectral image. Compare the two; " + remedy + "."
        log.warning(shifted, stack.sar.paths[0], shift.length_px)
    return replace(stack, shift=shift, applied_shift_xy_px=applied)


def _shift_to_apply(stack: Stack, shift: Shift, coreg: Coreg) -> tuple[float, float]:
    """The shift to correct.

    (0, 0) if it is not trusted, is not longer than its error, or was corrected already by :meth:`Stack.write_sar`.
    """
    if (
        coreg == "off"
        or not shift.trusted
        or shift.length_px <= shift.error_px
        or stack.sar.tags.get(SHIFT_TAG, NO_SHIFT) != NO_SHIFT
    ):
        return 0.0, 0.0
    x, y = shift.offset_xy_px
    return (float(round(x)), float(round(y))) if coreg == "grid" else (x, y)
