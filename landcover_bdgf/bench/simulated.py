"""A scene with known truth, simulated: real class geometry, real spectra, SAR with real speckle statistics.

Nothing in it is a measurement of one place. Classes lie where the labels of Augsburg (Hong et al. 2021) have them;
between them the nearest class goes on. Spectra are those of the labelled pixels of EnMAP Potsdam. Some classes have
one spectrum and differ only to the SAR, others have one backscatter and differ only spectrally: what a method makes of
each sensor can be *tested* there.

- reflectance: each parcel mixes two real spectra of its class, each pixel a third; neighbours mix by the sensor's
  point spread; light varies smoothly.
- intensity: a mean per signature, parcels 1 dB apart, gamma speckle of 4.5 looks whose neighbours are correlated by
  0.65, as measured on 16,000 px of trees and fields of the Sentinel-1 image of Chile (4.1 to 5.2 looks, 0.62 to 0.65).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from landcover_bdgf.bench.matlab import NOWHERE, PUBLISHED, read_matlab
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.geo import Grid, RasterProfile, open_raster, read_band
from landcover_bdgf.scene import draw_parcels, observed_reflectance, open_image, smooth_field, speckle, write_pixels

NAME = "simulated"
PIXEL_M = 30.0
EVERY = 8  # of the bands of EnMAP: what the others say more is little
PARCEL_PX = 14
LOOKS = 4.5
SPREAD = (0.25, 0.5, 0.25)  # neighbours correlated by 0.67
NOISE = 0.004  # reflectance


@dataclass(frozen=True)
class Signature:
    """A class: which labelled pixels of EnMAP its spectra come from, and its backscatter (VV, VH) in dB."""

    spectrum: str
    sar: str


ENMAP_CODES = {"roof": 1, "low vegetation": 3, "tree": 4, "soil": 5, "water": 6}
BACKSCATTER_DB = {"volume": (-9.5, -15.5), "field": (-11.5, -18.5), "city": (-5.5, -13.0), "hall": (-3.0, -14.5),
                  "calm": (-19.0, -26.0)}  # fmt: skip
SIGNATURES = (
    Signature("tree", "volume"),  # forest
    Signature("roof", "city"),  # residential area
    Signature("roof", "hall"),  # industrial area: residential but for the SAR
    Signature("low vegetation", "field"),  # low plants
    Signature("low vegetation", "volume"),  # allotment: low plants but for the SAR, forest but for the spectrum
    Signature("soil", "city"),  # commercial area: residential but for the spectrum (pavement is too much like roofs)
    Signature("water", "calm"),
)
# Codes of classes that only one sensor tells from another class.
ONLY_SAR, ONLY_SPECTRAL = (2, 3, 4, 5), (1, 2, 5, 6)


def simulated_scene(data: Path | None, work: Path, *, seed: int = 0) -> tuple[Path, Path, NDArray[np.uint16]]:
    """Write the two images; returns them and the classes of all pixels (h, w), codes as in Augsburg.

    Raises
    ------
    SettingsError
        The real labels and spectra are not in ``data``.
    """
    sources = [
        (data or Path()) / name
        for name in ("augsburg_labels/TrainImage.mat", "augsburg_labels/TestImage.mat", "enmap_potsdam/enmap.tif")
    ]
    missing = [str(path) for path in sources if not path.is_file()]
    if missing:
        raise SettingsError(
            f"`dataset={NAME}`", f"needs `data` with the real labels and spectra; there is no {missing[0]}"
        )
    train, test = (read_matlab(path, path.stem) for path in sources[:2])
    classes = _filled(np.maximum(train, test).astype(np.int64))
    library, names = _spectra(sources[2])
    rng = np.random.default_rng(seed)
    count = classes.size // PARCEL_PX**2
    parcels = draw_parcels(classes.shape, count, rng)
    spectral, sar = (work / f"{NAME}_{seed}_{sensor}.tif" for sensor in ("spectral", "sar"))
    _write(spectral, _reflectance(classes, parcels, count, library, rng), names)
    _write(sar, _intensity(classes, parcels, count, rng), ("VV", "VH"))
    return spectral, sar, classes.astype(np.uint16)


def simulated_sar(spectral: Path | list[Path], path: Path) -> Path:
    """A SAR image (VV, VH in dB) for a scene that has none, written to ``path``.

    Backscatter grows with the rank of a pixel's brightness and of the slope of its spectrum, times speckle of 4.5
    looks: it tells nothing that the spectral image does not tell better. Labels have no part in it.
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
    """From 0 to 1, in the same shape."""
    return values.argsort(axis=None).argsort().reshape(values.shape) / values.size


def class_names() -> dict[str, str]:
    """Code as text to name."""
    return {str(code): name for code, name in PUBLISHED["augsburg"].classes.items()}


def _filled(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """With the class of the nearest labelled pixel where there is none."""
    nearest = distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    filled: NDArray[np.int64] = labels[tuple(nearest)]
    return filled


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
    classes: NDArray[np.int64],
    parcels: NDArray[np.int64],
    count: int,
    library: dict[str, NDArray[np.float32]],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
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
    write_pixels(path, grid, pixels, profile, overwrite=True)  # an earlier version of the formulas may have made it
