"""Step: areas. Area of each class of a map, in total and by zone, on the ellipsoid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.windows import Window
from shapely.affinity import translate

from landcover_bdgf.assessment import write_table
from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import M2_PER_HA, Grid, PixelAreas, read_features
from landcover_bdgf.labels import STRIP_ROWS, ClassRaster, Codes, class_sizes, open_classes, texts
from landcover_bdgf.progress import log, track
from landcover_bdgf.storage import PathLike, Product, atomic_output, check
from landcover_bdgf.text import printable

TOTAL = "whole map"


@dataclass(frozen=True)
class ClassArea:
    """The area of one class in one zone.

    Attributes
    ----------
    zone, name : str
    code : int
        Pixel value in the map.
    pixels : int
    hectares : float
        On the ellipsoid.
    share : float, optional
        Of the area of the zone where the map has data; None if it has none.
    """

    zone: str
    code: int
    name: str
    pixels: int
    hectares: float
    share: float | None


def areas_product(path: PathLike) -> Product:
    """The table, and the same as JSON."""
    return Product(Path(path), (Path(path).with_suffix(".json"),), extension=".csv")


def areas(
    map_path: PathLike,
    *,
    zones: PathLike | None = None,
    field: str | None = None,
    legend: PathLike | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
) -> list[ClassArea]:
    """Areas of the classes of a map, as mapped: errors of the map are in them (see ``assess_design``).

    Parameters
    ----------
    map_path : path
        A class raster.
    zones : path, optional
        Polygons in any CRS; a pixel belongs to those that contain its centre. Zones may overlap.
    field : str, optional
        Field of the zones that holds their names, text or numbers; those of the same name are one. By
        default, their numbers from 1.
    legend : path, optional
        Class names of the map, see :func:`~landcover_bdgf.labels.open_classes`.
    output : path, optional
        CSV for the areas; a JSON file of the same name is written, too.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    list of ClassArea
        Those of the whole map, then those of each zone.

    Raises
    ------
    RasterError, LabelError, OutputError
        If the map, the zones or the output cannot be used.
    """
    if output is not None:
        check(areas_product(output), overwrite=overwrite)
    with open_classes(map_path, legend) as map_:
        shapes = _zones(zones, field, map_.grid) if zones is not None else {}
        rows = _rows(map_, TOTAL, map_.strips())
        for name, polygons in track(shapes.items(), "zones", len(shapes)) if shapes else ():
            inside = _rows(map_, name, _inside(map_, polygons))
            if not any(row.pixels for row in inside):
                log.warning("zone %s has no pixel with data", printable(name))
            rows += inside
    if output is not None:
        with atomic_output(output, overwrite=overwrite) as draft:
            header = list(ClassArea.__dataclass_fields__)
            write_table(draft, [header, *(list(asdict(row).values()) for row in rows)])
            text = json.dumps(areas_values(rows), indent=2, ensure_ascii=True, allow_nan=False)
            draft.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")
    return rows


def areas_values(rows: list[ClassArea]) -> list[dict[str, Any]]:
    """Zones with their classes, as JSON types."""
    zones: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        values = asdict(row)
        zones.setdefault(values.pop("zone"), []).append(values)
    return [
        {"zone": zone, "hectares": sum(each["hectares"] for each in classes), "classes": classes}
        for zone, classes in zones.items()
    ]


def areas_lines(rows: list[ClassArea]) -> list[str]:
    """The areas as text, without the classes that a zone lacks."""
    zone, name = (
        max(map(len, [*map(printable, texts)])) for texts in zip(*((r.zone, r.name) for r in rows), strict=True)
    )
    several = any(row.zone != TOTAL for row in rows)
    return [
        f"{printable(row.zone):<{zone}} " * several
        + f"{printable(row.name):<{name}} {row.hectares:>14,.1f} ha {row.pixels:>12} px"
        + ("" if row.share is None else f" {100 * row.share:>6.2f} %")
        for row in rows
        if row.pixels or row.zone == TOTAL
    ]


def _rows(map_: ClassRaster, zone: str, windows: Iterator[tuple[Window, Codes]]) -> list[ClassArea]:
    pixels, area_m2 = class_sizes(windows, len(map_.legend.entries), PixelAreas(map_.grid))
    total = float(area_m2.sum())
    return [
        ClassArea(zone, value, entry.name, int(count), float(area) / M2_PER_HA, float(area) / total if total else None)
        for entry, value, count, area in zip(map_.legend.entries, map_.values, pixels, area_m2, strict=True)
    ]


def _zones(path: PathLike, field: str | None, grid: Grid) -> dict[str, NDArray[np.object_]]:
    """Polygons on the grid by the name of their zone."""
    features = read_features(path, fields=[field] if field else [])
    polygons = features.geometry.notna() & features.geom_type.isin(["Polygon", "MultiPolygon"])
    if not polygons.all():
        raise LabelError(path, f"{int((~polygons).sum())} features are not polygons", "Remove the points and lines.")
    names = texts(features[field]) if field else (np.arange(len(features)) + 1).astype(str)
    _check_names(path, field, names)
    found: dict[str, list[Any]] = {}
    for name, shape in zip(names, features.geometry.to_crs(grid.crs.to_wkt()), strict=True):
        found.setdefault(str(name), []).extend(_turned(_polygons(shape), grid))
    return {name: np.array(parts, object) for name, parts in found.items()}


def _check_names(path: PathLike, field: str | None, names: NDArray[Any]) -> None:
    """LabelError for zones without a name, or with that of the total."""
    if missing := int((names == "").sum()):
        problem = f"{missing} zone(s) have no name in the field {printable(field or '')}"
        raise LabelError(path, problem, "Name them, choose another field, or leave out `field` to number the zones.")
    if TOTAL in names:
        raise LabelError(path, f"a zone is called {TOTAL!r}, as the total is", "Rename it.")


def _polygons(shape: shapely.Geometry) -> list[shapely.Polygon]:
    """A valid geometry without the points and lines that repairs leave, which would be burnt as pixels.

    Nothing is left of one that lies outside the area of its CRS.
    """
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        return []
    parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(shape, method="structure")))
    return [part for part in parts if part.geom_type == "Polygon"]


def _turned(polygons: list[shapely.Polygon], grid: Grid) -> list[shapely.Polygon]:
    """The polygons, and on a grid of longitudes beyond ±180° also one turn to the west and to the east."""
    left, bottom, right, top = grid.bounds
    if not grid.crs.is_geographic or (left >= -180 and right <= 180):
        return polygons
    copies = [translate(polygon, turn) for polygon in polygons for turn in (-360, 0, 360)]
    return [polygon for polygon in copies if polygon.intersects(shapely.box(left, bottom, right, top))]


def _inside(map_: ClassRaster, polygons: NDArray[np.object_]) -> Iterator[tuple[Window, Codes]]:
    """Windows of the map around polygons, with 0 outside them."""
    if not len(polygons):
        return
    left, bottom, right, top = shapely.total_bounds(polygons)
    rows, cols = map_.grid.rowcol([left, right], [top, bottom])
    height, width = map_.grid.shape_hw
    first, last = np.clip([np.floor(rows[0]), np.ceil(rows[1]) + 1], 0, height).astype(int)
    start, end = np.clip([np.floor(cols[0]), np.ceil(cols[1]) + 1], 0, width).astype(int)
    if start >= end:
        return
    for row in range(first, last, STRIP_ROWS):
        window = Window(int(start), row, int(end - start), min(STRIP_ROWS, int(last) - row))
        place = map_.grid.window_grid(window)
        inside = rasterize(polygons, out_shape=place.shape_hw, transform=place.transform, dtype="uint8")
        yield window, map_.read(window) * inside
