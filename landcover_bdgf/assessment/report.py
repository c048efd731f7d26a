"""Step: assess. Compare a map with reference labels; write a folder with an HTML page and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from landcover_bdgf.assessment.borders import border_bins_at, border_shares
from landcover_bdgf.assessment.distances import NearBorders, accuracy_by_border, accuracy_by_distance
from landcover_bdgf.assessment.intervals import paired_gain
from landcover_bdgf.assessment.limits import map_limits
from landcover_bdgf.assessment.measures import Accuracy, accuracy
from landcover_bdgf.assessment.pictures import Places
from landcover_bdgf.assessment.provenance import map_record
from landcover_bdgf.assessment.reference import (
    Reference,
    ReferenceFile,
    TrainingPixels,
    border_bins_of_reference,
    read_codes,
    read_reference,
    training_pixels,
)
from landcover_bdgf.assessment.reliability import ReliabilityBin, reliability_bins
from landcover_bdgf.assessment.report_page import ReportContext, render
from landcover_bdgf.assessment.scene_rows import TrainedScene, scene_rows, trained_scenes
from landcover_bdgf.assessment.tables import write_table
from landcover_bdgf.errors import LabelError, RasterError
from landcover_bdgf.geo import Grid, grid_of, open_raster, read_band
from landcover_bdgf.labels import (
    LAYER_NODATA,
    LabelSource,
    LeftOut,
    Legend,
    Samples,
    as_map,
    edge_share,
    layer_path,
    legend_of_raster,
    scene_distances_px,
)
from landcover_bdgf.progress import kept_warnings, log
from landcover_bdgf.storage import PathLike, Product, atomic_folder, check, read_record
from landcover_bdgf.text import percent

FIGURES = "accuracy.json"
REPORT_FILES = ("report.html", FIGURES, "accuracy.csv", "confusion.csv")


def assess(
    map_path: PathLike,
    reference: LabelSource | ReferenceFile | Samples | LeftOut,
    *,
    field: str | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
    legend: PathLike | None = None,
    context: ReportContext | None = None,
) -> Accuracy:
    """Compare a map with reference labels.

    Parameters
    ----------
    map_path : path
        A map, or any class raster.
    reference : path, geopandas.GeoDataFrame, ReferenceFile, Samples or LeftOut
        Polygons or points, a file of samples, or samples, of which the test part is used. A ``ReferenceFile`` also
        sets the layer, the encoding, classes to ignore or to merge, and the rule for conflicts. ``left_out`` of the
        map's model: its labels, as judged by models that have not seen them.
    field : str, optional
        Field of the polygons or points that holds the class, matched with the map's by value or name, else ignoring
        case.
    output : path, optional
        Folder for ``report.html``, ``accuracy.json``, ``accuracy.csv`` and ``confusion.csv``.
    overwrite : bool
        Replace an existing report.
    legend : path, optional
        Class names of the map, see :func:`~landcover_bdgf.labels.open_classes`.
    context : ReportContext, optional
        Additional content of the page.

    Raises
    ------
    LabelError, RasterError, OutputError, SettingsError
        If the reference, the map, the folder or the field cannot be used.
    """
    if output is not None:
        check(report_product(output), overwrite=overwrite)
    context = context or ReportContext()
    with as_map(map_path, legend) as map_, open_raster(map_.path) as dataset:
        classes, grid = legend_of_raster(dataset), grid_of(dataset)
        record = read_record(str(map_.path))
        training = training_pixels(record, grid)
        notes: tuple[str, ...] = ()
        layers = found if isinstance(found := record.get("layers"), list) else []
        if isinstance(reference, LeftOut):
            result, places = _judged(dataset, reference, classes, training, trained_scenes(record))
        else:
            with kept_warnings() as said:
                pixels = read_reference(reference, field=field, grid=grid, legend=classes, training=training)
            notes = (*pixels.notes, *said)
            result, places = _compare(dataset, pixels, classes, layers, training)
        result = replace(
            result,
            limits=map_limits(record),
            about=map_record(record),
            edges=edge_share(dataset),
            map_codes=map_.values if map_.foreign else (),
        )
        if result.leak:
            log.warning("%s of the reference windows overlap training windows", percent(result.leak))
        if output is not None:
            title = context.title or f"Accuracy of {Path(map_path).name}"
            page = render(dataset, result, places, title=title, notes=notes, layers=layers, context=context)
            _write(output, result, page, overwrite=overwrite)
    return result


def report_product(folder: PathLike) -> Product:
    """The folder of a report."""
    return Product(Path(folder), contents=REPORT_FILES)


def is_report_of(folder: Path, result: Accuracy) -> bool:
    """Whether a folder contains all files of a report, and its figures are those of this accuracy."""
    if not all((folder / name).is_file() for name in REPORT_FILES):
        return False
    return (folder / FIGURES).read_bytes() == _figures(result).encode()


def _compare(
    dataset: DatasetReader, pixels: Reference, legend: Legend, layers: Sequence[str], training: TrainingPixels | None
) -> tuple[Accuracy, Places]:
    codes = read_codes(dataset, pixels)
    try:
        result = accuracy(pixels.codes, codes, legend, pixels.groups, pixels.lacking)
    except LabelError as error:
        raise LabelError(dataset.name, error.problem, error.remedy) from error
    result = _with_borders(replace(result, sample=pixels.sample), dataset, pixels, codes)
    if "confidence" in layers:  # otherwise the file may belong to another map
        result = replace(result, reliability=_reliability(dataset, pixels, codes))
    has_data = codes != 0
    right = (codes == pixels.codes)[has_data]
    places = Places(pixels.rows[has_data], pixels.cols[has_data], right)
    if training is not None:
        result = _by_distance(result, right, training.distances_px(pixels)[has_data], training)
    return result, places


def _judged(
    dataset: DatasetReader, found: LeftOut, legend: Legend, training: TrainingPixels | None, scenes: list[TrainedScene]
) -> tuple[Accuracy, Places]:
    """The accuracy of models that were trained without some polygons, on these.

    Of a model of several scenes, on those of the scene that the map shows, or of all if it shows another.
    """
    rows, here = scene_rows(found, scenes), _on_map(found, grid_of(dataset), training, scenes)
    if not here.any():
        log.warning("the map shows another scene than the labels of its model, which judge that scene; no errors drawn")
    elif scenes:
        found, here = found.where(here), here[here]
    right, positions = found.mapped == found.codes, training.positions if training else np.empty((0, 2))
    gain = right.astype(float) - (found.unguided == found.codes)
    distances = found.distance_px.astype(np.float64)
    of_map = scene_distances_px(dataset.shape, positions)
    one_by_one = found.folds == len(np.unique(found.groups))
    how = "leave-one-polygon-out, as polygons are few" if one_by_one else f"{found.folds} folds"
    result = replace(
        accuracy(found.codes, found.mapped, legend, found.groups),
        sample=f"{len(found)} labelled pixels, each judged by a model that was trained without its polygon "
        f"({how}, trained half as long); the model of the map has learned from all {len(positions) or 'labels'}",
        reliability=reliability_bins(found.confidence, right),
        by_distance=accuracy_by_distance(right, distances),
        judged_px=(float(np.median(distances)), float(np.median(of_map))) if len(positions) else None,
        guidance=None if np.array_equal(found.unguided, found.mapped) else paired_gain(gain, found.groups),
        scenes=rows,
    )
    places = Places(found.rows[here], found.cols[here], right[here])
    return _with_borders_of_map(result, dataset, places), places


def _on_map(
    found: LeftOut, grid: Grid, training: TrainingPixels | None, scenes: list[TrainedScene]
) -> NDArray[np.bool_]:
    """Which judged pixels (n,) are those of the map: of its scene if there are several, else training pixels of it."""
    if scenes and found.scene is not None:
        shown = [i for i, scene in enumerate(scenes) if scene.grid.same_as(grid)]
        return np.isin(found.scene, shown[:1])
    if training is None:
        return np.ones(len(found), bool)
    trained = set(map(tuple, np.round(training.positions).astype(int).tolist()))
    same = all(place in trained for place in zip(found.rows.tolist(), found.cols.tolist(), strict=True))
    return np.full(len(found), same)


def _by_distance(
    result: Accuracy, right: NDArray[np.bool_], distances: NDArray[np.float64], training: TrainingPixels
) -> Accuracy:
    """The accuracy with shares by the distance of its pixels (n,) to the training pixels, in pixels."""
    wider = training.apart_px > training.clear_px
    return replace(
        result,
        leak=float((distances < training.clear_px).mean()),
        surroundings=float((distances < training.apart_px).mean()) if wider else None,
        by_distance=accuracy_by_distance(right, distances),
    )


def _with_borders(result: Accuracy, dataset: DatasetReader, pixels: Reference, codes: NDArray[Any]) -> Accuracy:
    """Accuracy by the distance to class borders: of the reference if it tells most of them, else of the map.

    Polygons that touch tell where the borders are. Polygons and points that lie apart do not: the true border may be
    anywhere between them.
    """
    has_data = codes != 0
    right = (codes == pixels.codes)[has_data]
    if of_reference := accuracy_by_border(right, border_bins_of_reference(dataset.shape, pixels)[has_data]):
        return replace(result, by_border=of_reference, borders_of="reference")
    return _with_borders_of_map(result, dataset, Places(pixels.rows[has_data], pixels.cols[has_data], right))


def _with_borders_of_map(result: Accuracy, dataset: DatasetReader, places: Places) -> Accuracy:
    bins = border_bins_at(places.rows, places.cols, dataset.shape, partial(read_band, dataset))
    found = accuracy_by_border(places.right, bins)
    near = NearBorders.of(bins, border_shares(dataset))
    return replace(result, by_border=found, borders_of="map" if found else "", near_borders=near)


def _reliability(dataset: DatasetReader, pixels: Reference, codes: NDArray[Any]) -> tuple[ReliabilityBin, ...]:
    """The reliability of the confidence layer of a map; empty if its file is missing."""
    path = layer_path(Path(dataset.name), "confidence")
    if not path.is_file():
        return ()
    with open_raster(path) as confidence:
        if not grid_of(confidence).same_as(grid_of(dataset)) or confidence.dtypes[0] != "uint8":
            raise RasterError(path, f"is not the confidence of {dataset.name}", "Map again, or remove it.")
        percent = read_codes(confidence, pixels)
    has_data = (codes != 0) & (percent != LAYER_NODATA)
    return reliability_bins(percent[has_data] / 100, (codes == pixels.codes)[has_data])


def _write(output: PathLike, result: Accuracy, page: str, *, overwrite: bool) -> None:
    with atomic_folder(report_product(output), overwrite=overwrite) as folder:
        (folder / "report.html").write_text(page, encoding="utf-8")
        (folder / FIGURES).write_bytes(_figures(result).encode())
        classes = result.classes()
        write_table(folder / "accuracy.csv", [list(classes[0]), *(list(row.values()) for row in classes)])
        codes = (entry.name if code is None else code for code, entry in zip(result.codes, result.entries, strict=True))
        header = ["map code (rows) \\ reference code (columns)", "class", *codes]
        rows = zip(result.codes, result.entries, result.matrix.tolist(), strict=True)
        write_table(folder / "confusion.csv", [header, *([code, entry.name, *counts] for code, entry, counts in rows)])


def _figures(result: Accuracy) -> str:
    return json.dumps(result.to_dict(), indent=2, ensure_ascii=True, allow_nan=False) + "\n"
