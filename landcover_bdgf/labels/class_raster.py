"""Any raster of classes, ours or not, read as the codes 1, 2, 3 … of a legend.

Names come from the legend file that the user gives, else from the record, the ``.aux.xml``, the ``.vat.dbf`` or the
``.qml`` next to the raster, else the codes are the names. Colours are those of that file, else of the raster's colour
table. No data is the nodata value of the raster; if it declares none, 0 is, unless that is named as a class.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo import Grid, grid_of, is_south_up, open_raster, read_band
from landcover_bdgf.labels.class_map import NODATA
from landcover_bdgf.labels.colors import Color
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.legend_file import read_legend_file
from landcover_bdgf.labels.rasterize import label_text
from landcover_bdgf.labels.sampling import label_tiles
from landcover_bdgf.labels.symbology import read_companions
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, read_record
from landcover_bdgf.text import printable

STRIP_ROWS = 128  # GDAL keeps the blocks of a COG, 512 rows, from one strip to the next
MOST = 65_535  # largest code
UNNAMED = np.uint16(MOST)  # in the lookup table; a legend has fewer classes
_NO_DATA_NAMES = {"no data", "nodata", "no_data", "none", "null", "unclassified", "undefined", "fill"}  # of code 0
_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")

Codes = NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class ClassRaster:
    """An open class raster.

    Attributes
    ----------
    path : Path
    dataset : rasterio.io.DatasetReader
    grid : Grid
    legend : Legend
        Codes from 1; ``value`` is the pixel value of another program's raster, as text.
    values : tuple of int
        Pixel value of each class of the legend.
    lookup : uint16 (65536,)
        The code of each pixel value; 0 is no data.
    nodata : float, optional
        Declared by the raster.
    named : bool
        Whether its classes have names.
    """

    path: Path
    dataset: DatasetReader
    grid: Grid
    legend: Legend
    values: tuple[int, ...]
    lookup: Codes
    nodata: float | None
    named: bool

    def read(self, window: Window | None = None) -> Codes:
        """Codes of the legend in a window, uint16 (h, w); RasterError for a pixel value without a class."""
        values = read_band(self.dataset, window)
        codes = _looked_up(values, self.lookup, self.nodata)
        if (strange := codes == UNNAMED).any():
            problem = f"contains code {values[strange][0]}, which its legend does not name"
            raise RasterError(self.path, problem, "Name it in a CSV with columns code,name and give that as `legend`.")
        return codes

    def strips(self) -> Iterator[tuple[Window, Codes]]:
        """Windows of whole rows, from north to south, with their codes."""
        for window in strips(self.grid):
            yield window, self.read(window)

    def codes_at(self, rows: NDArray[Any], cols: NDArray[Any]) -> Codes:
        """Codes of single pixels (n,); only blocks with pixels are read."""
        codes = np.zeros(len(rows), np.uint16)
        for window, inside in label_tiles(rows, cols, self.dataset.shape):
            tile = self.read(window)
            codes[inside] = tile[rows[inside] - window.row_off, cols[inside] - window.col_off]
        return codes

    def check_grid(self, grid: Grid, whose: str) -> None:
        """RasterError if the raster is not on this grid."""
        if not self.grid.same_as(grid):
            problem = f"is on another grid ({self.grid.describe()}) than {whose} ({grid.describe()})"
            raise RasterError(
                self.path, problem, "Warp it to that grid with gdalwarp -r near, and the same -te and -tr."
            )


def strips(grid: Grid) -> Iterator[Window]:
    """Windows of whole rows, from north to south."""
    height, width = grid.shape_hw
    for row in range(0, height, STRIP_ROWS):
        yield Window(0, row, width, min(STRIP_ROWS, height - row))


@contextmanager
def open_classes(path: PathLike, legend_file: PathLike | None = None) -> Iterator[ClassRaster]:
    """Open a class raster.

    Parameters
    ----------
    path : path
        A single-band raster of whole numbers from 0 to 65535.
    legend_file : path, optional
        A CSV with columns code, name and color, a QGIS style or an SLD.

    Raises
    ------
    RasterError, LabelError
        If it is not a class raster, or the legend file cannot be read.
    """
    path = Path(path)
    with open_raster(path) as dataset:
        if dataset.dtypes[0] not in _INTEGERS or dataset.count != 1:
            found = f"{dataset.count} band(s) of {dataset.dtypes[0]}"
            problem = f"is not a class map: it has {found}, expected one of whole numbers"
            raise RasterError(path, problem, "Choose the band and convert it: gdal_translate -b 1 -ot UInt16.")
        if is_south_up(dataset):
            raise RasterError(path, "is south-up", "Make it north-up with gdalwarp.")
        colors = _color_table(dataset)
        rows = _file_rows(Path(legend_file), colors) if legend_file else _own_rows(path, colors)
        named = [row for row in rows if row["code"] != dataset.nodata and not _is_no_data(row, dataset.nodata)]
        _check_codes(legend_file or path, named)
        _check_names(legend_file or path, named)
        legend, values = _legend(named) if named else _plain(dataset, colors)
        lookup = np.full(MOST + 1, UNNAMED)
        if dataset.nodata is None or any(_is_no_data(row, dataset.nodata) for row in rows):
            lookup[0] = NODATA
        if dataset.nodata is None and all(row["code"] for row in rows):
            _warn_of_zero(dataset)
        lookup[values] = legend.codes
        if dataset.nodata is not None and 0 <= dataset.nodata <= MOST:
            lookup[int(dataset.nodata)] = NODATA
        yield ClassRaster(path, dataset, grid_of(dataset), legend, tuple(values), lookup, dataset.nodata, bool(named))


def named_values(dataset: DatasetReader) -> list[str]:
    """A line for each pixel value that a record, an attribute table or a style names: value, name and colour."""
    rows = _own_rows(Path(dataset.name), _color_table(dataset))
    colors = ["".join(f"{part:02x}" for part in row.get("color") or ()) for row in rows]
    return [
        f"{row['code']} {printable(str(row['name']))}{f' #{color}' if color else ''}"
        for row, color in zip(rows, colors, strict=True)
    ]


def codes_of(legend: Legend, texts: NDArray[np.object_]) -> NDArray[np.int64]:
    """Codes of class values or names (n,), ignoring case and spaces; 0 for those that the legend lacks."""
    folded = {label_text(name).casefold(): code for name, code in zip(legend.names, legend.codes, strict=True)}
    known = {text: legend.code_of(text) or folded.get(label_text(text).casefold(), 0) for text in set(texts)}
    return np.array([known[text] for text in texts], np.int64)


def _looked_up(values: NDArray[Any], lookup: Codes, nodata: float | None) -> Codes:
    if values.dtype in (np.uint8, np.uint16):
        return lookup[values]
    inside = (values >= 0) & (values <= MOST)
    codes = np.where(inside, lookup[np.clip(values, 0, MOST)], UNNAMED)
    return np.asarray(np.where(values == nodata, NODATA, codes), np.uint16)


def _own_rows(path: Path, colors: dict[int, Color]) -> list[dict[str, Any]]:
    """Fields of legend entries in the files next to a raster; without those of codes that have no name."""
    rows = read_record(str(path)).get("legend") or read_companions(path, colors)
    return [row for row in rows if str(row["name"]).strip()]


def _color_table(dataset: DatasetReader) -> dict[int, Color]:
    """Colours by code, without the black of codes that are not used."""
    try:
        table = dataset.colormap(1)
    except ValueError:  # it has none
        return {}
    return {code: (red, green, blue) for code, (red, green, blue, _) in table.items() if red or green or blue}


def _legend(rows: list[dict[str, Any]]) -> tuple[Legend, list[int]]:
    """The legend, and the pixel values of its classes. One of bdgf keeps the class values of its labels."""
    values = [int(row["code"]) for row in rows]
    try:
        return Legend.from_json(json.dumps(rows)), values
    except LabelError:  # codes with gaps, as in rasters of other programs
        rows = sorted(rows, key=lambda row: int(row["code"]))
    values = [int(row["code"]) for row in rows]
    legend = Legend.from_values(map(str, values), {str(row["code"]): str(row["name"]) for row in rows})
    colors = [tuple(row.get("color") or entry.color) for row, entry in zip(rows, legend.entries, strict=True)]
    entries = [replace(entry, color=color) for entry, color in zip(legend.entries, colors, strict=True)]
    return Legend(tuple(entries)), values


def _check_codes(path: PathLike, rows: list[dict[str, Any]]) -> None:
    """LabelError for a code that is named twice, negative, or too large."""
    codes = Counter(int(row["code"]) for row in rows)
    if twice := [code for code, times in codes.items() if times > 1]:
        raise LabelError(path, f"names code {twice[0]} twice", "List each code once.")
    if strange := [code for code in codes if not 0 <= code < MOST]:
        problem = f"names code {strange[0]}, expected codes from 0 to {MOST - 1}"
        raise LabelError(path, problem, "Give the classes other codes, e.g. with Reclassify by table of QGIS.")


def _check_names(path: PathLike, rows: list[dict[str, Any]]) -> None:
    """LabelError if two codes have one name: labels name classes, and could be either."""
    names = Counter(label_text(row["name"]) for row in rows)
    if twice := [name for name, times in names.items() if times > 1]:
        remedy = "Give each code a name of its own, in a CSV with columns code,name as `legend`."
        raise LabelError(path, f"two classes are named {printable(twice[0])}", remedy)


def _is_no_data(row: dict[str, Any], nodata: float | None) -> bool:
    """Whether a row names code 0 as what has no data; a class may be called 0 if another value is declared for that."""
    name = str(row["name"]).strip().casefold()
    return row["code"] == 0 and (name in _NO_DATA_NAMES or (name == "0" and nodata is None))


def _warn_of_zero(dataset: DatasetReader) -> None:
    """Warn if 0 occurs, and neither the raster nor a legend says what it is."""
    if any((read_band(dataset, window) == 0).any() for window in strips(grid_of(dataset))):
        log.warning(
            "%s: declares no nodata, so 0 is taken as no data; a legend that names 0 makes it a class",
            Path(dataset.name),
        )


def _plain(dataset: DatasetReader, colors: dict[int, Color]) -> tuple[Legend, list[int]]:
    """A legend of the pixel values that occur."""
    found: set[int] = set()
    for window in strips(grid_of(dataset)):
        found |= set(np.unique(read_band(dataset, window)).tolist())
    values = sorted(found - {0 if dataset.nodata is None else int(dataset.nodata)})
    if not values or not 0 <= values[0] <= values[-1] < MOST:
        problem = f"has codes {values[0]} to {values[-1]}, expected 0 to {MOST - 1}" if values else "has no data"
        raise RasterError(dataset.name, problem, "Is it a class map?")
    log.info("%s: has no class names, its codes are used", dataset.name)
    legend = Legend.from_values(values)
    entries = (replace(e, color=colors.get(value, e.color)) for e, value in zip(legend.entries, values, strict=True))
    return Legend(tuple(entries)), values


def _file_rows(path: Path, colors: dict[int, Color]) -> list[dict[str, Any]]:
    """Codes, names and colours in a legend file."""
    found = read_legend_file(path)
    try:
        rows: list[dict[str, Any]] = [
            {"code": int(row.key), "name": row.name, "color": row.color or colors.get(int(row.key))} for row in found
        ]
    except ValueError as error:
        raise LabelError(path, f"has a class without a code ({error})", "Give a CSV with columns code,name.") from error
    return rows
