"""The files that a map is written to, known before PyTorch is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from landcover_bdgf.labels import class_map_product
from landcover_bdgf.mapping.polygonizing import polygons_product
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.mapping.stac_item import stac_path
from landcover_bdgf.storage import Product


def part_path(output: Path, settings: MapSettings) -> Path:
    """The folder of finished windows: ``landcover.tif.partial``, or ``landcover.tif.2-of-4.partial`` for a shard."""
    number, count = settings.shard_of
    return Path(f"{output}.{f'{number}-of-{count}.' if count > 1 else ''}partial")


def map_product(output: Path, settings: MapSettings) -> Product:
    """A map and its companions; other runs may make other shards of it at the same time."""
    scratch, made = (part_path(output, settings),), class_map_product(output, settings.layers)
    companions = made.companions
    if settings.polygons:
        companions += polygons_product(settings.polygons).files
    if settings.stac:
        companions += (stac_path(output),)
    return replace(made, companions=companions, scratch=scratch, shared=settings.shard_of[1] > 1)
