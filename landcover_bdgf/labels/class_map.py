"""A class map in memory, and its files: the raster, its layers and companions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo import Grid, grid_of, is_south_up, open_raster, read_band, read_bands
from landcover_bdgf.labels.colors import Color
from landcover_bdgf.labels.layers import LAYERS, layer_files, layer_nodata, layer_path
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import companion_paths, has_statistics_added, read_companions
from landcover_bdgf.storage import PathLike, Product, changed_files, read_record, record_path
from landcover_bdgf.text import png, printable

if TYPE_CHECKING:
    from xarray import Dataset

NODATA = 0  # of the class raster
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
        Percentage of the training pixels that differ as much from the others as this pixel does, 255 where there is
        no data. Low is outside the training data.
    probabilities : uint8 or uint16 (C, h, w), optional
        Of each class, in percent or, in uint16, hundredths of a percent; 255 or 65535 where there is no data.
    sets : uint8 (1 + C, h, w), optional
        Number of classes in the prediction set, then 1 for each class in it and 0 for each other; 255 is no data.
    entropy : uint8 (h, w), optional
        Of the class probabilities, in percent of its maximum, 255 where there is no data.
    condition : uint8 (h, w), optional
        Sensors that a pixel was mapped by: 1 both, 2 the spectral image alone, 3 the SAR image alone, 0 no data.
    """

    codes: NDArray[Any]
    grid: Grid
    legend: Legend
    confidence: NDArray[np.uint8] | None = None
    novelty: NDArray[np.uint8] | None = None
    probabilities: NDArray[Any] | None = None
    sets: NDArray[np.uint8] | None = None
    entropy: NDArray[np.uint8] | None = None
    condition: NDArray[np.uint8] | None = None

    @property
    def crs(self) -> CRS:
        """CRS of the grid."""
        return self.grid.crs

    @property
    def transform(self) -> Affine:
        """Transform of the grid: pixel (column, row) to map (x, y)."""
        return self.grid.transform

    def to_xarray(self) -> Dataset:
        """The map as a Dataset with the variable ``landcover`` and the layers that it has.

        Layers of the classes have the dimension ``class``; of the prediction sets, only the classes are there. The
        attributes ``flag_values`` and ``flag_meanings`` hold the class names (CF conventions, 3.5).

        Raises
        ------
        ImportError
            xarray or rioxarray is not installed.
        """
        import rioxarray  # noqa: F401  # for Dataset.rio
        import xarray

        height, width = self.codes.shape
        x, y = self.grid.xy(np.arange(height), np.arange(width))
        layers = {"landcover": self.codes} | {name: getattr(self, name) for name in LAYERS}
        if self.sets is not None:
            layers["sets"] = self.sets[1:]
        variables = {
            name: (("class", "y", "x")[-layer.ndim :], layer) for name, layer in layers.items() if layer is not None
        }
        coordinates: dict[str, Any] = {"y": y, "x": x}
        if any("class" in dimensions for dimensions, _ in variables.values()):
            coordinates["class"] = list(self.legend.names)
        data = xarray.Dataset(variables, coords=coordinates)
        for name, (_, layer) in variables.items():
            nodata = NODATA if name == "landcover" else layer_nodata(name, str(layer.dtype))
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
        picture = codes_picture(self.codes[::step, ::step], self.legend.colors)
        return f'<p>{self.grid.describe()}</p><img src="{picture}" alt="land cover">{self.legend._repr_html_()}'


def codes_picture(codes: NDArray[Any], colors: Mapping[int, Color]) -> str:
    """Class codes (h, w) as a PNG data URI, transparent where they are 0."""
    palette = np.zeros((max(int(codes.max()), *colors) + 1, 4), np.uint8)
    for code, color in colors.items():
        palette[code] = (*color, 255)
    return png(palette[codes])


def read_class_map(path: PathLike) -> ClassMap:
    """Read a map of bdgf with its layers.

    Raises
    ------
    RasterError, LabelError
        If a file is missing or damaged.
    """
    path, layers = Path(path), {}
    with open_raster(path) as dataset:
        codes, grid = read_band(dataset), grid_of(dataset)
    for name in LAYERS:
        if (file := layer_path(path, name)).exists():
            with open_raster(file) as dataset:
                layers[name] = read_bands(dataset) if LAYERS[name].by_class else read_band(dataset)
    return ClassMap(codes, grid, legend_of_map(path), **layers)


def legend_of_map(map_path: PathLike) -> Legend:
    """The legend of a map, from its record, else from its ``.aux.xml`` or ``.qml``.

    Raises
    ------
    LabelError
        If all are missing or damaged, or it is not the legend of a map of bdgf.
    """
    own = [row for row in read_companions(map_path) if row["code"] != NODATA]
    recorded = read_record(str(map_path)).get("legend")
    if classes := recorded or own:
        try:
            return Legend.from_json(json.dumps(classes))
        except LabelError as error:
            problem = error.problem if recorded else f"is not a map of bdgf: {error.__cause__}"
            raise LabelError(map_path, problem, "Use a map that bdgf wrote, with its companion files.") from error
    aux_xml, _ = companion_paths(map_path)
    raise LabelError(
        map_path,
        f"has no class names, which {aux_xml.name} should hold",
        f"Copy the .aux.xml of the map that it was made from to {aux_xml.name}. To join maps, use bdgf mosaic, which "
        "keeps the names; to clip or warp one, gdal_translate, or gdalwarp -r near.",
    )


def changed_map_files(path: PathLike) -> list[str] | None:
    """Names of the files of a map that changed since they were written; None without a record.

    An ``.aux.xml`` to which GDAL or QGIS has added statistics counts as unchanged if it still holds the classes.
    """
    aux_xml, _ = companion_paths(path)
    changed = changed_files(Path(path))
    if changed and aux_xml.name in changed and has_statistics_added(aux_xml, legend_of_map(path)):
        changed.remove(aux_xml.name)
    return changed


def legend_of_raster(dataset: DatasetReader) -> Legend:
    """The legend of an open map; RasterError for rasters that are not maps, or have companion files of another map."""
    if dataset.dtypes[0] not in ("uint8", "uint16"):
        problem = f"is not a class map: pixels are {dataset.dtypes[0]}, expected uint8 or uint16"
        remedy = (
            "Use a map that bdgf wrote; if this is one saved with other pixels, convert it: gdal_translate -ot UInt16."
        )
        raise RasterError(dataset.name, problem, remedy)
    if is_south_up(dataset):
        raise RasterError(dataset.name, "is south-up", "Make it north-up with gdalwarp.")
    legend = legend_of_map(dataset.name)
    if len(legend.entries) > (most := int(np.iinfo(dataset.dtypes[0]).max)):
        raise RasterError(
            dataset.name,
            f"has {len(legend.entries)} classes according to its companion files, but its {dataset.dtypes[0]} pixels "
            f"can hold {most} at most",
            "Keep the files of a map together, or make it again.",
        )
    return legend


def class_map_product(output: Path, layers: Iterable[str] = ()) -> Product:
    """A map with its layers, their styles, its companions and record."""
    of_layers = chain.from_iterable(layer_files(output, name) for name in layers)
    others = [*of_layers, *companion_paths(output), record_path(output)]
    return Product(output, tuple(others), extension=".tif")
