"""A class map: in memory, and its files, which are the raster, its layers and companions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import Grid, grid_of, open_raster, read_band
from landcover_bdgf.labels.legend import ENTRY_KEYS, Legend
from landcover_bdgf.labels.symbology import aux_xml_path, companion_paths, read_aux_xml, write_symbology
from landcover_bdgf.storage import PathLike, Product, read_record, record_path
from landcover_bdgf.text import png, printable

if TYPE_CHECKING:
    from xarray import Dataset

_PICTURE_PX = 480


@dataclass(frozen=True, eq=False)
class ClassMap:
    """A land-cover map in memory.

    Attributes
    ----------
    codes : uint8 or uint16 (h, w)
        Codes of the legend, 0 where there is no data.
    grid : Grid
        That of the spectral image.
    legend : Legend
    confidence : uint8 (h, w), optional
        Probability of the class in percent, 255 where there is no data.
    novelty : uint8 (h, w), optional
        How many training pixels are as unlike the others as this one, in percent, 255 where there is no data. Low is
        unlike all of them.
    """

    codes: NDArray[Any]
    grid: Grid
    legend: Legend
    confidence: NDArray[np.uint8] | None = None
    novelty: NDArray[np.uint8] | None = None

    @property
    def crs(self) -> CRS:
        """Of the grid."""
        return self.grid.crs

    @property
    def transform(self) -> Affine:
        """Of the grid: pixel (column, row) to map (x, y)."""
        return self.grid.transform

    def to_xarray(self) -> Dataset:
        """The map as a Dataset with the variable ``landcover``, and ``confidence`` and ``novelty`` where it has them.

        The names of classes are in its attributes ``flag_values`` and ``flag_meanings`` (CF conventions, 3.5).

        Raises
        ------
        ImportError
            xarray or rioxarray is not installed.
        """
        import rioxarray  # noqa: F401  # for Dataset.rio
        import xarray

        height, width = self.codes.shape
        x, y = self.grid.xy(np.arange(height), np.arange(width))
        layers = {"landcover": self.codes, "confidence": self.confidence, "novelty": self.novelty}
        variables = {name: (("y", "x"), layer) for name, layer in layers.items() if layer is not None}
        data = xarray.Dataset(variables, coords={"y": y, "x": x})
        for name in variables:
            nodata = NODATA if name == "landcover" else LAYER_NODATA
            data[name] = data[name].rio.write_nodata(nodata)
        data["landcover"].attrs |= {
            "flag_values": np.array(self.legend.codes, self.codes.dtype),
            "flag_meanings": " ".join(printable(name).replace(" ", "_") for name in self.legend.names),
        }
        return data.rio.write_crs(self.crs).rio.write_transform(self.transform)

    def __repr__(self) -> str:
        mapped = 100 * float((self.codes != NODATA).mean())
        return f"ClassMap({self.grid.describe()}; {mapped:.0f} % mapped; {self.legend!r})"

    def _repr_html_(self) -> str:
        step = -(-max(self.codes.shape) // _PICTURE_PX)
        colors = np.zeros((max(self.legend.codes) + 1, 4), np.uint8)
        for code, color in self.legend.colors.items():
            colors[code] = (*color, 255)
        picture = png(colors[self.codes[::step, ::step]])
        return f'<p>{self.grid.describe()}</p><img src="{picture}" alt="land cover">{self.legend._repr_html_()}'


def read_class_map(path: PathLike) -> ClassMap:
    """A map of bdgf with its layers, from its files.

    Raises
    ------
    RasterError, LabelError
        If a file is missing or damaged.
    """

    def pixels(file: Path) -> NDArray[Any] | None:
        if not file.exists():
            return None
        with open_raster(file) as dataset:
            return read_band(dataset)

    path = Path(path)
    with open_raster(path) as dataset:
        codes, grid = read_band(dataset), grid_of(dataset)
    confidence, novelty = (pixels(layer_path(path, name)) for name in LAYERS)
    return ClassMap(codes, grid, legend_of_map(path), confidence, novelty)


def write_companions(map_path: PathLike, legend: Legend) -> None:
    """Write what shows the class names beside a map: for GDAL ``<map>.aux.xml``, for QGIS ``<stem>.qml``."""
    classes = [(e.code, printable(e.name), e.color, printable(e.value)) for e in legend.entries]
    write_symbology(map_path, classes)


def legend_of_map(map_path: PathLike) -> Legend:
    """The legend of a map, from the record of its making, else from its ``.aux.xml``.

    Raises
    ------
    LabelError
        If neither lies beside the map, or they are damaged.
    """
    recorded = read_record(str(map_path)).get("legend")
    if recorded:
        return Legend.from_json(json.dumps(recorded))
    classes = read_aux_xml(aux_xml_path(map_path))
    if not classes:
        raise LabelError(
            map_path,
            f"has no class names, which {aux_xml_path(map_path).name} should hold",
            "Keep the files of a map together when you move it.",
        )
    return Legend.from_json(json.dumps([dict(zip(ENTRY_KEYS, row, strict=True)) for row in classes]))


NODATA = 0  # of the class raster
LAYER_NODATA = 255
# Further rasters beside a map, by the end of their names, in the order of Classified.layers.
LAYERS = {
    "confidence": "probability of the class in percent",
    "novelty": "novelty p-value in percent; low is outside the training data",
}


def layer_path(output: Path, layer: str) -> Path:
    """``landcover.tif``, ``confidence`` -> ``landcover_confidence.tif``."""
    return output.parent / f"{output.stem}_{layer}{output.suffix}"


def class_map_product(output: Path, layers: Sequence[str] = ()) -> Product:
    """A map with its layers, companions and record."""
    beside = [*(layer_path(output, name) for name in layers), *companion_paths(output), record_path(output)]
    return Product(output, tuple(beside))
