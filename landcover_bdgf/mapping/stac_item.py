"""A STAC item of a map, for catalogues (https://stacspec.org, version 1.1).

Extensions: classification 2.0 (classes), projection 2.0 (grid), raster 2.0 (scale of pixel values) and processing 1.2
(software and lineage).
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from shapely import MultiPolygon, Polygon, box, get_parts, to_geojson
from shapely.affinity import translate
from shapely.geometry.polygon import orient

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo import WGS84, Grid, transformer
from landcover_bdgf.labels import NODATA, Legend, companion_paths, layer_files
from landcover_bdgf.mapping.finished_maps import FinishedMap, opened_map
from landcover_bdgf.storage import atomic_output, record_path
from landcover_bdgf.text import printable

EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("classification/v2.0.0", "projection/v2.0.0", "raster/v2.0.0", "processing/v1.2.0")
)
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_SIDE_POINTS = 9  # of the footprint
_HALF_TURN, _NEAR = 180, 1e-6  # degrees


def stac_path(output: Path) -> Path:
    """``landcover.tif`` -> ``landcover.stac.json``."""
    return output.parent / f"{output.stem}.stac.json"


def model_item_path(model: Path) -> Path:
    """``landcover.model.safetensors`` and ``landcover.safetensors`` -> ``landcover.model.stac.json``."""
    stem = model.stem if model.stem.endswith("model") else f"{model.stem}.model"
    return model.parent / f"{stem}.stac.json"


def check_stac(dates: str) -> None:
    """SettingsError without pystac, or for what is not a date."""
    if find_spec("pystac") is None:
        remedy = "Install it: pip install 'landcover-bdgf[stac]', or map without `stac`."
        raise SettingsError("`stac`", "needs the package pystac", remedy)
    _times(dates)


@dataclass(frozen=True)
class ItemPlace:
    """What an item is called, and where and when it is: ``dates`` as for :func:`write_stac_item`."""

    id: str
    grids: tuple[Grid, ...]
    dates: str


def write_stac_item(output: Path, dates: str, *, model: Path | None = None, overwrite: bool = False) -> Path:
    """Write the item of a finished map.

    Parameters
    ----------
    output : Path
        The map.
    dates : str
        Of the images: ``2020-06-04``, or the first and the last as ``2020-06-01/2020-06-30``.
    model : Path, optional
        The file of the model that made the map; the item links to that of the model, if there is one.
    overwrite : bool

    Raises
    ------
    SettingsError
        pystac is not installed, or a date is not understood.
    """
    check_stac(dates)
    with opened_map(output, layers=True) as found:
        place, properties = ItemPlace(output.stem, (found.grid,), dates), _properties(found)
        assets = _assets(found, output)
    of_model = model_item_path(model) if model is not None else None
    return write_item(
        stac_path(output), place, properties, extensions=EXTENSIONS, assets=assets, overwrite=overwrite,
        derived_from=of_model if of_model is not None and of_model.is_file() else None,
    )  # fmt: skip


def write_item(
    path: Path, place: ItemPlace, properties: dict[str, Any], *,
    extensions: Sequence[str], assets: Mapping[str, Any], derived_from: Path | None = None, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write an item with its assets, and a link to the item ``derived_from``."""
    import pystac

    first, last = _times(place.dates)
    parts = [part for grid in place.grids for part in _footprint(grid)]
    area = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    several: dict[str, Any] = {} if first == last else {"start_datetime": first, "end_datetime": last}
    item = pystac.Item(
        id=place.id,
        geometry=json.loads(to_geojson(area)),
        bbox=_bbox(parts),
        datetime=first if first == last else None,
        properties=properties,
        stac_extensions=list(extensions),
        **several,
    )
    for key, asset in assets.items():
        item.add_asset(key, asset)
    values = item.to_dict(include_self_link=False)
    if derived_from is not None:
        href = Path(os.path.relpath(derived_from, path.parent)).as_posix()
        link = {"rel": "derived_from", "href": href if href.startswith(".") else f"./{href}", "title": "Model"}
        values["links"].append(link | {"type": "application/geo+json"})
    with atomic_output(path, overwrite=overwrite) as draft:
        draft.write_text(f"{json.dumps(values, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
    return path


def _times(dates: str) -> tuple[datetime.datetime, datetime.datetime]:
    """First and last time, UTC: of a day its noon, of several days the whole of each."""
    try:
        days = [datetime.date.fromisoformat(day.strip()) for day in dates.split("/")]
        if not 1 <= len(days) <= 2 or days != sorted(days):
            raise ValueError
    except ValueError:
        remedy = "Give the date of the images, e.g. 2020-06-04, or the first and the last joined by /."
        raise SettingsError(f"`stac={printable(dates)}`", "is not a date", remedy) from None
    hours = [datetime.time(12)] * 2 if len(days) == 1 else [datetime.time.min, datetime.time(23, 59, 59)]
    first, last = (
        datetime.datetime.combine(day, hour, datetime.UTC) for day, hour in zip([days[0], days[-1]], hours, strict=True)
    )
    return first, last


def _footprint(grid: Grid) -> list[Polygon]:
    """The area of a grid in degrees, counter-clockwise, in two parts across the antimeridian (RFC 7946, 3.1.9)."""
    height, width = grid.shape_hw
    t = np.linspace(0, 1, _SIDE_POINTS)[:-1]
    rows = np.concatenate([t, np.ones_like(t), 1 - t, np.zeros_like(t), [0]]) * height - 0.5
    cols = np.concatenate([np.zeros_like(t), t, np.ones_like(t), 1 - t, [0]]) * width - 0.5
    lon, lat = transformer(grid.crs, WGS84).transform(*grid.xy(rows, cols))
    left, _, right, _ = grid.bounds_in(WGS84)
    if right > _HALF_TURN + _NEAR:
        lon = np.where(lon < left - _NEAR, lon + 360, lon)
    whole = Polygon(np.stack([lon, lat], axis=1).round(7))
    found = []
    for turn in (0, -360):
        inside = translate(whole, turn).intersection(box(-180, -90, 180, 90))
        found += [orient(part) for part in get_parts(inside) if part.geom_type == "Polygon"]
    return found


def _bbox(parts: Sequence[Polygon]) -> list[float]:
    """West, south, east, north; west is greater than east where the antimeridian is crossed (RFC 7946, 5.2)."""
    west, south, east, north = (float(value) for value in MultiPolygon(parts).bounds)
    if (west, east) == (-_HALF_TURN, _HALF_TURN):
        gap_east = min((part.bounds[0] for part in parts if part.bounds[0] > west), default=west)
        gap_west = max((part.bounds[2] for part in parts if part.bounds[2] < east), default=east)
        if gap_west < gap_east:
            west, east = gap_east, gap_west
    return [west, south, east, north]


def _properties(found: FinishedMap) -> dict[str, Any]:
    grid, t = found.grid, found.grid.transform
    code = grid.crs.to_epsg()
    place = {"proj:code": f"EPSG:{code}"} if code else {"proj:code": None, "proj:wkt2": grid.crs.to_wkt("WKT2_2019")}
    step = found.record.get("step", "map")
    return {
        "title": f"Land-cover map {found.path.stem}",
        **place,
        "proj:shape": list(grid.shape_hw),
        "proj:transform": [t.a, t.b, t.c, t.d, t.e, t.f],
        "processing:software": {"landcover-bdgf": version("landcover-bdgf")},
        "processing:lineage": f"bdgf {step}; inputs, settings and training pixels in {record_path(found.path).name}",
    }


def _assets(found: FinishedMap, output: Path) -> dict[str, Any]:
    import pystac

    aux_xml, qml = companion_paths(output)

    def asset(path: Path, media_type: str, role: str, **fields: Any) -> pystac.Asset:
        return pystac.Asset(f"./{path.name}", media_type=media_type, roles=[role], extra_fields=fields)

    codes = {"name": "land cover", "data_type": str(found.legend.dtype), "nodata": NODATA}
    assets = {
        "map": asset(output, _COG, "data", bands=[codes], **{"classification:classes": class_values(found.legend)})
    }
    for name, dataset in found.layers.items():
        scale = {} if dataset.scales[0] == 1 else {"raster:scale": dataset.scales[0]}
        bands = [
            {"name": band, "data_type": dataset.dtypes[0], "nodata": dataset.nodata, **scale}
            for band in dataset.descriptions
        ]
        raster, style = layer_files(output, name)
        assets[name] = asset(raster, _COG, "data", bands=bands)
        assets[f"{name}-style"] = asset(style, "text/xml", "metadata")
    assets |= {
        "style": asset(qml, "text/xml", "metadata"),
        "class-names": asset(aux_xml, "text/xml", "metadata"),
        "provenance": asset(record_path(output), "application/json", "metadata"),
    }
    return assets


def class_values(legend: Legend) -> list[dict[str, Any]]:
    """Classes of the classification extension, whose names hold letters, digits, - and _ only, and differ."""
    names: list[str] = []
    for entry in legend.entries:
        name = re.sub("[^0-9A-Za-z_-]+", "_", entry.name).strip("_") or f"class_{entry.code}"
        while name in names:
            name += f"_{entry.code}"
        names.append(name)
    return [
        {
            "value": entry.code,
            "name": name,
            "title": printable(entry.name),
            "color_hint": entry.hex[1:].upper(),
        }
        for entry, name in zip(legend.entries, names, strict=True)
    ]
