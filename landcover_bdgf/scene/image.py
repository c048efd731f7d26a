"""An image: the bands of one sensor, from one or several files, read on one grid."""

from __future__ import annotations

import math
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain, compress, groupby
from pathlib import Path
from typing import Literal

import numpy as np
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError, opening
from landcover_bdgf.geo import Grid, block_bytes, envi_pixels, grid_of, resample, resolution_ratio
from landcover_bdgf.progress import log
from landcover_bdgf.scene.arrays import write_array
from landcover_bdgf.scene.auxiliary import auxiliary_bands
from landcover_bdgf.scene.band_reader import (
    Band,
    Bools,
    Convert,
    Float32s,
    ReadCounts,
    bands_with_data,
    is_mask,
    read_over_border,
    read_values,
)
from landcover_bdgf.scene.bands import (
    BandText,
    bad_bands,
    band_names,
    band_text,
    band_wavelengths_nm,
    band_words,
    file_tags,
    is_sentinel_2_file,
    is_spectral,
    is_water_vapour,
    sensor_of,
)
from landcover_bdgf.scene.open_files import OpenFiles, State, check_states
from landcover_bdgf.scene.product_files import Source, arrays_and_paths, raster_paths
from landcover_bdgf.scene.product_metadata import calibrated, product_tags
from landcover_bdgf.scene.time_series import TimeSeries
from landcover_bdgf.storage import typed_path
from landcover_bdgf.text import listed, with_names

Gaps = Literal["drop", "zero"]
WRONG_FILE = "Check that it is the right file."


@dataclass(frozen=True)
class Image:
    """Bands and the grid on which they are read; made by :func:`open_image`.

    Attributes
    ----------
    bands : tuple of Band
        None in place of a SAR image that is missing.
    grid : Grid
        Of the finest band.
    sensor : str, optional
        ``"Sentinel-2"``, ``"Landsat 8/9"`` or ``"Landsat 4-7"``, if recognised by the names of bands or files.
    tags : dict
        Tags of the first file.
    zeros_reported : bool
        Whether the user was warned of pixels that are 0 in all bands.
    gaps : "drop" or "zero"
        Pixels without data in some bands only: they are invalid, or 0 in these bands.
    group : str
        Name of a group of extra layers; empty for the images of the two sensors.
    series : TimeSeries, optional
        Of an image of several dates, whose gaps are filled when it is read.
    counts : ReadCounts, optional
        Counts the pixels that a step reads.

    Notes
    -----
    Files are opened by the first read and stay open, with the blocks that GDAL has decoded, until :meth:`close` or the
    end of a ``with`` block. A later read opens them again.
    """

    bands: tuple[Band, ...]
    grid: Grid
    sensor: str | None = None
    tags: dict[str, str] = field(default_factory=dict, compare=False)
    zeros_reported: bool = field(default=False, compare=False)
    gaps: Gaps = "drop"
    group: str = ""
    series: TimeSeries | None = None
    counts: ReadCounts | None = field(default=None, compare=False, repr=False)
    _open: OpenFiles = field(default_factory=OpenFiles, compare=False, repr=False)
    _states: dict[Path, State] = field(default_factory=dict, compare=False, repr=False)

    def __repr__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        source = with_names(f"{self.paths[0]}{more}")
        return f"Image({len(self.bands)} bands of {source}: {listed(self.names)}; {self.grid.describe()})"

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._open.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands."""
        return tuple(band.name for band in self.bands)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The raster files, without duplicates."""
        return tuple(dict.fromkeys(band.path for band in self.bands))

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are read: rasters, their headers, and the sources of a VRT."""
        return tuple(self._states)

    def read(
        self, window: Window, grid: Grid | None = None, *, convert: Convert | None = None
    ) -> tuple[Float32s, Bools]:
        """Physical values of all bands in a window, and the pixels that are valid in all of them (see ``gaps``).

        Parameters
        ----------
        window : Window
            Inside ``grid``.
        grid : Grid, optional
            Any grid; the image's own if not given. Values do not depend on the window.
        convert : callable, optional
            Applied to the physical values of each band before they are resampled, such as dB to linear power.

        Returns
        -------
        values : float32 (bands, h, w), 0 where invalid
        valid : bool (h, w)

        RasterError if a file is damaged or contains an undeclared fill value.
        """
        target = grid or self.grid
        parts = [self._read_file(bands, target, window, convert) for bands in _by_file(self.bands)]
        values, valid = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        if self.series is not None:
            self.series.mask(self.names, valid, window, target)
            self.series.fill(self.bands, values, valid, gaps=self.gaps, counts=self.counts)
        in_all = np.asarray(valid.all(axis=0))
        if self.counts is not None and not in_all.all():
            self.counts.add_gaps(self.bands, valid)
        jointly = in_all if self.gaps == "drop" else np.asarray(valid.any(axis=0))
        values[:, ~jointly] = 0
        return values, jointly

    def _read_file(
        self, bands: tuple[Band, ...], target: Grid, window: Window, convert: Convert | None
    ) -> tuple[Float32s, Bools]:
        def read(source_window: Window) -> tuple[Float32s, Bools]:
            return read_values(self._open[bands[0].path], bands, source_window, convert, self.counts)

        source = bands[0].grid
        offset = target.offset_in(source)
        if offset is None:
            return resample(read, source, target, window, count=len(bands))
        row, col = offset[0] + window.row_off, offset[1] + window.col_off
        return read_over_border(read, source, Window(col, row, window.width, window.height), len(bands))

    def unpacked(self, path: Path) -> Path:
        """The folder that a zip archive of this image was unpacked to; any other path as it is."""
        return self._open.unpacked(path)

    def as_stored(self) -> Image:
        """The same image with raw instead of physical values."""
        return replace(self, bands=tuple(replace(band, scale=1.0, offset=0.0) for band in self.bands))

    def block_bytes(self) -> int:
        """Size of the largest block of the files, in bytes; GDAL decodes whole blocks."""
        return max(block_bytes(self._open[bands[0].path]) for bands in _by_file(self.bands))

    def check_unchanged(self) -> None:
        """RasterError if a file was replaced or modified since it was opened."""
        check_states(self._states)


@opening(RasterError)
def open_image(
    source: Source, *, crs: CRS | None = None, keep_water_vapour: bool = False, vrt: bool = False,
    warp_gcps: bool = False, wanted: tuple[str, ...] | None = (), if_empty: str | None = WRONG_FILE,
) -> Image:  # fmt: skip
    """Open the bands of one sensor.

    Parameters
    ----------
    source : path, xarray.DataArray, or sequence of them
        A raster, a folder of rasters, or several rasters. Resolutions and origins may differ: the grid is
        that of the first of the finest bands. DataArrays: see :func:`~landcover_bdgf.scene.arrays.write_array`.
    crs : rasterio.crs.CRS, optional
        Used instead of the CRS of the files, if any.
    keep_water_vapour : bool
        Keep bands at which the atmosphere is opaque (see :func:`landcover_bdgf.scene.bands.is_water_vapour`).
    wanted : tuple of str, optional
        Names of bands to keep even if they are angles or codes by name; None to keep all bands and files.
    vrt, warp_gcps : bool
        As :func:`~landcover_bdgf.geo.raster.open_raster`.
    if_empty : str, optional
        Remedy in the error of an image without data; None to keep its bands.

    Returns
    -------
    Image
        Without alpha bands, masks, codes, angles and pictures in the same file, bands that an ENVI header marks as
        bad, water-vapour bands and empty bands; each omission is logged.

    Raises
    ------
    RasterError
        If a file cannot be opened or has no position, two bands have the same name, or no band is left.
    """
    files = OpenFiles(vrt=vrt, warp_gcps=warp_gcps)
    arrays, paths = arrays_and_paths(source)
    with ExitStack() as on_error:
        on_error.callback(files.close)
        for array in arrays:
            folder, path = write_array(array, crs=crs)
            weakref.finalize(files, shutil.rmtree, folder, ignore_errors=True)
            files[path]  # opens the file
        paths = [files.unpacked(path) for path in map(typed_path, paths)]
        found = raster_paths(paths, wanted=wanted) if paths or not arrays else []
        for path in map(envi_pixels, found):
            files[path]
        image = _with_data(_usable(files, crs, keep_water_vapour, wanted), if_empty)
        on_error.pop_all()
    return image


def _usable(files: OpenFiles, crs: CRS | None, keep_water_vapour: bool, wanted: tuple[str, ...] | None) -> Image:
    """The image without unusable bands; see :func:`open_image`."""
    states = files.states()
    # read once: some files have thousands
    tags = {path: file_tags(dataset) | product_tags(path, dataset.count) for path, dataset in files.items()}
    bands, sensor = _bands(files, tags, crs, wanted)
    _check_names(bands)
    marked = {path: bad_bands(tags[path], dataset.count) for path, dataset in files.items()}
    bad = [band for band in bands if band.index in marked[band.path]]
    bands = _without(bands, bad, "marked as bad in the header (bbl)")
    if not keep_water_vapour:
        opaque = [band for band in bands if is_water_vapour(band.wavelength_nm)]
        bands = _without(bands, opaque, "in ranges of water-vapour absorption")
    first = next(iter(files.values()))
    return Image(bands, _finest(bands), sensor, first.tags(), _open=files, _states=states)


def _with_data(image: Image, if_empty: str | None) -> Image:
    """The image without empty bands; see :func:`open_image`."""
    empty = list(_empty_bands(image))
    if len(empty) < len(image.bands):
        kept = _without(image.bands, empty, "without data")
        return replace(image, bands=kept, grid=_finest(kept))
    if if_empty is not None:
        raise RasterError(image.paths[0], "no band is left, all are without data", if_empty)
    return image


def _bands(
    datasets: Mapping[Path, DatasetReader],
    tags: dict[Path, dict[str, str]],
    crs: CRS | None,
    wanted: tuple[str, ...] | None,
) -> tuple[tuple[Band, ...], str | None]:
    """The bands of all files, named, without alpha bands and auxiliary layers; and the sensor."""
    described: list[tuple[Band, BandText]] = []
    for path, dataset in datasets.items():
        grid = grid_of(dataset, crs=crs, instead=", or pass `hsi_crs` or `sar_crs=EPSG:…`")
        unit = dataset.tags().get("SAR_UNIT", "")
        raw = [_raw_band(path, dataset, index, grid, unit) for index in dataset.indexes]
        bands = [calibrated(band, tags[path]) for band in raw]
        masks = _alpha_bands(dataset, bands, tags[path])
        opaque = [replace(band, masks=masks) for band in bands if band.index not in masks]
        texts = [band_text(dataset, band.index, tags[path]) for band in opaque]
        described += zip(opaque, texts, strict=True) if wanted is None else _without_auxiliary(opaque, texts, wanted)
    if not described:
        raise RasterError(next(iter(datasets)), "no band is left, all are alpha bands", WRONG_FILE)
    described = _finest_of_each(described)
    texts = [text for _, text in described]
    named = zip((band for band, _ in described), band_names(texts), band_wavelengths_nm(texts), strict=True)
    return tuple(replace(band, name=name, wavelength_nm=nm) for band, name, nm in named), sensor_of(texts)


def _finest_of_each(described: list[tuple[Band, BandText]]) -> list[tuple[Band, BandText]]:
    """Of a band that is there at several resolutions, the finest."""
    words = band_words([text for _, text in described])
    side: dict[str | None, float] = {}
    for (band, _), word in zip(described, words, strict=True):
        side[word] = min(side.get(word, math.inf), abs(band.grid.transform.a))
    named = tuple(replace(band, name=word or "") for (band, _), word in zip(described, words, strict=True))
    coarse = [band for band in named if band.name and abs(band.grid.transform.a) > 1.001 * side[band.name]]
    _without(named, coarse, "also present with smaller pixels")
    return [each for each, band in zip(described, named, strict=True) if band not in coarse]


def _without_auxiliary(
    bands: Sequence[Band], texts: Sequence[BandText], wanted: tuple[str, ...]
) -> list[tuple[Band, BandText]]:
    """The bands of one file with their texts, without masks, codes, angles and pictures."""
    auxiliary = [
        found and text.description not in wanted for found, text in zip(auxiliary_bands(texts), texts, strict=True)
    ]
    named = tuple(replace(band, name=text.description) for band, text in zip(bands, texts, strict=True))
    _without(named, list(compress(named, auxiliary)), "masks, codes, angles or pictures by name")
    return [(band, text) for band, text, found in zip(named, texts, auxiliary, strict=True) if not found]


def _alpha_bands(dataset: DatasetReader, bands: Sequence[Band], tags: dict[str, str]) -> tuple[int, ...]:
    """Alpha bands that hold a mask: GDAL also marks the near infrared of 8-bit red, green, blue, NIR as alpha."""
    masks = []
    for band in compress(bands, (use == ColorInterp.alpha for use in dataset.colorinterp)):
        if not is_spectral(band_text(dataset, band.index, tags)) and is_mask(dataset, band):
            log.info("%s: band %d is an alpha band, used as a mask.", band.path, band.index)
            masks.append(band.index)
        else:
            log.warning("%s: band %d is marked as alpha but is not a mask; used as a band.", band.path, band.index)
    return tuple(masks)


def _raw_band(path: Path, dataset: DatasetReader, index: int, grid: Grid, unit: str) -> Band:
    at = index - 1
    as_delivered = dataset.driver == "JP2OpenJPEG" and is_sentinel_2_file(path.stem)  # declares nodata in its XML only
    return Band(
        name="",
        wavelength_nm=None,
        path=path,
        index=index,
        nodata=0.0 if as_delivered else dataset.nodatavals[at],
        scale=dataset.scales[at],
        offset=dataset.offsets[at],
        grid=grid,
        unit=dataset.tags(index).get("SAR_UNIT") or unit or dataset.units[at] or "",
        dtype=dataset.dtypes[at],
    )


def _check_names(bands: tuple[Band, ...]) -> None:
    seen: dict[str, Band] = {}
    for band in bands:
        if band.name in seen:
            other = seen[band.name].path
            where = "occurs twice" if other == band.path else f"also occurs in {other}"
            raise RasterError(band.path, f"band {band.name} {where}", "Remove one of them.")
        seen[band.name] = band


def _without(bands: tuple[Band, ...], unwanted: Sequence[Band], reason: str) -> tuple[Band, ...]:
    """The other bands; those left out are logged by name."""
    if not unwanted:
        return bands
    path, names = unwanted[0].path, listed([band.name for band in unwanted])
    log.info("%s: left out %d of %d bands, %s: %s.", path, len(unwanted), len(bands), reason, names)
    kept = tuple(band for band in bands if band not in unwanted)
    if not kept:
        raise RasterError(path, f"no band is left, all are {reason}", WRONG_FILE)
    return kept


def _finest(bands: tuple[Band, ...]) -> Grid:
    """The grid of the first band with the smallest pixels."""
    grids = dict.fromkeys(band.grid for band in bands)
    return min(grids, key=lambda grid: round(math.prod(resolution_ratio(bands[0].grid, grid)), 6))


def _empty_bands(image: Image) -> Iterator[Band]:
    """Bands without any valid pixel: candidates from a few windows, then confirmed by a full pass."""
    for candidates in _by_file(image.bands):
        grid, dataset = candidates[0].grid, image._open[candidates[0].path]
        for window in chain(grid.spread_windows(64), grid.tiles(1024)):
            if not candidates:
                break
            candidates = tuple(compress(candidates, ~bands_with_data(dataset, candidates, window)))
        yield from candidates


def _by_file(bands: Sequence[Band]) -> list[tuple[Band, ...]]:
    """Bands grouped by file, in order."""
    return [tuple(group) for _, group in groupby(bands, key=lambda band: band.path)]
