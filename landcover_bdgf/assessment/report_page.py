"""The HTML page of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from landcover_bdgf.assessment import figures, pictures
from landcover_bdgf.assessment.confusion import COUNTED_PX, SMALL_POLYGONS, SMALL_PX, disagreements
from landcover_bdgf.assessment.figures import MOST_LABELLED_CLASSES
from landcover_bdgf.assessment.measures import Accuracy, remarks
from landcover_bdgf.assessment.pages import html_page, points_text
from landcover_bdgf.assessment.pictures import Places
from landcover_bdgf.assessment.reliability import calibration_error
from landcover_bdgf.geo import M2_PER_HA, WGS84, Grid, PixelAreas, grid_of, open_raster, read_band
from landcover_bdgf.labels import EDGE_PX, LAYERS, NODATA, Legend, class_sizes, layer_path
from landcover_bdgf.scene import Image, open_dated
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import percent, printable

TEMPLATE = "assessment/report.html.jinja"
_READ_PX = 1024


@dataclass(frozen=True)
class Expert:
    """A classifier whose probabilities a map combines with those of others; shares add up to 1."""

    name: str
    sees: str
    share: float
    usual: float  # share without left-out labels, or where they say nothing clear


@dataclass(frozen=True)
class ReportContext:
    """Additional content of a report."""

    curves: Sequence[tuple[str, Sequence[float]]] = ()  # names, and values logged at each step
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the map; nested mappings are shown with dots
    experts: Sequence[Expert] = ()  # of the model
    similar: float | None = None  # how alike the windows of its average are, if left-out labels chose it
    image: Image | PathLike | None = None  # the spectral image, to show beside the map
    title: str = ""  # of the page


@dataclass(frozen=True)
class Layer:
    """A layer beside a map: its picture, and what low and high values mean."""

    name: str
    text: str
    picture: str


def render(
    dataset: DatasetReader, result: Accuracy, places: Places, *,
    title: str, notes: Sequence[str] = (), layers: Sequence[str] = (), context: ReportContext | None = None,
) -> str:  # fmt: skip
    """The page of an accuracy. ``notes`` are on the reference, ``layers`` those that the map was written with."""
    context, grid, colors = context or ReportContext(), grid_of(dataset), result.legend.colors
    areas = class_areas(dataset, result.legend)
    shares = result.matrix / np.maximum(result.matrix.sum(axis=1, keepdims=True), 1)
    return html_page(
        TEMPLATE, title=printable(title), result=result, classes=result.classes(), areas=areas,
        colors=[entry.hex for entry in result.entries],
        remarks=remarks(result),
        warnings=list(dict.fromkeys([*result.about.warnings, *notes])), inputs=result.about.inputs(),
        disagreements=disagreements(result.matrix), shares=shares, few={"px": SMALL_PX, "polygons": SMALL_POLYGONS},
        named=len(areas) <= MOST_LABELLED_CLASSES, edge_px=EDGE_PX, grid=grid, place=_place(grid),
        shape_wh=dataset.shape[::-1], scale=figures.scale_bar(grid),
        map_picture=pictures.map_picture(dataset, colors), image=_image(context.image, dataset),
        errors_picture=pictures.errors_picture(dataset, places, colors), wrong_px=int((~places.right).sum()),
        layers=_layers(dataset, layers), calibration_error=calibration_error(result.reliability),
        reliability_picture=figures.reliability_picture([("reference", figures.BLUE, result.reliability)]),
        curves=[(name, figures.curve_picture(values, name)) for name, values in context.curves if len(values)],
        settings=_flat(context.settings), experts=context.experts, similar=context.similar,
        counted=_counted, interval=_interval, points=points_text,
    )  # fmt: skip


def class_areas(dataset: DatasetReader, legend: Legend) -> list[dict[str, Any]]:
    """Each class of a map: number of pixels, share of the area with data, and hectares on the ellipsoid."""
    grid = grid_of(dataset)
    pixels, area_m2 = class_sizes(_tiles(dataset, legend), len(legend.entries), PixelAreas(grid))
    total = float(area_m2.sum()) or 1.0
    return [
        {
            "code": entry.code,
            "name": entry.name,
            "color": entry.hex,
            "pixels": int(count),
            "share": float(area / total),
            "hectares": float(area / M2_PER_HA),
        }
        for entry, count, area in zip(legend.entries, pixels, area_m2, strict=True)
    ]


def _tiles(dataset: DatasetReader, legend: Legend) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Tiles of the map with their codes; 0 where there is no data, whatever the file declares, or no class."""
    for window in grid_of(dataset).tiles(_READ_PX):
        codes = read_band(dataset, window)
        without = (codes == dataset.nodata) | (codes > len(legend.entries))
        yield window, np.where(without, NODATA, codes)


def _image(image: Image | PathLike | None, dataset: DatasetReader) -> Layer | None:
    """The image beside the map, and the bands that are shown of it."""
    if image is None:
        return None
    if not isinstance(image, Image):
        with open_dated(image) as opened:
            return _image(opened, dataset)
    names = [image.names[i] for i in pictures.colour_bands(image)]
    return Layer("image", ", ".join(map(printable, names)), pictures.image_picture(image, dataset))


def _layers(dataset: DatasetReader, names: Sequence[str]) -> list[Layer]:
    found = []
    for name in (name for name, kind in LAYERS.items() if name in names and not kind.by_class):
        path = layer_path(Path(dataset.name), name)
        if path.is_file():
            with open_raster(path) as layer:
                found.append(Layer(name, LAYERS[name].band, pictures.layer_picture(layer, LAYERS[name])))
    return found


def _place(grid: Grid) -> list[tuple[str, str]]:
    """Where the map lies: its corners in its own CRS, and its box in longitude and latitude."""
    left, bottom, right, top = grid.bounds
    digits = 5 if grid.crs.is_geographic else 0
    rows = [
        ("Upper left", f"{left:.{digits}f}, {top:.{digits}f}"),
        ("Lower right", f"{right:.{digits}f}, {bottom:.{digits}f}"),
    ]
    west, south, east, north = grid.bounds_in(WGS84)
    if np.isfinite([west, south, east, north]).all() and not grid.crs.is_geographic:
        rows.append(("Longitude", f"{west:.4f}° to {east:.4f}°"))
        rows.append(("Latitude", f"{south:.4f}° to {north:.4f}°"))
    return [(name, text.replace("-", "−")) for name, text in rows]


def _counted(share: float | None, total: int) -> str:
    """An accuracy in percent; of a few pixels, as a count."""
    if share is None or total >= COUNTED_PX:
        return percent(share)
    return f"{round(share * total)} of {total}"


def _interval(low: float | None, high: float | None) -> str:
    """A 95 % interval in whole percent; empty if it is undefined."""
    return "" if low is None or high is None else f"{100 * low:.0f} to {100 * high:.0f}"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        nested = isinstance(value, Mapping)
        rows += _flat(value, f"{prefix}{name}.") if nested else [(f"{prefix}{name}", str(value))]
    return rows
