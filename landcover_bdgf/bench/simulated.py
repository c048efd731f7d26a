"""Simulated scenes with known classes.

``thin`` is the scene of the demo, larger, and crossed by roads, hedges and streams.

``simulated`` has real class geometry, real spectra, and SAR with real speckle statistics. Its classes have the
locations of the labels of Augsburg (Hong et al. 2021); unlabelled pixels get the nearest class. Spectra are those of
the labelled pixels of EnMAP Potsdam. Some classes share their spectrum and differ only in backscatter, others share
their backscatter and differ only in their spectrum, to test how a method uses each sensor.

- reflectance: each parcel mixes two real spectra of its class, each pixel adds a third; neighbours mix by the sensor's
  point spread; illumination varies smoothly.
- intensity: a mean per signature, a standard deviation of 1 dB between parcels, gamma speckle of 4.5 looks with a
  correlation of neighbours of 0.65, as measured on 16,000 px of trees and fields of the Sentinel-1 image of Chile (4.1
  to 5.2 looks, 0.62 to 0.65).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from landcover_bdgf.bench.matlab import NOWHERE, read_matlab
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo import Grid, RasterProfile, open_raster, read_band
from landcover_bdgf.scene import (
    COVERS,
    draw_parcels,
    observed_reflectance,
    open_image,
    simulate,
    smooth_field,
    speckle,
    write_pixels,
    write_scene,
)

NAME = "simulated"
SEED = 0
THIN = "thin"
THIN_SHAPE_HW = (256, 256)
PIXEL_M = 30.0
EVERY = 8  # use every eighth band of EnMAP, as neighbouring bands are redundant
PARCEL_PX = 14
LOOKS = 4.5
SPREAD = (0.25, 0.5, 0.25)  # neighbours correlated by 0.67
NOISE = 0.004  # reflectance


@dataclass(frozen=True)
class Signature:
    """A class: keys of ``ENMAP_CODES`` and ``BACKSCATTER_DB``."""

    spectrum: str
    sar: str


ENMAP_CODES = {"roof": 1, "low vegetation": 3, "tree": 4, "soil": 5, "water": 6}
# VV, VH
BACKSCATTER_DB = {"volume": (-9.5, -15.5), "field": (-11.5, -18.5), "city": (-5.5, -13.0), "hall": (-3.0, -14.5),
                  "calm": (-19.0, -26.0)}  # fmt: skip
SIGNATURES = (
    Signature("tree", "volume"),  # forest
    Signature("roof", "city"),  # residential area
    Signature("roof", "hall"),  # industrial area: as residential, except for the SAR
    Signature("low vegetation", "field"),  # low plants
    Signature(
        "low vegetation", "volume"
    ),  # allotment: as low plants, except for the SAR, and as forest, except for the spectrum
    Signature(
        "soil", "city"
    ),  # commercial area: as residential, except for the spectrum (pavement is similar to roofs)
    Signature("water", "calm"),
)


def simulated_scene(data: Path | None, work: Path) -> tuple[Path, Path, NDArray[np.uint16]]:
    """Write the two images; returns their paths and the classes of all pixels (h, w), codes as in Augsburg.

    Raises
    ------
    SettingsError
        ``data`` does not contain the real labels and spectra.
    """
    names = ("augsburg_labels/TrainImage.mat", "augsburg_labels/TestImage.mat", "enmap_potsdam/enmap.tif")
    sources = [(data or Path()) / name for name in names]
    missing = [str(path) for path in sources if not path.is_file()]
    if missing:
        problem = f"needs `data` with the real labels and spectra; {missing[0]} does not exist"
        raise SettingsError(f"`dataset={NAME}`", problem)
    train, test = (read_matlab(path, path.stem) for path in sources[:2])
    classes = _filled(np.maximum(train, test).astype(np.int64))
    library, bands = _spectra(sources[2])
    rng = np.random.default_rng(SEED)
    count = classes.size // PARCEL_PX**2
    parcels = draw_parcels(classes.shape, count, rng)
    spectral, sar = (work / f"{NAME}_{sensor}.tif" for sensor in ("spectral", "sar"))
    _write(spectral, _reflectance(classes, parcels, count, library, rng), bands)
    _write(sar, _intensity(classes, parcels, count, rng), ("VV", "VH"))
    return spectral, sar, classes.astype(np.uint16)


@dataclass(frozen=True, eq=False)
class ThinScene:
    """Images, classes of all pixels and their names by code, and widths of streams on their centre lines (h, w)."""

    spectral: Path
    sar: Path
    classes: NDArray[np.uint16]
    names: dict[str, str]
    stream_px: NDArray[np.uint8]


def thin_scene(work: Path, *, seed: int = 0) -> ThinScene:
    """Write the images of a scene with thin objects."""
    scene = simulate(THIN_SHAPE_HW, seed=seed, thin=True)
    assert scene.stream_px is not None  # of a scene with thin objects
    folder = work / f"{THIN}_{seed}"
    folder.mkdir(exist_ok=True)
    files = write_scene(scene, folder, overwrite=True, seed=seed)
    names = {str(code): cover.name for code, cover in enumerate(COVERS, 1)}
    return ThinScene(files.spectral, files.sar, scene.classes.astype(np.uint16), names, scene.stream_px)


def simulated_sar(spectral: Path | list[Path], path: Path) -> Path:
    """A SAR image (VV, VH in dB) for a scene that has none, written to ``path``.

    Backscatter grows with the ranks of a pixel's brightness and spectral slope, times speckle of 4.5 looks, so it holds
    no information that the spectral image lacks. Labels are not used.
    """
    with open_image(spectral) as image:
        pixels, valid = image.read(next(image.grid.tiles(max(image.grid.shape_hw))))
    ranks = np.stack([_rank(pixels.mean(0)), _rank(pixels[-1] - pixels[0])])
    sigma0 = np.array([0.02, 0.005])[:, None, None] + np.array([0.2, 0.05])[:, None, None] * ranks
    db = 10 * np.log10(sigma0 * speckle(sigma0.shape, LOOKS, np.random.default_rng(0)))
    db[:, ~valid] = np.nan
    tags = {"SIMULATED": "from the spectral image, by formula"}
    profile = RasterProfile("float32", 2, nodata=np.nan, band_names=("VV", "VH"), overviews="average", tags=tags)
    write_pixels(path, image.grid, db.astype(np.float32), profile, overwrite=True)
    return path


def _rank(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank of each value, from 0 to 1, in the same shape."""
    return values.argsort(axis=None).argsort().reshape(values.shape) / values.size


def _filled(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels with the nearest class in unlabelled pixels."""
    return labels[tuple(distance_transform_edt(labels == 0, return_distances=False, return_indices=True))]


def _spectra(path: Path) -> tuple[dict[str, NDArray[np.float32]], tuple[str, ...]]:
    """Reflectance (n, bands) of the labelled pixels of each kind, and names of the bands."""
    with open_image(path) as image:
        pixels, valid = image.read(next(image.grid.tiles(max(image.grid.shape_hw))))
    with open_raster(path.with_name("labels.tif")) as dataset:
        codes = read_band(dataset)
    chosen = pixels[::EVERY] / 10_000
    names = tuple(f"{band.wavelength_nm:.0f} nm" for band in image.bands[::EVERY] if band.wavelength_nm)
    library = {kind: chosen[:, valid & (codes == code)].T.astype(np.float32) for kind, code in ENMAP_CODES.items()}
    return library, names


def _reflectance(
    classes: NDArray[np.int64], parcels: NDArray[np.int64], count: int, library: dict[str, NDArray[np.float32]],
    rng: np.random.Generator,
) -> NDArray[np.float32]:  # fmt: skip
    """(bands, h, w)."""
    bands = next(iter(library.values())).shape[1]
    pixels = np.empty((bands, *classes.shape), np.float32)
    for code, signature in enumerate(SIGNATURES, 1):
        real = library[signature.spectrum]
        first, second = real[rng.integers(len(real), size=(2, count))]
        share = rng.uniform(0.3, 0.7, (count, 1))
        of_parcel = share * first + (1 - share) * second
        here = classes == code
        own = real[rng.integers(len(real), size=int(here.sum()))]
        pixels[:, here] = (0.6 * of_parcel[parcels[here]] + 0.4 * own).T
    light = np.exp(0.12 * smooth_field(classes.shape, 20, rng))
    return observed_reflectance(pixels * light, 0.7, NOISE, rng).astype(np.float32)


def _intensity(
    classes: NDArray[np.int64], parcels: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(2, h, w), linear power."""
    of_class = np.array([BACKSCATTER_DB[signature.sar] for signature in SIGNATURES]).T  # (2, classes)
    db = of_class[:, classes - 1] + rng.normal(0, 1, (2, count))[:, parcels]
    sigma0 = gaussian_filter(10 ** (db / 10), (0, 0.5, 0.5))
    return (sigma0 * speckle(sigma0.shape, LOOKS, rng, SPREAD)).astype(np.float32)


def _write(path: Path, pixels: NDArray[np.float32], names: tuple[str, ...]) -> None:
    count, height, width = pixels.shape
    grid = Grid(NOWHERE, Affine(PIXEL_M, 0, 500_000, 0, -PIXEL_M, 5_000_000), (height, width))
    tags = {"SIMULATED": "class geometry of Augsburg, spectra of EnMAP Potsdam, SAR by formula"}
    profile = RasterProfile("float32", count, band_names=names, overviews="average", tags=tags)
    write_pixels(path, grid, pixels, profile, overwrite=True)  # older formulas may have made it
