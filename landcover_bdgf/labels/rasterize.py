"""Polygons and points with classes, turned into pixels of a grid."""

from __future__ import annotations

import math
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo import WGS84, Grid, to_pixels, transformer
from landcover_bdgf.labels.burn import Claims, Geometries, Parts, burn, features_at
from landcover_bdgf.labels.label_source import LabelSource, read_source, source_name
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.regrouping import regrouped, tell_missing
from landcover_bdgf.labels.settings import ClassSettings, ReadSettings
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import printable

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# GEOS repairs 140 crossings in 0.04 s, and 2,300 in 3 s; a polygon drawn by hand has a few.
_MOST_CROSSINGS, _MOST_CROSSINGS_IN_ALL = 200, 5000
_PAIRS = 10**6  # maximum number of pairs of polygon sides to compare at once
_NOTHING = shapely.Polygon()
_SHOWN_CLASSES = 12
# As pandas, R, databases and GIS write a missing value.
_NOTHING_WORDS = {
    "nan", "none", "null", "nil", "na", "n/a", "nat", "", "-", "--", "?", "nodata", "no data", "no_data", "no label",
    "no class", "not classified", "unclassified", "unlabelled", "unlabeled", "undefined", "unassigned",
}  # fmt: skip
# Cyrillic, then Greek.
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһАВЕКМНОРСТУХІЈЅοανρΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aeopcyxijsdhABEKMHOPCTYXIJSoavpABEZHIKMNOPTYX"
)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labelled pixels (n,) of a grid, each once."""

    grid: Grid
    legend: Legend  # all classes of the file, including those of features without pixels
    rows: NDArray[Any]  # int32; of several scenes as one, on common planes
    cols: NDArray[Any]
    codes: NDArray[np.uint16]
    groups: NDArray[np.int32]  # number of the feature in the file, from 0
    features: DataFrame  # the fields that were read, one row per feature
    only_points: bool
    counts: dict[str, int] = field(default_factory=dict)  # skipped, repaired and dropped features, by reason

    def where(self, keep: NDArray[Any]) -> Labels:
        """The pixels selected by a mask or indices."""
        arrays = {name: getattr(self, name)[keep] for name in ("rows", "cols", "codes", "groups")}
        return replace(self, **arrays)


@dataclass(frozen=True)
class Classes:
    """The classes of labels: their legend, and the code of each value of the field."""

    legend: Legend
    code_of: dict[str, int]


def read_labels(
    source: LabelSource, field: str, grid: Grid, settings: ReadSettings | None = None, *,
    also: Sequence[str] = (), classes: ClassSettings | Classes | None = None,
) -> Labels:  # fmt: skip
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
    classes : ClassSettings or Classes, optional
        Classes to merge and rename; merged ones are one class where features overlap, too. Or all classes of several
        files.

    Raises
    ------
    SettingsError
        If a class to merge or rename is unknown.
    LabelError
        If the file cannot be read, lacks the field, has no feature inside the grid, or contains lines.
    """
    settings = settings or ReadSettings()
    path = source_name(source)
    columns = list(dict.fromkeys([field, *also]))
    features = read_source(source, columns, layer=settings.layer, encoding=settings.encoding)
    fields = features.drop(columns=features.geometry.name)
    _check_whole(path, features[field])
    values, counts = texts(features[field]), Counter[str]()
    ignored = [label_text(value) for value in settings.ignore_class]
    usable = _usable(path, features.geometry.to_numpy(), values, ignored, counts)
    crs, extent, geometries = features.crs, features.total_bounds, features.geometry.to_numpy()[usable]
    del features  # a million points take 200 MB
    to_pixels(path, geometries, crs.to_wkt(), grid)
    if not isinstance(classes, Classes):
        classes = classes_of(path, values[usable], classes or ClassSettings())
    legend, codes = classes.legend, np.array([classes.code_of[value] for value in values[usable]], np.uint16)
    geometries = _repaired(geometries, counts)
    only_points = bool(np.isin(shapely.get_type_id(geometries), (0, 4)).all())
    parts = Parts.of(grid.shape_hw, geometries, counts)
    del geometries
    claims = burn(grid.shape_hw, parts, codes, counts)
    if not len(claims.rows):
        raise _no_pixels(path, crs, extent, grid)
    if settings.conflicts == "error" and claims.disputed.any():
        raise _conflict(path, parts, usable, claims)
    counts[f"pixels in features of different classes ({settings.conflicts})"] = int(claims.disputed.sum())
    _tell_counts(path, len(fields), counts)
    chosen = np.where(claims.disputed, claims.last, claims.first)
    code, group = codes[chosen], usable.astype(np.int32)[chosen]
    labels = Labels(grid, legend, claims.rows, claims.cols, code, group, fields, only_points, dict(counts))
    return labels.where(~claims.disputed) if settings.conflicts == "drop" else labels


def _tell_counts(path: PathLike, features: int, counts: Counter[str]) -> None:
    if happened := [f"{number} {what}" for what, number in counts.items() if number]:
        log.warning("%s: %d features: %s", Path(path), features, "; ".join(happened))


def read_values(source: LabelSource, field: str, settings: ReadSettings) -> set[str]:
    """The values of a field of labels, as text; none that are missing or mean "no label"."""
    features = read_source(source, [field], layer=settings.layer, encoding=settings.encoding)
    return {*texts(features[field])} - {"", *map(label_text, settings.ignore_class)}


def classes_of(path: PathLike, values: Iterable[str], settings: ClassSettings) -> Classes:
    """The classes of values, merged and renamed; warns of doubtful values."""
    legend = Legend.from_values(values)
    _warn_of_classes(path, [entry.value for entry in legend.entries])
    wanted = regrouped(legend, settings)
    tell_missing(wanted, settings)
    return Classes(wanted.legend, {entry.value: int(wanted.of_class[entry.code - 1]) for entry in legend.entries})


def _check_whole(path: PathLike, column: Series) -> None:
    if column.dtype.kind == "f":
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        fractions = numbers[np.isfinite(numbers) & (numbers != np.floor(numbers))]
        if len(fractions):
            raise LabelError(
                path,
                f"the field {column.name} holds fractions such as {fractions[0]:g}, which cannot be classes",
                "Choose another field.",
            )


def texts(column: Series) -> NDArray[np.object_]:
    """Values of a field as text, "" for missing values; whole numbers lose their decimals (``6.0`` is ``6``)."""
    if column.dtype.kind != "f":
        missing = column.isna().to_numpy()
        words = ["" if m else str(v) for v, m in zip(column, missing, strict=True)]
        known = {word: label_text(word) for word in set(words)}
        return np.array([known[word] for word in words], object)
    numbers = [float(v) for v in column.to_numpy(np.float64, na_value=np.nan)]
    # Infinity counts as missing, too.
    return np.array([str(int(v)) if v.is_integer() else f"{v:g}" if math.isfinite(v) else "" for v in numbers], object)


def label_text(value: object) -> str:
    """A value as text, normalised so that values that look the same are the same: accents and spaces."""
    return " ".join(unicodedata.normalize("NFC", str(value)).split())


def _warn_of_classes(path: PathLike, values: list[str]) -> None:
    """Warn of a class that may mean "no label", and of classes that look alike."""
    if empty := _empty_classes(values):
        words = ("class", "means", "it") if len(empty) == 1 else ("the classes", "mean", "them")
        options = ", ".join(["`ignore_class=%s`"] * len(empty))  # not as an argument, so that it is shown as an option
        log.warning(
            f"%s: %s %s often %s 'no label'. If so, exclude %s with {options}",
            path, words[0], ", ".join(map(printable, empty)), *words[1:], *map(shlex.quote, empty),
        )  # fmt: skip
    alike: dict[str, list[str]] = {}
    for value in values:
        alike.setdefault(_appearance(value), []).append(value)
    for same in (found for found in alike.values() if len(found) > 1):
        only_case = len({value.casefold() for value in same}) == 1
        odd = {letter for value in same for letter in value if not letter.isascii()}
        by = "in case" if only_case else f"by letters that look alike ({', '.join(sorted(map(_name_of, odd)))})"
        log.warning(
            "%s: the classes %s differ only %s. If they are one class, write them alike.",
            path, " and ".join(map(printable, same)), by,
        )  # fmt: skip


def _appearance(value: str) -> str:
    """A text as it looks: without invisible letters, with Latin letters for Cyrillic and Greek ones like them."""
    shown = "".join(letter for letter in value if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", shown).translate(_LOOK_ALIKES).casefold()


def _name_of(letter: str) -> str:
    return f"U+{ord(letter):04X} {unicodedata.name(letter, '').lower()}".strip()


def _empty_classes(values: list[str]) -> list[str]:
    """Classes that may mean "no label": words for nothing; 0 and negative numbers, if all others are positive."""
    words = [value for value in values if value.casefold().strip("<>()[]#. ") in _NOTHING_WORDS]
    others = [value for value in values if value not in words]
    numbers = [int(value) for value in others if len(value) < 20 and value.removeprefix("-").isdecimal()]
    if len(numbers) < len(others) or max(numbers, default=0) <= 0:
        return words[:_SHOWN_CLASSES]
    return [*(str(number) for number in numbers if number <= 0), *words][:_SHOWN_CLASSES]


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
    counts["outside the image"] = int((~finite).sum())  # as PROJ converts what lies outside the area of a CRS
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


def _conflict(path: PathLike, parts: Parts, numbers: NDArray[np.intp], claims: Claims) -> LabelError:
    """The error for features of different classes in one pixel; lists all features in the first of these pixels."""
    at = int(np.argmax(claims.disputed))
    features = [numbers[i] for i in features_at(parts, int(claims.rows[at]), int(claims.cols[at]))]
    return LabelError(
        path,
        f"{claims.disputed.sum()} pixels lie in features of different classes, first in features "
        f"{', '.join(map(str, features))} (counted from 0)",
        "Correct them, or use `conflicts=drop` or `conflicts=last`.",
    )


def _no_pixels(path: PathLike, crs: Any, extent: NDArray[np.float64], grid: Grid) -> LabelError:
    try:
        to_wgs84 = transformer(CRS.from_wkt(crs.to_wkt()), WGS84)
        theirs = to_wgs84.transform_bounds(*extent)
        ours = grid.bounds_in(WGS84)
    except RasterError as error:
        return LabelError(path, f"no feature lies in the image, and {error.problem}", error.remedy)
    west, south, east, north = theirs
    remedy, image = "Check the CRS of both, or the size of the polygons.", shapely.box(*ours)
    exchanged = shapely.box(south, west, north, east)  # None, which meets nothing, if a corner is not finite
    if shapely.intersects(exchanged, image) and not shapely.intersects(shapely.box(*theirs), image):
        remedy = "Latitude and longitude seem to be exchanged: swap them (Swap X and Y Coordinates in QGIS)."
    problem = f"no feature holds a pixel of the image. The labels cover {_box(theirs)}, the image {_box(ours)}"
    return LabelError(path, problem, remedy)


def _box(bounds: tuple[float, float, float, float]) -> str:
    west, south, east, north = bounds
    return f"{west:.4f}…{east:.4f}°E {south:.4f}…{north:.4f}°N"
