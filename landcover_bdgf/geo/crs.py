"""Coordinate reference systems: names, equality, transformations and their accuracy."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyproj
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from landcover_bdgf.errors import RasterError, SettingsError


def crs_name(crs: CRS) -> str:
    """A short name of a CRS: its authority code, else the name in its WKT."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(pyproj_crs(crs.to_wkt()).name)


def recorded_crs(wkt: str) -> CRS:
    """The CRS of a WKT in an untrusted file; ValueError if it is not one."""
    if not isinstance(wkt, str):
        raise ValueError("its CRS is not text")
    crs = CRS.from_wkt(wkt)
    crs.to_wkt()  # GDAL can read some that it cannot write
    return crs


def same_crs(one: CRS, other: CRS) -> bool:
    """Whether two CRS are equivalent, regardless of notation and axis order."""
    if one == other:
        return True
    return bool(pyproj_crs(one.to_wkt()).equals(pyproj_crs(other.to_wkt()), ignore_axis_order=True))


def transformer(source: CRS, target: CRS) -> pyproj.Transformer:
    """The best transformation of (x, y), easting or longitude first; RasterError if there is none (local CRS)."""
    try:
        return _transformer(source.to_wkt(), target.to_wkt())
    except ProjError as error:
        raise RasterError(
            None,
            f"no transformation is known from {crs_name(source)} to {crs_name(target)}",
            "Reproject one of the images, or give the CRS that is meant.",
        ) from error


def known_crs(text: str | None, setting: str) -> CRS | None:
    """The CRS of a setting; SettingsError if it is unknown."""
    if text is None:
        return None
    try:
        return CRS.from_user_input(text)
    except (CRSError, ValueError) as error:
        raise SettingsError(
            f"`{setting}={text}`", "is not a known CRS", "Expected a code such as EPSG:32633."
        ) from error


@lru_cache(maxsize=32)
def _transformer(source_wkt: str, target_wkt: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(pyproj_crs(source_wkt), pyproj_crs(target_wkt), always_xy=True)


@lru_cache(maxsize=32)
def pyproj_crs(wkt: str) -> Any:
    """The CRS as pyproj object; cached, because creating it is slow."""
    return pyproj.CRS.from_wkt(wkt)
