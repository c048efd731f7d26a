"""Describe a file: a model, a denoiser, samples, points of a design, polygons, a map or any raster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from landcover_bdgf import labels, mapping, model, survey  # faces load on use: torch takes seconds, an image needs none
from landcover_bdgf.assessment import MAPPED_BY, map_record
from landcover_bdgf.errors import LabelError, RasterError, opening
from landcover_bdgf.geo import M2_PER_HA, grid_of, open_raster
from landcover_bdgf.scene import SENSOR_NAMES
from landcover_bdgf.storage import read_record, record_path
from landcover_bdgf.text import percent, printable

_VECTORS = (".gpkg", ".shp", ".geojson", ".geojsonl", ".fgb", ".kml", ".sqlite", ".gdb")


def describe(path: Path) -> dict[str, Any]:
    """Properties by name, in the order in which they are shown.

    Raises
    ------
    CheckpointError, LabelError, OutputError, RasterError
        The file is damaged, or does not match its suffix.
    """
    if path.suffix == ".safetensors":
        return _checkpoint(path)
    if path.suffix.lower() in _VECTORS:
        return _vector(path)
    if path.suffix == ".partial":
        return _part(path)
    return _raster(path)


def verify(path: Path) -> str:
    """Compare a file and its companions with their checksums; returns a line for the user.

    Checkpoints and partial maps hold their own checksums; those of maps, images and samples are in their record.

    Raises
    ------
    CheckpointError, LabelError, OutputError, RasterError
        A bit differs, a file is missing, or there is no record to compare with.
    """
    if path.suffix == ".safetensors":
        model.load_checkpoint(path)
        return f"{path}: unchanged"
    if path.suffix == ".partial":
        part = mapping.read_partial(path)
        for window in filter(part.has, part.windows()):
            part.read_whole(window)
        return f"{path}: unchanged"
    error = LabelError if path.suffix == ".gpkg" else RasterError
    with opening(error):
        if not path.is_file():
            raise error(path, "does not exist", "Check its name and the folder you are in.")
    changed = labels.changed_map_files(path)
    if changed is None:
        raise error(path, f"has no record {record_path(path).name} to compare with", "Keep the files together.")
    if changed:
        problem = f"has changed since it was written ({', '.join(changed)})"
        raise error(path, problem, "Restore an unchanged copy, or make it again.")
    return f"{path}: unchanged, with its companion files"


def _checkpoint(path: Path) -> dict[str, Any]:
    found = model.load_checkpoint(path)
    losses = found.history.columns.get("loss", [])
    return {
        "kind": found.kind,
        "recipe": found.recipe.name,
        "spectral bands": _bands(found.bands),
        **{f"bands of {printable(group.name)}": _bands(group.bands) for group in found.extra},
        "SAR bands": _bands(found.sar_bands),
        "SAR unit": found.sar_unit,
        "bands after reduction": found.scaling.bands,
        **_components(found.scaling.snr.tolist()),
        "scaling": "of each scene by its own values" if found.scaling.by_scene else "of all scenes together",
        **_scenes(found),
        **_judged(found),
        **_alone(found),
        "classes": _classes(found.legend) if found.legend else "none (a denoiser)",
        "weights": sum(int(w.size) for w in found.weights.values()),
        "training steps": len(losses),
        "last loss": round(sum(losses[-20:]) / len(losses[-20:]), 4) if losses else None,
        "seed": found.provenance.get("seed"),
        "versions": found.provenance.get("versions"),
        **_warnings(found.provenance),
    }


def _scenes(found: model.Checkpoint) -> dict[str, Any]:
    """Scenes of a model with their training pixels; nothing of a single scene."""
    scenes = found.provenance.get("training", {}).get("scenes", ())
    return {"scenes": [f"{printable(each['name'])}: {each['count']} px" for each in scenes]} if scenes else {}


def _warnings(found: dict[str, Any]) -> dict[str, list[str]]:
    """What the steps until a model or a map warned of; nothing if they did not."""
    told = map_record(found | {"model": found.get("model") or {"denoiser": found.get("denoiser")}}).warnings
    return {"warnings": told} if told else {}


def _components(snr: list[float]) -> dict[str, Any]:
    """Signal-to-noise ratios of the components of a model for many bands; nothing for others."""
    return {"signal-to-noise of components": [float(f"{ratio:.3g}") for ratio in snr]} if len(snr) else {}


def _judged(found: model.Checkpoint) -> dict[str, Any]:
    """What models of other folds tell of a model; nothing if it was trained without folds."""
    if found.left_out is None:
        return {}
    return {
        "judged labels": f"{len(found.left_out)} px in {found.left_out.folds} folds",
        "shares of the experts": ", ".join(
            f"{name} {found.shares[name]:.0%}" for name in model.expert_names(found.recipe)
        ),
        "averaged windows": f"similar to the pixel within {found.similar:g}",
        "temperature": found.temperature,
    }


def _alone(found: model.Checkpoint) -> dict[str, str]:
    """What the networks of one sensor alone are worth; nothing of a model without them."""
    told = {}
    for sensor, own in found.alone.items():
        judged = own.left_out
        right = "" if judged is None else f"right on {percent(judged.accuracy)} of judged labels, "
        told[f"{SENSOR_NAMES[sensor]} alone".removeprefix("the ")] = f"{right}temperature {own.temperature:g}"
    return told


def _part(path: Path) -> dict[str, Any]:
    part = mapping.read_partial(path)
    number, count = part.plan.shard
    return {
        "kind": "partial map",
        "shard": f"{number} of {count}",
        "finished": f"{part.finished_px} of {part.plan.pixels} px",
        "identity": part.plan.identity,
    }


def _vector(path: Path) -> dict[str, Any]:
    """A GeoPackage of ours by what it holds; fields and values of other polygons and points."""
    if survey.is_design_file(path):
        return _design(path)
    if labels.is_samples_file(path):
        return _samples(path)
    count, fields = labels.field_values(path)
    kind = {"polygons": "polygons of a map"}.get(str(read_record(path).get("step")), "vector file")
    return {"kind": kind, "features": count, "fields (with the number of features)": fields}


def _samples(path: Path) -> dict[str, Any]:
    samples, between = labels.read_samples(path), {}
    if len(samples.test):
        between = {"smallest distance (px)": samples.min_distance_px(), "leak": samples.leak()}
    return {
        "kind": "samples",
        "grid": samples.grid.describe(),
        "split": samples.split.method,
        "training pixels": len(samples.train),
        "test pixels": len(samples.test),
        "classes": [
            f"{printable(row['name'])}: {row['groups']} polygons, {row['train']} training and {row['test']} test px"
            for row in samples.table()
        ],
        **between,
    }


def _design(path: Path) -> dict[str, Any]:
    found = survey.read_design(path)
    labelled = np.array([bool(text) for text in found.reference or ()], bool)
    counts = np.bincount(found.stratum[labelled], minlength=len(found.names))
    about = found.about
    source = {"classes": f"classes of {about.map}", "raster": about.strata_file, "none": "none"}[about.strata]
    strata = zip(found.names, found.pixels, found.area_m2 / M2_PER_HA, found.points, counts, strict=True)
    return {
        "kind": "points of a probability sample",
        "map": printable(about.map),
        "grid": about.grid.describe(),
        "sampling": about.sampling,
        "strata from": printable(source),
        "points": len(found),
        "labelled": f"{int(labelled.sum())} of {len(found)}",
        "strata": [
            f"{printable(name)}: {done} of {points} points labelled, {pixels} px, {area:.1f} ha"
            for name, pixels, area, points, done in strata
        ],
        "seed": about.seed,
        "settings": printable(about.settings),
        "version": printable(about.version),
    }


def _raster(path: Path) -> dict[str, Any]:
    with open_raster(path) as dataset:
        values: dict[str, Any] = {
            "kind": "raster",
            "format": dataset.driver,
            "grid": grid_of(dataset).describe(),
            "bands": dataset.count,
            "type": dataset.dtypes[0],
            "nodata": "none declared" if dataset.nodata is None else dataset.nodata,
            "names": [printable(d) for d in dataset.descriptions if d],
        }
        named = labels.named_values(dataset) if dataset.count == 1 else []
    try:
        legend = labels.legend_of_map(path)
    except LabelError:
        return values | ({"classes": named} if named else {})
    training = read_record(path).get("training", {})
    if not isinstance(training, dict):
        raise RasterError(record_path(path), f"is damaged (training is {training!r})", "Make the map again.")
    found = read_record(path)
    limits = {name: text for name, text in (("masked", _masked(found)), ("area of interest", _area(found))) if text}
    count, split = (printable(str(training.get(key, "unknown"))) for key in ("count", "split"))
    return values | {
        "kind": "land-cover map",
        "classes": _classes(legend),
        "trained on": f"{count} pixels, split by {split}",
        **limits,
        **_made_with(found),
        **_novel(found),
        **_warnings(found),
    }


def _made_with(found: dict[str, Any]) -> dict[str, str]:
    """Layers of a map, and what was done to its classes, by its record; nothing of what is unknown."""
    layers, sets, sieve, merge = (found.get(key) for key in ("layers", "sets", "sieve", "merge"))
    shown = {}
    if isinstance(layers, list) and layers:
        shown["layers"] = ", ".join(printable(str(name)) for name in layers)
    if isinstance(sets, dict) and isinstance(sets.get("coverage"), float):
        coverage = 100 * sets["coverage"]
        shown["prediction sets"] = f"of level {sets.get('level')}; on left-out labels they hold {coverage:.0f} %"
    if cases := [line for line in map_record(found).made if line.startswith(MAPPED_BY)]:
        shown["sensors"] = cases[0]
    if isinstance(merge, list) and merge:
        shown["merged classes"] = "; ".join(printable(str(text)) for text in merge)
    if isinstance(sieve, dict):
        area = printable(str(sieve.get("min_area")))
        shown["sieved"] = f"patches below {area} ({found.get('sieved_px')} px changed); layers are of the map before"
    return shown


def _novel(found: dict[str, Any]) -> dict[str, str]:
    """The share of novel pixels of a map; nothing if they were not counted."""
    novelty = map_record(found).novelty
    return {"novel": f"{percent(novelty.novel_px / novelty.compared_px)} of the pixels"} if novelty.compared_px else {}


def _masked(found: dict[str, Any]) -> str:
    """What was masked in a map, by its record; empty if nothing or unknown."""
    masked = found.get("masked")
    if not isinstance(masked, dict) or not isinstance(masked.get("share"), float):
        return ""
    files = [printable(str(file.get("file"))) for file in masked.get("files", ()) if isinstance(file, dict)]
    return f"{100 * masked['share']:.1f} % by {', '.join(files)}" + (", but mapped" if masked.get("mapped") else "")


def _area(found: dict[str, Any]) -> str:
    """The area of interest of a map, by its record; empty if there was none or it is unknown."""
    area = found.get("area")
    return f"{area.get('pixels')} px in {printable(str(area.get('file')))}" if isinstance(area, dict) else ""


def _classes(legend: labels.Legend) -> list[str]:
    return [f"{entry.code} {printable(entry.name)} {entry.hex}" for entry in legend.entries]


def _bands(bands: tuple[model.BandName, ...]) -> str:
    return ", ".join(printable(b.name) + (f" ({b.wavelength_nm:.0f} nm)" if b.wavelength_nm else "") for b in bands)
