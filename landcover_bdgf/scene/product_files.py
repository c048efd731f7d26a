"""The raster files of a source; of a folder or a delivered product, those that hold bands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rasterio.enums import ColorInterp

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import open_raster
from landcover_bdgf.progress import log
from landcover_bdgf.scene.arrays import is_array
from landcover_bdgf.scene.auxiliary import is_auxiliary, is_picture_file, is_scene_classification
from landcover_bdgf.scene.bands import (
    POLARISATIONS,
    band_word,
    is_product_file,
    names_a_band,
    natural_key,
    undated,
    words_of,
)
from landcover_bdgf.scene.product_metadata import image_of_metadata
from landcover_bdgf.storage import PathLike, typed_path

if TYPE_CHECKING:
    from xarray import DataArray

METADATA = ("manifest.safe", "mtd_msil1c.xml", "mtd_msil2a.xml")  # of a product, beside its bands
WITH_HEADERS = (".dat", ".bsq", ".bil", ".bip")  # rasters only next to an ENVI header
RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".img", ".he5", *WITH_HEADERS)
MOST_CODES = 2  # bands of a file of classes or masks; an orthophoto has three
PICTURE = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


Source: TypeAlias = "PathLike | DataArray | Sequence[PathLike | DataArray]"


def arrays_and_paths(source: Source) -> tuple[list[DataArray], list[PathLike]]:
    """The DataArrays of a source, and its files and folders."""
    arrays: list[Any] = []
    paths: list[Any] = []
    for each in source if isinstance(source, Sequence) and not isinstance(source, str) else [source]:
        (arrays if is_array(each) else paths).append(each)
    return arrays, paths


def raster_paths(sources: Sequence[PathLike], *, wanted: Collection[str] | None = ()) -> list[Path]:
    """The raster files of files and folders; those of a folder in natural order.

    Without those that are no bands, except for bands named in ``wanted``; None for all.
    """
    paths: list[Path] = []
    given = list(map(_product_of, map(typed_path, sources)))
    masks = [] if wanted is None else _classifications(given)
    if masks:
        log.info("scene classifications are not bands, but masks: %s.", ", ".join(map(str, masks)))
    for path in (path for path in given if path not in masks):
        found = _rasters_of(path, wanted) if path.is_dir() else [path]
        if not found:
            raise _without_rasters(path)
        paths += found
    if not paths:
        raise RasterError(None, "no raster was given", "Pass a file, a folder, or several files.")
    return paths


def classification_file(sources: Sequence[PathLike]) -> Path | None:
    """The scene classification (SCL) of a product, a folder or a list of bands, with the smallest pixels."""
    given = list(map(_product_of, map(typed_path, sources)))
    if masks := _classifications(given):
        return min(masks, key=lambda path: natural_key(path.stem))
    for folder in filter(Path.is_dir, given):
        rasters = [*folder.glob("GRANULE/*/IMG_DATA/**/*.jp2"), *folder.glob("IMG_DATA/**/*.jp2"), *_rasters_in(folder)]
        found = [path for path in rasters if is_scene_classification(path.stem)]
        if found:
            return min(found, key=lambda path: natural_key(path.stem))  # ..._SCL_20m before ..._SCL_60m
    return None


def _classifications(files: Sequence[Path]) -> list[Path]:
    """Those of several files that are scene classifications by name; an image that is nothing else is an image."""
    found = [path for path in files if not path.is_dir() and is_scene_classification(path.stem)]
    return found if len(found) < len(files) else []


def _without_rasters(folder: Path) -> RasterError:
    if any((folder / name).exists() for name in (".zgroup", ".zattrs", "zarr.json")):
        remedy = "Write its bands as GeoTIFF, for example with xarray.open_zarr and rioxarray."
        return RasterError(folder, "is a Zarr store, which is not read", remedy)
    return RasterError(folder, "is a folder without rasters", f"Expected {', '.join(RASTER_SUFFIXES)} files.")


def _product_of(path: Path) -> Path:
    """The folder or image of a product that is named by its metadata: ``S1A_TC.dim`` has bands in ``S1A_TC.data``."""
    if (image := image_of_metadata(path)) is not None:
        return image
    data = path.with_suffix(".data") if path.suffix.lower() == ".dim" else path.parent
    return data if (path.suffix.lower() == ".dim" and data.is_dir()) or path.name.lower() in METADATA else path


def _rasters_of(folder: Path, wanted: Collection[str] | None) -> list[Path]:
    """Rasters of a folder in natural order; see :func:`raster_paths`."""
    if any(folder.glob("GRANULE/*")) or any(folder.glob("IMG_DATA/*")):
        return _sentinel_2_bands(folder)
    rasters = [*_rasters_in(folder), *folder.glob("measurement/*.tif*")]  # the latter: Sentinel-1
    others = [] if wanted is None else _auxiliary_files(rasters)
    others = [path for path in others if not {path.stem, undated(path.stem)} & set(wanted or ())]
    if others:
        log.info("%s: not read as bands: %s.", folder, ", ".join(sorted(path.name for path in others)))
    return sorted(set(rasters).difference(others), key=lambda path: natural_key(path.stem))


def _auxiliary_files(rasters: list[Path]) -> list[Path]:
    """Files without bands, and twins of bands."""
    corrected = any("_FRE_" in path.stem for path in rasters)  # Theia: reflectance without slopes, and with (SRE)
    twins = [path for path in rasters if corrected and "_SRE_" in path.stem]
    return [*twins, *_without_bands([path for path in rasters if path not in twins])]


def _without_bands(rasters: list[Path]) -> list[Path]:
    """Where some files name bands, those that name none; else known kinds of files."""
    if len(rasters) < 2:
        return []
    words = zip(rasters, words_of([path.stem for path in rasters]), strict=True)
    computed = {path for path, word in words if word is None and band_word(path.stem)}  # B8_tasselled beside B8
    naming = {path for path in rasters if path not in computed and _names_bands(path)}
    if _are_bands(naming):
        return [path for path in rasters if path not in naming]
    others = [path for path in rasters if is_auxiliary(path.stem)]
    rest = [path for path in rasters if path not in others]
    if len(rest) < 2:
        return others if rest else []
    counts = {path: _band_count(path) for path in rest}
    if max(counts.values()) > len(PICTURE):  # with only a near infrared, red, green and blue are bands too
        others += [path for path in rest if not counts[path]]
    images = [path for path in rest if path not in others]
    of_bytes = {path for path in images if _is_of_bytes(path)}
    if len(of_bytes) == len(images):
        return others
    return [*others, *(path for path in of_bytes if 0 < counts[path] <= MOST_CODES)]  # classes, masks


def _names_bands(path: Path) -> bool:
    """Whether a file names its band in its name, or bands in their descriptions."""
    if is_auxiliary(path.stem) or is_picture_file(path.stem):
        return False
    if names_a_band(path.stem):
        return True
    with open_raster(path) as dataset:
        words = {text for text in dataset.descriptions if text and names_a_band(text)}
    return len(words) > 1 or any(band_word(word) in POLARISATIONS for word in words)


def _are_bands(naming: set[Path]) -> bool:
    """Whether files that name bands are those of an image: a product, several bands, or a polarisation."""
    words = {band_word(path.stem) for path in naming}
    product = any(is_product_file(path.stem) and band_word(path.stem) for path in naming)
    described = any(not names_a_band(path.stem) for path in naming)
    return product or described or len(naming) > 1 or bool(words & set(POLARISATIONS))


def _band_count(path: Path) -> int:
    """The number of bands in a file; 0 for a picture, by its name or as 8-bit red, green and blue."""
    with open_raster(path) as dataset:
        picture = dataset.colorinterp[:3] == PICTURE and dataset.dtypes[0] == "uint8"
        return 0 if picture or is_picture_file(path.stem) else int(dataset.count)


def _is_of_bytes(path: Path) -> bool:
    with open_raster(path) as dataset:
        return set(dataset.dtypes) == {"uint8"}


def _sentinel_2_bands(product: Path) -> list[Path]:
    """Each band of a .SAFE folder or granule at its finest resolution, without masks and pictures."""
    granules = sorted(product.glob("GRANULE/*")) or [product]
    if len(granules) > 1:
        raise RasterError(product, f"holds {len(granules)} granules", f"Pass one of them, such as {granules[0]}.")
    finest: dict[str, Path] = {}
    for path in sorted(granules[0].glob("IMG_DATA/**/*.jp2")):  # R10m before R20m before R60m
        if band := band_word(path.stem):
            finest.setdefault(band, path)
    return sorted(finest.values(), key=lambda path: natural_key(band_word(path.stem) or ""))


def is_alone(path: Path) -> bool:
    """Whether a raster is the only one in its folder."""
    return path.is_file() and len(list(_rasters_in(path.parent))) == 1


def _rasters_in(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):  # written beside each file by macOS
            continue
        envi = path.with_suffix(".hdr").exists() or Path(f"{path}.hdr").exists()
        suffix = path.suffix.lower()
        if suffix in RASTER_SUFFIXES and (envi or suffix not in WITH_HEADERS):
            yield path
