"""Samples in a GeoPackage: points that QGIS can show, and a table with the legend and the split."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from landcover_bdgf.errors import LabelError, OutputError
from landcover_bdgf.geo import Grid, append_layer, geopackage_product, has_tables, read_layers, writing_geopackage
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.samples import TEST, TRAIN, Samples, Split
from landcover_bdgf.storage import (
    Document,
    PathLike,
    Product,
    atomic_output,
    check,
    read_json,
    record,
    record_path,
    write_record,
)
from landcover_bdgf.text import printable

if TYPE_CHECKING:
    from pandas import DataFrame

FORMAT = 1
POINTS, LEGEND = "samples", "legend"
_PART_WORDS = {TRAIN: "train", TEST: "test"}


class About(Document):
    """Description of samples, in JSON."""

    format: Literal[1]
    grid: Grid
    split: Split


def write_samples(samples: Samples, path: PathLike, *, overwrite: bool = False) -> None:
    """Write samples as points at pixel centres, in a GeoPackage.

    Its layer ``samples`` has the fields code, class, part (train or test), group, row and col; its table
    ``legend`` has one row per class, and the grid and the split in the row of code 0.

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    """
    check(samples_product(path), overwrite=overwrite)
    with writing_geopackage(path), atomic_output(path, overwrite=overwrite) as draft:
        _write_points(samples, draft)
        _write_legend(samples, draft)
        try:
            whole = read_samples(draft).same_as(samples)
        except LabelError as error:
            raise OutputError(path, f"cannot be written, {error}", "Is the disk full, or damaged?") from error
        if not whole:
            raise OutputError(path, "reads differently from what was written", "Is the disk full, or damaged?")
        write_record(draft, record("sample", {}))


def samples_product(path: PathLike) -> Product:
    """The files of :func:`write_samples`."""
    return geopackage_product(path, record_path(path))


def read_samples(path: PathLike) -> Samples:
    """Read a file of :func:`write_samples`, which may have been edited in QGIS.

    Pixels are those at the locations of the points; classes and parts are those in the fields code and part.

    Raises
    ------
    LabelError
        If it is not a file of samples, or is damaged.
    """
    path = Path(path)
    if not is_samples_file(path):
        raise LabelError(path, "is not a file of samples", "Make one with bdgf sample.")
    try:
        layers = read_layers(path, (POINTS, LEGEND))
        points, table = layers[POINTS], layers[LEGEND]
        about = read_json(About, table.loc[table["code"] == 0, "about"].iloc[0])
        legend = Legend.from_json(json.dumps(_legend_rows(table)))
        return _samples(points, about.grid, legend, about.split)
    except LabelError as error:
        raise LabelError(path, error.problem, error.remedy) from error
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        raise LabelError(path, f"is damaged ({error})", "Draw the samples again with bdgf sample.") from error


def is_samples_file(path: PathLike) -> bool:
    """Whether a file looks like one of :func:`write_samples`; LabelError if permission to read it is denied."""
    return has_tables(path, (POINTS, LEGEND))


def _write_points(samples: Samples, path: Path) -> None:
    import geopandas

    x, y = samples.grid.xy(samples.rows, samples.cols)
    columns = {
        "code": samples.codes.astype(np.int32),
        "class": np.array(samples.legend.names, object)[samples.codes - 1],
        "part": [_PART_WORDS[int(part)] for part in samples.parts],
        "group": samples.groups,
        "row": samples.rows,
        "col": samples.cols,
    }
    points = geopandas.GeoDataFrame(columns, geometry=shapely.points(x, y), crs=samples.grid.crs.to_wkt())
    append_layer(points, path, POINTS)


def _write_legend(samples: Samples, path: Path) -> None:
    import pandas

    about = {"format": FORMAT, "grid": samples.grid.to_dict(), "split": asdict(samples.split)}
    rows: list[dict[str, Any]] = [
        {"code": e.code, "name": e.name, "value": e.value, "color": e.hex, "about": ""} for e in samples.legend.entries
    ]
    rows.insert(0, {"code": 0, "name": "no data", "value": "", "color": "#ffffff", "about": json.dumps(about)})
    append_layer(pandas.DataFrame(rows), path, LEGEND)


def _legend_rows(table: DataFrame) -> list[dict[str, Any]]:
    classes = table[table["code"] != 0].sort_values("code")
    return [
        {"code": int(code), "name": name, "value": value, "color": _color(str(color))}
        for code, name, value, color in classes[["code", "name", "value", "color"]].itertuples(index=False)
    ]


def _color(text: str) -> list[int]:
    if not re.fullmatch("#?[0-9a-fA-F]{6}", text):
        raise ValueError("a colour is not written like #1f77b4")
    return list(bytes.fromhex(text.removeprefix("#")))


def _samples(points: DataFrame, grid: Grid, legend: Legend, split: Split) -> Samples:
    if not len(points):
        raise ValueError("it has no points")
    rows, cols = _pixels(points, grid)
    codes = points["code"].to_numpy(np.float64)
    if not np.isin(codes, legend.codes).all():
        raise ValueError("a point has a code that its legend lacks")
    _check_classes(points, codes, legend)
    words = points["part"].astype(str).str.strip().str.lower()
    if not words.isin(_PART_WORDS.values()).all():
        raise ValueError("the field part of a point is neither train nor test")
    parts = (words == _PART_WORDS[TEST]).to_numpy().astype(np.uint8)
    groups = points["group"].fillna(-1).to_numpy().astype(np.int32)
    order = np.lexsort((cols, rows))
    if len(np.unique(np.stack([rows, cols], axis=1), axis=0)) < len(rows):
        raise ValueError("two points are in one pixel; delete one of them")
    samples = Samples(grid, legend, rows, cols, codes.astype(np.uint16), groups, parts, split).where(order)
    # a class without any point may have some in another scene
    if untrained := [printable(row["name"]) for row in samples.table() if row["test"] and not row["train"]]:
        raise ValueError(f"no training point is left of {', '.join(untrained)}")
    return samples


def _check_classes(points: DataFrame, codes: NDArray[np.float64], legend: Legend) -> None:
    """Refuse points whose class was edited in only one of the fields class and code."""
    name_of = {entry.code: entry.name for entry in legend.entries}
    code_of = {name: code for code, name in name_of.items()}
    for word, code in zip(points.get("class", ()), codes, strict=False):
        if code_of.get(word, code) != code:
            other = printable(name_of[int(code)])
            raise ValueError(f"a point has the class {printable(word)} and the code of {other}; make them agree")


def _pixels(points: DataFrame, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows and columns of the points, which a user may have moved."""
    xy = shapely.get_coordinates(points.geometry.to_numpy())
    if len(xy) != len(points) or not np.isfinite(xy).all():
        raise ValueError("a point has no coordinates")
    exact = grid.rowcol(xy[:, 0], xy[:, 1])
    rows, cols = (np.floor(axis + 0.5).astype(np.int64) for axis in exact)
    height, width = grid.shape_hw
    if ((rows < 0) | (rows >= height) | (cols < 0) | (cols >= width)).any():
        raise ValueError("a point is outside the image")
    return rows.astype(np.int32), cols.astype(np.int32)
