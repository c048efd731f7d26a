"""Labels in a vector file or a GeoDataFrame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import check_name, read_features
from landcover_bdgf.storage import PathLike

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

LabelSource: TypeAlias = "PathLike | GeoDataFrame"

FRAME = "GeoDataFrame"


def source_name(source: LabelSource) -> PathLike:
    """The name of a source of labels for messages."""
    return source if isinstance(source, str | os.PathLike) else FRAME


def read_source(
    source: LabelSource, fields: Sequence[str], *, layer: str | None = None, encoding: str | None = None
) -> GeoDataFrame:
    """Some fields of all features, numbered from 0.

    ``layer`` and ``encoding`` are those of a file, as in :func:`~landcover_bdgf.geo.vector.read_features`.

    Raises
    ------
    LabelError
        If the file cannot be read, or features, geometry, CRS or fields are missing.
    """
    if isinstance(source, str | os.PathLike):
        return read_features(source, fields=fields, layer=layer, encoding=encoding)
    if getattr(source, "active_geometry_name", None) is None:
        raise LabelError(FRAME, "has no geometry", "Set it with set_geometry.")
    if not len(source):
        raise LabelError(FRAME, "has no features", "Check how it was filtered.")
    if source.crs is None:
        raise LabelError(FRAME, "has no CRS", 'Set it with set_crs("EPSG:…").')
    names = [name for name in source.columns if isinstance(name, str) and name != source.geometry.name]
    for name in fields:
        check_name(FRAME, "field", name, names)
    return source[[*fields, source.geometry.name]].reset_index(drop=True)
