"""Places to label next, in a GeoPackage: an empty field ``class`` to fill in, and why each place was chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy import ndimage

from landcover_bdgf.geo import append_layer, geopackage_product, writing_geopackage
from landcover_bdgf.labels import ClassRaster, Legend, add_choices, style_text
from landcover_bdgf.storage import PathLike, Product, atomic_output
from landcover_bdgf.text import printable

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PLACES = "places"  # the layer
FIELD = "class"  # the field to fill in
UNLIKE = "unlike the training data"
NOVEL = 0.05  # p-value from which on a place counts as like the training data


@dataclass(frozen=True, eq=False)
class Places:
    """Places of a map, by the pixels of their centres; arrays of one shape.

    Attributes
    ----------
    rows, cols : int32
    use : float32
        From 0 to 1, how much a label would help.
    margin : float32
        Mean difference of the two highest probabilities in the place, 0 to 1.
    novelty : float32
        Mean novelty p-value in the place, 0 to 1; NaN if it is unknown.
    best, second : uint16
        Indices of the two most probable classes.
    """

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    use: NDArray[np.float32]
    margin: NDArray[np.float32]
    novelty: NDArray[np.float32]
    best: NDArray[np.uint16]
    second: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, index: Any) -> Places:
        """Some of the places."""
        return Places(*(np.array(each[index]) for each in self._arrays()))  # no views that keep whole strips

    @classmethod
    def joined(cls, parts: Sequence[Places]) -> Places:
        """All places of several."""
        return cls(*map(np.concatenate, zip(*(part._arrays() for part in parts), strict=True)))

    def _arrays(self) -> list[NDArray[Any]]:
        return [getattr(self, field.name) for field in fields(self)]


def unlikeness(novelty: NDArray[np.float32]) -> NDArray[np.float32]:
    """From 0 for p-values that training data have, too, to 1 for those far outside; 0 where the p-value is unknown."""
    return np.clip(1 - np.nan_to_num(novelty, nan=1.0) / np.float32(NOVEL), 0, 1)


def as_frame(places: Places, map_: ClassRaster, *, side_px: int, polygons: bool) -> GeoDataFrame:
    """Places as a table, see :func:`~landcover_bdgf.survey.next_labels.where`."""
    import geopandas

    names = np.array([printable(name) for name in map_.legend.names], object)
    pairs = np.sort(np.stack([places.best, places.second], axis=1), axis=1)  # one reason for both orders
    undecided = np.array([f"undecided between {names[one]} and {names[other]}" for one, other in pairs], object)
    mapped = map_.codes_at(places.rows, places.cols).astype(int) - 1  # a sieve may have taken another than the best
    unlike = unlikeness(places.novelty) > 1 - places.margin
    columns = {
        "id": np.arange(1, len(places) + 1, dtype=np.int32),
        FIELD: np.full(len(places), None, object),
        "reason": np.where(unlike, UNLIKE, undecided),
        "map_class": names[mapped],
        "second_class": names[np.where(mapped == places.best, places.second, places.best)],
        "margin": np.round(100 * places.margin.astype(np.float64), 1),
        "novelty": np.round(100 * places.novelty.astype(np.float64), 1),
    }
    x, y = map_.grid.xy(places.rows, places.cols)
    shapes = _polygons(places, map_, side_px) if polygons else shapely.points(x, y)
    return geopandas.GeoDataFrame(columns, geometry=shapes, crs=map_.grid.crs.to_wkt())


def _polygons(places: Places, map_: ClassRaster, side_px: int) -> NDArray[np.object_]:
    """The pixels around each centre that the map has in its class, connected by their sides."""
    half, shapes = side_px // 2, []
    for row, col in zip(places.rows.tolist(), places.cols.tolist(), strict=True):
        window = Window(col - half, row - half, side_px, side_px)
        codes = map_.read(window)
        parts, _ = ndimage.label(codes == codes[half, half])
        own = (parts == parts[half, half]).astype(np.uint8)
        transform = map_.grid.window_grid(window).transform
        ((outline, _),) = rasterio.features.shapes(own, mask=own == 1, transform=transform)
        shapes.append(shapely.geometry.shape(outline))
    return np.array(shapes, object)


def places_lines(places: GeoDataFrame) -> list[str]:
    """Why the places were chosen, and how many for each reason."""
    counts = Counter(places["reason"])
    width = len(str(len(places)))
    return [f"{number:>{width}}  {reason}" for reason, number in counts.most_common()]


def places_product(path: PathLike) -> Product:
    """The files of places: a GeoPackage, and the QGIS style next to it."""
    path = Path(path)
    return geopackage_product(path, path.parent / f"{path.stem}.qml")


def write_places(places: GeoDataFrame, legend: Legend, path: PathLike, *, overwrite: bool = False) -> None:
    """Write places and their QGIS style; OutputError if they cannot be written."""
    with writing_geopackage(path), atomic_output(path, overwrite=overwrite) as draft:
        append_layer(places, draft, PLACES)
        draft.with_suffix(".qml").write_text(_style(legend), encoding="utf-8")


def _style(legend: Legend) -> str:
    """A form with the classes to choose from: values as in the labels, shown by their names."""
    root = Element("qgis", version="3.22", styleCategories="Fields|Forms")
    choices = ((printable(entry.name), entry.value) for entry in legend.entries)
    add_choices(SubElement(root, "fieldConfiguration"), FIELD, choices)
    return style_text(root)
