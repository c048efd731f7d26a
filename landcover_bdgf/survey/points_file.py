"""Points of a probability sample in a GeoPackage: to label in QGIS, and to read back when they are labelled.

The layer ``points`` has a point for each sampled pixel, with an empty field ``reference`` to fill in. The table
``design`` has a row for each stratum: its pixels, its points and its area. Its first row, with text in
``about``, says how the sample was drawn. The points come in random order, so that the first of them are a sample, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import (
    Grid,
    append_layer,
    append_style,
    geopackage_product,
    has_tables,
    read_layers,
    writing_geopackage,
)
from landcover_bdgf.labels import Legend, label_text
from landcover_bdgf.storage import Document, PathLike, Product, atomic_output, read_json
from landcover_bdgf.survey.point_style import point_style
from landcover_bdgf.text import printable

if TYPE_CHECKING:
    from pandas import DataFrame

POINTS, DESIGN = "points", "design"
REFERENCE = "reference"  # the field to fill in
_SAME = 1e-9  # relative difference of inclusion probabilities
_AGAIN = "Draw the sample again with bdgf design."

Ints = NDArray[np.int64]


class About(Document):
    """How a sample was drawn, in JSON."""

    format: Literal[1]
    grid: Grid
    legend: Legend  # of the map, for the choice of classes
    sampling: Literal["stratified", "simple", "systematic"]
    strata: Literal["classes", "raster", "none"]
    map: str
    map_sha256: str
    strata_file: str
    seed: int
    settings: str
    version: str


@dataclass(frozen=True, eq=False)
class Design:
    """A probability sample of the pixels of a map.

    Attributes
    ----------
    about : About
    names : tuple of str
        Of the strata.
    codes, pixels, points : int64 (strata,)
        Pixel values of the strata, ascending, and their numbers of pixels and of points drawn.
    area_m2 : float64 (strata,)
    rows, cols, stratum : int64 (n,)
        Pixels of the grid, and index of the stratum of each.
    reference : tuple of str or None
        What the points were labelled; None or empty for those that are not. None before they are.
    """

    about: About
    names: tuple[str, ...]
    codes: Ints
    pixels: Ints
    points: Ints
    area_m2: NDArray[np.float64]
    rows: Ints
    cols: Ints
    stratum: Ints
    reference: tuple[str | None, ...] | None = None

    def __repr__(self) -> str:
        strata = "1 stratum" if len(self.names) == 1 else f"{len(self.names)} strata"
        return f"Design({len(self)} points, {self.about.sampling}, {strata} of {self.about.map})"

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def inclusion(self) -> NDArray[np.float64]:
        """Inclusion probability of each point, n_h / N_h."""
        return np.asarray((self.points / self.pixels)[self.stratum])


def design_product(path: PathLike, *, chips: bool = False) -> Product:
    """The files of a design: points, the QGIS style next to them, and the sheet of pictures."""
    path = Path(path)
    companions = [path.parent / f"{path.stem}{suffix}" for suffix in ([".qml", ".html"] if chips else [".qml"])]
    return geopackage_product(path, *companions)


def write_design(design: Design, path: PathLike, *, sheet: str | None = None, overwrite: bool = False) -> None:
    """Write the points, their style, and the HTML ``sheet``; OutputError if they cannot be written."""
    style = point_style(design.about.legend)
    with writing_geopackage(path), atomic_output(path, overwrite=overwrite) as draft:
        _write_points(design, draft)
        _write_strata(design, draft)
        append_style(draft, POINTS, name="labelling", qml=style, description="points to label")
        draft.with_suffix(".qml").write_text(style, encoding="utf-8")
        if sheet is not None:
            draft.with_suffix(".html").write_text(sheet, encoding="utf-8")


def _write_points(design: Design, path: Path) -> None:
    import geopandas

    x, y = design.about.grid.xy(design.rows, design.cols)
    columns = {
        "id": np.arange(1, len(design) + 1, dtype=np.int32),
        "stratum": design.codes[design.stratum].astype(np.int32),
        "stratum_name": np.array([printable(name) for name in design.names], object)[design.stratum],
        "inclusion_probability": design.inclusion,
        "row": design.rows.astype(np.int32),
        "col": design.cols.astype(np.int32),
        REFERENCE: np.array([*(design.reference or (None,) * len(design))], object),
        "comment": np.full(len(design), None, object),
    }
    points = geopandas.GeoDataFrame(columns, geometry=shapely.points(x, y), crs=design.about.grid.crs.to_wkt())
    append_layer(points, path, POINTS, geometry_type="Point")


def _write_strata(design: Design, path: Path) -> None:
    import pandas

    strata = pandas.DataFrame(
        {
            "stratum": [0, *design.codes.tolist()],
            "name": ["", *design.names],
            "pixels": [0, *design.pixels.tolist()],
            "points": [0, *design.points.tolist()],
            "area_m2": [0.0, *design.area_m2.tolist()],
            "about": [_json(design.about), *[""] * len(design.names)],
        }
    )
    append_layer(strata, path, DESIGN)


def _json(about: About) -> str:
    return json.dumps({**about.model_dump(mode="json", exclude={"grid"}), "grid": about.grid.to_dict()})


def is_design_file(path: PathLike) -> bool:
    """Whether a file looks like one of :func:`write_design`."""
    return has_tables(path, (POINTS, DESIGN))


def read_design(path: PathLike, field: str = REFERENCE) -> Design:
    """Read the points of :func:`~landcover_bdgf.survey.drawing.design`, with what they were labelled in ``field``.

    Raises
    ------
    LabelError
        If it is no probability sample that bdgf drew: without strata or inclusion probabilities, or with points that
        were moved, removed, added or given other probabilities. Points without a label stay in the file, empty.
    """
    path = Path(path)
    layers = read_layers(path, (POINTS, DESIGN))
    if POINTS not in layers or DESIGN not in layers or "inclusion_probability" not in layers[POINTS]:
        problem = "is no probability sample: it has no inclusion probabilities and strata"
        remedy = (
            "If it is a copy of such points (Save features as), join its labels to the original file by the field id, "
            "and use that file; else draw points with bdgf design. Other labels go with `reference`."
        )
        raise LabelError(path, problem, remedy)
    try:
        found = _design(layers[POINTS], layers[DESIGN], field)
    except LabelError as error:
        raise LabelError(path, error.problem, error.remedy) from error
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        raise LabelError(path, f"is damaged ({error})", _AGAIN) from error
    _check_points(path, layers[POINTS], found)
    return found


def _design(points: DataFrame, table: DataFrame, field: str) -> Design:
    is_stratum = ~table["about"].fillna("").astype(bool)  # a class of a map may have the value 0
    about = read_json(About, table.loc[~is_stratum, "about"].iloc[0])
    strata = table[is_stratum].sort_values("stratum")
    codes = strata["stratum"].to_numpy(np.int64)
    if field not in points:
        there = ", ".join(printable(name) for name in points if name not in ("row", "col", points.geometry.name))
        raise LabelError(None, f"has no field {printable(field)!r}, but {there}", "Name the one with the labels.")
    if added := int(points[["stratum", "row", "col"]].isna().any(axis=1).sum()):
        problem = (
            f"has {added} point(s) without stratum, row or col, which were added: {len(points) - added} were drawn"
        )
        raise LabelError(None, problem, "Remove them: only points that were drawn at random can be used.")
    of_points = points["stratum"].to_numpy(np.int64)
    if not len(codes) or not np.isin(of_points, codes).all():
        raise LabelError(None, "has points of strata that its table design lacks", _AGAIN)
    of_strata = {name: strata[name].to_numpy(np.int64) for name in ("pixels", "points")}
    if (of_strata["pixels"] < 1).any():
        raise ValueError("a stratum has no pixels")
    positions = {f"{axis}s": points[axis].to_numpy(np.int64) for axis in ("row", "col")}
    return Design(
        about,
        tuple(map(str, strata["name"])),
        codes,
        area_m2=strata["area_m2"].to_numpy(np.float64),
        stratum=np.searchsorted(codes, of_points),
        reference=tuple(_text(value) for value in points[field]),
        **of_strata,
        **positions,
    )


def _text(value: object) -> str | None:
    """A label as text, like that of a polygon; whole numbers without decimals, as QGIS may keep them as reals."""
    if value is None or value != value:
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return label_text(text) or None


def _check_points(path: Path, points: DataFrame, design: Design) -> None:
    """Refuse points that are not those which were drawn."""
    drawn = np.bincount(design.stratum, minlength=len(design.names))
    if (wrong := np.flatnonzero(drawn != design.points)).size:
        h = int(wrong[0])
        problem = f"has {drawn[h]} points in stratum {printable(design.names[h])}, {design.points[h]} were drawn"
        remedy = "Restore them: points that cannot be labelled stay in the file, with an empty label."
        raise LabelError(path, problem, remedy)
    if len(np.unique(np.stack([design.rows, design.cols]), axis=1).T) < len(design):
        raise LabelError(path, "has two points in one pixel", _AGAIN)
    given = points["inclusion_probability"].to_numpy(np.float64)
    if not np.allclose(given, design.inclusion, rtol=_SAME, atol=0):
        problem = "has inclusion probabilities that are not points / pixels of their stratum, they were changed"
        raise LabelError(path, problem, _AGAIN)
    xy = shapely.get_coordinates(points.geometry.to_numpy())
    crs = CRS.from_wkt(points.crs.to_wkt()) if points.crs else design.about.grid.crs
    inside = len(xy) == len(design)
    rows, cols = design.about.grid.rowcol_of(xy[:, 0], xy[:, 1], crs) if inside else (np.nan, np.nan)
    moved = ~((np.abs(rows - design.rows) <= 0.5) & (np.abs(cols - design.cols) <= 0.5))
    if np.any(moved):
        raise LabelError(path, f"has {int(np.sum(moved))} point(s) outside their pixels, they were moved", _AGAIN)
