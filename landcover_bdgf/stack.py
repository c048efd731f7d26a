"""A scene: a spectral image and a SAR image read on one grid, tile by tile, with their joint valid mask."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.coregister import ENOUGH_BANDS, Shift, estimate_shift
from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.folders import Source
from landcover_bdgf.geo import Grid, RasterProfile, known_crs, mirrored, warn_of_datum, write_raster
from landcover_bdgf.image import Image, open_image
from landcover_bdgf.pairing import (
    SarUnit,
    check_one_place,
    check_order,
    check_overlap,
    check_resolution,
    sar_unit,
    signed_channels,
    warn_of_dates,
    warn_of_fills,
    warn_of_spectral_content,
)
from landcover_bdgf.storage import (
    PathLike,
    atomic_output,
    check_output,
    content_sha256,
    record,
    record_path,
    write_record,
)

log = logging.getLogger("landcover_bdgf")

Coreg = Literal["off", "grid", "auto"]

# -60 dB: far below the noise of any SAR in calibrated units. Logarithms are taken of what is above it.
POWER_FLOOR = 1e-6
# Below this, a shift is within the error of its estimate.
WORTH_A_WARNING_PX = 1.0
CHECKED_PX = 64  # side of the windows
CHECKED_EVERY = 8  # of the pixels of the windows that are looked at
SHIFT_TAG, NOT_MOVED = "SAR_SHIFT_XY_PX", "0 0"


@dataclass(frozen=True)
class AlignSettings:
    """How the SAR is brought onto the spectral grid.

    Attributes
    ----------
    coreg : "off", "grid" or "auto"
        What is done about a shift on which several windows agree: nothing (it is only reported), a move by
        whole pixels (values are not interpolated once more), or a move by the shift itself.
    max_shift_px : float
        Longer estimates are failures.
    sar_unit : "db", "power" or None
        None: recognised.
    hsi_crs, sar_crs : str, optional
        Where a file lacks its CRS or has a wrong one.
    keep_water_vapour : bool
        Keep bands in which the air is opaque.
    spectral_offset : float
        Added to spectral values: -1000 for Sentinel-2 from January 2022 on as it is delivered.
    force : bool
        Accept resolutions that differ more than 50-fold.
    allow_vrt : bool
        Read VRT files too, which may name any other file or address.
    warp_gcps : bool
        Place an image that has only ground-control points by them, without terrain correction.
    """

    coreg: Coreg = "off"
    max_shift_px: float = 8.0
    sar_unit: SarUnit | None = None
    hsi_crs: str | None = None
    sar_crs: str | None = None
    keep_water_vapour: bool = False
    spectral_offset: float = 0.0
    force: bool = False
    allow_vrt: bool = False
    warp_gcps: bool = False

    def __post_init__(self) -> None:
        if self.coreg not in get_args(Coreg):
            raise SettingsError(f"--coreg {self.coreg}: must be off, grid or auto.")
        if self.sar_unit not in ("db", "power", None):
            raise SettingsError(f"--sar-unit {self.sar_unit}: must be db or power.")
        if not self.max_shift_px > 0:
            raise SettingsError(f"--max-shift {self.max_shift_px:g}: must be above 0 pixels.")


@dataclass(frozen=True)
class Tile:
    """A window of a scene; invalid pixels are 0.

    Attributes
    ----------
    spectral : float32 (S, h, w)
    sar : float32 (R, h, w)
        Linear power, at least ``POWER_FLOOR``; signed channels as they are.
    valid : bool (h, w)
        Both sensors have the pixel, in all their bands.
    """

    spectral: NDArray[np.float32]
    sar: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class Stack:
    """Two images on one grid; made by :func:`align`. Nothing is in memory but what is asked for.

    Attributes
    ----------
    spectral, sar : Image
    grid : Grid
        Of the spectral image, not cropped.
    sar_unit : "power", "db" or "signed"
        Of the files; tiles are in linear power whatever it is.
    shift : Shift, optional
        How far the SAR was found to lie off; None if the scene is too small to tell.
    applied_shift_xy_px : (float, float)
        By how much of that the SAR is moved back when it is read.
    spectral_offset : float
        Added to spectral values.
    signed_names : tuple of str
        SAR channels that take both signs.
    """

    spectral: Image
    sar: Image
    grid: Grid
    sar_unit: SarUnit
    shift: Shift | None = None
    applied_shift_xy_px: tuple[float, float] = (0.0, 0.0)
    spectral_offset: float = 0.0
    signed_names: tuple[str, ...] = ()

    def read(self, window: Window) -> Tile:
        """A window inside the grid. Values do not depend on the window in which they are read.

        Raises
        ------
        RasterError
            If a file is damaged.
        """
        spectral, spectral_valid = self.spectral.read(window, self.grid)
        sar, sar_valid = self.read_sar(window)
        valid = spectral_valid & sar_valid
        if self.spectral_offset:
            spectral += np.float32(self.spectral_offset)
        spectral[:, ~valid] = 0
        sar[:, ~valid] = 0
        return Tile(spectral, sar, valid)

    def read_sar(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """SAR (R, h, w) of a window, as in a tile, and where the SAR by itself is valid."""
        moved = self.grid.shifted(self.applied_shift_xy_px)
        sar, valid = self.sar.read(window, moved, convert=power_of_db if self.sar_unit == "db" else None)
        for name, channel in zip(self.sar.names, sar, strict=True):
            if name not in self.signed_names:
                np.maximum(channel, np.float32(POWER_FLOOR), out=channel)
        sar[:, ~valid] = 0
        return sar, valid

    def read_valid(self, window: Window) -> NDArray[np.bool_]:
        """Where both sensors have data, (h, w)."""
        return self.read(window).valid

    def read_padded(self, row: int, col: int, height: int, width: int) -> Tile:
        """A window that may reach over the border, where the scene goes on as its own mirror image.

        The border pixel itself is not repeated (numpy's ``reflect``), and what is invalid inside is invalid
        in the mirror.
        """
        rows, cols = (
            mirrored(row, height, self.grid.shape_hw[0]),
            mirrored(col, width, self.grid.shape_hw[1]),
        )
        top, left = int(rows.min()), int(cols.min())
        tile = self.read(Window(left, top, int(cols.max()) - left + 1, int(rows.max()) - top + 1))
        if (row, col, *tile.valid.shape) == (top, left, height, width):
            return tile
        down, right = rows[:, None] - top, cols[None, :] - left
        return Tile(tile.spectral[:, down, right], tile.sar[:, down, right], tile.valid[down, right])

    def write_sar(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Write the SAR as it is in tiles, on the spectral grid, in linear power, NaN without data; and its record.

        A stack of the same spectral image and this file has the same tiles.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        for output in (path, record_path(path)):
            check_output(output, overwrite=overwrite, inputs=(*self.spectral.paths, *self.sar.paths))
        x, y = self.applied_shift_xy_px
        tags = {"SAR_UNIT": "signed" if self.signed_names else "power", SHIFT_TAG: f"{x:g} {y:g}"}
        names = self.sar.names
        profile = RasterProfile("float32", len(names), math.nan, names, overviews="average", tags=tags)
        shift = self.shift.describe() if self.shift else "not estimated"
        with atomic_output(path, overwrite=overwrite) as draft:
            write_raster(draft, self.grid, self._sar_tiles(), profile=profile)
            self.check_unchanged()
            write_record(draft, record("align", {"scene": self.fingerprint()}, shift=shift))

    def _sar_tiles(self) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        for window in self.grid.tiles(512):
            sar, valid = self.read_sar(window)
            sar[:, ~valid] = np.nan
            yield window, sar

    def fingerprint(self) -> str:
        """Hash of all that decides the tiles: contents of the files, bands, grid, unit, shift, offset."""
        bands = [
            (content_sha256(band.path), band.index, band.nodata, band.scale, band.offset, band.grid.to_dict())
            for image in (self.spectral, self.sar)
            for band in image.bands
        ]
        files = [content_sha256(file) for image in (self.spectral, self.sar) for file in image.files]
        rest = (self.grid.to_dict(), self.sar_unit)
        decides = (bands, files, rest, self.applied_shift_xy_px, self.spectral_offset, self.signed_names)
        return hashlib.sha256(repr(decides).encode()).hexdigest()

    def check_unchanged(self) -> None:
        """Refuse to make something of files that were replaced since they were opened; RasterError."""
        self.spectral.check_unchanged()
        self.sar.check_unchanged()

    def describe(self) -> list[str]:
        """Lines for people."""
        units = {"power": "linear power", "db": "dB, read as linear power", "signed": "signed channels"}
        x, y = self.applied_shift_xy_px
        moved = f", moved back by {x:g}, {y:g} px" if (x, y) != (0, 0) else ", not moved"
        return [
            f"spectral: {_source_text(self.spectral)}; {self.spectral.sensor or 'sensor not named'}",
            f"SAR: {_source_text(self.sar)}; {units[self.sar_unit]}",
            f"grid: {self.grid.describe()}",
            f"shift: {self.shift.describe() + moved if self.shift else 'not estimated, too small or plain'}",
        ]


def align(hsi: Source, sar: Source, *, settings: AlignSettings | None = None) -> Stack:
    """Put a spectral and a SAR image on one grid, and look for all that could spoil a map.

    Parameters
    ----------
    hsi, sar : path, or sequence of paths
        Each a raster, a folder of rasters, or several rasters.
    settings : AlignSettings, optional

    Returns
    -------
    Stack
        On the grid of the spectral image.

    Raises
    ------
    RasterError
        If an image cannot be read or placed, both do not overlap, or the SAR unit is contradictory.
    SettingsError
        If a CRS of the settings is unknown.
    """
    settings = settings or AlignSettings()
    spectral, radar = (
        open_image(
            source,
            crs=known_crs(crs, option),
            keep_water_vapour=water_vapour,
            vrt=settings.allow_vrt,
            warp_gcps=settings.warp_gcps,
        )
        for source, crs, option, water_vapour in (
            (hsi, settings.hsi_crs, "--hsi-crs", settings.keep_water_vapour),
            (sar, settings.sar_crs, "--sar-crs", True),
        )
    )
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
    stack = _with_unit(Stack(spectral, radar, spectral.grid, "power"), settings)
    _check_content(stack)
    return _with_shift(stack, settings)


def power_of_db(db: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear power of decibels, in float64 because power spans many orders of magnitude."""
    return np.power(10.0, np.ascontiguousarray(db, np.float64) / 10)


def _with_unit(stack: Stack, settings: AlignSettings) -> Stack:
    pixels = _sample(stack.sar)
    unit = sar_unit(stack.sar, pixels, settings.sar_unit)
    signed = signed_channels(stack.sar, pixels) if unit == "signed" else ()
    log.info("%s: SAR is in %s.", stack.sar.paths[0], {"db": "dB", "power": "linear power"}.get(unit, unit))
    if unit == "power" and (pixels <= 0).any():
        log.info(
            "%s: %.2g %% of the SAR values are 0 or negative, taken as %g.",
            stack.sar.paths[0],
            100 * float((pixels <= 0).mean()),
            POWER_FLOOR,
        )
    return replace(stack, sar_unit=unit, signed_names=signed, spectral_offset=settings.spectral_offset)


def _check_content(stack: Stack) -> None:
    """Refuse a scene without one valid pixel; warn of one with few, and of odd spectral values."""
    stored = replace(
        stack, spectral=stack.spectral.as_stored(), sar=stack.sar.as_stored(), sar_unit="signed",
        signed_names=stack.sar.names, spectral_offset=0.0,
    )  # fmt: skip
    seen, parts, radar = [], [], []
    for tile in map(stored.read, stack.grid.windows_to_look_at(CHECKED_PX)):
        seen.append(tile.valid.ravel())
        parts.append(tile.spectral[:, tile.valid][:, ::CHECKED_EVERY])
        radar.append(tile.sar[:, tile.valid][:, ::CHECKED_EVERY])
    share = float(np.concatenate(seen).mean())
    if share == 0 and not any(stack.read_valid(window).any() for window in stack.grid.tiles(512)):
        where = stack.spectral.paths[0]
        raise RasterError(f"{where}: no pixel has data in both images. Check nodata values and places.")
    if share < 0.5:
        log.warning(
            "%s: about %.0f %% of the scene has no data in one of the images.",
            stack.spectral.paths[0],
            100 * (1 - share),
        )
    for image in (stack.spectral, stack.sar):
        if infinite := image.infinite_share():
            log.warning("%s: %.2g %% of its values are infinite, taken as no data.", image.paths[0], 100 * infinite)
    raw = np.concatenate(parts, axis=1)
    if raw.size:
        scales, offsets = np.array([(band.scale, band.offset) for band in stack.spectral.bands]).T[:, :, None]
        pixels = (raw * scales + offsets + stack.spectral_offset).astype(np.float32)
        warn_of_spectral_content(stack.spectral, pixels, stack.spectral_offset)
        warn_of_fills(stack.spectral, raw)
        warn_of_fills(stack.sar, np.concatenate(radar, axis=1))


def _with_shift(stack: Stack, settings: AlignSettings) -> Stack:
    bands = stack.spectral.bands[:: math.ceil(len(stack.spectral.bands) / ENOUGH_BANDS)]
    some = replace(stack, spectral=replace(stack.spectral, bands=bands))

    def read(window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        tile = some.read(window)
        return tile.spectral, tile.sar, tile.valid

    shift = estimate_shift(read, stack.read_sar, stack.grid, max_shift_px=settings.max_shift_px)
    if shift is None:
        log.info("no shift between the images could be estimated: the scene is too small or too plain.")
        return stack
    log.info("%s.", shift.describe())
    applied = _shift_to_apply(stack, shift, settings.coreg)
    if shift.trusted and shift.length_px > WORTH_A_WARNING_PX and applied == (0, 0):
        log.warning(
            "%s: seems to lie %.1f px off the spectral image. Look at both; %s.",
            stack.sar.paths[0],
            shift.length_px,
            "--coreg auto moves it" if settings.coreg == "off" else "it was moved before, so align the original again",
        )
    return replace(stack, shift=shift, applied_shift_xy_px=applied)


def _shift_to_apply(stack: Stack, shift: Shift, coreg: Coreg) -> tuple[float, float]:
    """Nothing without agreement; nothing for a SAR that :meth:`Stack.write_sar` has moved already."""
    if coreg == "off" or not shift.trusted or stack.sar.tags.get(SHIFT_TAG, NOT_MOVED) != NOT_MOVED:
        return 0.0, 0.0
    x, y = shift.offset_xy_px
    return (float(round(x)), float(round(y))) if coreg == "grid" else (x, y)


def _sample(image: Image) -> NDArray[np.float32]:
    """Valid pixels (bands, n) of nine windows; of the whole image if those hold none."""
    for windows in (image.grid.spread_windows(128), image.grid.tiles(512)):
        parts = [values[:, valid] for values, valid in map(image.read, windows) if valid.any()]
        if parts:
            return np.concatenate(parts, axis=1)
    raise RasterError(f"{image.paths[0]}: no pixel has data in all bands. Check its nodata values.")


def _source_text(image: Image) -> str:
    more = f" and {len(image.paths) - 1} more" if len(image.paths) > 1 else ""
    return f"{len(image.bands)} bands of {image.paths[0]}{more}"
