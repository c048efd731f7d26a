"""Physical values and valid masks of the bands of one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import Grid, is_south_up

Float32s = NDArray[np.float32]
Bools = NDArray[np.bool_]
# Beyond these a value is a fill value, even if undeclared: -9999, -32768, the lowest float32.
LEAST_RAW, MOST_RAW = -9990, 1e30
MOST_BETWEEN = 0.05  # of a mask's pixels, on smooth edges

ReadPart = Callable[[Window], tuple[Float32s, Bools]]


@dataclass(frozen=True)
class Band:
    """One band of a file. Physical value = raw value × scale + offset.

    Attributes
    ----------
    name : str
    wavelength_nm : float, optional
    path : pathlib.Path
    index : int
        Number of the band in its file, from 1.
    nodata : float, optional
        Raw nodata value.
    scale, offset : float
    grid : Grid
        Grid of the file, north-up.
    unit : str
        As stated in the file, such as ``"dB"``; else empty.
    dtype : str
        Data type of the raw values.
    masks : tuple of int
        Indexes of the alpha bands of its file, 0 where transparent.
    """

    name: str
    wavelength_nm: float | None
    path: Path
    index: int
    nodata: float | None
    scale: float
    offset: float
    grid: Grid
    unit: str = ""
    dtype: str = "float32"
    masks: tuple[int, ...] = ()


Convert = Callable[[NDArray[np.floating], Band], NDArray[np.floating]]


@dataclass
class ReadCounts:
    """Counts of the pixels that a step has read from each file; see :meth:`Stack.counting`."""

    pixels: Counter[Path] = field(default_factory=Counter)  # counted again each time they are read
    zeros: Counter[Path] = field(default_factory=Counter)  # 0 in all bands, possibly undeclared nodata
    values: Counter[Path] = field(default_factory=Counter)  # floating-point values
    infinite: Counter[Path] = field(default_factory=Counter)
    gaps: Counter[tuple[Path, int]] = field(default_factory=Counter)  # by file and band: no data, but in other bands
    filled: Counter[tuple[Path, int]] = field(default_factory=Counter)  # likewise: filled from other dates
    too_few: Counter[tuple[Path, int]] = field(default_factory=Counter)  # of the first date: data at too few dates
    gap_pixels: Counter[Path] = field(default_factory=Counter)  # of an image, by its first file

    def add_gaps(self, bands: Sequence[Band], valid: Bools) -> None:
        """Count pixels that have data in some bands only; ``valid`` (bands, h, w)."""
        gap = valid.any(axis=0) & ~valid.all(axis=0)
        if gap.any():
            self.gap_pixels[bands[0].path] += int(gap.sum())
            self.gaps.update(
                {(band.path, band.index): int((gap & ~own).sum()) for band, own in zip(bands, valid, strict=True)}
            )

    def add_filled(self, bands: Sequence[Band], filled: Bools, too_few: Bools) -> None:
        """Count pixels of a band at all dates: filled ones (dates, h, w), and those with too few dates (h, w)."""
        self.filled.update({(band.path, band.index): int(own.sum()) for band, own in zip(bands, filled, strict=True)})
        self.too_few[bands[0].path, bands[0].index] += int(too_few.sum())

    def add(self, path: Path, raw: NDArray[Any], valid: Bools) -> None:
        """Count raw values (bands, h, w) of a file."""
        self.pixels[path] += valid[0].size
        zero = (raw[0] == 0) & valid[0]
        if zero.any():  # rare, so that the other bands are seldom compared
            self.zeros[path] += int(((raw[:, zero] == 0) & valid[:, zero]).all(axis=0).sum())
        if raw.dtype.kind in "fc":
            self.values[path] += raw.size
            self.infinite[path] += int(np.isinf(raw).sum())

    def zero_share(self, paths: Sequence[Path]) -> float:
        """Share of an image's pixels that are 0; the smallest of its files, as a pixel must be 0 in all of them."""
        return min((self.zeros[path] / self.pixels[path] for path in paths if self.pixels[path]), default=0.0)

    def infinite_share(self, paths: Sequence[Path]) -> float:
        """Share of an image's floating-point values that are infinite."""
        return sum(self.infinite[path] for path in paths) / max(sum(self.values[path] for path in paths), 1)


def read_values(
    dataset: DatasetReader,
    bands: Sequence[Band],
    window: Window,
    convert: Convert | None = None,
    counts: ReadCounts | None = None,
) -> tuple[Float32s, Bools]:
    """Physical values, float32 (bands, h, w), and valid mask, bool (bands, h, w), of bands of one file.

    ``window`` is inside the north-up grid of the file; ``convert`` is applied to the physical values. Valid pixels are
    not nodata, NaN, infinite, masked or transparent; values are 0 elsewhere. RasterError if the file is damaged there,
    or contains an undeclared fill value.
    """
    raw, valid = _read_raw(dataset, bands, window)
    _check_fill(bands, raw, valid)
    if counts is not None:
        counts.add(bands[0].path, raw, valid)
    return _valid_values(bands, raw, valid, convert)


def bands_with_data(dataset: DatasetReader, bands: Sequence[Band], window: Window) -> Bools:
    """Which bands of a file have a valid value in a window, bool (bands,)."""
    raw, valid = _read_raw(dataset, bands, window)
    return np.asarray(_valid_values(bands, raw, valid, None)[1].any(axis=(1, 2)))


def number_text(value: np.generic) -> str:
    """The shortest text of a raw value, as an argument of gdal_edit.py: -9999, -3.4028235e+38."""
    return str(value).removesuffix(".0")


def _valid_values(
    bands: Sequence[Band], raw: NDArray[Any], valid: Bools, convert: Convert | None
) -> tuple[Float32s, Bools]:
    values = raw if raw.dtype == np.float32 else np.empty(raw.shape, np.float32)
    for at, band in enumerate(bands):  # one by one: a second copy of hundreds of bands takes too much memory
        values[at] = _physical(np.where(valid[at], raw[at], 0), band, convert)
    valid &= np.isfinite(values)
    np.copyto(values, 0, where=~valid)
    return values, valid


def _check_fill(bands: Sequence[Band], raw: NDArray[Any], valid: Bools) -> None:
    """Refuse undeclared fill values: pixels with one implausible raw value in all bands."""
    kind = raw.dtype.kind
    if kind not in "if":  # not used as fill values of complex data, not possible in unsigned data
        return
    found = valid[0] & ((raw[0] <= LEAST_RAW) | (kind == "f" and raw[0] >= MOST_RAW))
    if not found.any():  # nearly always, so that the other bands are seldom compared
        return
    pixels = raw[:, found]
    filled = (valid[:, found] & (pixels == pixels[0])).all(axis=0)
    if len(bands) == 1 and kind == "f":  # a single low value may be a measurement; fill values are whole numbers
        filled &= pixels[0] == np.round(pixels[0])
    if filled.any():
        value = number_text(pixels[0, filled][0])
        raise RasterError(
            bands[0].path,
            f"contains {value} in all bands but does not declare it as nodata",
            f"Set it: gdal_edit.py -a_nodata {value}",
        )


def is_mask(dataset: DatasetReader, band: Band) -> bool:
    """Whether a band holds only 0 and one other value, except for smooth edges, in windows spread over the image."""
    windows = band.grid.spread_windows(128)
    raw = np.concatenate([_read_raw(dataset, [band], window)[0].ravel() for window in windows])
    values, counts = np.unique(raw[raw != 0], return_counts=True)
    if not values.size:
        return True
    most, seen = int(counts.max()), int(counts.sum())
    # Over water nearly all of a near infrared is 0, so the other values must agree too.
    return seen - most < MOST_BETWEEN * raw.size and most > seen / 2


def _physical(raw: NDArray[Any], band: Band, convert: Convert | None) -> NDArray[np.float32]:
    """Values of one band, (h, w); computed in float64 if the file has a scale or an offset."""
    values: NDArray[Any] = raw.real**2 + raw.imag**2 if np.iscomplexobj(raw) else raw
    with np.errstate(over="ignore", invalid="ignore"):  # infinite results are invalid
        if band.scale != 1 or band.offset != 0:
            values = values * np.float64(band.scale) + np.float64(band.offset)
        return (values if convert is None else convert(values, band)).astype(np.float32, copy=False)


def _read_raw(dataset: DatasetReader, bands: Sequence[Band], window: Window) -> tuple[NDArray[Any], Bools]:
    """Raw values and valid mask, rows from north to south."""
    flipped = is_south_up(dataset)
    row = dataset.height - window.row_off - window.height if flipped else window.row_off
    in_file = Window(window.col_off, row, window.width, window.height)
    indexes = [band.index for band in bands]
    try:
        raw = dataset.read(indexes, window=in_file)
        valid: Bools = np.isfinite(raw)
        flags = dataset.mask_flag_enums
        # GDAL turns an alpha band into a mask only next to one or three bands, and whatever it holds.
        if any(MaskFlags.per_dataset in flags[i - 1] and MaskFlags.alpha not in flags[i - 1] for i in indexes):
            valid &= dataset.read_masks(indexes, window=in_file) > 0
        if masks := bands[0].masks:
            valid &= (dataset.read(list(masks), window=in_file) > 0).all(axis=0)
    except RasterioError as error:
        raise RasterError(
            dataset.name, f"is damaged near row {row}, column {window.col_off}", "Copy or download it again."
        ) from error
    for band, values, mask in zip(bands, raw, valid, strict=True):
        if band.nodata is not None:
            mask &= ~_equals(values, band.nodata)
    return (raw[:, ::-1], valid[:, ::-1]) if flipped else (raw, valid)


def _equals(values: NDArray[Any], nodata: float) -> Bools:
    """Where values equal the nodata value, to the precision of their type."""
    if values.dtype.kind in "fc":
        with np.errstate(over="ignore"):
            nodata = values.dtype.type(nodata)
    return np.asarray(values == nodata)


def read_over_border(read: ReadPart, source: Grid, window: Window, count: int) -> tuple[Float32s, Bools]:
    """A window that may extend beyond the source, where it is invalid."""
    height, width = source.shape_hw
    top, bottom = max(window.row_off, 0), min(window.row_off + window.height, height)
    left, right = max(window.col_off, 0), min(window.col_off + window.width, width)
    if (bottom - top, right - left) == (window.height, window.width):
        return read(window)
    values = np.zeros((count, window.height, window.width), np.float32)
    valid = np.zeros(values.shape, bool)
    if top < bottom and left < right:
        rows = slice(top - window.row_off, bottom - window.row_off)
        cols = slice(left - window.col_off, right - window.col_off)
        values[:, rows, cols], valid[:, rows, cols] = read(Window(left, top, right - left, bottom - top))
    return values, valid
