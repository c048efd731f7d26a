"""Reference pixels of a map: positions, classes in the codes of the map, distances to training pixels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.errors import CRSError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.assessment.borders import border_bins_at
from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import Grid, read_band, recorded_crs
from landcover_bdgf.labels import (
    CLEAR_PX,
    ClassSettings,
    Color,
    Labels,
    LabelSource,
    Legend,
    LegendEntry,
    ReferenceSettings,
    Samples,
    distances_px,
    is_samples_file,
    label_tiles,
    missing_field,
    read_labels,
    read_samples,
    source_name,
)
from landcover_bdgf.progress import log
from landcover_bdgf.text import listed, percent, printable

# Deeply nested WKT overflows the stack in GEOS and ends the process; the points of a record are not nested.
_POINTS = re.compile(r"MULTIPOINT \([-+.\de, ()]*\)", re.ASCII)
_ONLY_IN_REFERENCE: Color = (136, 136, 136)
_POINT_CHARACTERS = 64  # at most, for one point; bdgf writes about 40


@dataclass(frozen=True)
class ReferenceFile:
    """Polygons or points, and settings for reading them, which a file of samples ignores."""

    path: LabelSource
    settings: ReferenceSettings = field(default_factory=ReferenceSettings)

    def labels(self, field: str | None, grid: Grid) -> Labels:
        """Its labels, rasterised; SettingsError without the field that holds the class."""
        if field is None:
            raise missing_field(self.path, self.settings)
        classes = ClassSettings(merge=self.settings.merge)
        return read_labels(self.path, field, grid, self.settings, classes=classes)


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference pixels of a map: rows and columns on its grid, codes, (n,).

    Codes are those of the legend of the map, then those of ``lacking``.
    """

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    codes: NDArray[np.uint16]
    groups: NDArray[np.int32]  # the polygon, point or block of each
    sample: str  # description of the sample
    lacking: tuple[LegendEntry, ...]  # classes that the map does not have
    notes: tuple[str, ...]  # on how the samples were drawn

    @property
    def positions(self) -> NDArray[np.int32]:
        """Rows and columns, int32 (n, 2)."""
        return np.stack([self.rows, self.cols], axis=1)


@dataclass(frozen=True, eq=False)
class TrainingPixels:
    """The pixels that a map was trained on: fractional rows and columns (n, 2) on its grid.

    At a distance of ``clear_px`` windows do not overlap training windows; at ``apart_px`` surroundings do not either.
    """

    positions: NDArray[np.float64]
    clear_px: int = CLEAR_PX
    apart_px: int = CLEAR_PX

    def distances_px(self, reference: Reference) -> NDArray[np.float64]:
        """Chebyshev distance of each reference pixel to the nearest training pixel, in whole pixels."""
        return np.round(distances_px(reference.positions, self.positions))

    def are(self, samples: Samples) -> bool:
        """Whether the map was trained on exactly these samples."""
        trained, sampled = (np.unique(np.round(each), axis=0) for each in (self.positions, samples.positions))
        return np.array_equal(trained, sampled)


def read_reference(
    source: LabelSource | ReferenceFile | Samples,
    *,
    field: str | None,
    grid: Grid,
    legend: Legend,
    training: TrainingPixels | None,
) -> Reference:
    """Reference pixels from polygons or points (a file or GeoDataFrame), or from the test part of samples.

    ``training`` are the training pixels of the map, if known; the description of samples depends on them.

    Raises
    ------
    LabelError
        If they cannot be read, have no test part, belong to another image, or share no class with the map.
    SettingsError
        If a vector file is given without the field that holds the class.
    """
    if isinstance(source, Samples):
        return _test_part(source, grid, legend, training)
    file = source if isinstance(source, ReferenceFile) else ReferenceFile(source)
    path = source_name(file.path)
    try:
        if file.path is path and is_samples_file(path):
            return _test_part(read_samples(path), grid, legend, training)
        labels = file.labels(field, grid)
        shapes = f"{len(np.unique(labels.groups))} {'points' if labels.only_points else 'polygons'}"
        name = f"{printable(Path(path).name)}, field {printable(str(field))}"
        return _matched(labels, legend, f"{name}: {shapes}; how their locations were chosen is not known")
    except LabelError as error:
        if error.path is not None:
            raise
        raise LabelError(path, error.problem, error.remedy) from error


def read_codes(dataset: DatasetReader, reference: Reference) -> NDArray[Any]:
    """The map's codes at reference pixels; only tiles with reference pixels are read."""
    codes = np.zeros(len(reference.rows), dataset.dtypes[0])
    for window, inside in label_tiles(reference.rows, reference.cols, dataset.shape):
        tile = read_band(dataset, window)
        codes[inside] = tile[reference.rows[inside] - window.row_off, reference.cols[inside] - window.col_off]
    return codes


def border_bins_of_reference(shape_hw: tuple[int, int], reference: Reference) -> NDArray[np.int8]:
    """Bin of the distance of each reference pixel to a border between classes of the reference."""
    order = np.argsort(reference.rows, kind="stable")
    rows, cols, codes = (array[order] for array in (reference.rows, reference.cols, reference.codes))

    def read(window: Window) -> NDArray[np.uint16]:
        tile = np.zeros((window.height, window.width), np.uint16)
        first, last = np.searchsorted(rows, (window.row_off, window.row_off + window.height))
        inside = slice(first, last)
        within = (cols[inside] >= window.col_off) & (cols[inside] < window.col_off + window.width)
        tile[rows[inside][within] - window.row_off, cols[inside][within] - window.col_off] = codes[inside][within]
        return tile

    return border_bins_at(reference.rows, reference.cols, shape_hw, read)


def training_pixels(record: Mapping[str, Any], grid: Grid) -> TrainingPixels | None:
    """The training pixels in the record of a map, on its grid; None if it has none."""
    training = record.get("training")
    try:
        xy = _points(training["pixels"], training["count"])  # type: ignore[index]
        crs = recorded_crs(training["crs"])  # type: ignore[index]
        clear_px = int(training.get("clear_px", CLEAR_PX))  # type: ignore[union-attr]
        apart_px = int(training.get("apart_px", clear_px))  # type: ignore[union-attr]
    except (TypeError, LookupError, ValueError, OverflowError, CRSError, shapely.GEOSException):
        return None
    positions = np.stack(grid.rowcol_of(xy[:, 0], xy[:, 1], crs), axis=1)
    found = positions[np.isfinite(positions).all(axis=1)]
    return TrainingPixels(found, clear_px, apart_px) if len(xy) else None


def _points(text: str, count: int) -> NDArray[np.float64]:
    """Coordinates (n, 2) from the text of an untrusted record; ValueError if bdgf did not write it."""
    if len(text) > _POINT_CHARACTERS * (count + 1) or not _POINTS.fullmatch(text):
        raise ValueError("not points in the form of a record")
    return shapely.get_coordinates(shapely.from_wkt(text))


def _matched(pixels: Labels | Samples, legend: Legend, sample: str, notes: tuple[str, ...] = ()) -> Reference:
    """Pixels with the codes of the map's legend; classes that it does not have get the codes after these."""
    if not len(pixels.rows):
        remedy = "Use the model of the map, which judged them by folds, or other labels."
        raise LabelError(None, "the samples have no test part", remedy)
    entries = pixels.legend.entries
    found = _codes_of(entries, legend)
    _warn_of_pixel_values(pixels.legend, legend)
    if not any(found):
        in_reference, in_map = (listed(names) for names in (pixels.legend.names, legend.names))
        raise LabelError(
            None,
            f"the reference has none of the map's classes. It has {in_reference}; the map has {in_map}",
            "Check that it is the right field; `legend` gives the classes of a map other names.",
        )
    counts = np.bincount(pixels.codes, minlength=len(entries) + 1)
    missing = [entry for entry in entries if counts[entry.code] and not found[entry.code - 1]]
    lacking = tuple(
        replace(entry, code=code, color=_ONLY_IN_REFERENCE)
        for code, entry in enumerate(missing, len(legend.entries) + 1)
    )
    for before, entry in zip(missing, lacking, strict=True):
        found[before.code - 1] = entry.code
    if missing:
        share = percent(sum(int(counts[entry.code]) for entry in missing) / len(pixels.codes))
        names = listed([entry.name for entry in missing], partial(_nearest, legend))
        log.warning(
            "%s of the reference pixels count as wrong, as the map lacks their classes: %s. If they are misspelt, "
            "correct them; if they are finer than those of the map, join them with `merge`; else leave them out with "
            "`ignore_class`.",
            share,
            names,
        )
    codes = np.array([0, *found], np.uint16)[pixels.codes]
    return Reference(pixels.rows, pixels.cols, codes, pixels.groups, sample, lacking, notes)


def _warn_of_pixel_values(reference: Legend, legend: Legend) -> None:
    """Warn of a reference whose field may hold pixel values of the map instead of class values."""
    in_reference, in_map = ({entry.value for entry in each.entries} for each in (reference, legend))
    numbers = reference.whole_numbers and {int(value) for value in in_reference} <= set(legend.codes)
    if numbers and not in_reference <= in_map:
        log.warning(
            "the reference seems to hold the map's pixel values (%s), but is matched by class value. If so, "
            "write class values into its field.",
            listed([f"{entry.code} for class {printable(entry.value)}" for entry in legend.entries], str),
        )


def _codes_of(reference: Sequence[LegendEntry], legend: Legend) -> list[int]:
    """The map's code of each class of a reference, 0 if it has none: by value or name, else ignoring case.

    Case matters if several classes of the map, or of the reference, differ only in case.
    """
    found = [legend.code_of(entry.value) or legend.code_of(entry.name) or 0 for entry in reference]
    in_map, matched = _by_folded_name(legend.entries), []
    for folded, entries in _by_folded_name(reference).items():
        one, wanted = entries[0], in_map.get(folded, [])
        if not found[one.code - 1] and len(entries) == len(wanted) == 1:
            found[one.code - 1] = wanted[0].code
            matched.append(f"{printable(one.name)} as {printable(wanted[0].name)}")
    if matched:
        log.info("matched classes of the reference that differ from the map's only in case: %s", listed(matched, str))
    return found


def _by_folded_name(entries: Iterable[LegendEntry]) -> dict[str, list[LegendEntry]]:
    """Classes by their values and names, ignoring case."""
    found: dict[str, list[LegendEntry]] = {}
    for entry in entries:
        for folded in dict.fromkeys((entry.value.casefold(), entry.name.casefold())):
            found.setdefault(folded, []).append(entry)
    return found


def _nearest(legend: Legend, name: str) -> str:
    """A class that the map lacks, as text, with the most similar class of the map."""
    shown = printable(name)
    close = [] if shown.isdecimal() else get_close_matches(shown, map(printable, legend.names), n=1)
    return f"{shown} (nearest in the map: {close[0]})" if close else shown


def _test_part(samples: Samples, grid: Grid, legend: Legend, training: TrainingPixels | None) -> Reference:
    samples.check_grid(grid)
    return _matched(samples.test, legend, _test_part_text(samples, training), samples.split.notes)


def _test_part_text(samples: Samples, training: TrainingPixels | None) -> str:
    """How the test part was drawn; called held out only if the record of the map confirms it."""
    split = samples.split
    how = {"random": "drawn pixel by pixel", "block": f"split by blocks of {split.block_px} px"}
    division = how.get(split.method, f"split by {printable(split.method)}")
    if training is None:
        return f"the test part of samples, {division}; the training pixels of the map are not known"
    if not training.are(samples.train):
        return f"the test part of samples, {division}; the map was trained on pixels other than their training part"
    kept_apart = 0 < split.buffer_px <= samples.min_distance_px()  # points may have been moved since
    apart = f", at least {split.buffer_px} px from every training pixel" if kept_apart else ""
    return f"the held-out part of the labels that the map was trained with, {division}{apart}"
