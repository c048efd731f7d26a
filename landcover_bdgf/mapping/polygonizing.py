"""Step: polygons. The patches of a map as polygons in a GeoPackage, with class names, areas and a style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo import (
    M2_PER_HA,
    Grid,
    PixelAreas,
    append_layer,
    append_style,
    geopackage_product,
    writing_geopackage,
)
from landcover_bdgf.labels import as_map, polygon_style, style_text
from landcover_bdgf.mapping.finished_maps import FinishedMap, opened_map, origin_of
from landcover_bdgf.mapping.seams import Codes, Polygons, patches
from landcover_bdgf.mapping.settings import PolygonSettings
from landcover_bdgf.progress import log
from landcover_bdgf.storage import (
    PathLike,
    Product,
    atomic_output,
    check,
    content_sha256,
    record,
    record_path,
    write_record,
)
from landcover_bdgf.text import printable

if TYPE_CHECKING:
    from pandas import DataFrame

LAYER = "land_cover"
STRIP_PX = 512  # rows that are polygonised at once
FEW_PX = 3  # a tolerance of more pixels changes the shape of small polygons
_WRITTEN = 20_000  # polygons; a fixed number, as the pages of the file depend on it


def polygons(
    map_path: PathLike, output: PathLike, *,
    settings: PolygonSettings | None = None, legend: PathLike | None = None, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write the patches of a map as polygons: pixels of one class that touch at their sides.

    The layer ``land_cover`` of the GeoPackage has the fields ``code``, ``class``, ``pixels``, ``area_m2`` and
    ``area_ha``, and the colours of the map as its QGIS style. Areas are those of the polygons on the ellipsoid. With
    ``simplify``, only borders between polygons are simplified, so that the border of the map and the total area stay;
    ``pixels`` are still those of the map. The map is read strip by strip; with ``simplify``, all polygons are in
    memory at once, so sieve a large map first.

    Parameters
    ----------
    map_path : path
        A map, or any class raster; ``code`` is its pixel value.
    output : path
        The GeoPackage.
    settings : PolygonSettings, optional
    legend : path, optional
        Class names of the map, see :func:`~landcover_bdgf.labels.open_classes`.
    overwrite : bool

    Raises
    ------
    RasterError, LabelError, OutputError
        The map cannot be read, or the output cannot be written.
    """
    path, output, settings = Path(map_path), Path(output), settings or PolygonSettings()
    check(polygons_product(output), inputs=[path], overwrite=overwrite)
    with (
        as_map(path, legend) as map_,
        opened_map(map_.path) as found,
        writing_geopackage(output),
        atomic_output(output, overwrite=overwrite) as draft,
    ):
        log.info("writing %s", output)
        count = _write(found, draft, settings, map_.values)
        inputs = {"map": content_sha256(path)}
        made = record("polygons", inputs, maps=[origin_of(found)], simplify=settings.simplify, polygons=count)
        write_record(draft, made)
    return output


def polygons_product(path: PathLike) -> Product:
    """The files of :func:`polygons`."""
    return geopackage_product(path, record_path(path))


@dataclass(frozen=True)
class Measured:
    """Polygons in pixel coordinates (n,), their codes, numbers of pixels and areas."""

    polygons: Polygons
    codes: Codes
    pixels: NDArray[np.int64]
    area_m2: NDArray[np.float64]

    @classmethod
    def of(cls, polygons: Polygons, codes: Codes, grid: Grid) -> Measured:
        """Areas are pixels times the area of one at the centroid, on the ellipsoid.

        That is exact where the area of pixels changes linearly, and within 0.01 % for polygons of 200 km.
        """
        planar, centre = shapely.area(polygons), shapely.get_coordinates(shapely.centroid(polygons))
        pixel_m2 = PixelAreas(grid).at(centre[:, 1] - 0.5, centre[:, 0] - 0.5)
        return cls(polygons, codes, np.rint(planar).astype(np.int64), planar * pixel_m2)

    @classmethod
    def joined(cls, parts: Sequence[Measured]) -> Measured:
        """All of them, one after the other."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def where(self, keep: slice) -> Measured:
        """Some of them."""
        return Measured(*(getattr(self, f.name)[keep] for f in fields(self)))


def _write(found: FinishedMap, draft: Path, settings: PolygonSettings, values: tuple[int, ...]) -> int:
    """Write polygons and style; returns the number of polygons."""
    count = 0
    for batch in _batches(_simplified(_patches(found), settings.simplify, found.grid)):
        append_layer(_table(batch, found, values), draft, LAYER)
        count += len(batch.codes)
    if not count:
        raise OutputError(draft, "has no polygons, as the map has no data", "Check the map.")
    style = style_text(polygon_style(found.legend, values))
    append_style(draft, LAYER, name=LAYER, qml=style, description="classes of the map")
    return count


def _patches(found: FinishedMap) -> Iterator[Measured]:
    height, width = found.grid.shape_hw
    windows = (Window(0, row, width, min(STRIP_PX, height - row)) for row in range(0, height, STRIP_PX))
    for polygons, codes in patches(found.codes(window) for window in windows):
        yield Measured.of(polygons, codes, found.grid)


def _simplified(parts: Iterator[Measured], tolerance: float | None, grid: Grid) -> Iterator[Measured]:
    """Polygons with simpler borders, which neighbours share (Visvalingam and Whyatt 1993, on a coverage)."""
    if tolerance is None:
        yield from parts
        return
    whole, pixel = Measured.joined(list(parts)), float(np.sqrt(np.prod(grid.resolution_xy)))
    every_corner = shapely.segmentize(whole.polygons, 1)  # neighbours need the same vertices, where three meet too
    if tolerance > FEW_PX * pixel:
        log.warning(
            "`simplify=%g`: is %.0f pixels, so small polygons lose their shape and area. Use %g or less.",
            tolerance, tolerance / pixel, FEW_PX * pixel,
        )  # fmt: skip
    simple = shapely.coverage_simplify(every_corner, tolerance / pixel, simplify_boundary=False)
    yield replace(Measured.of(simple, whole.codes, grid), pixels=whole.pixels)


def _batches(parts: Iterator[Measured]) -> Iterator[Measured]:
    """The same polygons in batches of a fixed number."""
    held: list[Measured] = []
    for part in parts:
        held.append(part)
        while sum(len(each.codes) for each in held) >= _WRITTEN:
            whole = Measured.joined(held)
            yield whole.where(slice(0, _WRITTEN))
            held = [whole.where(slice(_WRITTEN, None))]
    if any(len(each.codes) for each in held):
        yield Measured.joined(held)


def _table(batch: Measured, found: FinishedMap, values: tuple[int, ...]) -> DataFrame:
    """Polygons on the ground with their attributes."""
    import geopandas

    names = np.array([printable(name) for name in found.legend.names], object)
    columns = {
        "code": np.array(values, np.int32)[batch.codes - 1],
        "class": names[batch.codes - 1],
        "pixels": batch.pixels,
        "area_m2": batch.area_m2,
        "area_ha": batch.area_m2 / M2_PER_HA,
    }
    t = found.grid.transform

    def on_ground(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = xy[:, 0], xy[:, 1]
        return np.stack([t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f], axis=1)

    geometry = shapely.normalize(shapely.transform(batch.polygons, on_ground))
    return geopandas.GeoDataFrame(columns, geometry=geometry, crs=found.grid.crs.to_wkt())
