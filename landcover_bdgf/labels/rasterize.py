"""Polygons and points with classes, turned into pixels of a grid."""

from __future__ import annotations

import math
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.features import rasterize
from rasterio.windows import Window

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo import Grid, recorded_crs, transformer, warn_of_datum
from landcover_bdgf.labels.label_source import LabelSource, read_source, source_name
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.settings import ReadSettings
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import listed, printable

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_BURN_PX = 2048  # side of the largest window to rasterise at once
# GEOS repairs 140 crossings in 0.04 s, and 2,300 in 3 s; a polygon drawn by hand has a few.
_MOST_CROSSINGS, _MOST_CROSSINGS_IN_ALL = 200, 5000
_PAIRS = 10**6  # maximum number of pairs of polygon sides to compare at once
_ROUNDING_PX = 0.01  # rounding error of a conversion between CRS
_WGS84 = CRS.from_epsg(4326)
_NOTHING = shapely.Polygon()
# As pandas, R, databases and GIS write a missing value.
_NOTHING_WORDS = {
    "nan", "none", "null", "nil", "na", "n/a", "nat", "", "-", "--", "?", "nodata", "no data", "no_data", "no label",
    "no class", "not classified", "unclassified", "unlabelled", "unlabeled", "undefined", "unassigned",
}  # fmt: skip

Geometries = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Labels:
    """Labelled pixels (n,) of a grid, each once."""

    grid: Grid
    legend: Legend  # all classes of the file, including those of features without pixels
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    codes: NDArray[np.uint16]
    groups: NDArray[np.int32]  # number of the feature in the file, from 0
    features: DataFrame  # the fields that were read, one row per feature
    only_points: bool
    counts: dict[str, int] = field(default_factory=dict)  # skipped, repaired and dropped features, by reason

    def where(self, keep: NDArray[Any]) -> Labels:
        """The pixels selected by a mask or indices."""
        arrays = {name: getattr(self, name)[keep] for name in ("rows", "cols", "codes", "groups")}
        return replace(self, **arrays)


def read_labels(
    source: LabelSource, field: str, grid: Grid, settings: ReadSettings | None = None, *, also: Sequence[str] = ()
) -> Labels:
    """Rasterise polygons or points with classes; logs what was skipped and repaired.

    A polygon gets the pixels whose centres it contains, a point the pixel that contains it. Coordinates are converted
    to the CRS of the grid.

    Parameters
    ----------
    source : path or geopandas.GeoDataFrame
        As for :func:`~landcover_bdgf.geo.vector.read_features`.
    field : str
        Field with the class: text or whole numbers.
    grid : Grid
    settings : ReadSettings, optional
    also : sequence of str
        Other fields to read.

    Raises
    ------
    LabelError
        If the file cannot be read, lacks the field, has no feature inside the grid, or contains lines.
    """
    settings = settings or ReadSettings()
    path = source_name(source)
    wanted = list(dict.fromkeys([field, *also]))
    features = read_source(source, wanted, layer=settings.layer, encoding=settings.encoding)
    fields = features.drop(columns=features.geometry.name)
    _check_whole(path, features[field])
    values, counts = texts(features[field]), Counter[str]()
    ignored = [label_text(value) for value in settings.ignore_class]
    usable = _usable(path, features.geometry.to_numpy(), values, ignored, counts)
    geometries = _on_grid(path, features.geometry.to_numpy()[usable], features.crs.to_wkt(), grid)
    legend = Legend.from_values(values[usable])
    _warn_of_classes(path, [entry.value for entry in legend.entries])
    geometries = _repaired(geometries, counts)
    only_points = bool(np.isin(shapely.get_type_id(geometries), (0, 4)).all())
    codes = np.array([legend.code_of(value) for value in values[usable]], np.uint16)
    claims = _burn(grid, geometries, codes, counts)
    if not len(claims.rows):
        raise _no_pixels(path, features, grid)
    if settings.conflicts == "error" and claims.disputed.any():
        raise _conflict(path, geometries, usable, claims)
    counts[f"pixels in features of different classes ({settings.conflicts})"] = int(claims.disputed.sum())
    if happened := [f"{number} {what}" for what, number in counts.items() if number]:
        log.warning("%s: of %d features: %s", Path(path).name, len(features), "; ".join(happened))
    chosen = np.where(claims.disputed, claims.last, claims.first)
    code, group = codes[chosen], usable.astype(np.int32)[chosen]
    labels = Labels(grid, legend, claims.rows, claims.cols, code, group, fields, only_points, dict(counts))
    return labels.where(~claims.disputed) if settings.conflicts == "drop" else labels


def _check_whole(path: PathLike, column: Series) -> None:
    if column.dtype.kind == "f":
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        fractions = numbers[np.isfinite(numbers) & (numbers != np.floor(numbers))]
        if len(fractions):
            raise LabelError(
                path,
                f"the field {column.name} holds fractions such as {fractions[0]:g}, which are no classes",
                "Choose another field.",
            )


def texts(column: Series) -> NDArray[np.object_]:
    """Values of a field as text, "" for missing values; whole numbers lose their decimals (``6.0`` is ``6``)."""
    if column.dtype.kind != "f":
        missing = column.isna().to_numpy()
        return np.array(["" if m else label_text(v) for v, m in zip(column, missing, strict=True)], object)
    numbers = [float(v) for v in column.to_numpy(np.float64, na_value=np.nan)]
    # Infinity counts as missing, too.
    return np.array([str(int(v)) if v.is_integer() else f"{v:g}" if math.isfinite(v) else "" for v in numbers], object)


def label_text(value: object) -> str:
    """A value as text, normalised so that values that look the same are the same: accents and spaces."""
    return " ".join(unicodedata.normalize("NFC", str(value)).split())


def _warn_of_classes(path: PathLike, values: list[str]) -> None:
    """Warn of a class that may mean "no label", and of classes that differ only in case."""
    if empty := _empty_classes(values):
        log.warning(
            "%s: %s %s often %s 'no label'. If so, exclude %s with %s",
            path,
            *(("class", printable(empty[0]), "means", "it") if len(empty) == 1 else
              ("the classes", listed(empty), "mean", "them")),
            ", ".join(f"`ignore_class={shlex.quote(value)}`" for value in empty[:5]),
        )  # fmt: skip
    alike: dict[str, list[str]] = {}
    for value in values:
        alike.setdefault(value.casefold(), []).append(value)
    for same in (found for found in alike.values() if len(found) > 1):
        log.warning(
            "%s: the classes %s differ only in case. If they are one class, write them alike.",
            path,
            " and ".join(map(printable, same)),
        )


def _empty_classes(values: list[str]) -> list[str]:
    """Classes that may mean "no label": words for nothing; 0 and negative numbers, if all others are positive."""
    words = [value for value in values if value.casefold().strip("<>()[]#. ") in _NOTHING_WORDS]
    others = [value for value in values if value not in words]
    numbers = [int(value) for value in others if len(value) < 20 and value.removeprefix("-").isdecimal()]
    if len(numbers) < len(others) or max(numbers, default=0) <= 0:
        return words
    return [*(str(number) for number in numbers if number <= 0), *words]


def _usable(
    path: PathLike, geometries: Geometries, values: Geometries, ignore: list[str], counts: Counter[str]
) -> NDArray[np.intp]:
    """Indices of features that have a class and a geometry of the right kind."""
    absent = shapely.is_missing(geometries) | shapely.is_empty(geometries)
    if lines := int(np.isin(shapely.get_type_id(geometries), (1, 2, 5)).sum()):
        raise LabelError(path, f"holds {lines} lines; labels are polygons or points", "Remove or buffer them.")
    no_class = values == ""
    counts["skipped, no geometry"] = int(absent.sum())
    counts["skipped, no class"] = int((no_class & ~absent).sum())
    usable = np.flatnonzero(~absent & ~no_class & ~np.isin(values, ignore))
    if not len(usable):
        problem = f"none of its {len(values)} features has both a geometry and a class"
        raise LabelError(path, problem, "Check the field.")
    return usable


def _on_grid(path: PathLike, geometries: Geometries, wkt: str, grid: Grid) -> Geometries:
    """Geometries in pixels: x is the column, y the row, (0, 0) the corner of the first pixel."""
    try:
        crs = recorded_crs(wkt)
    except (CRSError, ValueError) as error:
        raise LabelError(path, "its CRS cannot be read", "Give it one in QGIS (Set layer CRS).") from error

    def convert(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, cols = grid.rowcol_of(xy[:, 0], xy[:, 1], crs)
        return np.stack([cols + 0.5, rows + 0.5], axis=1)

    try:
        converted: Geometries = shapely.transform(shapely.force_2d(geometries), convert)
        warn_of_datum(path, crs, grid)
    except RasterError as error:
        raise LabelError(path, error.problem, error.remedy) from error
    return converted


def _repaired(geometries: Geometries, counts: Counter[str]) -> Geometries:
    """Geometries with self-crossing polygons made valid; those with infinite coordinates are made empty."""
    xy, index = shapely.get_coordinates(geometries, return_index=True)
    finite = np.ones(len(geometries), bool)
    finite[index[~np.isfinite(xy).all(axis=1)]] = False
    invalid = finite & ~shapely.is_valid(geometries)
    hopeless, crossings = np.zeros(len(geometries), bool), 0
    for i in np.flatnonzero(invalid):
        found = _crossings(geometries[i])
        hopeless[i] = found > _MOST_CROSSINGS or crossings + found > _MOST_CROSSINGS_IN_ALL
        crossings += 0 if hopeless[i] else found
    mended = geometries.copy()
    mended[invalid & ~hopeless] = shapely.make_valid(geometries[invalid & ~hopeless], method="structure")
    hopeless |= invalid & shapely.is_empty(mended)  # a hole as large as its polygon
    counts["repaired, invalid geometry"] = int((invalid & ~hopeless).sum())
    counts["skipped, too invalid to repair"] = int(hopeless.sum())
    mended[~finite | hopeless] = _NOTHING
    return mended


def _crossings(geometry: Any) -> int:
    """How often the sides of a geometry cross; counting stops above the limit."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    xy, ring = shapely.get_coordinates(shapely.get_rings(parts), return_index=True)
    lines = shapely.linestrings(np.stack([xy[:-1], xy[1:]], axis=1)[ring[1:] == ring[:-1]])
    tree, step, found = shapely.STRtree(lines), max(1, _PAIRS // max(1, len(lines))), 0
    for start in range(0, len(lines), step):
        found += tree.query(lines[start : start + step], predicate="crosses").shape[1]
        if found > 2 * _MOST_CROSSINGS:  # each is found twice
            break
    return found // 2 + found % 2


@dataclass(frozen=True, eq=False)
class _Claims:
    """Pixels of features, each once, in the order of rows and columns.

    ``first`` and ``last`` are the first and last feature that contains the pixel; ``disputed`` is whether features of
    different classes contain it.
    """

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    disputed: NDArray[np.bool_]


def _burn(grid: Grid, geometries: Geometries, codes: NDArray[Any], counts: Counter[str]) -> _Claims:
    """The pixels of all features; memory depends on the number of pixels, not on that of overlapping features."""
    height, width = grid.shape_hw
    left, top, right, bottom = shapely.bounds(geometries).T
    outside = ~((left < width) & (right > 0) & (top < height) & (bottom > 0))
    beyond = np.maximum.reduce([-left, -top, right - width, bottom - height])
    clipped = ~outside & (beyond > _ROUNDING_PX)
    counts["outside the image"] = int(outside.sum())
    counts["partly outside the image, clipped"] = int(clipped.sum())
    geometries = np.where(outside, _NOTHING, geometries)
    holds = np.zeros(len(geometries), bool)
    found = [[np.empty(0, dtype) for dtype in (np.int32, np.int32, np.int32, np.int32, bool)]]
    for window in _pieces(geometries, grid.shape_hw):
        first, last = (np.full((window.height, window.width), -1, np.int32) for _ in range(2))
        disputed = np.zeros(first.shape, bool)
        for i, place, burnt in _burnt(geometries, window):
            before = first[place]
            disputed[place] |= burnt & (before >= 0) & (codes[before] != codes[i])
            first[place] = np.where(burnt & (before < 0), i, before)
            last[place][burnt] = i
            holds[i] |= burnt.any()
        rows, cols = (index.astype(np.int32) for index in np.nonzero(first >= 0))
        values = [array[rows, cols] for array in (first, last, disputed)]
        found.append([rows + np.int32(window.row_off), cols + np.int32(window.col_off), *values])
    counts["too small or thin to hold a pixel centre"] = int((~outside & ~holds).sum())
    rows, cols, *values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((cols, rows))
    return _Claims(rows[order], cols[order], *(array[order] for array in values))


def _burnt(geometries: Geometries, window: Window) -> Iterator[tuple[int, tuple[slice, slice], NDArray[np.bool_]]]:
    """Features in a window, in their order: number, bounding rectangle in the window, and mask of its pixels."""
    corner, shape = np.array([window.row_off, window.col_off]), np.array([window.height, window.width])
    bounds = shapely.bounds(geometries) - np.tile(corner[::-1], 2)
    starts, ends = np.floor(bounds[:, [1, 0]]).clip(0, shape), (np.floor(bounds[:, [3, 2]]) + 1).clip(0, shape)
    for i in np.flatnonzero((starts < ends).all(axis=1)):  # False for empty geometries, whose bounds are NaN
        (top, left), (bottom, right) = starts[i].astype(int).tolist(), ends[i].astype(int).tolist()
        burnt = _pixels(geometries[i], corner + np.array([top, left]), (bottom - top, right - left))
        yield int(i), (slice(top, bottom), slice(left, right)), burnt


def _pixels(geometry: Any, corner: NDArray[np.int64], shape_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels of a rectangle belong to a geometry."""
    moved = shapely.transform(geometry, lambda xy: xy - corner[::-1])
    parts = shapely.get_parts(shapely.get_parts(moved))  # twice: make_valid returns collections of multi-polygons
    kinds = shapely.get_type_id(parts)
    burnt = np.zeros(shape_hw, bool)
    if (kinds == 3).any():
        burnt = rasterize(list(parts[kinds == 3]), out_shape=shape_hw, dtype="uint8") > 0
    at = np.floor(shapely.get_coordinates(parts[kinds == 0])[:, ::-1]).astype(np.int64)
    at = at[((at >= 0) & (at < shape_hw)).all(axis=1)]
    burnt[at[:, 0], at[:, 1]] = True
    return burnt


def _pieces(geometries: Geometries, shape_hw: tuple[int, int]) -> Iterator[Window]:
    """Windows of limited size that cover the geometries: scenes may be 11,000 pixels wide."""
    if shapely.is_empty(geometries).all():
        return
    bounds = shapely.total_bounds(geometries)
    first = np.clip(np.floor(bounds[[1, 0]]), 0, shape_hw).astype(int)
    last = np.clip(np.floor(bounds[[3, 2]]) + 1, 0, shape_hw).astype(int)
    for row in range(first[0], last[0], _BURN_PX):
        for col in range(first[1], last[1], _BURN_PX):
            yield Window(col, row, min(_BURN_PX, last[1] - col), min(_BURN_PX, last[0] - row))


def _conflict(path: PathLike, geometries: Geometries, numbers: NDArray[np.intp], claims: _Claims) -> LabelError:
    """The error for features of different classes in one pixel; lists all features in the first of these pixels."""
    at = int(np.argmax(claims.disputed))
    pixel = Window(int(claims.cols[at]), int(claims.rows[at]), 1, 1)
    features = [numbers[i] for i, _, burnt in _burnt(geometries, pixel) if burnt.any()]
    return LabelError(
        path,
        f"{claims.disputed.sum()} pixels lie in features of different classes, first in features "
        f"{', '.join(map(str, features))} (counted from 0)",
        "Correct them, or use `conflicts=drop` or `conflicts=last`.",
    )


def _no_pixels(path: PathLike, features: Any, grid: Grid) -> LabelError:
    try:
        to_wgs84 = transformer(CRS.from_wkt(features.crs.to_wkt()), _WGS84)
        theirs = _box(to_wgs84.transform_bounds(*features.total_bounds))
        ours = _box(grid.bounds_in(_WGS84))
    except RasterError as error:
        return LabelError(path, f"no feature lies in the image, and {error.problem}", error.remedy)
    return LabelError(
        path,
        f"no feature holds a pixel of the image. The labels cover {theirs}, the image {ours}",
        "Check the CRS of both, or the size of the polygons.",
    )


def _box(bounds: tuple[float, float, float, float]) -> str:
    west, south, east, north = bounds
    return f"{west:.4f}…{east:.4f}°E {south:.4f}…{north:.4f}°N"
