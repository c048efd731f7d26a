"""A simulated scene: fields, forest, water and built area as both sensors would observe them.

Parcels are the Voronoi cells of random points. Each has a class, a leaf area index and a soil moisture, from which both
images are computed:

- reflectance: soil and leaves mixed by the Beer-Lambert law, with a leaf cover of 1 − exp(−k · LAI);
- backscatter: the water-cloud model (Attema and Ulaby 1978), vegetation above moist soil, with gamma-distributed
  texture in forest and built area, and gamma-distributed speckle of 4.4 looks (Sentinel-1 GRD).

Roads, hedges and streams may cross the parcels, as built area, trees and water. They are narrow, so many of their
pixels are mixed: reflectance and power are means of both covers, weighted by the share of each in the pixel, before the
point spread. A pixel has the class of a thin object if that fills half of it or more.

Parcels, smooth fields, the point spread of a sensor and speckle are functions that other simulated scenes use too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window
from scipy.ndimage import convolve1d, gaussian_filter
from scipy.spatial import cKDTree
from shapely.geometry import box

from landcover_bdgf.errors import OutputError
from landcover_bdgf.geo import Grid, RasterProfile, plain_name, undated, write_raster
from landcover_bdgf.scene.thin_objects import HALF, ThinObjects, draw_thin_objects
from landcover_bdgf.storage import atomic_output

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
#        blue   green  red    red edge ......  near infrared  short-wave
SOIL = (0.08, 0.11, 0.15, 0.18, 0.20, 0.22, 0.25, 0.26, 0.34, 0.30)
LEAF = (0.02, 0.05, 0.03, 0.09, 0.28, 0.36, 0.39, 0.41, 0.18, 0.08)
WATER = (0.05, 0.04, 0.02, 0.015, 0.01, 0.01, 0.008, 0.007, 0.004, 0.003)
ROOFS = (0.11, 0.12, 0.14, 0.15, 0.16, 0.17, 0.18, 0.19, 0.21, 0.20)
LOOKS = 4.4
EXTINCTION = 0.5  # k of the Beer-Lambert law
INCIDENCE = np.deg2rad(38.0)
NODATA = -9999
SIMULATED = {"SIMULATED": "by formula"}
LABEL_PX = 6
PARCEL_PX = 15


@dataclass(frozen=True)
class Cover:
    """A class: its share of parcels, range of leaf area, water-cloud coefficients (VV, VH), texture."""

    name: str
    share: float
    leaf_area: tuple[float, float]
    cloud: tuple[float, float]
    texture: float


COVERS = (
    Cover("water", 0.12, (0.0, 0.0), (0.0, 0.0), 0.0),
    Cover("trees", 0.22, (2.0, 6.0), (0.16, 0.055), 0.15),
    Cover("crops", 0.26, (0.2, 4.5), (0.14, 0.03), 0.0),
    Cover("grassland", 0.18, (0.6, 4.0), (0.025, 0.005), 0.0),  # leaves like crops, a smoother radar target
    Cover("bare soil", 0.10, (0.0, 0.8), (0.07, 0.012), 0.0),
    Cover("built area", 0.12, (0.0, 2.0), (0.0, 0.0), 0.6),
)


@dataclass(frozen=True)
class Scene:
    """Arrays on one grid: reflectance (B, h, w), intensity VV and VH (2, h, w), class from 1 and parcel (h, w).

    ``stream_px`` (h, w), of a scene with thin objects, is the width of a stream on its centre line, and 0 elsewhere and
    in water that is wider.
    """

    grid: Grid
    reflectance: NDArray[np.float64]
    intensity: NDArray[np.float64]
    classes: NDArray[np.int64]
    parcels: NDArray[np.int64]
    stream_px: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class _Surface:
    """What the sensors see: class from 0, leaf area index and soil moisture of each pixel (h, w)."""

    classes: NDArray[np.int64]
    leaf_area: NDArray[np.float64]
    moisture: NDArray[np.float64]


@dataclass(frozen=True)
class _Strips:
    """Thin objects above another surface, with random numbers of their own, so that they change no others."""

    surface: _Surface
    objects: ThinObjects
    rng: np.random.Generator


@dataclass(frozen=True)
class SceneFiles:
    """A written scene: spectral image, SAR in dB on its own grid, polygons with the field ``class``."""

    spectral: Path
    sar: Path
    labels: Path
    field: str = "class"


def simulate(shape_hw: tuple[int, int] = (160, 176), *, seed: int = 0, thin: bool = False) -> Scene:
    """Draw a random scene, with roads, hedges and streams if ``thin``; the same seed gives the same scene."""
    rng = np.random.default_rng(seed)
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 399_960, 0, -10, 5_800_020), shape_hw)
    count = max(len(COVERS) * 8, shape_hw[0] * shape_hw[1] // PARCEL_PX**2)
    parcels = draw_parcels(shape_hw, count, rng)
    cover_of = rng.choice(len(COVERS), count, p=[c.share for c in COVERS])
    cover_of[: len(COVERS) * 6] = np.arange(len(COVERS) * 6) % len(COVERS)  # at least six parcels of each class
    low, high = np.array([c.leaf_area for c in COVERS])[cover_of].T
    leaf_area = rng.uniform(low, high)[parcels] * np.exp(0.3 * smooth_field(shape_hw, 3, rng))
    moisture = np.clip(rng.uniform(0.08, 0.32, count)[parcels] + 0.03 * smooth_field(shape_hw, 8, rng), 0.03, 0.45)
    brightness = np.exp(0.2 * rng.standard_normal((len(BANDS), count)))[:, parcels]  # no two parcels are alike
    surface = _Surface(cover_of[parcels], leaf_area, moisture)
    strips = _strips(surface, np.random.default_rng((seed, 1))) if thin else None
    ground = _mixed(_reflectance, surface, strips, rng)
    reflectance = observed_reflectance(ground, 0.5, 0.006, rng) * gaussian_filter(brightness, (1, 0.5, 0.5))
    power = gaussian_filter(_mixed(_backscatter, surface, strips, rng), (0, 0.5, 0.5))
    scene = Scene(grid, reflectance, power * speckle(power.shape, LOOKS, rng), surface.classes + 1, parcels)
    return _crossed(scene, strips) if strips else scene


def draw_parcels(shape_hw: tuple[int, ...], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Index of the nearest of ``count`` random points, int64 (h, w)."""
    points = rng.uniform(0, shape_hw, (count, 2))
    return cKDTree(points).query(np.indices(shape_hw).reshape(2, -1).T)[1].reshape(shape_hw)


def smooth_field(shape_hw: tuple[int, ...], sigma_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random field (h, w) of unit variance."""
    field = gaussian_filter(rng.standard_normal(shape_hw), sigma_px, mode="wrap")
    return field / field.std()


def observed_reflectance(
    reflectance: NDArray[np.floating], sigma_px: float, noise: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Reflectance (B, h, w) blurred by a Gaussian point spread of ``sigma_px``, with additive noise."""
    blurred = gaussian_filter(reflectance, (0, sigma_px, sigma_px))
    return np.clip(blurred + noise * rng.standard_normal(blurred.shape), 1e-4, 1)


def speckle(
    shape: tuple[int, ...], looks: float, rng: np.random.Generator, spread: tuple[float, ...] = (1.0,)
) -> NDArray[np.float64]:
    """Gamma-distributed speckle (channels, h, w) with mean 1 and variance 1 / ``looks``.

    ``spread`` are the weights, with sum 1, of a filter along both axes, which correlates neighbouring pixels.
    """
    independent = looks * np.square(spread).sum() ** 2  # the filter multiplies the variance by Σ k² along each axis
    drawn = rng.gamma(independent, 1 / independent, shape)
    for axis in (1, 2):
        drawn = convolve1d(drawn, spread, axis=axis)
    return drawn


def _strips(below: _Surface, rng: np.random.Generator) -> _Strips:
    """Thin objects, each with a leaf area of its cover, on the soil of the parcels that they cross."""
    objects = draw_thin_objects(below.classes.shape, rng)
    of_object = np.array([[c.name for c in COVERS].index(cover) for cover in objects.covers])
    low, high = np.array([c.leaf_area for c in COVERS])[of_object].T
    leaf_area = rng.uniform(low, high)[objects.number]
    return _Strips(_Surface(of_object[objects.number], leaf_area, below.moisture), objects, rng)


def _mixed(
    compute: Callable[[_Surface, np.random.Generator], NDArray[np.float64]],
    surface: _Surface, strips: _Strips | None, rng: np.random.Generator,
) -> NDArray[np.float64]:  # fmt: skip
    """Values of a surface, mixed with those of thin objects above it by their share of each pixel."""
    values = compute(surface, rng)
    if strips is None:
        return values
    share = strips.objects.share
    return (1 - share) * values + share * compute(strips.surface, strips.rng)


def _crossed(scene: Scene, strips: _Strips) -> Scene:
    """The scene with the classes of thin objects, each a parcel of its own."""
    objects = strips.objects
    classes = np.where(objects.share >= HALF, strips.surface.classes + 1, scene.classes)
    parcels = np.where(objects.share > 0, scene.parcels.max() + 1 + objects.number, scene.parcels)
    stream_px = np.where(scene.classes == classes, np.uint8(0), objects.stream_px)
    return replace(scene, classes=classes, parcels=parcels, stream_px=stream_px)


def _reflectance(surface: _Surface, rng: np.random.Generator) -> NDArray[np.float64]:
    """Reflectance (B, h, w) before a sensor blurs it."""
    name = np.array([c.name for c in COVERS])[surface.classes]
    bare = np.where(name == "built area", 1.0, np.exp(-1.8 * surface.moisture))  # wet soil is darker
    ground = np.where(
        name == "water",
        np.array(WATER)[:, None, None],
        np.where(name == "built area", np.array(ROOFS)[:, None, None], np.array(SOIL)[:, None, None]) * bare,
    )
    covered = 1 - np.exp(-EXTINCTION * surface.leaf_area)
    shade = np.where(name == "trees", 0.8, 1.0) * np.exp(0.05 * smooth_field(name.shape, 2, rng))
    mixed = (ground * (1 - covered) + np.array(LEAF)[:, None, None] * covered) * shade
    roughness = np.where(name == "built area", 0.18, 0.03)
    return mixed * np.exp(roughness * rng.standard_normal(name.shape))


def _backscatter(surface: _Surface, rng: np.random.Generator) -> NDArray[np.float64]:
    """Power of VV and VH (2, h, w) before a sensor blurs it, without speckle."""
    name = np.array([c.name for c in COVERS])[surface.classes]
    texture = np.array([c.texture for c in COVERS])[surface.classes]
    bright = np.where(texture > 0, rng.gamma(1 / np.maximum(texture, 1e-3), np.maximum(texture, 1e-3)), 1.0)
    through = np.exp(-2 * 0.12 * surface.leaf_area / np.cos(INCIDENCE))  # two-way transmissivity
    channels = []
    for channel, (water, town, soil) in enumerate([(0.006, 0.45, 0.035), (0.0008, 0.07, 0.004)]):
        cloud = np.array([c.cloud[channel] for c in COVERS])[surface.classes]
        sigma0 = cloud * np.cos(INCIDENCE) * (1 - through) + soil * np.exp(4 * surface.moisture) * through
        sigma0 = np.where(name == "water", water, np.where(name == "built area", town, sigma0))
        channels.append(sigma0 * bright)
    return np.stack(channels)


def label_polygons(scene: Scene, *, seed: int = 0) -> gpd.GeoDataFrame:
    """Small squares, one per parcel and a dozen per class at most, as an analyst would draw them; field ``class``."""
    rng = np.random.default_rng(seed + 1)
    height, width = scene.grid.shape_hw
    corners = rng.permutation([(r, c) for r in range(1, height - LABEL_PX) for c in range(1, width - LABEL_PX)])
    rows, used, left = [], set(), dict.fromkeys(range(1, len(COVERS) + 1), 12)
    for row, col in corners:
        inside = scene.parcels[row - 1 : row + LABEL_PX + 1, col - 1 : col + LABEL_PX + 1]
        parcel, code = int(inside[0, 0]), int(scene.classes[row, col])
        if parcel not in used and left[code] > 0 and (inside == parcel).all():
            used.add(parcel)
            left[code] -= 1
            square = scene.grid.window_grid(Window(col, row, LABEL_PX, LABEL_PX))
            rows.append({"class": COVERS[code - 1].name, "geometry": box(*square.bounds)})
    return gpd.GeoDataFrame(rows, crs="EPSG:32633")


def write_scene(scene: Scene, folder: Path, *, overwrite: bool = False, seed: int = 0) -> SceneFiles:
    """Write a scene as users have it: reflectance × 10,000, SAR in dB on its own grid, polygons."""
    files = SceneFiles(folder / "msi.tif", folder / "sar_db.tif", folder / "labels.gpkg")
    digital = np.round(scene.reflectance * 10_000).astype(np.int16)
    digital[:, :12, -20:] = NODATA  # a corner outside the swath
    spectral = RasterProfile("int16", len(BANDS), NODATA, BANDS, overviews="average", tags=SIMULATED)
    write_pixels(files.spectral, scene.grid, digital, spectral, overwrite=overwrite)
    shifted = scene.grid.window_grid(Window(-3, 2, scene.grid.shape_hw[1], scene.grid.shape_hw[0]))
    moved = np.pad(scene.intensity, ((0, 0), (0, 2), (3, 0)), mode="reflect")[:, 2:, :-3]
    sar = RasterProfile("float32", 2, band_names=("VV", "VH"), overviews="average", tags=SIMULATED)
    write_pixels(files.sar, shifted, (10 * np.log10(moved)).astype(np.float32), sar, overwrite=overwrite)
    with atomic_output(files.labels, overwrite=overwrite) as temporary, undated():
        label_polygons(scene, seed=seed).to_file(plain_name(temporary, OutputError), driver="GPKG", layer="labels")
    return files


def write_pixels(
    path: Path, grid: Grid, pixels: NDArray[np.generic], profile: RasterProfile, *, overwrite: bool = False
) -> None:
    """Write pixels (bands, h, w) that are in memory."""
    height, width = grid.shape_hw
    write_raster(path, grid, [(Window(0, 0, width, height), pixels)], profile=profile, overwrite=overwrite)
