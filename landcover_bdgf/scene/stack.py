"""A scene: a spectral image and a SAR image read on one grid, tile by tile, with their joint valid mask."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.geo import Grid, RasterProfile, mirrored, write_raster
from landcover_bdgf.scene.area import Area
from landcover_bdgf.scene.band_reader import Band, Convert, ReadCounts
from landcover_bdgf.scene.conditions import conditions, seen_by
from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.image_text import bands_text, dates_lines, source_text
from landcover_bdgf.scene.mask import Mask
from landcover_bdgf.scene.pair_checks import days_of_image
from landcover_bdgf.scene.sar import POWER_FLOOR, SarUnit, power_of_db
from landcover_bdgf.scene.scene_source import KnownFile, SceneSource, sha256_by_path
from landcover_bdgf.scene.settings import Missing
from landcover_bdgf.scene.shift import Shift
from landcover_bdgf.storage import (
    PathLike,
    Product,
    atomic_output,
    check,
    content_sha256,
    is_remote,
    record,
    record_path,
    write_record,
)
from landcover_bdgf.text import file_name, listed, printable, table, with_names

SHIFT_TAG, NO_SHIFT = "SAR_SHIFT_XY_PX", "0 0"


@dataclass(frozen=True)
class Tile:
    """A window of a scene: spectral (S, h, w), SAR (R, h, w), and the condition of its pixels (h, w).

    Bands of extra layers follow the spectral bands. SAR is in linear power, at least ``POWER_FLOOR``; plain channels
    are unchanged; a scene without SAR has none. Values are 0 where the sensor has no data, and where a pixel is not
    used. The condition has the codes of :func:`~landcover_bdgf.scene.conditions.conditions`; true in a
    boolean condition means both sensors.
    """

    spectral: NDArray[np.float32]
    sar: NDArray[np.float32]
    condition: NDArray[Any]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Pixels that are used, (h, w): with data of both sensors, or of one that may be alone."""
        return np.asarray(self.condition > 0)


@dataclass(frozen=True)
class Stack:
    """Two images on one grid; made by :func:`align`. Pixels are read when they are needed.

    Attributes
    ----------
    spectral, sar : Image
        The latter has no bands in a scene without SAR.
    grid : Grid
        Grid of the spectral image; with an area of interest, its crop.
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
    mask : Mask, optional
        Pixels that are invalid although they have data, such as clouds.
    area : Area, optional
        The area of interest. Other pixels are invalid in :meth:`read`, but not in :meth:`read_padded`: networks see
        them as neighbours.
    warnings : tuple of str
        What :func:`align` warned of.
    name : str
        Of its row in a table of scenes.
    source : SceneSource, optional
        How another process can open it; None for arrays in memory.
    missing : "error", "spectral", "sar" or "any"
        Which sensor may be the only one of a valid pixel; "error" for none.
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
    mask: Mask | None = None
    area: Area | None = None
    warnings: tuple[str, ...] = ()
    name: str = ""
    source: SceneSource | None = field(default=None, compare=False)
    missing: Missing = "error"

    @property
    def has_sar(self) -> bool:
        """Whether the scene has a SAR image."""
        return bool(self.sar.bands)

    @property
    def images(self) -> tuple[Image, ...]:
        """The spectral image, extra layers, and the SAR image if there is one."""
        return (self.spectral, *self.extra, *([self.sar] if self.has_sar else []))

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are read."""
        more = [file for found in (self.mask, self.area) if found for file in found.states]
        return (*(file for image in self.images for file in image.files), *more)

    def __repr__(self) -> str:
        return "\n  ".join(["Stack", *self.describe()])

    def _repr_html_(self) -> str:
        names = ["spectral", *(image.group for image in self.extra), "SAR"]
        named = zip(names, self.images, strict=False)
        bands = ((f"{printable(name)} bands", bands_text(image)) for name, image in named)
        return table([*(line.split(": ", 1) for line in self.describe()), *bands])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files of all images; a later read opens them again."""
        for image in self.images:
            image.close()

    def counting(self, counts: ReadCounts | None) -> Self:
        """The same stack, with the pixels it reads counted, or not."""
        return self.with_images(replace(image, counts=counts) for image in self.images)

    def with_images(self, images: Iterable[Image]) -> Self:
        """The same stack with other :attr:`images`, in their order."""
        spectral, *others = images
        sar = others.pop() if self.has_sar else self.sar
        return replace(self, spectral=spectral, extra=tuple(others), sar=sar)

    def read(self, window: Window) -> Tile:
        """A window inside the grid; values do not depend on the window. RasterError if a file is damaged."""
        if self.area is None:
            return self.read_image(window)
        tile = self.read_image(self.area.in_image(window))
        valid = tile.valid & self.area.inside.read(window)
        return Tile(tile.spectral * valid, tile.sar * valid, tile.condition * valid)

    def read_image(self, window: Window) -> Tile:
        """A window of the whole spectral image, also of what lies outside the area of interest."""
        spectral, spectral_valid = self.spectral.read(window, self.image_grid, convert=self._without_offset)
        sar, sar_valid = self._read_sar(window)
        if self.mask is not None:
            spectral_valid &= ~self.mask.pixels.read(window)
        condition = conditions(spectral_valid, sar_valid, self.missing)
        spectral[:, ~seen_by(condition, "spectral")] = 0
        if self.extra:
            extra, extra_valid = zip(*(image.read(window, self.image_grid) for image in self.extra), strict=True)
            spectral = np.concatenate([spectral, *extra])
            condition *= np.logical_and.reduce(extra_valid)
            spectral[:, condition == 0] = 0
        sar[:, ~seen_by(condition, "sar")] = 0
        return Tile(spectral, sar, condition)

    @property
    def _without_offset(self) -> Convert | None:
        """Adds the offset to the values that a file has; a gap that counts as 0 stays 0."""
        added = np.float32(self.spectral_offset)
        return (lambda values, _: values + added) if added else None

    def read_sar(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """SAR (R, h, w) of a window, as in a tile, and where the SAR alone is valid (h, w), also outside the area."""
        return self._read_sar(self.area.in_image(window) if self.area else window)

    def _read_sar(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        if not self.has_sar:
            shape = (window.height, window.width)
            return np.zeros((0, *shape), np.float32), np.zeros(shape, bool)
        moved = self.image_grid.shifted(self.applied_shift_xy_px)
        sar, valid = self.sar.read(window, moved, convert=self._power if self.sar_unit == "db" else None)
        for name, channel in zip(self.sar.names, sar, strict=True):
            if name not in self.plain_names:
                np.maximum(channel, np.float32(POWER_FLOOR), out=channel)
        sar[:, ~valid] = 0
        return sar, valid

    def _power(self, db: NDArray[np.floating], band: Band) -> NDArray[np.floating]:
        return db if band.name in self.plain_names else power_of_db(db)

    def read_valid(self, window: Window) -> NDArray[np.bool_]:
        """Valid pixels, (h, w): by default those of which both sensors have data that are not masked."""
        return self.read(window).valid

    def read_masked(self, window: Window) -> NDArray[np.bool_]:
        """Where pixels are masked, (h, w)."""
        if self.mask is None:
            return np.zeros((window.height, window.width), bool)
        return self.mask.pixels.read(self.area.in_image(window) if self.area else window)

    def read_inside(self, window: Window) -> NDArray[np.bool_]:
        """Where pixels are in the area of interest, (h, w); everywhere if there is none."""
        return self.area.inside.read(window) if self.area else np.ones((window.height, window.width), bool)

    @property
    def image_grid(self) -> Grid:
        """The grid of the whole spectral image."""
        return self.area.image if self.area else self.grid

    @property
    def origin_rc(self) -> tuple[int, int]:
        """Row and column of the first pixel of the grid in the whole image."""
        return self.area.origin_rc if self.area else (0, 0)

    @property
    def pixels(self) -> int:
        """Number of pixels in the area of interest, or in the whole image."""
        return self.area.pixels if self.area else math.prod(self.grid.shape_hw)

    def read_padded(self, row: int, col: int, height: int, width: int) -> Tile:
        """A window that may extend beyond the border, where the scene continues as its mirror image.

        The border pixel itself is not repeated (``reflect`` in numpy); invalid pixels are mirrored too. Beyond the crop
        of an area of interest, the image itself continues; pixels outside the area are valid.
        """
        row, col = row + self.origin_rc[0], col + self.origin_rc[1]
        rows, cols = (
            mirrored(first, n, of)
            for first, n, of in zip((row, col), (height, width), self.image_grid.shape_hw, strict=True)
        )
        top, left = int(rows.min()), int(cols.min())
        tile = self.read_image(Window(left, top, int(cols.max()) - left + 1, int(rows.max()) - top + 1))
        if (row, col, *tile.valid.shape) == (top, left, height, width):
            return tile
        down, right = rows[:, None] - top, cols[None, :] - left
        return Tile(tile.spectral[:, down, right], tile.sar[:, down, right], tile.condition[down, right])

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

    def known_files(self) -> tuple[KnownFile, ...]:
        """The files that are read, with their contents, without those read from an address."""
        return tuple(KnownFile.of(file) for file in dict.fromkeys(self.files) if not is_remote(str(file)))

    def fingerprint(self, known: tuple[KnownFile, ...] = ()) -> str:
        """Hash of everything that determines the tiles: file contents, bands, grid, unit, shift, offset.

        ``known`` files are not read again if they have the same size and time.
        """
        found = sha256_by_path(known)

        def sha256(path: Path) -> str:
            return found.get(path.absolute()) or content_sha256(path)

        bands = [
            (sha256(band.path), band.index, band.nodata, band.scale, band.offset, band.grid.to_dict())
            for image in self.images
            for band in image.bands
        ]
        files = [sha256(file) for file in self.files]
        rest = (self.grid.to_dict(), self.sar_unit)
        hashed = (
            bands,
            files,
            rest,
            self.applied_shift_xy_px,
            self.spectral_offset,
            self.plain_names,
            self.spectral.gaps,
            *((image.group, len(image.bands)) for image in self.extra),
            *(image.series.key(image.names) for image in self.images if image.series),
            *(("mask", self.mask.pixels.digest()) if self.mask else ()),
            *(("area", self.origin_rc, self.area.inside.digest()) if self.area else ()),
            *(("missing", self.missing) if self.missing != "error" else ()),
        )
        return hashlib.sha256(repr(hashed).encode()).hexdigest()

    def check_unchanged(self) -> None:
        """RasterError if a file was replaced or modified since it was opened."""
        for image in self.images:
            image.check_unchanged()
        if self.mask:
            self.mask.check_unchanged()
        if self.area:
            self.area.check_unchanged()

    def limits(self) -> dict[str, Any]:
        """What was masked, and the area of interest, for the record of a map; empty without both."""
        masked = {"masked": self.mask.to_dict()} if self.mask else {}
        return masked | ({"area": self.area.to_dict()} if self.area else {})

    def to_dict(self) -> list[dict[str, Any]]:
        """Each image, for the record of a map: files, date, bands, sensor, unit, offset and shift."""
        x, y = self.applied_shift_xy_px
        spectral: dict[str, Any] = {"role": "spectral", "sensor": self.spectral.sensor, "offset": self.spectral_offset}
        radar: dict[str, Any] = {
            "role": "SAR",
            "unit": {"power": "linear power", "db": "dB"}[self.sar_unit],
            "corrected_px": [x, y],
        }
        radar["shift"] = self.shift.describe() if self.shift else "not estimated"
        extra: list[dict[str, Any]] = [{"role": "extra", "group": image.group} for image in self.extra]
        return [one | _of_image(image) for one, image in zip([spectral, *extra, radar], self.images, strict=False)]

    def describe(self) -> list[str]:
        """Lines of text: bands, units, grid, shift, mask and area."""
        unit = {"power": "linear power", "db": "dB, read as linear power"}[self.sar_unit]
        plain = f"; as they are: {listed(self.plain_names)}" if self.plain_names else ""
        x, y = self.applied_shift_xy_px
        corrected = f", corrected by {x:g}, {y:g} px" if (x, y) != (0, 0) else ", not corrected"
        offset = f"; {self.spectral_offset:+g} added" if self.spectral_offset else ""
        of = "the area of interest" if self.area else "the scene"
        plainly = "not estimated, scene too small or plain"
        images = {"the spectral image": self.spectral, **{printable(image.group): image for image in self.extra}}
        images |= {"the SAR image": self.sar}
        return [
            f"spectral: {source_text(self.spectral)}; {self.spectral.sensor or 'unknown sensor'}{offset}",
            *(f"{printable(image.group)}: {source_text(image)}" for image in self.extra),
            f"SAR: {source_text(self.sar)}; {unit}{plain}" if self.has_sar else "SAR: none",
            f"grid: {self.grid.describe()}",
            *([f"shift: {self.shift.describe() + corrected if self.shift else plainly}"] if self.has_sar else []),
            *dates_lines(images),
            *(f"mask: {with_names(file.describe(of))}" for file in (self.mask.files if self.mask else ())),
            *([f"area of interest: {self.area.describe()}"] if self.area else []),
        ]


def as_list(stacks: Stack | Sequence[Stack]) -> list[Stack]:
    """One scene, or several, as a list."""
    return [stacks] if isinstance(stacks, Stack) else list(stacks)


def scene_names(stacks: Sequence[Stack]) -> list[str]:
    """A short name for each scene: that in its table, else of its spectral file, with the folder or a number."""
    if all(stack.name for stack in stacks):
        return [stack.name for stack in stacks]
    paths = [stack.spectral.paths[0] for stack in stacks]
    ways = [[file_name(path).split(".")[0] for path in paths], [f"{path.parent.name}/{path.stem}" for path in paths]]
    distinct = (names for names in ways if len(set(names)) == len(names))
    return next(distinct, [f"{name} ({i})" for i, name in enumerate(ways[0], 1)])


def _of_image(image: Image) -> dict[str, Any]:
    """Files with their hashes, date and bands of an image; a file read from an address has none."""
    files = [{"file": file_name(path)} | _hashed(path) for path in image.paths]
    days = days_of_image(image)
    several = {"dates": image.series.to_dict(days)} if image.series else {}
    date = "/".join(map(str, days if len(days) == 1 else (days[0], days[-1]))) if days else None
    return {"files": files, "date": date, "bands": [*map(printable, image.names)]} | several


def _hashed(path: Path) -> dict[str, str]:
    return {} if is_remote(str(path)) else {"sha256": content_sha256(path)}


def sar_product(path: PathLike) -> Product:
    """The files of :meth:`Stack.write_sar`."""
    return Product(Path(path), (record_path(path),), extension=".tif")
