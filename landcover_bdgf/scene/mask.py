"""Masks: pixels of an image to leave out, such as clouds, by rasters on any grid."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.geo import WGS84, grid_of, open_raster, resolution_ratio
from landcover_bdgf.progress import log, track
from landcover_bdgf.scene.area import Area
from landcover_bdgf.scene.auxiliary import is_scene_classification
from landcover_bdgf.scene.band_reader import Band, read_values
from landcover_bdgf.scene.image import Image
from landcover_bdgf.scene.mask_share import Covered, covered_pixels
from landcover_bdgf.scene.open_files import State, check_states, files_of, state_of
from landcover_bdgf.scene.pair_checks import box_text, covered_share
from landcover_bdgf.scene.pixel_set import Bools, PixelSet
from landcover_bdgf.scene.product_files import Source, arrays_and_paths, classification_file
from landcover_bdgf.scene.settings import NO_MASK
from landcover_bdgf.storage import typed_path
from landcover_bdgf.text import rough_percent

# Scene classification of Sentinel-2 Level-2A, SCL: Sentinel-2 Products Specification Document, table of SCL classes.
SCL_CLASSES = {
    0: "no data", 1: "saturated", 2: "dark", 3: "shadow", 4: "vegetation", 5: "bare", 6: "water", 7: "unclassified",
    8: "cloud", 9: "cloud", 10: "cirrus", 11: "snow",
}  # fmt: skip
SCL_MASKED = ((0, 1), (3, 3), (8, 10))
_ITEM = r"(-?\d+)(?:-(-?\d+))?"
_VALUES = re.compile(rf"\s*{_ITEM}\s*(?:,\s*{_ITEM}\s*)*")
_TILE_PX = 1024
_MOST_SOURCE_PX = 2048  # side of the part of a mask that is read at once
_WORTH_A_WARNING = 0.01
_MOST_SHOWN = 8  # values whose shares are shown
_MOST_VALUES = 32  # more are probabilities, flags or numbers of objects, not classes
_POLYGONS = (".shp", ".gpkg", ".geojson", ".json", ".gml", ".kml", ".kmz", ".fgb")

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class MaskFile:
    """A raster by which pixels are masked.

    Attributes
    ----------
    path : Path
    ranges : tuple of (int, int), optional
        First and last of the values that are masked; None for those that its kind suggests.
    typed : bool
        Whether the user named it; else it belongs to the product.
    may_be_whole : bool
        Whether it may mask all pixels.
    """

    path: Path
    ranges: Ranges | None = None
    typed: bool = True
    may_be_whole: bool = False


@dataclass(frozen=True)
class MaskedBy:
    """What one file masks: its share of the pixels, the same by class, and the share that it does not reach."""

    path: Path
    share: float
    classes: Mapping[str, float]
    not_reached: float

    def describe(self, of: str = "the scene") -> str:
        """As text: ``scl.tif: 12.3 % of the scene is masked: cloud 8.1 %, shadow 4.2 %``."""
        by_class = ", ".join(f"{name} {100 * share:.1f} %" for name, share in self.classes.items())
        return f"{self.path}: {100 * self.share:.1f} % of {of} is masked{': ' if by_class else ''}{by_class}"


@dataclass(frozen=True, eq=False)
class Mask:
    """Masked pixels of an image, their share of it (or of its area of interest), and the files that mask them."""

    pixels: PixelSet
    share: float
    files: tuple[MaskedBy, ...]
    states: Mapping[Path, State]

    def check_unchanged(self) -> None:
        """RasterError if a file was modified since it was read."""
        check_states(self.states)

    def to_dict(self) -> dict[str, Any]:
        """For the record of a map."""
        files = [{"file": file.path.name, "share": file.share, "classes": dict(file.classes)} for file in self.files]
        return {"share": self.share, "files": files}


class MasksAllError(RasterError):
    """A mask that leaves no pixel of the scene."""


def mask_path(text: str) -> str:
    """The file of a mask as typed, ``scl.tif`` of ``scl.tif:3,8``."""
    return text if text == NO_MASK else str(_parsed(text).path)


def read_mask(
    texts: Sequence[str],
    source: Source | None,
    image: Image,
    *,
    area: Area | None,
    crs: CRS | None = None,
    may_be_whole: bool = False,
    **opening: bool,
) -> Mask | None:
    """The pixels of an image that are masked; the share is logged.

    Parameters
    ----------
    texts : sequence of str
        ``FILE`` or ``FILE:VALUES``, see :class:`~landcover_bdgf.scene.AlignSettings`; ``none`` for not using the scene
        classification of the product.
    source, image
        The spectral image as given, None for not using its own scene classification, and opened.
    area : Area, optional
        Shares are those of the area of interest.
    crs : rasterio.crs.CRS, optional
        CRS of the spectral image, if it was given.
    may_be_whole : bool
        Whether all pixels may be masked, as the SAR image shows them.
    **opening
        As :func:`~landcover_bdgf.geo.open_raster`.

    Raises
    ------
    SettingsError
        The values cannot be read.
    MasksAllError
        The masks leave nothing of the image.
    RasterError
        A mask cannot be opened, or does not overlap the image.
    """
    masks = [_parsed(text) for text in texts if text != NO_MASK]
    for path in (mask.path for mask in masks if mask.path.suffix.lower() in _POLYGONS):
        remedy = "Burn them into one, for example with gdal_rasterize -burn 1 -tr 10 10 -ot Byte."
        raise RasterError(path, "is a file of polygons, but a mask is a raster", remedy)
    typed_scl = any(is_scene_classification(mask.path.stem) for mask in masks)
    if source is not None and NO_MASK not in texts and not typed_scl:
        typed = {mask.path for mask in masks}
        masks += [mask for mask in _own(source, image, opening) if mask.path not in typed]
    found = np.zeros(image.grid.shape_hw, bool)
    files: list[MaskedBy] = []
    states: dict[Path, State] = {}
    for mask in (replace(each, may_be_whole=may_be_whole) for each in masks):
        with open_raster(mask.path, **opening) as dataset:
            by = _add(found, mask, dataset, image, area, None if mask.typed else crs)
            states |= {file: state_of(file) for file in files_of(mask.path, dataset)}
        files += [by] if by else []
    if not files:
        return None
    counted, total = _counted(found, area)
    if counted == total and not may_be_whole:
        names = ", ".join(str(by.path) for by in files[1:])
        raise MasksAllError(files[0].path, f"masks all of {_of(area)} together with {names}", "Leave one of them out.")
    return Mask(PixelSet.of(found), counted / total, tuple(files), states)


def _parsed(text: str) -> MaskFile:
    head, colon, values = text.rpartition(":")
    if not colon or os.path.exists(text):
        return MaskFile(typed_path(text))
    if not _VALUES.fullmatch(values):
        if os.path.isfile(head):
            raise _unreadable(text)
        return MaskFile(typed_path(text))  # such as C:\x\scl.tif
    pairs = (re.fullmatch(_ITEM, item.strip()) for item in values.split(","))
    ranges = tuple((int(pair[1]), int(pair[2] or pair[1])) for pair in pairs if pair)
    if any(first > last for first, last in ranges):
        raise _unreadable(text)
    return MaskFile(typed_path(head), ranges)


def _unreadable(text: str) -> SettingsError:
    return SettingsError(f"`mask={text}`", "its values cannot be read", "Write them like scl.tif:3,8-10.")


def _own(source: Source, image: Image, opening: Mapping[str, bool]) -> list[MaskFile]:
    """The scene classification of a product: a file in its folder, or a band beside the others."""
    _, paths = arrays_and_paths(source)
    if file := classification_file([image.unpacked(path) for path in map(typed_path, paths)]):
        return [MaskFile(file, typed=False)]
    for path in image.paths:
        with open_raster(path, **opening) as dataset:
            index = _classification_band(dataset)
            if index and not any(band.path == path and band.index == index for band in image.bands):
                return [MaskFile(path, typed=False)]
    return []


def _classification_band(dataset: DatasetReader) -> int | None:
    """Number of the band that is described as a scene classification."""
    named = [i for i, text in zip(dataset.indexes, dataset.descriptions, strict=True) if text]
    return next((i for i in named if is_scene_classification(dataset.descriptions[i - 1])), None)


def _add(
    found: Bools, mask: MaskFile, dataset: DatasetReader, image: Image, area: Area | None, crs: CRS | None
) -> MaskedBy | None:
    """Mark the pixels that a file masks; None if it is a classification of the product that cannot be used."""
    index = _classification_band(dataset)
    scl = index is not None or is_scene_classification(mask.path.stem)
    band = _band(dataset, mask, index or _only_band(dataset, mask.path), crs)
    ranges = mask.ranges or (SCL_MASKED if scl else None)
    if band.nodata is not None and (band.nodata == 0 or (ranges and _in_ranges(np.array(band.nodata), ranges))):
        band = replace(band, nodata=None)  # a value that is named, or 0, which many programs declare as nodata
    covers = _covered_share(band, image)
    counts, reached, total = Counter[int](), 0, 0
    masked_here = np.zeros_like(found)
    side = max(1, min(_TILE_PX, int(_MOST_SOURCE_PX / max(*resolution_ratio(band.grid, image.grid), 1))))
    windows = list(image.grid.tiles(side))
    for window in track(windows, f"reading {mask.path.name}", len(windows)):
        wrong: list[float] = []

        def read(part: Window, wrong: list[float] = wrong) -> tuple[Bools, NDArray[np.float32], Bools]:
            values, valid = read_values(dataset, [band], part)
            wrong += _wrong_values(values[valid], scl=scl and mask.ranges is None, whole=mask.ranges is None)
            return _in_ranges(values[0], ranges) & valid[0], values[0], valid[0]

        covered: Covered = covered_pixels(read, band.grid, image.grid, window)
        if wrong:
            _refuse_values(mask, wrong[0], scl=scl)
            return None
        masked_here[window.toslices()] = covered.masked
        inside = np.ones(covered.masked.shape, bool) if area is None else area.read_image(window)
        at_centre = covered.values[covered.masked & inside & covered.reached].astype(np.int64)
        counts.update(dict(zip(*(a.tolist() for a in np.unique(at_centre, return_counts=True)), strict=True)))
        reached += int((covered.reached & inside).sum())
        total += int(inside.sum())
    share = _counted(masked_here, area)[0] / total
    shown = scl or 1 < len(counts) <= _MOST_SHOWN
    by = MaskedBy(mask.path, share, _by_class(counts, share, scl=scl) if shown else {}, 1 - reached / total)
    everywhere = mask.ranges is None and not scl and abs(share + by.not_reached - 1) < 1e-9  # where it has data
    if everywhere and len(counts) == 1 and covers > 1 - _WORTH_A_WARNING and by.not_reached:
        by = replace(by, not_reached=0.0)  # its pixels without data are the clear ones
    _check_values(mask, by, counts, of=_of(area), scl=scl, everywhere=everywhere and by.not_reached > 0)
    _tell(mask, by, _of(area), nodata=dataset.nodatavals[band.index - 1])
    found |= masked_here
    return by


def _band(dataset: DatasetReader, mask: MaskFile, index: int, crs: CRS | None) -> Band:
    """The band of a mask, with raw values."""
    grid = grid_of(dataset, crs=crs)
    alpha = tuple(i for i, use in zip(dataset.indexes, dataset.colorinterp, strict=True) if use == ColorInterp.alpha)
    nodata = dataset.nodatavals[index - 1]
    return Band("mask", None, mask.path, index, nodata, 1.0, 0.0, grid, dtype=dataset.dtypes[index - 1], masks=alpha)


def _only_band(dataset: DatasetReader, path: Path) -> int:
    opaque = [i for i, use in zip(dataset.indexes, dataset.colorinterp, strict=True) if use != ColorInterp.alpha]
    if len(opaque) != 1:
        problem = f"has {len(opaque)} bands, and none is described as SCL, so it is not known which is the mask"
        raise RasterError(path, problem, "Save the mask as a raster of one band.")
    return opaque[0]


def _covered_share(band: Band, image: Image) -> float:
    """The share of the image that a mask covers; RasterError if it is 0."""
    try:
        share = covered_share(image.grid, band.grid)
    except RasterError as error:
        raise RasterError(band.path, error.problem, error.remedy) from error
    if not share:
        ours, theirs = box_text(image.grid.bounds_in(WGS84)), box_text(band.grid.bounds_in(WGS84))
        problem = f"does not overlap {image.paths[0]}: the mask covers {theirs}, the image {ours} (WGS84)"
        raise RasterError(band.path, problem, "Use a mask of this scene, or correct its CRS.")
    return share


def _in_ranges(values: NDArray[Any], ranges: Ranges | None) -> Bools:
    """Which values are masked: those in the ranges, or all but 0."""
    if ranges is None:
        return np.asarray(values != 0)
    return np.any([(values >= first) & (values <= last) for first, last in ranges], axis=0)


def _wrong_values(values: NDArray[np.float32], *, scl: bool, whole: bool) -> list[float]:
    """A value that no scene classification has, or, where whole numbers are expected, a fraction."""
    wrong = values != np.round(values) if whole else np.zeros(values.shape, bool)
    if scl:
        wrong |= (values < min(SCL_CLASSES)) | (values > max(SCL_CLASSES))
    return values[wrong][:1].tolist()


def _refuse_values(mask: MaskFile, value: float, *, scl: bool) -> None:
    """RasterError for values that cannot be those of a mask; a warning if the user did not name it."""
    if scl:
        problem = f"is a scene classification by its name, but holds {value:g}, which is no class of it"
    else:
        problem = f"holds fractions such as {value:g}, which cannot be classes"
    if mask.typed:
        raise RasterError(mask.path, problem, f"Name the values to mask, as in {mask.path.name}:1.")
    log.warning("%s: %s; it is not used as a mask. `mask=none` leaves it out.", mask.path, problem)


def _by_class(counts: Counter[int], share: float, *, scl: bool) -> dict[str, float]:
    """Shares by the class at the centre of the masked pixels; together they are the share of all."""
    names = Counter[str]()
    for value, count in sorted(counts.items()):
        names[SCL_CLASSES.get(value, str(value)) if scl else f"value {value}"] += count
    return {name: share * count / names.total() for name, count in names.most_common()}


def _check_values(mask: MaskFile, by: MaskedBy, counts: Counter[int], *, of: str, scl: bool, everywhere: bool) -> None:
    """A warning if all but 0 is most of a mask; MasksAllError if it is all, RasterError for more values than it has."""
    named = mask.ranges is not None or scl
    if not mask.may_be_whole and (by.share == 1 or (everywhere and len(counts) > 1)):
        where = f"all of {of}" if by.share == 1 else "all pixels where it has data"
        problem = f"masks {where}" + ("" if scl else ", is it inverted?")
        remedy = f"Name the values to mask, as in {by.path.name}:1."
        raise MasksAllError(by.path, problem, remedy if mask.typed else "`mask=none` uses these pixels all the same.")
    if not named and len(counts) > _MOST_VALUES:
        problem = f"holds {len(counts)} values besides 0, as probabilities or flags do, so it is not known what to mask"
        raise RasterError(by.path, problem, f"Name the values to mask, as in {by.path.name}:60-100.")
    if not named and by.share > 0.5:
        log.warning(
            "%s: masks %.0f %% of %s, all values but 0. If these are the pixels to keep, name the others, as in %s:0.",
            by.path, 100 * by.share, of, by.path.name,
        )  # fmt: skip


def _tell(mask: MaskFile, by: MaskedBy, of: str, *, nodata: float | None) -> None:
    """Log what a file masks."""
    log.info("%s." if mask.typed else "%s. `mask=none` keeps these pixels.", by.describe(of))
    if by.share == 0 and mask.typed:
        log.warning("%s: holds none of the values to mask in %s, so nothing is masked.", by.path, of)
    if by.not_reached > 0:
        level = log.warning if by.not_reached >= _WORTH_A_WARNING else log.info
        told = by.path, rough_percent(by.not_reached), of
        found = "%s: has no data in %s of %s; nothing is masked there."
        if mask.ranges is None and nodata and nodata.is_integer():  # 0 is never nodata here
            level(found + " To mask its nodata value too, name it: %s:%d.", *told, by.path.name, nodata)
        else:
            level(found, *told)


def _counted(found: Bools, area: Area | None) -> tuple[int, int]:
    """Number of masked pixels, and of all pixels, in the area of interest or the whole image."""
    if area is None:
        return int(found.sum()), found.size
    height, width = area.grid.shape_hw
    crop = Window(0, 0, width, height)
    return int((found[area.in_image(crop).toslices()] & area.inside.read(crop)).sum()), area.pixels


def _of(area: Area | None) -> str:
    return "the area of interest" if area else "the scene"
