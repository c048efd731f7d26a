"""The raster files that a source means; of a folder or a product as delivered, those that hold bands."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from rasterio.enums import ColorInterp

from landcover_bdgf.bands import (
    POLARISATIONS,
    band_word,
    is_auxiliary,
    is_product_file,
    names_light,
    natural_key,
)
from landcover_bdgf.errors import RasterError
from landcover_bdgf.gdal import typed_path
from landcover_bdgf.raster import PathLike, open_raster

log = logging.getLogger("landcover_bdgf")

RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".img", ".dat", ".bsq", ".bil", ".bip")
PICTURE = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)

Source = PathLike | Sequence[PathLike]


def raster_paths(source: Source) -> list[Path]:
    """The raster files that a source means; those of a folder in natural order of their names."""
    sources = [source] if isinstance(source, str | Path) or not isinstance(source, Sequence) else source
    paths: list[Path] = []
    for path in map(typed_path, sources):
        found = _rasters_of(path) if path.is_dir() else [path]
        if not found:
            raise RasterError(
                f"{path}: is a folder without rasters in it. Give a folder of {', '.join(RASTER_SUFFIXES)}."
            )
        paths += found
    if not paths:
        raise RasterError("no raster was given. Name a file, a folder, or several files.")
    return paths


def _rasters_of(folder: Path) -> list[Path]:
    """Rasters of a folder in natural order, without those beside its bands that hold none."""
    if any(folder.glob("GRANULE/*")) or any(folder.glob("IMG_DATA/*")):
        return _sentinel_2_bands(folder)
    rasters = [*_rasters_in(folder), *folder.glob("measurement/*.tif*")]  # the latter: Sentinel-1
    others = _beside_bands(rasters)
    if others:
        log.info("%s: left out what is no band: %s.", folder, ", ".join(sorted(path.name for path in others)))
    return sorted(set(rasters).difference(others), key=lambda path: natural_key(path.stem))


def _beside_bands(rasters: list[Path]) -> list[Path]:
    """Files without a band: by the rules of its product where names tell it, else known kinds beside files of bands."""
    if any(is_product_file(path.stem) for path in rasters):
        return [path for path in rasters if not band_word(path.stem)]
    named = [path for path in rasters if names_light(path.stem) and not is_auxiliary(path.stem)]
    bands = [path for path in named if _is_one_band(path)]
    if len(bands) < 2 and not any(band_word(path.stem) in POLARISATIONS for path in bands):
        return []
    rest = [path for path in rasters if path not in bands]
    return [path for path in rest if is_auxiliary(path.stem) or _is_picture(path)]


def _is_one_band(path: Path) -> bool:
    with open_raster(path) as dataset:
        return bool(dataset.count == 1)


def _is_picture(path: Path) -> bool:
    """Whether a file holds red, green and blue in 8 bits, to be looked at."""
    with open_raster(path) as dataset:
        return dataset.colorinterp[:3] == PICTURE and dataset.dtypes[0] == "uint8"


def _sentinel_2_bands(product: Path) -> list[Path]:
    """Each band of a .SAFE folder, or a granule in it, at its finest resolution; masks and pictures are left out."""
    granules = sorted(product.glob("GRANULE/*")) or [product]
    if len(granules) > 1:
        raise RasterError(f"{product}: holds {len(granules)} granules. Name one of them, such as {granules[0]}.")
    finest: dict[str, Path] = {}
    for path in sorted(granules[0].glob("IMG_DATA/**/*.jp2")):  # R10m before R20m before R60m
        if band := band_word(path.stem):
            finest.setdefault(band, path)
    return sorted(finest.values(), key=lambda path: natural_key(band_word(path.stem) or ""))


def _rasters_in(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        envi = path.with_suffix(".hdr").exists() or Path(f"{path}.hdr").exists()
        if path.suffix.lower() in RASTER_SUFFIXES[:4] or (envi and path.suffix.lower() in RASTER_SUFFIXES):
            yield path
