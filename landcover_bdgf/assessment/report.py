"""Step: compare a map with reference labels; a folder with a page to read and print, and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from landcover_bdgf.assessment import figures
from landcover_bdgf.assessment.measures import (
    NO_PROBABILITY_SAMPLE,
    Accuracy,
    accuracy,
    accuracy_by_distance,
    percent,
    remarks,
)
from landcover_bdgf.assessment.reference import (
    Reference,
    ReferenceFile,
    TrainingGround,
    read_codes,
    read_reference,
    training_ground,
)
from landcover_bdgf.assessment.reliability import ReliabilityBin, calibration_error, reliability_bins
from landcover_bdgf.assessment.tables import write_table
from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo import Grid, grid_of, ground_pixel_m2, is_south_up, open_raster, read_band
from landcover_bdgf.labels import LAYER_NODATA, LabelSource, Legend, Samples, layer_path, legend_of_map
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, Product, atomic_folder, check, read_record
from landcover_bdgf.text import printable

TEMPLATE = "report.html.jinja"
REPORT_FILES = ("report.html", "accuracy.json", "accuracy.csv", "confusion.csv")
_READ_PX = 1024


@dataclass(frozen=True)
class ReportContext:
    """What a report tells beside the accuracy.

    Attributes
    ----------
    curves : sequence of (str, sequence of float)
        Names and values of what was logged at each step, drawn as curves.
    settings : mapping
        How the map was made; nested mappings are shown with dots.
    warnings : sequence of str
        What was said meanwhile.
    """

    curves: Sequence[tuple[str, Sequence[float]]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class ClassArea:
    """Mapped pixels of a class: number, share of all that have data, and hectares where they have a size."""

    code: int
    name: str
    color: str
    pixels: int
    share: float
    hectares: float | None


def assess(
    map_path: PathLike,
    reference: LabelSource | ReferenceFile | Samples,
    *,
    field: str | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
    title: str | None = None,
    context: ReportContext | None = None,
) -> Accuracy:
    """Compare a map with reference labels.

    Parameters
    ----------
    map_path : path
        A map, with the files beside it that tell its classes.
    reference : path, geopandas.GeoDataFrame, ReferenceFile or Samples
        Polygons or points, a file of samples, or samples; of samples the test part counts. A ``ReferenceFile``
        also says which layer, which encoding, which classes to ignore, and what becomes of conflicts.
    field : str, optional
        Of polygons or points: their field with the class, matched with the map's by value or name, else by letters of
        any case.
    output : path, optional
        Folder for ``report.html``, ``accuracy.json``, ``accuracy.csv`` and ``confusion.csv``.
    overwrite : bool
        Whether an older report may be replaced.
    title : str, optional
        Of the page.
    context : ReportContext, optional
        More for the page.

    Raises
    ------
    LabelError, RasterError, OutputError, SettingsError
        If the reference, the map, the folder or the field cannot be used.
    """
    if output is not None:
        check(report_product(output), overwrite=overwrite)
    with open_raster(map_path) as dataset:
        _check_map(dataset)
        legend, grid = legend_of_map(map_path), grid_of(dataset)
        _check_legend(dataset, legend)
        record = read_record(str(map_path))
        ground = training_ground(record, grid)
        pixels = read_reference(reference, field=field, grid=grid, legend=legend, ground=ground)
        layers = record.get("layers")
        result = _compare(dataset, pixels, legend, layers if isinstance(layers, list) else (), ground)
        if result.leak:
            log.warning("%s of the reference windows overlap training windows", percent(result.leak))
        if output is not None:
            page = _page(dataset, result, title or f"Accuracy of {Path(map_path).name}", pixels, context)
            _write(output, result, page, overwrite=overwrite)
    return result


def report_product(folder: PathLike) -> Product:
    """The folder of a report."""
    return Product(Path(folder), contents=REPORT_FILES)


def class_areas(dataset: DatasetReader, legend: Legend) -> list[ClassArea]:
    """Pixels of each class, counted; hectares where the CRS shows areas as they are on the ground."""
    counts = np.zeros(np.iinfo(dataset.dtypes[0]).max + 1, np.int64)
    grid = grid_of(dataset)
    for window in grid.tiles(_READ_PX):
        counts += np.bincount(read_band(dataset, window).ravel(), minlength=len(counts))
    mapped = max(1, int(counts[1:].sum()))
    hectares = _pixel_hectares(grid)
    return [
        ClassArea(
            code=entry.code,
            name=entry.name,
            color="#{:02x}{:02x}{:02x}".format(*entry.color),
            pixels=int(counts[entry.code]),
            share=float(counts[entry.code] / mapped),
            hectares=hectares and float(counts[entry.code] * hectares),
        )
        for entry in legend.entries
    ]


def _check_map(dataset: DatasetReader) -> None:
    if dataset.dtypes[0] not in ("uint8", "uint16"):
        raise RasterError(dataset.name, f"is no class map, its pixels are {dataset.dtypes[0]}", "Give a map of bdgf.")
    if is_south_up(dataset):
        raise RasterError(dataset.name, "is south-up, which no map of bdgf is", "Turn it with gdalwarp.")


def _check_legend(dataset: DatasetReader, legend: Legend) -> None:
    """What lies beside a map may be another's, or be made to lie there."""
    if len(legend.entries) > (most := np.iinfo(dataset.dtypes[0]).max):
        raise RasterError(
            dataset.name,
            f"has {len(legend.entries)} classes by the files beside it, but its pixels are {dataset.dtypes[0]}, "
            f"{most} at most",
            "Keep the files of a map together, or make it again.",
        )


def _compare(
    dataset: DatasetReader, pixels: Reference, legend: Legend, layers: Sequence[str], ground: TrainingGround | None
) -> Accuracy:
    codes = read_codes(dataset, pixels)
    try:
        result = accuracy(pixels.codes, codes, legend)
    except LabelError as error:
        raise LabelError(dataset.name, error.problem, error.remedy) from error
    result = replace(result, sample=pixels.sample, unknown=pixels.unknown)
    if "confidence" in layers:  # another map's could lie there
        result = replace(result, reliability=_reliability(dataset, pixels, codes))
    if ground is None:
        return result
    there = codes != 0
    distances = ground.distances_px(pixels)
    return replace(
        result,
        leak=float((distances[there] < ground.clear_px).mean()),
        surroundings=float((distances[there] < ground.apart_px).mean()) if ground.apart_px > ground.clear_px else None,
        by_distance=accuracy_by_distance((codes == pixels.codes)[there], distances[there]),
    )


def _reliability(dataset: DatasetReader, pixels: Reference, codes: NDArray[Any]) -> tuple[ReliabilityBin, ...]:
    """Whether the confidence that lies beside the map is honest; nothing where it was moved away."""
    path = layer_path(Path(dataset.name), "confidence")
    if not path.is_file():
        return ()
    with open_raster(path) as confidence:
        if not grid_of(confidence).same_as(grid_of(dataset)) or confidence.dtypes[0] != "uint8":
            raise RasterError(path, f"is not the confidence of {dataset.name}", "Make both again, or move it away.")
        percent = read_codes(confidence, pixels)
    there = (codes != 0) & (percent != LAYER_NODATA)
    return reliability_bins(percent[there] / 100, (codes == pixels.codes)[there])


def _page(
    dataset: DatasetReader,
    result: Accuracy,
    title: str,
    pixels: Reference,
    context: ReportContext | None,
) -> str:
    context, grid = context or ReportContext(), grid_of(dataset)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"percent": _percent, "printable": printable, "number": _number}
    areas = class_areas(dataset, result.legend)
    return environment.get_template(TEMPLATE).render(
        title=title,
        result=result,
        classes=result.classes(),
        areas=areas,
        colors={area.code: area.color for area in areas},
        remarks=remarks(result),
        caution=NO_PROBABILITY_SAMPLE,
        grid=grid,
        shape_wh=dataset.shape[::-1],
        scale=figures.scale_bar(grid),
        map_picture=figures.map_picture(dataset, result.legend.colors),
        matrix_picture=figures.matrix_picture(result),
        calibration_error=calibration_error(result.reliability),
        reliability_picture=figures.reliability_picture([("reference", figures.BLUE, result.reliability)]),
        curves=[(name, figures.curve_picture(values, name)) for name, values in context.curves if len(values)],
        settings=_flat(context.settings),
        warnings=[*pixels.notes, *context.warnings],
    )


def _write(output: PathLike, result: Accuracy, page: str, *, overwrite: bool) -> None:
    with atomic_folder(report_product(output), overwrite=overwrite) as folder:
        (folder / "report.html").write_text(page, encoding="utf-8")
        text = json.dumps(result.to_dict(), indent=2, ensure_ascii=True, allow_nan=False)
        (folder / "accuracy.json").write_text(f"{text}\n", encoding="utf-8")
        classes = result.classes()
        write_table(folder / "accuracy.csv", [list(classes[0]), *(list(row.values()) for row in classes)])
        header = ["map code (rows) \\ reference code (columns)", "class", *result.legend.codes]
        rows = zip(result.legend.entries, result.matrix.tolist(), strict=True)
        write_table(folder / "confusion.csv", [header, *([e.code, e.name, *counts] for e, counts in rows)])


def _pixel_hectares(grid: Grid) -> float | None:
    area_m2 = ground_pixel_m2(grid) if grid.crs.is_projected else None
    return area_m2 and area_m2 / 10_000


def _percent(share: float | None) -> str:
    return percent(share).replace(" ", "\N{NO-BREAK SPACE}")


def _number(value: float | None) -> str:
    """A number for people: thousands apart, a decimal only where it matters."""
    if value is None:
        return "–"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        nested = isinstance(value, Mapping)
        rows += _flat(value, f"{prefix}{name}.") if nested else [(f"{prefix}{name}", str(value))]
    return rows
