"""A scene: a spectral image and a SAR image read on one grid, tile by tile, with their joint valid mask."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.geo import Grid, RasterProfile, mirrored, write_raster
from landcover_bdgf.scene.band_reader import Band, ReadCounts
from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.sar import POWER_FLOOR, SarUnit, power_of_db
from landcover_bdgf.scene.shift import Shift
from landcover_bdgf.storage import (
    PathLike,
    Product,
    atomic_output,
    check,
    content_sha256,
    record,
    record_path,
    write_record,
)
from landcover_bdgf.text import listed, printable, table, with_names

SHIFT_TAG, NO_SHIFT = "SAR_SHIFT_XY_PX", "0 0"


@dataclass(frozen=True)
class Tile:
    """A window of a scene: spectral (S, h, w), SAR (R, h, w), and valid (h, w) if all have data; 0 where invalid.

    Bands of extra layers follow the spectral bands. SAR is in linear power, at least ``POWER_FLOOR``; plain channels
    are unchanged.
    """

    spectral: NDArray[np.float32]
    sar: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class Stack:
    """Two images on one grid; made by :func:`align`. Pixels are read when they are needed.

    Attributes
    ----------
    spectral, sar : Image
    grid : Grid
        Grid of the spectral image, not cropped.
    sar_unit : "power" or "db"
        Unit of the intensities in the files; in tiles they are in linear power.
    shift : Shift, optional
        Estimated shift of the SAR; None if the scene is too small for an estimate.
    applied_shift_xy_px : (float, float)
        The shift that is corrected when the SAR is read.
    spectral_offset : float
        Added to spectral values.
    plain_names : tuple of str
        SAR channels that are no intensities and are not converted.
    extra : tuple of Image
        Groups of extra layers, such as terrain.
    """

    spectral: Image
    sar: Image
    grid: Grid
    sar_unit: SarUnit
    shift: Shift | None = None
    applied_shift_xy_px: tuple[float, float] = (0.0, 0.0)
    spectral_offset: float = 0.0
    plain_names: tuple[str, ...] = ()
    extra: tuple[Image, ...] = ()

    @property
    def images(self) -> tuple[Image, ...]:
        """The spectral image, extra layers, and the SAR image."""
        return self.spectral, *self.extra, self.sar

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are read."""
        return tuple(file for image in self.images for file in image.files)

    def __repr__(self) -> str:
        return "\n  ".join(["Stack", *self.describe()])

    def _repr_html_(self) -> str:
        named = (("spectral", self.spectral), *((image.group, image) for image in self.extra), ("SAR", self.sar))
        bands = ((f"{printable(name)} bands", _bands_text(image)) for name, image in named)
        return table([*(line.split(": ", 1) for line in self.describe()), *bands])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files of all images; a later read opens them again."""
        for image in self.images:
            image.close()

    def counting(self, counts: ReadCounts) -> Self:
        """The same stack, with the pixels it reads counted."""
        return self.with_images(replace(image, counts=counts) for image in self.images)

    def with_images(self, images: Iterable[Image]) -> Self:
        """The same stack with other :attr:`images`, in their order."""
        spectral, *extra, sar = images
        return replace(self, spectral=spectral, extra=tuple(extra), sar=sar)

    def read(self, window: Window) -> Tile:
        """A window inside the grid; values do not depend on the window. RasterError if a file is damaged."""
        spectral, spectral_valid = self.spectral.read(window, self.grid)
        sar, sar_valid = self.read_sar(window)
        valid = spectral_valid & sar_valid
        if self.spectral_offset:
            spectral += np.float32(self.spectral_offset)
        if self.extra:
            extra, extra_valid = zip(*(image.read(window, self.grid) for image in self.extra), strict=True)
            spectral = np.concatenate([spectral, *extra])
            valid &= np.logical_and.reduce(extra_valid)
        spectral[:, ~valid] = 0
        sar[:, ~valid] = 0
        return Tile(spectral, sar, valid)

    def read_sar(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """SAR (R, h, w) of a window, as in a tile, and where the SAR alone is valid (h, w)."""
        moved = self.grid.shifted(self.applied_shift_xy_px)
        sar, valid = self.sar.read(window, moved, convert=self._power if self.sar_unit == "db" else None)
        for name, channel in zip(self.sar.names, sar, strict=True):
            if name not in self.plain_names:
                np.maximum(channel, np.float32(POWER_FLOOR), out=channel)
        sar[:, ~valid] = 0
        return sar, valid

    def _power(self, db: NDArray[np.floating], band: Band) -> NDArray[np.floating]:
        return db if band.name in self.plain_names else power_of_db(db)

    def read_valid(self, window: Window) -> NDArray[np.bool_]:
        """Where both sensors and all extra layers have data, (h, w)."""
        return self.read(window).valid

    def read_padded(self, row: int, col: int, height: int, width: int) -> Tile:
        """A window that may extend beyond the border, where the scene continues as its mirror image.

        The border pixel itself is not repeated (``reflect`` in numpy); invalid pixels are mirrored too.
        """
        rows, cols = (mirrored(row, height, self.grid.shape_hw[0]), mirrored(col, width, self.grid.shape_hw[1]))
        top, left = int(rows.min()), int(cols.min())
        tile = self.read(Window(left, top, int(cols.max()) - left + 1, int(rows.max()) - top + 1))
        if (row, col, *tile.valid.shape) == (top, left, height, width):
            return tile
        down, right = rows[:, None] - top, cols[None, :] - left
        return Tile(tile.spectral[:, down, right], tile.sar[:, down, right], tile.valid[down, right])

    def write_sar(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Write the SAR on the spectral grid, in linear power, NaN where invalid; and its record.

        A stack of the same spectral image and this file has the same tiles. OutputError if it cannot be written.
        """
        check(sar_product(path), inputs=self.files, overwrite=overwrite)
        x, y = self.applied_shift_xy_px
        tags = {"SAR_UNIT": "signed" if self.plain_names else "power", SHIFT_TAG: f"{x:g} {y:g}"}
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
        """Hash of everything that determines the tiles: file contents, bands, grid, unit, shift, offset."""
        bands = [
            (content_sha256(band.path), band.index, band.nodata, band.scale, band.offset, band.grid.to_dict())
            for image in self.images
            for band in image.bands
        ]
        files = [content_sha256(file) for file in self.files]
        rest = (self.grid.to_dict(), self.sar_unit)
        hashed = (
            bands,
            files,
            rest,
            self.applied_shift_xy_px,
            self.spectral_offset,
            self.plain_names,
            self.spectral.gaps,
            [(image.group, len(image.bands)) for image in self.extra],
        )
        return hashlib.sha256(repr(hashed).encode()).hexdigest()

    def check_unchanged(self) -> None:
        """RasterError if a file was replaced or modified since it was opened."""
        for image in self.images:
            image.check_unchanged()

    def describe(self) -> list[str]:
        """Lines of text: bands, units, grid and shift."""
        unit = {"power": "linear power", "db": "dB, read as linear power"}[self.sar_unit]
        plain = f"; as they are: {listed(self.plain_names)}" if self.plain_names else ""
        x, y = self.applied_shift_xy_px
        corrected = f", corrected by {x:g}, {y:g} px" if (x, y) != (0, 0) else ", not corrected"
        offset = f"; {self.spectral_offset:+g} added" if self.spectral_offset else ""
        return [
            f"spectral: {_source_text(self.spectral)}; {self.spectral.sensor or 'unknown sensor'}{offset}",
            *(f"{printable(image.group)}: {_source_text(image)}" for image in self.extra),
            f"SAR: {_source_text(self.sar)}; {unit}{plain}",
            f"grid: {self.grid.describe()}",
            f"shift: {self.shift.describe() + corrected if self.shift else 'not estimated, scene too small or plain'}",
        ]


def sar_product(path: PathLike) -> Product:
    """The files of :meth:`Stack.write_sar`."""
    return Product(Path(path), (record_path(path),), extension=".tif")


def _source_text(image: Image) -> str:
    more = f" and {len(image.paths) - 1} more" if len(image.paths) > 1 else ""
    return with_names(f"{len(image.bands)} bands of {image.paths[0]}{more}")


def _bands_text(image: Image) -> str:
    lengths = (f" ({band.wavelength_nm:.0f} nm)" if band.wavelength_nm else "" for band in image.bands)
    return ", ".join(f"{printable(name)}{nm}" for name, nm in zip(image.names, lengths, strict=True))
